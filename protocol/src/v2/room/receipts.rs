//! Receipts, given and awaited, and sending again what nobody confirmed: PROTOCOL §3.12. Not here:
//! messages that were never sent, which are [`unsent`](super::unsent).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Cx, Out, Room, records};
use crate::v2::body::kind;
use crate::v2::message::{SenderHint, sender_hint};
use crate::v2::original::Kept;
use crate::v2::settings::OutboxLimits;
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Event, ParticipantId, Record, Unconfirmed};

/// Frames whose receipts are awaited at the same time.
const AWAITED: usize = 256;
/// The same, with an outbox.
const AWAITED_LONG: usize = 1_024;
/// Bytes of one entry of a receipt.
const RECEIPT: usize = 15;
/// How long receipts are awaited, without an outbox.
const PATIENCE: u64 = 600_000;
/// Before a frame is sent again for the first time; twice as long each further time.
const FIRST_RESEND: u64 = 2_000;
const LAST_RESEND: u64 = 300_000;
/// Between two bursts of them.
const PAUSE: u64 = 100;
/// Frames that are sent again at once.
const BURST: usize = 16;
/// How often the same bytes are sent again, before they take turns with parcels.
const SAME_BYTES: u32 = 3;
/// Members that one frame is sealed to at once.
const PARCELS: usize = 8;

/// Frames that we asked receipts for, by counter.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Receipts {
    awaited: BTreeMap<u64, Awaited>,
    bytes: usize,
}

#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Awaited {
    pub(super) tickets: Vec<u64>,
    pub(super) missing: BTreeSet<ParticipantId>,
    pub(super) kept: Kept,
    tries: u32,
    /// When it is given up, and when it is sent again. Known from the first timer on: sealing has
    /// no clock.
    times: Option<(u64, u64)>,
}

impl Receipts {
    pub(super) fn deadline(&self, connected: bool) -> Option<u64> {
        let next = |awaited: &Awaited| match awaited.times {
            None => 0,
            Some((until, again)) if connected => until.min(again),
            Some((until, _)) => until,
        };
        self.awaited.values().map(next).min()
    }

    pub(super) fn is_full(&self, limits: Option<OutboxLimits>) -> bool {
        let most = if limits.is_some() { AWAITED_LONG } else { AWAITED };
        let bytes = limits.map_or(usize::MAX, |limits| limits.bytes);
        self.awaited.len() >= most || self.bytes >= bytes
    }

    pub(super) fn insert(
        &mut self,
        kept: Kept,
        tickets: Vec<u64>,
        missing: BTreeSet<ParticipantId>,
    ) {
        let counter = kept.original.counter;
        self.bytes = self.bytes.saturating_add(kept.original.body.len());
        self.awaited.insert(counter, Awaited { tickets, missing, kept, tries: 0, times: None });
    }

    fn remove(&mut self, counter: u64) -> Option<Awaited> {
        let awaited = self.awaited.remove(&counter)?;
        self.bytes = self.bytes.saturating_sub(awaited.kept.original.body.len());
        Some(awaited)
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = u64> {
        self.awaited.keys().copied()
    }

    pub(super) fn list(&self) -> impl Iterator<Item = Unconfirmed> {
        self.awaited.values().flat_map(|awaited| {
            let missing: Vec<_> = awaited.missing.iter().copied().collect();
            let tickets = awaited.tickets.iter();
            tickets
                .map(move |ticket| Unconfirmed { ticket: *ticket, missing: Some(missing.clone()) })
        })
    }
}

/// Waiting.
impl Room {
    /// What is not confirmed by all, sent or not.
    pub(in crate::v2) fn unconfirmed(&self) -> impl Iterator<Item = Unconfirmed> {
        self.unsent.list().chain(self.receipts.list())
    }

    /// Whether there is anybody whose receipt would be waited for.
    pub(super) fn someone_else(&self, by: &[ParticipantId]) -> bool {
        !self.waited_for(by).is_empty()
    }

    fn waited_for(&self, by: &[ParticipantId]) -> BTreeSet<ParticipantId> {
        let others = self.members.keys().copied().filter(|id| *id != self.me);
        others.filter(|id| by.is_empty() || by.contains(id)).collect()
    }

