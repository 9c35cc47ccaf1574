//! Messages that are kept until they are acknowledged: PROTOCOL §3.12. Not here: their bodies, which
//! are in the store and with the caller.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::receive::Taken;
use super::{Room, records};
use crate::v2::body::Messages;
use crate::v2::settings::InboxLimits;
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Event, MessageId, ParticipantId, Record};

/// The name of a frame: sender, incarnation, counter.
pub(super) type FrameId = (ParticipantId, u32, u64);

/// The frames whose messages are not all acknowledged.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Inbox {
    frames: BTreeMap<FrameId, Frame>,
    messages: usize,
    bytes: usize,
}

#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Frame {
    len: usize,
    messages: u32,
    acknowledged: BTreeSet<u32>,
}

impl Inbox {
    pub(super) fn has_room(&self, body: &[u8], limits: InboxLimits) -> bool {
        self.messages < limits.messages && self.bytes.saturating_add(body.len()) <= limits.bytes
    }

    fn insert(&mut self, id: FrameId, len: usize, messages: u32, acknowledged: BTreeSet<u32>) {
        self.messages = self.messages.saturating_add(usize::try_from(messages).unwrap_or(0));
        self.bytes = self.bytes.saturating_add(len);
        self.frames.insert(id, Frame { len, messages, acknowledged });
    }

    fn remove(&mut self, id: &FrameId) {
        if let Some(frame) = self.frames.remove(id) {
            let messages = usize::try_from(frame.messages).unwrap_or(0);
            self.messages = self.messages.saturating_sub(messages);
            self.bytes = self.bytes.saturating_sub(frame.len);
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &FrameId> {
        self.frames.keys()
    }
}

impl Room {
    /// Keeps a frame's messages, stored together with the window that includes it.
    pub(super) fn keep(&mut self, taken: &Taken, body: &[u8], messages: usize) {
        let id = (taken.from, taken.incarnation, taken.counter);
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.inbox.insert(id, body.len(), messages, BTreeSet::new());
        self.due_records.push(records::inbox(&id, taken.kind, body));
    }

    /// A message is dealt with. What is said of a frame is stored once for many.
    pub(in crate::v2) fn acknowledge(
        &mut self,
        from: ParticipantId,
        message: MessageId,
    ) -> Result<(), CommandError> {
        let id = (from, message.incarnation, message.counter);
        let frame = self.inbox.frames.get_mut(&id).ok_or(CommandError::NotInInbox)?;
        if message.place >= frame.messages || !frame.acknowledged.insert(message.place) {
            return Err(CommandError::NotInInbox);
        }
        let done = frame.acknowledged.len();
        if u32::try_from(done).is_ok_and(|done| done == frame.messages) {
            self.inbox.remove(&id);
            self.acknowledged.remove(&id);
            self.due_records.extend(records::inbox_gone(&id));
        } else {
            self.acknowledged.insert(id);
        }
        Ok(())
    }

    /// What was acknowledged of frames that have other messages.
    pub(super) fn acknowledgements(&mut self) -> Vec<Record> {
        let changed = core::mem::take(&mut self.acknowledged);
        let frame = |id| Some((id, &self.inbox.frames.get(&id)?.acknowledged));
        changed
            .into_iter()
            .filter_map(frame)
            .map(|(id, places)| {
                let mut bytes = Vec::new();
                for place in places {
                    bytes.u32(*place);
                }
                records::acknowledged(&id, &bytes)
            })
            .collect()
    }

    /// After a restart: what was not acknowledged comes again.
    pub(super) fn restore_inbox(
        &mut self,
        id: FrameId,
        kept: &[u8],
        acknowledged: &[u8],
        wall: Option<u64>,
    ) -> Option<()> {
        let (kind, body) = kept.split_first()?;
        let mut places = BTreeSet::new();
        let mut reader = Reader::new(acknowledged);
        while !reader.is_empty() {
            places.insert(reader.u32()?);
        }
        let messages = Messages::parse(*kind, body)?;
        let bodies: Vec<&[u8]> = messages.bodies.iter().collect();
        let (from, incarnation, counter) = id;
        match (messages.expiry, wall) {
            (Some(expiry), Some(now)) if now > expiry => {
                self.due_records.extend(records::inbox_gone(&id));
                self.deliveries.push(Event::Expired(from));
                return Some(());
            }
            (Some(_), None) => {
                // After the next start, perhaps.
                self.deliveries.push(Event::Unverifiable(from));
                return Some(());
            }
            _ => {}
        }
        for (place, body) in (0..).zip(&bodies).filter(|(place, _)| !places.contains(place)) {
            let id = Some(MessageId { incarnation, counter, place });
            let body = body.to_vec();
            self.deliveries.push(Event::Message { from, body, id, redelivered: true });
        }
        self.inbox.insert(id, body.len(), u32::try_from(bodies.len()).ok()?, places);
        Some(())
    }
}
