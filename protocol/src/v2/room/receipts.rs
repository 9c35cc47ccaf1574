//! Receipts, given and awaited: PROTOCOL §3.12. Not here: sending again what nobody confirmed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Cx, Out, Room};
use crate::v2::body::kind;
use crate::v2::message::{SenderHint, sender_hint};
use crate::v2::wire::{Reader, Write};
use crate::{Event, ParticipantId};

/// Frames whose receipts are awaited at the same time.
const AWAITED: usize = 256;
/// Bytes of one entry of a receipt.
const RECEIPT: usize = 15;
/// How long receipts are awaited.
const PATIENCE: u64 = 600_000;

/// Frames that we asked receipts for, by counter.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Receipts {
    awaited: BTreeMap<u64, Awaited>,
}

#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Awaited {
    tickets: Vec<u64>,
    missing: BTreeSet<ParticipantId>,
    /// Known from the first timer on: sealing has no clock.
    until: Option<u64>,
}

impl Receipts {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.awaited.values().map(|awaited| awaited.until.unwrap_or(0)).min()
    }
}

impl Room {
    pub(super) fn await_receipts(&mut self, counter: u64, tickets: Vec<u64>, out: &mut Out<'_>) {
        let missing: BTreeSet<ParticipantId> =
            self.members.keys().copied().filter(|id| *id != self.me).collect();
        if missing.is_empty() {
            out.outbox.event(Event::Confirmed { tickets, by: None, missing: 0 });
            return;
        }
        if self.receipts.awaited.len() >= AWAITED
            && let Some((_, oldest)) = self.receipts.awaited.pop_first()
        {
            out.outbox.event(given_up(oldest));
        }
        self.receipts.awaited.insert(counter, Awaited { tickets, missing, until: None });
    }

    /// Confirms what was delivered; its windows are stored.
    pub(super) fn send_receipts(&mut self, out: &mut Out<'_>) {
        let due = core::mem::take(&mut self.due_receipts);
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
                self.confirm(counter, sender, cx);
            }
        }
        Some(())
    }

    fn confirm(&mut self, counter: u64, by: ParticipantId, cx: &mut Cx<'_>) {
        let Some(awaited) = self.receipts.awaited.get_mut(&counter) else { return };
        if !awaited.missing.remove(&by) {
            return;
        }
        let (tickets, missing) = (awaited.tickets.clone(), awaited.missing.len());
        cx.event(Event::Confirmed { tickets, by: Some(by), missing });
        if missing == 0 {
            self.receipts.awaited.remove(&counter);
        }
    }

    /// Somebody is no member any more: nobody waits for its receipts.
    pub(super) fn excuse(&mut self, id: ParticipantId, cx: &mut Cx<'_>) {
        let counters: Vec<u64> = self.receipts.awaited.keys().copied().collect();
        for counter in counters {
            self.confirm_absence(counter, id, cx);
        }
    }

    fn confirm_absence(&mut self, counter: u64, id: ParticipantId, cx: &mut Cx<'_>) {
        let Some(awaited) = self.receipts.awaited.get_mut(&counter) else { return };
        if awaited.missing.remove(&id) && awaited.missing.is_empty() {
            let tickets = awaited.tickets.clone();
            self.receipts.awaited.remove(&counter);
            cx.event(Event::Confirmed { tickets, by: None, missing: 0 });
        }
    }

    pub(super) fn receipt_timers(&mut self, cx: &mut Cx<'_>) {
        let until = cx.after(PATIENCE);
        let mut over = Vec::new();
        for (counter, awaited) in &mut self.receipts.awaited {
            if *awaited.until.get_or_insert(until) <= cx.now {
                over.push(*counter);
            }
        }
        for counter in over {
            if let Some(awaited) = self.receipts.awaited.remove(&counter) {
                cx.event(given_up(awaited));
            }
        }
    }
}

fn given_up(awaited: Awaited) -> Event {
    Event::Unconfirmed { tickets: awaited.tickets, by: awaited.missing.into_iter().collect() }
}
