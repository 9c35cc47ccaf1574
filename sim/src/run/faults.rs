//! What each fault does. Not when it strikes.

use std::time::Duration;

use super::{Device, Event, Run};
use crate::machine::{Machines, Order};
use crate::run::attacker::Attack;
use crate::schedule::{DeviceId, Fault};
use crate::storage::Storage;

impl Run {
    pub(super) fn strike(&mut self, number: usize, machines: &mut impl Machines) {
        let Some(planned) = self.house.schedule.faults.get(number) else { return };
        let fault = planned.fault.clone();
        if let Some(tell) = self.house.tell {
            tell(self.now, usize::MAX, &fault);
        }
        self.trace.add(self.now, 4, number, fault.to_string().as_bytes());
        if self.bring_about(fault, machines) {
            self.report.faults += 1;
        }
    }

    /// Whether it could be.
    fn bring_about(&mut self, fault: Fault, machines: &mut impl Machines) -> bool {
        match fault {
            Fault::Crash { device, lasts } => self.crash(device, lasts, machines),
            Fault::Reboot { device } => self.reboot(device, machines),
            Fault::Wipe { device } => {
                self.kill(device, machines);
                self.put_out(device);
                true
            }
            Fault::RollBack { device, by } => self.roll_back(device, by, machines),
            Fault::Copy { device, lasts } => self.copy(device, lasts, machines),
            Fault::Drift { device, ppm } => {
                let now = self.now;
                self.with_clock(device, machines, |device| device.clock.drift(now, ppm))
            }
            Fault::Jump { device, seconds } => {
                self.with_clock(device, machines, |device| device.clock.jumped += seconds)
            }
            Fault::Partition { devices, lasts } => self.partition(&devices, lasts),
            Fault::Evict { device, by } => self.evict(device, by, machines),
            Fault::Appoint { device, by } => {
                let id = self.devices.get(&device).map(|device| device.identity.id());
                id.is_some_and(|id| self.order(by, Order::Appoint(id), machines))
            }
            Fault::Rotate { by } => self.order(by, Order::Rotate, machines),
            Fault::Admit { device, by } => self.invite(by, device, machines),
            Fault::Replay { room, frames } => self.begin(room, Attack::Replay(frames)),
            Fault::Forge { room, frames } => self.begin(room, Attack::Forge(frames)),
            Fault::Flood { room, frames } => self.begin(room, Attack::Flood(frames)),
        }
    }

    fn is_on(&self, device: DeviceId) -> bool {
        self.devices.get(&device).is_some_and(|known| known.on)
    }

    fn crash(&mut self, number: DeviceId, lasts: Duration, machines: &mut impl Machines) -> bool {
        if !self.is_on(number) {
            return false;
        }
        self.kill(number, machines);
        let life = self.devices.get(&number).map_or(0, |device| device.life);
        self.agenda.plan(self.now + lasts, Event::Start(number, life));
        true
    }

    fn reboot(&mut self, number: DeviceId, machines: &mut impl Machines) -> bool {
        let Some(device) = self.devices.get_mut(&number).filter(|device| device.on) else {
            return false;
        };
        device.restarts = true;
        device.on = false;
        device.inviting.clear();
        machines.stop(self.now, number);
        true
    }

    /// It is a member no more, as far as its owner knows.
    pub(super) fn put_out(&mut self, number: DeviceId) {
        if let Some(device) = self.devices.get_mut(&number) {
            device.out = true;
            device.applied.clear();
        }
    }

    fn roll_back(&mut self, number: DeviceId, by: Duration, machines: &mut impl Machines) -> bool {
        let Some(device) = self.devices.get_mut(&number).filter(|device| !device.out) else {
            return false;
        };
        let Some(to) = device.storage.roll_back(self.now, by) else { return false };
        device.tainted = true;
        device.applied.clear();
        self.checks.rolled_back(number, to);
        self.kill(number, machines);
        self.start(number, machines);
        true
    }

    fn copy(&mut self, number: DeviceId, lasts: Duration, machines: &mut impl Machines) -> bool {
        let Some(device) = self.devices.get_mut(&number).filter(|device| !device.out) else {
            return false;
        };
        device.tainted = true;
        let storage = Storage::with(&device.storage.records());
        let media = self.network.media_of(device.node).to_vec();
        let (room, identity, clock) = (device.room, device.identity.clone(), device.clock);
        let node = self.network.node(media);
        let mut copy = Device::new(room, node, identity, storage);
        copy.clock = clock;
        copy.tainted = true;
        copy.copy_of = Some(number);
        // Behind all devices that there are, or would be if there were more rooms than one.
        let beyond = self.house.rooms.saturating_mul(self.house.places());
        let last = self.devices.keys().next_back().copied().unwrap_or(0);
        let number = beyond.max(last + 1);
        self.nodes.insert(node, number);
        self.devices.insert(number, copy);
        self.agenda.plan(self.now + lasts, Event::Vanish(number));
        self.start(number, machines);
        if let Some(every) = self.house.every {
            let soon = self.dice.within(every / 4);
            self.agenda.plan(self.now + soon, Event::Speak(number));
        }
        true
    }

    fn with_clock(
        &mut self,
        number: DeviceId,
        machines: &mut impl Machines,
        change: impl FnOnce(&mut Device),
    ) -> bool {
        let Some(device) = self.devices.get_mut(&number) else { return false };
        change(device);
        machines.set_clock(self.now, number, device.clock);
        true
    }

    fn partition(&mut self, devices: &[DeviceId], lasts: Duration) -> bool {
        // A copy of a device is where the device is.
        let side = self
            .devices
            .iter()
            .filter(|(number, device)| devices.contains(&device.copy_of.unwrap_or(**number)));
        let cut = self.network.cut(side.map(|(_, device)| device.node).collect::<Vec<_>>());
        self.agenda.plan(self.now + lasts, Event::Heal(cut));
        true
    }

    fn evict(&mut self, number: DeviceId, by: DeviceId, machines: &mut impl Machines) -> bool {
        let Some(device) = self.devices.get(&number) else { return false };
        // With all that it holds, it must not read what those send who know that it is out.
        self.checks.watch_evicted(number, device);
        let id = device.identity.id();
        self.order(by, Order::Evict(id), machines)
    }

    /// Tells a keeper, or who may think that it is one, to do something. Whether it is on.
    pub(super) fn order(
        &mut self,
        by: DeviceId,
        order: Order,
        machines: &mut impl Machines,
    ) -> bool {
        let Some(keeper) = self.devices.get(&by).filter(|keeper| keeper.on) else { return false };
        if let Some(room) = self.rooms.get_mut(&keeper.room) {
            room.orders += 1;
        }
        machines.order(self.now, by, order);
        true
    }
}
