//! The time of day, for messages that expire: PROTOCOL §3.11. Not here: timers.

use alloc::vec::Vec;

use super::{Cx, Room};
use crate::v2::body::kind;
use crate::v2::standing::Role;
use crate::v2::wire::{Reader, Write};
use crate::{Event, ParticipantId};

/// After this long an answer is no longer used, and another question is asked.
const STALE: u64 = 3_600_000;
/// Between two questions.
const QUESTION_INTERVAL: u64 = 10_000;

/// What a device without a clock knows of the time.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Clock {
    question: Option<Question>,
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Question {
    nonce: u64,
    asked: u64,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Answer {
    /// A keeper's time, in milliseconds since 1970 UTC…
    wall: u64,
    /// …when we had asked for it at this time of ours.
    asked: u64,
}

impl Clock {
    /// The latest that it can be, in milliseconds since 1970 UTC.
    pub(super) fn upper_bound(&self, cx: &Cx<'_>) -> Option<u64> {
        cx.wall.or_else(|| {
            let Answer { wall, asked } = self.answer?;
            let passed = cx.now.saturating_sub(asked);
            let drift = (passed / 1_000).saturating_add(1_000);
            (passed < STALE).then(|| wall.saturating_add(passed).saturating_add(drift))
        })
    }
}

impl Room {
    /// What to say instead of delivering a message that is good until `expiry`, if it is not.
    pub(super) fn weigh_expiry(
        &mut self,
        from: ParticipantId,
        expiry: u64,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        match self.clock.upper_bound(cx) {
            Some(now) if now <= expiry => None,
            Some(_) => Some(Event::Expired(from)),
            None => {
                self.ask_time(cx);
                Some(Event::Unverifiable(from))
            }
        }
    }

    /// Asks what time it is, if we don't know and have not just asked.
    pub(super) fn ask_time(&mut self, cx: &mut Cx<'_>) {
        let recently =
            |question: Question| question.asked.saturating_add(QUESTION_INTERVAL) > cx.now;
        if cx.wall.is_some() || self.clock.question.is_some_and(recently) {
            return;
        }
        let nonce = cx.entropy.next_u64();
        self.clock.question = Some(Question { nonce, asked: cx.now });
        self.send(kind::TIME_QUESTION, &nonce.to_be_bytes(), &mut cx.out());
    }

    pub(super) fn take_time_question(&mut self, body: &[u8], cx: &mut Cx<'_>) -> Option<()> {
        let nonce: [u8; 8] = body.try_into().ok()?;
        if let Some(wall) = cx.wall.filter(|_| self.is_keeper()) {
            let mut body = Vec::with_capacity(14);
            body.put(&nonce).u48(wall);
            self.send(kind::TIME_ANSWER, &body, &mut cx.out());
        }
        Some(())
    }

    pub(super) fn take_time_answer(&mut self, sender: ParticipantId, body: &[u8]) -> Option<()> {
        let mut reader = Reader::new(body);
        let (nonce, wall) = (reader.u64()?, reader.u48()?);
        reader.end()?;
        let keeper = self.members.get(&sender).is_some_and(|member| member.role == Role::Keeper);
        if let Some(question) = self.clock.question.filter(|ours| ours.nonce == nonce && keeper) {
            self.clock.question = None;
            self.clock.answer = Some(Answer { wall, asked: question.asked });
        }
        Some(())
    }
}
