//! Messages on their way out: runs, counters, sealing. Not here: what control messages say.

use alloc::vec;
use alloc::vec::Vec;

use super::{Cx, Out, Room, records};
use crate::outbox::Outbox;
use crate::v2::body::{Run, Shared, kind};
use crate::v2::crypto::Digest;
use crate::v2::message::{OVERHEAD, Said, sender_hint};
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
        let counter = self.take_counter(out)?;
        let said = Said { incarnation: self.incarnation, counter, kind, body };
        let generation = self.epochs.get_mut(generation)?;
        let frame = said.seal(&self.topic, &generation.present, out.identity)?;
        generation.sent = generation.sent.saturating_add(1);
        self.step_due |= generation.sent >= out.settings.timing.step_frames;
        out.outbox.send(frame);
        Some(counter)
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
        let max = Self::largest_body(&cx.out()).min(MAX_LENGTH);
        let max = if options.expires_in_ms.is_some() { max.saturating_sub(6) } else { max };
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
        let shared = Shared { expiry, confirm: options.ticket.is_some() };
        self.gather(shared, body, options.ticket, &mut cx.out())
    }

    fn gather(
        &mut self,
        shared: Shared,
        body: &[u8],
        ticket: Option<u64>,
        out: &mut Out<'_>,
    ) -> Result<(), CommandError> {
        let max = Self::room_in_frame(out);
        let fits = |run: &Run| run.shared == shared && run.size_with(body.len()) <= max;
        if self.run.as_ref().is_some_and(|run| !fits(run)) {
            // Without a clean generation nothing leaves: this much waits, no more.
            if !self.is_clean() {
                return Err(CommandError::Waiting);
            }
            self.flush(out);
        }
        self.run.get_or_insert_with(|| Run::new(shared)).push(body, ticket);
        Ok(())
    }

    /// Whether a message can be published now, or has to wait for a clean generation.
    pub(in crate::v2) fn has_room(&self, fill: usize) -> bool {
        self.is_clean() || self.run.as_ref().is_none_or(|run| run.len() < fill / 2)
    }

    /// Seals what has gathered.
    pub(in crate::v2) fn flush(&mut self, out: &mut Out<'_>) {
        if !self.is_clean() {
            return;
        }
        let Some(run) = self.run.take().filter(|run| !run.is_empty()) else { return };
        let (kind, body) = run.to_body();
        let counter = self.send(kind, &body, out);
        if kind & kind::CONFIRM == 0 {
            return;
        }
        match counter {
            Some(counter) => self.await_receipts(counter, run.tickets, out),
            None => out.outbox.event(Event::Unconfirmed { tickets: run.tickets, by: Vec::new() }),
        }
    }

    /// What is to be done before the caller is told that there is nothing to do. `true` where
    /// something was.
    pub(in crate::v2) fn settle(&mut self, out: &mut Out<'_>) -> bool {
        if self.run.is_some() && self.is_clean() {
            self.flush(out);
            return true;
        }
        if self.dirty.is_empty() && self.deliveries.is_empty() {
            return false;
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
        for event in self.deliveries.drain(..) {
            outbox.event(event);
        }
    }

    fn store_windows(&mut self, out: &mut Out<'_>) {
        let every = out.settings.frames_per_commit.max(1);
        let dirty = core::mem::take(&mut self.dirty);
        let mut due = Vec::new();
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
