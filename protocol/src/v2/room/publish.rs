//! Messages on their way out: runs, counters, sealing. Not here: what control messages say.

use alloc::vec;
use alloc::vec::Vec;

use super::unsent::Message;
use super::{Cx, Out, Room, records};
use crate::outbox::Outbox;
use crate::v2::body::{Run, Shared, Tickets, kind};
use crate::v2::crypto::Digest;
use crate::v2::message::{OVERHEAD, Said, sender_hint};
use crate::v2::original::{Kept, Original, PARCEL_OVERHEAD};
use crate::v2::wire::{MAX_LENGTH, Write};
use crate::{CommandError, Event, PublishOptions};

/// Counters are reserved in blocks of this size.
const BLOCK: u64 = 1_024;
/// The end of counters.
const LAST: u64 = (1 << 40) - 1;

/// Our counter of frames.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Counter {
    next: u64,
    /// Stored: whatever happens, nothing from here on was used.
    reserved: u64,
    /// Where we began after the last start.
    since: u64,
}

impl Counter {
    /// After a restart: what was reserved is skipped.
    pub(super) const fn resume(reserved: u64) -> Self {
        Self { next: reserved, reserved, since: reserved }
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn since(&self) -> u64 {
        self.since
    }

    pub(super) const fn reserved(&self) -> u64 {
        self.reserved
    }
}

/// A frame of ours that has not left yet.
struct Sealed {
    frame: Vec<u8>,
    counter: u64,
    step: u32,
    epoch: Digest,
    signature: [u8; 64],
}

impl Room {
    /// The next counter, stored before it is used.
    fn take_counter(&mut self, out: &mut Out<'_>) -> Option<u64> {
        let counter = self.counter.next;
        if counter >= LAST {
            return None;
        }
        if counter >= self.counter.reserved {
            self.counter.reserved = counter.saturating_add(BLOCK);
            out.outbox.store(vec![records::counter(self.counter.reserved)]);
        }
        self.counter.next = counter.saturating_add(1);
        Some(counter)
    }

    /// Goes on at a counter that others have not seen.
    pub(super) fn skip_to(&mut self, counter: u64, cx: &mut Cx<'_>) {
        self.counter.next = self.counter.next.max(counter.min(LAST));
        self.counter.reserved = self.counter.next.saturating_add(BLOCK);
        cx.store(vec![records::counter(self.counter.reserved)]);
    }

    /// Sends a body under the generation in use.
    pub(super) fn send(&mut self, kind: u8, body: &[u8], out: &mut Out<'_>) -> Option<u64> {
        let current = self.epochs.current()?.id;
        self.send_in(&current, kind, body, out)
    }

    /// Says anything.
    #[cfg(any(fuzzing, feature = "model"))]
    pub(in crate::v2) fn say(&mut self, kind: u8, body: &[u8], out: &mut Out<'_>) {
        self.send(kind, body, out);
    }

    /// Sends a body under one of the generations that are held.
    pub(super) fn send_in(
        &mut self,
        generation: &Digest,
        kind: u8,
        body: &[u8],
        out: &mut Out<'_>,
    ) -> Option<u64> {
        let sealed = self.seal_in(generation, kind, body, out)?;
        out.outbox.send(sealed.frame);
        Some(sealed.counter)
    }

    /// Signs and seals a body under one of the generations that are held.
    fn seal_in(
        &mut self,
        generation: &Digest,
        kind: u8,
        body: &[u8],
        out: &mut Out<'_>,
    ) -> Option<Sealed> {
        let counter = self.take_counter(out)?;
        let said = Said { incarnation: self.incarnation, counter, kind, body };
        let generation = self.epochs.get_mut(generation)?;
        let keys = &generation.present;
        let signature = said.sign(&self.topic, keys, out.identity);
        let frame = said.frame(&self.topic, keys, self.me, &signature)?;
        let (step, epoch) = (keys.step, keys.id);
        generation.sent = generation.sent.saturating_add(1);
        self.step_due |= generation.sent >= out.settings.timing.step_frames;
        Some(Sealed { frame, counter, step, epoch, signature })
    }