    /// Waits for receipts of a frame that leaves once the record is stored.
    pub(super) fn await_receipts(
        &mut self,
        kept: Kept,
        tickets: Vec<u64>,
        by: &[ParticipantId],
        out: &mut Out<'_>,
    ) -> Record {
        let full = self.receipts.is_full(out.settings.outbox);
        let oldest = self.receipts.counters().next().filter(|_| full);
        if let Some(oldest) = oldest {
            self.give_up(oldest, |event| out.outbox.event(event));
        }
        let missing = self.waited_for(by);
        let lives = missing.iter().filter_map(|id| Some((*id, self.members.get(id)?.incarnation)));
        let record = records::sent(&kept, &tickets, &lives.collect::<Vec<_>>());
        self.receipts.insert(kept, tickets, missing);
        record
    }

    fn give_up(&mut self, counter: u64, tell: impl FnOnce(Event)) {
        if let Some(Awaited { tickets, missing, .. }) = self.receipts.remove(counter) {
            self.due_records.push(records::sent_gone(counter));
            tell(Event::Unconfirmed { tickets, by: missing.into_iter().collect() });
        }
    }

    /// Somebody does not care for receipts any more.
    pub(in crate::v2) fn give_up_ticket(&mut self, ticket: u64) -> Result<(), CommandError> {
        if self.forget_ticket(ticket) {
            return Ok(());
        }
        let mut with = self.receipts.awaited.iter_mut();
        let found = with.find(|(_, awaited)| awaited.tickets.contains(&ticket));
        let Some((counter, awaited)) = found else { return Err(CommandError::Unsupported) };
        awaited.tickets.retain(|other| *other != ticket);
        let (counter, over) = (*counter, awaited.tickets.is_empty());
        if over {
            self.receipts.remove(counter);
            self.due_records.push(records::sent_gone(counter));
        }
        Ok(())
    }

    pub(super) fn take_receipt(
        &mut self,
        sender: ParticipantId,
        body: &[u8],
        cx: &mut Cx<'_>,
    ) -> Option<()> {
        // First whether it is whole.
        (body.len().checked_rem(RECEIPT) == Some(0)).then_some(())?;
        let mut reader = Reader::new(body);
        while !reader.is_empty() {
            let (hint, first, count) = (reader.array()?, reader.u40()?, reader.u16()?);
            if hint != sender_hint(self.me) {
                continue;
            }
            let end = first.saturating_add(count.into());
            let confirmed: Vec<u64> =
                self.receipts.awaited.range(first..end).map(|(c, _)| *c).collect();
            for counter in confirmed {
                self.settled(counter, sender, Some(sender), cx);
            }
        }
        Some(())
    }

    /// Somebody is no member any more: nobody waits for its receipts.
    pub(super) fn excuse(&mut self, id: ParticipantId, cx: &mut Cx<'_>) {
        let counters: Vec<u64> = self.receipts.counters().collect();
        for counter in counters {
            self.settled(counter, id, None, cx);
        }
    }

    /// Somebody is not missing any more.
    fn settled(
        &mut self,
        counter: u64,
        who: ParticipantId,
        by: Option<ParticipantId>,
        cx: &mut Cx<'_>,
    ) {
        let Some(awaited) = self.receipts.awaited.get_mut(&counter) else { return };
        if !awaited.missing.remove(&who) {
            return;
        }
        let (tickets, missing) = (awaited.tickets.clone(), awaited.missing.len());
        if missing == 0 {
            self.receipts.remove(counter);
            self.due_records.push(records::sent_gone(counter));
        }
        if by.is_some() || missing == 0 {
            cx.event(Event::Confirmed { tickets, by, missing });
        }
    }
}

/// Sending again.
impl Room {
    /// Somebody who was away is back: what it lacks goes soon.
    pub(super) fn is_back(&mut self, id: ParticipantId, without_keys: bool, cx: &mut Cx<'_>) {
        if !self.returns.take(cx.now) {
            return;
        }
        let soon = cx.after(200);
        for awaited in self.receipts.awaited.values_mut() {
            if awaited.missing.contains(&id)
                && let Some((_, again)) = &mut awaited.times
            {
                *again = soon.min(*again);
                awaited.tries = if without_keys { SAME_BYTES } else { 0 };
            }
        }
    }

