//! A house in motion: what is due is done, and what comes of it is carried on and checked. Without
//! IO or clock of its own. Not how a device works, which is a driver's business.

mod attacker;
mod begin;
mod device;
mod faults;
mod happenings;
#[cfg(test)]
mod peeking;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::agenda::Agenda;
use crate::checks::Checks;
use crate::dice::Dice;
use crate::house::House;
use crate::machine::{Machines, View};
use crate::net::{Arrival, CutId, MediumId, Network, NodeId};
use crate::report::{Failure, Reason, Report, Violation};
use crate::schedule::DeviceId;
use crate::sessions::Sessions;
use crate::trace::Trace;
use attacker::{Attack, Attacker};
pub(crate) use device::Device;

/// Before the end, everybody says something on perfect links, and has to be heard.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How often stores are looked at.
const AUDIT: Duration = Duration::from_secs(600);

pub(crate) struct Run {
    pub(crate) house: House,
    now: Duration,
    agenda: Agenda<Event>,
    network: Network,
    trace: Trace,
    dice: Dice,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    nodes: BTreeMap<NodeId, DeviceId>,
    rooms: BTreeMap<usize, Room>,
    checks: Checks,
    report: Report,
    violation: Option<Violation>,
}

pub(crate) struct Room {
    media: Vec<Vec<MediumId>>,
    attacker: Attacker,
    /// How often keepers were told to do something.
    orders: usize,
}

/// What is due at its time. Those of a device are void once it lives another life.
enum Event {
    Arrives(Arrival),
    Wake(DeviceId, u32),
    Speak(DeviceId),
    Invite {
        by: DeviceId,
        device: DeviceId,
    },
    Fault(usize),
    Start(DeviceId, u32),
    Vanish(DeviceId),
    Heal(CutId),
    Attack(usize, Attack),
    Audit,
    /// No more faults, and perfect links.
    Clear,
    LastWords,
    /// Nothing, so that the time passes until then.
    End,
}

impl Run {
    /// When the next event is due; `None` once the time is over.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        let over = self.violation.is_some();
        self.agenda.next_at().filter(|at| *at <= self.end() && !over)
    }

    pub(crate) fn end(&self) -> Duration {
        self.house.lasts + self.house.quiet
    }

    /// It is that late by now.
    #[cfg(feature = "actors")]
    pub(crate) fn pass(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Does what is due next.
    pub(crate) fn step(&mut self, machines: &mut impl Machines) {
        let Some((at, event)) = self.agenda.pop() else { return };
        self.now = self.now.max(at);
        self.report.events += 1;
        self.act(event, machines);
        self.take_happenings(machines);
    }

    fn act(&mut self, event: Event, machines: &mut impl Machines) {
        match event {
            Event::Arrives(arrival) => self.arrives(&arrival, machines),
            Event::Wake(device, life) => {
                if self.lives(device, life) {
                    machines.wake(self.now, device);
                }
            }
            Event::Speak(device) => self.speak_again(device, machines),
            Event::Invite { by, device } => {
                self.invite(by, device, machines);
            }
            Event::Fault(number) => self.strike(number, machines),
            Event::Start(device, life) => {
                if self.devices.get(&device).is_some_and(|known| !known.on && known.life == life) {
                    self.start(device, machines);
                }
            }
            Event::Vanish(device) => self.kill(device, machines),
            Event::Heal(cut) => self.network.heal(cut),
            Event::Attack(room, attack) => self.attack(room, attack),
            Event::Audit => {
                self.audit();
                self.agenda.plan(self.now + AUDIT, Event::Audit);
            }
            Event::Clear => self.clear(machines),
            Event::LastWords => self.last_words(machines),
            Event::End => {}
        }
    }

    fn lives(&self, device: DeviceId, life: u32) -> bool {
        self.devices.get(&device).is_some_and(|known| known.on && known.life == life)
    }

    fn arrives(&mut self, arrival: &Arrival, machines: &mut impl Machines) {
        let agenda = &mut self.agenda;
        let plan = |at, next| agenda.plan(at, Event::Arrives(next));
        let Some(node) = self.network.arrive(self.now, arrival, plan) else { return };
        let Some(device) = self.nodes.get(&node) else { return };
        if self.devices.get(device).is_some_and(|known| known.on) {
            self.trace.add(self.now, 1, *device, &arrival.frame);
            machines.hear(self.now, *device, arrival.frame.clone());
        }
    }

    fn send(&mut self, from: NodeId, frame: &Bytes) {
        let agenda = &mut self.agenda;
        self.network.send(self.now, from, frame, |at, arrival| {
            agenda.plan(at, Event::Arrives(arrival));
        });
    }

    /// From now on nothing goes wrong any more.
    fn clear(&mut self, machines: &mut impl Machines) {
        self.network.heal_all();
        for room in self.rooms.values() {
            for medium in room.media.iter().flatten() {
                self.network.change(*medium, crate::Link::perfect());
            }
        }
        let numbers: Vec<DeviceId> = self.devices.keys().copied().collect();
        for number in numbers {
            let Some(device) = self.devices.get(&number) else { continue };
            if device.copy_of.is_some() {
                self.kill(number, machines);
            } else if !device.on && !device.out {
                self.start(number, machines);
            }
        }
    }

    fn last_words(&mut self, machines: &mut impl Machines) {
        let numbers: Vec<DeviceId> = self.devices.keys().copied().collect();
        for number in numbers {
            self.checks.last_words(number, self.devices.get(&number));
            self.speak(number, None, machines);
            self.take_happenings(machines);
        }
    }

    fn audit(&mut self) {
        for (number, device) in &self.devices {
            let orders = self.rooms.get(&device.room).map_or(0, |room| room.orders);
            if let Err(reason) = self.checks.audit(device, self.house.places(), orders) {
                let at = self.now;
                self.violation.get_or_insert(Violation { at, device: *number, reason });
            }
        }
    }

    fn violated(&mut self, device: DeviceId, reason: Reason) {
        let at = self.now;
        self.violation.get_or_insert(Violation { at, device, reason });
    }

    /// Whether all came together, by what they believe at the end.
    pub(crate) fn judge(&mut self, views: &BTreeMap<DeviceId, View>) {
        if self.violation.is_some() {
            return;
        }
        self.audit();
        match self.checks.together(&self.devices, views) {
            Ok(together) => self.report.together = together,
            Err((device, reason)) => self.violated(device, reason),
        }
    }

    /// What came of it.
    pub(crate) fn conclude(mut self, views: BTreeMap<DeviceId, View>) -> Result<Report, Failure> {
        self.judge(&views);
        let trace = self.trace.hash();
        match self.violation {
            Some(violation) => Err(Failure { violation, trace, house: Box::new(self.house) }),
            None => {
                let spied = self.checks.spied();
                Ok(Report { trace, network: self.network.counts(), spied, ..self.report })
            }
        }
    }
}

/// Runs a house to its end, with bare sessions; tells what the devices believe then.
pub(crate) fn with_sessions(run: &mut Run) -> BTreeMap<DeviceId, View> {
    let mut sessions = Sessions::default();
    while run.next_at().is_some() {
        run.step(&mut sessions);
    }
    let view = |number: &DeviceId| Some((*number, sessions.view(*number)?));
    run.devices.keys().filter_map(view).collect()
}