    /// How many bytes of body a frame is filled with.
    pub(super) fn room_in_frame(out: &Out<'_>) -> usize {
        out.frames.fill.saturating_sub(OVERHEAD)
    }

    /// How many bytes of body a frame can have.
    pub(super) fn largest_body(out: &Out<'_>) -> usize {
        out.frames.largest.saturating_sub(OVERHEAD)
    }

    /// Puts a message into the run that gathers; it leaves when the session is polled.
    pub(in crate::v2) fn publish(
        &mut self,
        body: &[u8],
        options: PublishOptions,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        if !self.joined {
            return Err(CommandError::NotReady);
        }
        let tickets = Tickets { receipts: options.ticket, sent: options.sent_ticket };
        let max = self.largest_message(&options, &cx.out());
        if body.len() > max {
            return Err(CommandError::TooLarge { len: body.len(), max });
        }
        let expiry = match options.expires_in_ms {
            Some(lifetime) => {
                let now = self.clock.upper_bound(cx).ok_or(CommandError::NoClock)?;
                Some(now.saturating_add(lifetime))
            }
            None => None,
        };
        if let Some(stranger) = options.by.iter().find(|id| !self.members.contains_key(id)) {
            return Err(CommandError::Unknown(*stranger));
        }
        let confirm = options.ticket.is_some();
        let shared = Shared { expiry, confirm, by: options.by };
        match cx.settings.outbox {
            Some(limits) if self.has_to_wait(confirm, limits) => {
                self.put_by(Message { shared, body: body.to_vec(), tickets }, limits, cx)
            }
            _ => self.gather(shared, body, tickets, &mut cx.out()),
        }
    }

    /// Bytes of the largest body that can be published so.
    fn largest_message(&self, options: &PublishOptions, out: &Out<'_>) -> usize {
        let mut max = Self::largest_body(out).min(MAX_LENGTH);
        if options.expires_in_ms.is_some() {
            max = max.saturating_sub(6);
        }
        if options.ticket.is_some() { max.min(self.largest_parcelled(out)) } else { max }
    }

    /// Bytes of the largest body that may have to be sealed to one member alone.
    fn largest_parcelled(&self, out: &Out<'_>) -> usize {
        let parcel = self.suite.overhead().saturating_add(PARCEL_OVERHEAD);
        Self::largest_body(out).saturating_sub(parcel)
    }

    pub(super) fn gather(
        &mut self,
        shared: Shared,
        body: &[u8],
        tickets: Tickets,
        out: &mut Out<'_>,
    ) -> Result<(), CommandError> {
        if self.run.as_ref().is_some_and(|run| !self.fits(run, &shared, body.len(), out)) {
            // Without a clean generation nothing leaves: this much waits, no more.
            if !self.is_clean() {
                return Err(CommandError::Waiting);
            }
            self.flush(out);
        }
        self.run.get_or_insert_with(|| Run::new(shared)).push(body, tickets);
        Ok(())
    }

    /// Whether one more message may share the frame.
    pub(super) fn fits(&self, run: &Run, shared: &Shared, len: usize, out: &Out<'_>) -> bool {
        let largest = if shared.confirm { self.largest_parcelled(out) } else { usize::MAX };
        run.shared == *shared && run.size_with(len) <= Self::room_in_frame(out).min(largest)
    }

    /// Whether a message can be published now, or has to wait for a clean generation.
    pub(in crate::v2) fn has_room(&self, fill: usize) -> bool {
        self.is_clean() || self.run.as_ref().is_none_or(|run| run.len() < fill / 2)
    }