    pub(super) fn receipt_timers(&mut self, cx: &mut Cx<'_>) {
        let age = cx.settings.outbox.map_or(PATIENCE, |outbox| outbox.age_ms);
        let (until, first, pause) = (cx.after(age), cx.after(FIRST_RESEND), cx.after(PAUSE));
        let (mut over, mut again) = (Vec::new(), Vec::new());
        for (counter, awaited) in &mut self.receipts.awaited {
            let (until, next) = *awaited.times.get_or_insert((until, first));
            if until <= cx.now {
                over.push(*counter);
            } else if next <= cx.now && self.connected {
                if again.len() < BURST {
                    again.push(*counter);
                } else {
                    awaited.times = Some((until, pause));
                }
            }
        }
        for counter in over {
            self.give_up(counter, |event| cx.event(event));
        }
        for counter in again {
            self.send_again(counter, cx);
        }
    }

    /// The same bytes while the others can read them; then to each that lacks it, alone.
    fn send_again(&mut self, counter: u64, cx: &mut Cx<'_>) {
        let Some(awaited) = self.receipts.awaited.get_mut(&counter) else { return };
        let wait = FIRST_RESEND.checked_shl(awaited.tries.saturating_add(1).min(16));
        let wait = wait.unwrap_or(LAST_RESEND).min(LAST_RESEND);
        let wait = wait.saturating_add(cx.jitter(wait / 4));
        let tries = awaited.tries;
        awaited.tries = tries.saturating_add(1);
        if let Some((_, again)) = &mut awaited.times {
            *again = cx.after(wait);
        }
        let kept = awaited.kept.clone();
        // A member whose KEM key is not known can get no parcel.
        let same_turn = tries < SAME_BYTES || tries.is_multiple_of(2);
        let same = self.same_frame(&kept).filter(|_| same_turn);
        let Some(awaited) = self.receipts.awaited.get(&counter) else { return };
        if let Some(frame) = same {
            cx.outbox.send(frame);
            return;
        }
        let turn = usize::try_from(tries).unwrap_or(0).saturating_mul(PARCELS);
        let start = turn.checked_rem(awaited.missing.len()).unwrap_or(0);
        let missing = awaited.missing.iter().chain(&awaited.missing).skip(start);
        let whom: BTreeSet<ParticipantId> = missing.take(PARCELS).copied().collect();
        for id in whom {
            self.send_parcel(id, &kept.original, cx);
        }
    }

    /// A message's own frame, while its epoch is held and was sealed to nobody who is out by now.
    pub(super) fn same_frame(&self, kept: &Kept) -> Option<Vec<u8>> {
        let generation = self.epochs.iter().find(|each| each.id == kept.generation)?;
        let clean = generation.recipe.evictions == self.evictions_hash;
        kept.frame(&self.topic, &self.epochs).filter(|_| clean)
    }
}

/// Giving.
impl Room {
    /// Confirms what was delivered; its windows are stored.
    pub(super) fn send_receipts(&mut self, out: &mut Out<'_>) {
        let mut due = core::mem::take(&mut self.due_receipts);
        due.sort_unstable();
        due.dedup();
        let each = Self::room_in_frame(out).checked_div(RECEIPT).unwrap_or(0).max(1);
        let mut runs: Vec<(SenderHint, u64, u16)> = Vec::new();
        for (sender, counter) in due {
            match runs.last_mut() {
                Some((last, first, count))
                    if *last == sender
                        && first.checked_add(u64::from(*count)) == Some(counter)
                        && *count < u16::MAX =>
                {
                    *count = count.saturating_add(1);
                }
                _ => runs.push((sender, counter, 1)),
            }
        }
        for runs in runs.chunks(each) {
            let mut body = Vec::with_capacity(runs.len().saturating_mul(RECEIPT));
            for (sender, first, count) in runs {
                body.put(sender).u40(*first).u16(*count);
            }
            self.send(kind::RECEIPT, &body, out);
        }
    }
}
