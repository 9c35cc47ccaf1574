//! What has to hold, all the time: each check in a module of its own. Not what is done about it.
//!
//! A further invariant, such as one about confirmed messages or inboxes, is a module beside these,
//! a field of [`Checks`], and a [`Reason`](crate::Reason).

mod delivery;
mod readers;
mod stores;
mod together;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use stringphone_protocol::{MessageId, ParticipantId};

use crate::machine::View;
use crate::report::Reason;
use crate::run::Device;
use crate::schedule::DeviceId;

use delivery::Deliveries;
pub(crate) use delivery::{body, number};
#[cfg(test)]
pub(crate) use readers::Reader;
use readers::Readers;
use wire::Wire;

type Devices = BTreeMap<DeviceId, Device>;

pub(crate) struct Checks {
    deliveries: Deliveries,
    readers: Readers,
    wire: Wire,
    last_words: BTreeMap<DeviceId, u64>,
}

impl Checks {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            deliveries: Deliveries::default(),
            readers: Readers::new(seed),
            wire: Wire::default(),
            last_words: BTreeMap::new(),
        }
    }

    /// A device was given a message.
    pub(crate) fn delivered(
        &mut self,
        now: Duration,
        to: DeviceId,
        from: ParticipantId,
        id: Option<MessageId>,
        body: &[u8],
        devices: &Devices,
    ) -> Result<(), Reason> {
        self.deliveries.take(now, to, from, id, body, devices)
    }

    /// Whether a device was given the message that has this body.
    pub(crate) fn has(&self, by: DeviceId, body: &[u8]) -> bool {
        self.deliveries.has_body(by, body)
    }

    /// Somebody says that it has stored messages of a device.
    pub(crate) fn confirmed(
        &self,
        sender: DeviceId,
        numbers: &[u64],
        by: ParticipantId,
        devices: &Devices,
    ) -> Result<(), Reason> {
        // A copy hears what the original said.
        if devices.get(&sender).is_none_or(|sender| sender.tainted) {
            return Ok(());
        }
        // Who lost its storage does not know any more what it was given.
        let known = devices.iter().filter(|(_, device)| !device.tainted);
        let mut known = known.filter(|(_, device)| device.identity.id() == by);
        let Some((by, _)) = known.next() else { return Ok(()) };
        let lacks = |number: &&u64| !self.deliveries.has(*by, sender, **number);
        match numbers.iter().find(lacks) {
            Some(number) => Err(Reason::ConfirmedInVain { by: *by, number: *number }),
            None => Ok(()),
        }
    }

    /// A device went back to what it had stored then: what came since may come again.
    pub(crate) fn rolled_back(&mut self, number: DeviceId, to: Duration) {
        self.deliveries.forget(number, to);
    }

    /// A device sent a frame.
    pub(crate) fn sent(&mut self, now: Duration, by: &Device, frame: &Bytes) -> Result<(), Reason> {
        self.wire.sealed(frame)?;
        self.readers.sent(now, by, frame)
    }

    /// Somebody may be answering an introduction with keys; so many frames were sent before.
    pub(crate) fn answered(&mut self, room: usize, frame: &[u8], heard: usize) {
        self.wire.answered(room, frame, heard);
    }

    /// A participant is about to be let in, again maybe.
    pub(crate) fn admitting(&mut self, room: usize, id: ParticipantId) {
        self.wire.admitting(room, id);
        self.readers.admitting(id);
    }

    /// How many frames had been sent when a participant was given keys.
    pub(crate) fn let_in(&mut self, room: usize, id: ParticipantId) -> Option<usize> {
        self.wire.let_in(room, id)
    }

    pub(crate) fn try_newcomer<'a>(
        &mut self,
        now: Duration,
        newcomer: &Device,
        before: impl Iterator<Item = &'a Bytes>,
    ) -> Result<(), Reason> {
        self.readers.try_newcomer(now, newcomer, before)
    }

    pub(crate) fn watch_evicted(&mut self, number: DeviceId, device: &Device) {
        self.readers.watch(number, device);
    }

    /// What a device says next, all others have to hear.
    pub(crate) fn last_words(&mut self, number: DeviceId, device: Option<&Device>) {
        self.last_words.insert(number, device.map_or(0, |device| device.said));
    }

    /// Of so many that may be members, after so many orders to keepers.
    pub(crate) fn audit(
        &self,
        device: &Device,
        places: usize,
        orders: usize,
    ) -> Result<(), Reason> {
        stores::audit(device, places, orders)
    }

    /// How many are together; otherwise who is not, and why.
    pub(crate) fn together(
        &self,
        devices: &Devices,
        views: &BTreeMap<DeviceId, View>,
    ) -> Result<u64, (DeviceId, Reason)> {
        let heard = |by: DeviceId, from: DeviceId| {
            let number = self.last_words.get(&from).copied().unwrap_or(0);
            self.deliveries.has(by, from, number)
        };
        together::judge(devices, views, heard)
    }

    /// Frames that were shown to who must not read them.
    pub(crate) fn spied(&self) -> u64 {
        self.readers.tried
    }
}
