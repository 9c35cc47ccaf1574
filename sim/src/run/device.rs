//! A device as its house knows it. Not its session.

use std::collections::BTreeSet;
use std::time::Duration;

use stringphone_protocol::v2::{Invitation, Suite, V2State};
use stringphone_protocol::{Identity, ParticipantId};

use super::{Event, Run};
use crate::clock::Clock;
use crate::machine::{Boot, Machines, Order, TOPIC};
use crate::net::NodeId;
use crate::schedule::DeviceId;
use crate::storage::Storage;

pub(crate) struct Device {
    pub(crate) room: usize,
    pub(crate) node: NodeId,
    pub(crate) identity: Identity,
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    /// One more with each start.
    pub(crate) life: u32,
    pub(crate) on: bool,
    /// It is no member, as far as its owner knows: it has not joined, was wiped, or put out.
    pub(crate) out: bool,
    /// Messages that it was told to publish.
    pub(crate) said: u64,
    /// Of which device this is a copy, which runs for a while.
    pub(crate) copy_of: Option<DeviceId>,
    /// Its state existed twice, or came back: its counters may be another's as well.
    pub(crate) tainted: bool,
    /// Whom it has applied the eviction of.
    pub(crate) applied: BTreeSet<ParticipantId>,
    invitation: Option<Invitation>,
    /// For whom it was asked to write invitations.
    pub(super) inviting: Vec<DeviceId>,
    /// When it stops in order, it starts again after that.
    pub(super) restarts: bool,
}

impl Device {
    pub(super) fn new(room: usize, node: NodeId, identity: Identity, storage: Storage) -> Self {
        Self {
            room,
            node,
            identity,
            storage,
            clock: Clock::default(),
            life: 0,
            on: false,
            out: true,
            said: 0,
            copy_of: None,
            tainted: false,
            applied: BTreeSet::new(),
            invitation: None,
            inviting: Vec::new(),
            restarts: false,
        }
    }
}

impl Run {
    pub(super) fn start(&mut self, number: DeviceId, machines: &mut impl Machines) {
        let Some(device) = self.devices.get_mut(&number) else { return };
        device.life += 1;
        device.on = true;
        device.restarts = false;
        device.storage.begin(device.life);
        device.clock.restart(self.now);
        let boot = Boot {
            life: device.life,
            seed: self.house.seed,
            identity: device.identity.clone(),
            storage: device.storage.clone(),
            clock: device.clock,
            settings: self.house.settings.clone(),
            invitation: device.invitation.clone(),
            #[cfg(test)]
            bug: self.house.bug,
        };
        self.trace.add(self.now, 2, number, &device.life.to_le_bytes());
        machines.start(self.now, number, boot);
    }

    /// Ends a device without warning.
    pub(super) fn kill(&mut self, number: DeviceId, machines: &mut impl Machines) {
        let Some(device) = self.devices.get_mut(&number) else { return };
        device.on = false;
        device.restarts = false;
        device.inviting.clear();
        // What it is storing at the moment comes too late.
        device.life += 1;
        device.storage.begin(device.life);
        self.trace.add(self.now, 3, number, &[]);
        machines.kill(number);
    }

    /// A keeper writes an invitation for a device, which then joins with empty storage.
    pub(super) fn invite(
        &mut self,
        by: DeviceId,
        device: DeviceId,
        machines: &mut impl Machines,
    ) -> bool {
        let same = |a: &Device, b: &Device| a.room == b.room;
        let (Some(keeper), Some(newcomer)) = (self.devices.get(&by), self.devices.get(&device))
        else {
            return false;
        };
        if by == device || !same(keeper, newcomer) || !keeper.on {
            return false;
        }
        if let Some(keeper) = self.devices.get_mut(&by) {
            keeper.inviting.push(device);
        }
        self.order(by, Order::Invite, machines)
    }

    /// The invitation is written: the device starts anew with it.
    pub(super) fn enter(
        &mut self,
        number: DeviceId,
        invitation: Invitation,
        machines: &mut impl Machines,
    ) {
        if self.devices.get(&number).is_none_or(|device| device.copy_of.is_some()) {
            return;
        }
        self.kill(number, machines);
        let Some(device) = self.devices.get_mut(&number) else { return };
        let state = V2State::join(TOPIC, &device.identity, Suite::X25519);
        device.storage.replace(state.records());
        device.invitation = Some(invitation);
        device.out = true;
        let id = device.identity.id();
        let room = device.room;
        for other in self.devices.values_mut().filter(|other| other.room == room) {
            other.applied.remove(&id);
        }
        self.checks.admitting(room, id);
        if let Some(device) = self.devices.get_mut(&number) {
            device.applied.clear();
        }
        self.start(number, machines);
    }

    pub(super) fn speak_again(&mut self, number: DeviceId, machines: &mut impl Machines) {
        let Some(every) = self.house.every else { return };
        self.agenda.plan(self.now + every, Event::Speak(number));
        // Some messages are good for a minute only.
        let said = self.devices.get(&number).map_or(0, |device| device.said);
        let expires = said.is_multiple_of(8).then_some(Duration::from_secs(60));
        self.speak(number, expires, machines);
    }

    pub(super) fn speak(
        &mut self,
        number: DeviceId,
        expires: Option<Duration>,
        machines: &mut impl Machines,
    ) {
        let Some(device) = self.devices.get_mut(&number).filter(|device| device.on) else { return };
        if device.out && device.copy_of.is_none() {
            return;
        }
        let body = crate::checks::body(number, device.said);
        device.said += 1;
        self.report.published += 1;
        machines.say(self.now, number, body, expires);
    }
}
