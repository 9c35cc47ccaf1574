//! Catching up: when we ask, whom we believe, how often. Not here: what a frame of it says, which
//! is [`ask`](super::super::ask).

use super::{FIRST_GREETING, V2Session};
use crate::v2::ask::{Ask, By};
use crate::v2::joining::Handover;
use crate::v2::room::Cx;
use crate::{Event, Moment, ParticipantId, Refusal, Session};

/// Members that are shunned at the same time.
const SHUNNED: usize = 8;
/// Between catch-ups.
const LAST_CATCH_UP: u64 = 300_000;

impl V2Session {
    pub(super) fn catch_up(&mut self, moment: &mut Moment<'_>) {
        let Some(room) = &mut self.room else { return };
        // Perhaps it is the others who have not heard of an eviction.
        if !room.is_clean() {
            room.ask_for_operations(&cx!(self, moment));
        }
        let Some((generation, key)) = room.catch_up_key(self.attempts) else { return };
        let Some(position) = room.position() else { return };
        let by = By::CatchUp { topic: *room.topic(), generation, position, key: &key };
        if self.attempts == 0 {
            self.outbox.event(Event::Behind);
        }
        self.attempts = self.attempts.saturating_add(1);
        self.ask = Some(Ask::begin(self.suite, &self.topic_name, &by, &mut cx!(self, moment)));
    }

    /// An attempt that brought nothing: the next is made with another key.
    pub(super) fn give_up_asking(&mut self, now: u64) {
        match self.ask.take().and_then(|ask| ask.challenger()) {
            Some(silent) => self.shun(silent),
            None if self.shunned.is_empty() => {}
            // Whoever is left may be one that we shun: all may try again, with the same key.
            None => {
                self.shunned.clear();
                self.attempts = self.attempts.saturating_sub(1);
            }
        }
        self.catch_up_later(now);
    }

    pub(super) fn caught_up(
        &mut self,
        handover: Handover,
        moment: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        let Some(room) = &mut self.room else { return Err(Refusal::Unasked) };
        if !room.has_member(&handover.admitter) {
            return Err(Refusal::UntrustedSender);
        }
        self.ask = None;
        let giver = handover.admitter.id();
        let news = room.catch_up(handover, &mut cx!(self, moment));
        if news && room.is_clean() {
            self.catch_up_interval = FIRST_GREETING;
            self.attempts = 0;
        } else {
            // Others may be elsewhere, and know another of our generations.
            self.shun(giver);
            self.catch_up_later(moment.now);
        }
        Ok(())
    }

    fn catch_up_later(&mut self, now: u64) {
        let quiet = now.saturating_add(self.catch_up_interval);
        self.catch_up_interval = self.catch_up_interval.saturating_mul(2).min(LAST_CATCH_UP);
        if let Some(room) = &mut self.room {
            room.ask_later(self.attempts, quiet);
        }
    }

    /// Whose challenge came to nothing gets no other, for a while: it may want to keep us away.
    fn shun(&mut self, id: ParticipantId) {
        self.shunned.push(id);
        // Frames get lost as well: somebody is always left to ask.
        let others = self.participants().len();
        if self.shunned.len() >= others.min(SHUNNED) {
            self.shunned.clear();
        }
    }
}