    /// Seals what has gathered. What may have to be sent again is stored first.
    pub(in crate::v2) fn flush(&mut self, out: &mut Out<'_>) {
        if !self.is_clean() {
            return;
        }
        let Some(run) = self.run.take().filter(|run| !run.is_empty()) else { return };
        let (kind, body) = run.to_body();
        let Run { shared, tickets, sent, gone, .. } = run;
        let current = self.epochs.current().map(|current| current.id);
        let sealed = current.and_then(|generation| {
            Some((generation, self.seal_in(&generation, kind, &body, out)?))
        });
        let Some((generation, sealed)) = sealed else {
            // At the end of our counters.
            out.outbox.event(Event::Unconfirmed { tickets, by: Vec::new() });
            return;
        };
        let Sealed { frame, counter, step, epoch, signature } = sealed;
        let mut records = gone;
        let awaited = shared.confirm && self.someone_else(&shared.by);
        if awaited || out.settings.history.is_some() {
            let (sender, incarnation) = (self.me, self.incarnation);
            let original = Original { epoch, sender, incarnation, counter, kind, signature, body };
            let kept = Kept { generation, step, original };
            records.extend(self.remember(&kept, out.settings));
            if awaited {
                records.push(self.await_receipts(kept, tickets, &shared.by, out));
            }
        } else if shared.confirm {
            out.outbox.event(Event::Confirmed { tickets, by: None, missing: 0 });
        }
        if !records.is_empty() {
            out.outbox.store(records);
        }
        out.outbox.send(frame);
        if !sent.is_empty() {
            out.outbox.event(Event::Sent(sent));
        }
    }

    /// What is to be done before the caller is told that there is nothing to do. `true` where
    /// something was.
    pub(in crate::v2) fn settle(&mut self, out: &mut Out<'_>) -> bool {
        if self.run.is_some() && self.is_clean() {
            self.flush(out);
            return true;
        }
        let idle = self.dirty.is_empty() && self.deliveries.is_empty();
        let nothing_due = self.due_receipts.is_empty() && self.due_records.is_empty();
        if idle && nothing_due && self.acknowledged.is_empty() {
            return false;
        }
        if out.settings.order_ms.is_some() {
            self.release();
        }
        self.store_windows(out);
        for event in self.deliveries.drain(..) {
            out.outbox.event(event);
        }
        self.send_receipts(out);
        true
    }

    /// What was taken before we learned that we are out: no window outlives the room.
    pub(in crate::v2) fn last_deliveries(&mut self, outbox: &mut Outbox) {
        self.leave_all_lines();
        for event in self.deliveries.drain(..) {
            outbox.event(event);
        }
    }

    fn store_windows(&mut self, out: &mut Out<'_>) {
        let every = out.settings.frames_per_commit.max(1);
        let dirty = core::mem::take(&mut self.dirty);
        let mut due = core::mem::take(&mut self.due_records);
        due.extend(self.acknowledgements());
        due.extend(self.readers_records());
        for id in dirty {
            // What is confirmed has to be in a window that is stored.
            let hint = sender_hint(id);
            let confirms = self.due_receipts.iter().any(|(sender, _)| *sender == hint);
            let every = if confirms { 1 } else { every };
            let Some(member) = self.members.get_mut(&id) else { continue };
            if member.window.is_due(every) {
                due.push(records::window(id, member.incarnation, &member.window));
            }
        }
        if !due.is_empty() {
            out.outbox.store(due);
        }
    }

    /// Says hello, with what operations we hold: under every generation that somebody may be left
    /// in, since it is how both sides of a healed partition learn of each other.
    pub(super) fn hello(&mut self, reason: u8, cx: &mut Cx<'_>) {
        let mut body = Vec::with_capacity(202);
        body.u8(reason).u40(self.counter.since());
        self.summarize(&mut body);
        for generation in self.live_generations() {
            self.send_in(&generation, kind::HELLO, &body, &mut cx.out());
        }
    }
}
