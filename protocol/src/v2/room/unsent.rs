//! Messages that can't be sent yet: PROTOCOL §3.12. Not here: those that were sent and are not
//! confirmed, which are [`receipts`](super::receipts).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use zeroize::Zeroize;

use super::{Cx, Room, records};
use crate::v2::body::{Run, Shared, Tickets};
use crate::v2::settings::{OutboxLimits, Overflow};
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Event, ParticipantId, Unconfirmed};

/// A message before it is sealed.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Message {
    pub(super) shared: Shared,
    pub(super) body: Vec<u8>,
    pub(super) tickets: Tickets,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

/// What waits, in the order in which it was published.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Unsent {
    /// With when it is given up.
    messages: BTreeMap<u64, (Message, u64)>,
    bytes: usize,
    next: u64,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn push(&mut self, message: Message, until: u64) -> u64 {
        let number = self.next;
        self.restore(number, message, until);
        number
    }

    pub(super) fn restore(&mut self, number: u64, message: Message, until: u64) {
        self.next = self.next.max(number.saturating_add(1));
        self.bytes = self.bytes.saturating_add(message.body.len());
        self.messages.insert(number, (message, until));
    }

    fn pop(&mut self) -> Option<(u64, Message)> {
        let (number, (message, _)) = self.messages.pop_first()?;
        self.bytes = self.bytes.saturating_sub(message.body.len());
        Some((number, message))
    }

    fn is_full(&self, more: usize, limits: OutboxLimits) -> bool {
        self.messages.len() >= limits.messages || self.bytes.saturating_add(more) > limits.bytes
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        // In their order, but for a restart, which begins all anew.
        self.messages.first_key_value().map(|(_, (_, until))| *until)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.messages.keys().copied()
    }

    pub(super) fn list(&self) -> impl Iterator<Item = Unconfirmed> {
        let tickets = self.messages.values().filter_map(|(message, _)| message.tickets.receipts);
        tickets.map(|ticket| Unconfirmed { ticket, missing: None })
    }
}

impl Room {
    /// Whether a message can't be sealed now, or others are before it.
    pub(super) fn has_to_wait(&self, confirm: bool, limits: OutboxLimits) -> bool {
        let patient = confirm && limits.overflow == Overflow::Refuse;
        !self.connected
            || !self.is_clean()
            || !self.unsent.is_empty()
            || (patient && self.receipts.is_full(Some(limits)))
    }

    /// Keeps a message until it can be sent.
    pub(super) fn put_by(
        &mut self,
        message: Message,
        limits: OutboxLimits,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        let (len, max) = (message.body.len(), limits.bytes);
        if len > max {
            return Err(CommandError::TooLarge { len, max });
        }
        while self.unsent.is_full(len, limits) {
            match limits.overflow {
                Overflow::DropOldest if !self.unsent.is_empty() => self.drop_oldest(cx),
                _ => return Err(CommandError::OutboxFull(self.unsent.messages.len())),
            }
        }
        let until = cx.after(limits.age_ms);
        let record = records::unsent(self.unsent.next, &message);
        self.due_records.push(record);
        self.unsent.push(message, until);
        Ok(())
    }

    fn drop_oldest(&mut self, cx: &mut Cx<'_>) {
        let Some((number, message)) = self.unsent.pop() else { return };
        self.due_records.push(records::unsent_gone(number));
        let Tickets { receipts, sent } = message.tickets;
        let tickets = receipts.into_iter().chain(sent).collect();
        cx.event(Event::Dropped { tickets, messages: 1 });
    }

    /// How many messages wait.
    pub(in crate::v2) fn unsent(&self) -> usize {
        self.unsent.messages.len()
    }

    /// Whether something waits that could be sealed now.
    pub(in crate::v2) fn waits(&self, limits: Option<OutboxLimits>) -> bool {
        let Some((first, _)) = self.unsent.messages.values().next() else { return false };
        let patient = limits.is_some_and(|limits| limits.overflow == Overflow::Refuse);
        let full = first.shared.confirm && patient && self.receipts.is_full(limits);
        self.connected && self.is_clean() && !full
    }

    /// Seals as much of what waits as fits into one frame.
    pub(in crate::v2) fn send_on(&mut self, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        if !self.waits(cx.settings.outbox) {
            return Err(CommandError::Waiting);
        }
        self.flush(&mut cx.out());
        while let Some((first, _)) = self.unsent.messages.values().next() {
            let (shared, len) = (&first.shared, first.body.len());
            if shared.expiry.is_some_and(|expiry| cx.wall.is_some_and(|now| now > expiry)) {
                self.drop_oldest(cx);
                continue;
            }
            if self.run.as_ref().is_some_and(|run| !self.fits(run, shared, len, &cx.out())) {
                break;
            }
            let Some((number, message)) = self.unsent.pop() else { break };
            let run = self.run.get_or_insert_with(|| Run::new(message.shared.clone()));
            run.push(&message.body, message.tickets);
            run.gone.push(records::unsent_gone(number));
        }
        self.flush(&mut cx.out());
        Ok(())
    }

    pub(super) fn unsent_timers(&mut self, cx: &mut Cx<'_>) {
        while self.unsent.deadline().is_some_and(|until| until <= cx.now) {
            self.drop_oldest(cx);
        }
    }

    /// Somebody does not care any more.
    pub(super) fn forget_ticket(&mut self, ticket: u64) -> bool {
        let of =
            |(_, (message, _)): &(&u64, &(Message, u64))| message.tickets.receipts == Some(ticket);
        let found = self.unsent.messages.iter().find(of).map(|(number, _)| *number);
        let Some(number) = found else { return false };
        if let Some((message, _)) = self.unsent.messages.remove(&number) {
            self.unsent.bytes = self.unsent.bytes.saturating_sub(message.body.len());
        }
        self.due_records.push(records::unsent_gone(number));
        true
    }
}

impl Message {
    /// As it is stored. Who waits to hear that it was sent is gone after a restart.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len().saturating_add(32));
        bytes.u8(self.shared.expiry.is_some().into()).u48(self.shared.expiry.unwrap_or(0));
        bytes.u8(self.tickets.receipts.is_some().into());
        bytes.u64(self.tickets.receipts.unwrap_or(0));
        bytes.u16(u16::try_from(self.shared.by.len()).unwrap_or(u16::MAX));
        for id in self.shared.by.iter().take(u16::MAX.into()) {
            bytes.put(id.as_bytes());
        }
        bytes.put(&self.body);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let expires = reader.u8()? != 0;
        let expiry = reader.u48().map(|expiry| expires.then_some(expiry))?;
        let confirm = reader.u8()? != 0;
        let ticket = reader.u64()?;
        let mut by = Vec::new();
        for _ in 0..reader.u16()? {
            by.push(ParticipantId::from_bytes(reader.array()?));
        }
        let tickets = Tickets { receipts: confirm.then_some(ticket), sent: None };
        Some(Self { shared: Shared { expiry, confirm, by }, body: reader.rest().to_vec(), tickets })
    }
}
