//! Those who wait at the door, on both its sides, in bounded pools. Not here: who decides.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::crypt::SharedKey;
use crate::{CommandError, Limits, ParticipantId, PublicKey, Refusal, TopicKey};

/// A reply is sent again to one newcomer at most this often, in milliseconds: less than a newcomer
/// waits before it asks again, so that only copies of one introduction go unanswered.
const RESEND_INTERVAL: u64 = 1_000;

/// Introductions: waiting for a decision, or decided a moment ago.
#[derive(Default)]
pub(super) struct Newcomers(BTreeMap<ParticipantId, Newcomer>);

/// One participant that introduced itself.
#[derive(Clone)]
pub(super) struct Newcomer {
    pub(super) key: PublicKey,
    pub(super) exchange: [u8; 32],
    pub(super) shared: SharedKey,
    verdict: Verdict,
    /// When the entry is forgotten.
    until: u64,
    /// When the next reply may be sent, once admitted.
    resend: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Waiting,
    /// Remembered because the reply may have been lost: the newcomer will ask again.
    Admitted,
    /// Remembered so that nobody is asked the same thing again and again.
    Denied,
}

impl Newcomers {
    /// What to do with an introduction of this key pair, before anything costly is done.
    pub(super) fn check(
        &self,
        id: ParticipantId,
        exchange: &[u8; 32],
        now: u64,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        if let Some(known) = self.0.get(&id) {
            return match known.verdict {
                Verdict::Denied => Err(Refusal::Denied),
                _ if known.exchange != *exchange => Ok(()),
                Verdict::Waiting => Err(Refusal::Duplicate),
                Verdict::Admitted if now < known.resend => Err(Refusal::Duplicate),
                Verdict::Admitted => Ok(()),
            };
        }
        let waiting = self.0.values().filter(|known| known.verdict == Verdict::Waiting).count();
        if waiting >= limits.introductions { Err(Refusal::PoolFull) } else { Ok(()) }
    }

    /// Adds a verified newcomer that [`check`](Self::check) let through; false if it waited
    /// already, with another exchange key, which this one replaces: it goes on waiting as long.
    pub(super) fn wait(
        &mut self,
        key: PublicKey,
        exchange: [u8; 32],
        shared: SharedKey,
        now: u64,
        limits: &Limits,
    ) -> bool {
        if let Some(known) = self.0.get_mut(&key.id())
            && known.verdict == Verdict::Waiting
        {
            known.exchange = exchange;
            known.shared = shared;
            return false;
        }
        if self.0.len() >= limits.introductions {
            self.drop_oldest_decided();
        }
        let until = now.saturating_add(limits.introduction_ms);
        let newcomer =
            Newcomer { key, exchange, shared, verdict: Verdict::Waiting, until, resend: 0 };
        self.0.insert(key.id(), newcomer);
        true
    }

    fn drop_oldest_decided(&mut self) {
        let decided = self.0.iter().filter(|(_, known)| known.verdict != Verdict::Waiting);
        if let Some(id) = decided.min_by_key(|(_, known)| known.until).map(|(id, _)| *id) {
            self.0.remove(&id);
        }
    }

    /// Where a newcomer was admitted a moment ago with this very exchange key: what to seal its
    /// reply with, once more.
    pub(super) fn resend(
        &mut self,
        id: ParticipantId,
        exchange: &[u8; 32],
        now: u64,
    ) -> Option<SharedKey> {
        let known = self
            .0
            .get_mut(&id)
            .filter(|known| known.verdict == Verdict::Admitted && known.exchange == *exchange)?;
        known.resend = now.saturating_add(RESEND_INTERVAL);
        Some(known.shared.clone())
    }

    pub(super) fn admit(
        &mut self,
        id: ParticipantId,
        now: u64,
        limits: &Limits,
    ) -> Result<Newcomer, CommandError> {
        self.decide(id, Verdict::Admitted, now, limits)
    }

    pub(super) fn deny(
        &mut self,
        id: ParticipantId,
        now: u64,
        limits: &Limits,
    ) -> Result<(), CommandError> {
        self.decide(id, Verdict::Denied, now, limits).map(drop)
    }

    /// Decides, and remembers that as long as the introduction itself could have waited.
    fn decide(
        &mut self,
        id: ParticipantId,
        verdict: Verdict,
        now: u64,
        limits: &Limits,
    ) -> Result<Newcomer, CommandError> {
        let known = self.0.get_mut(&id).filter(|known| known.verdict == Verdict::Waiting);
        let known = known.ok_or(CommandError::Unknown(id))?;
        known.verdict = verdict;
        known.until = now.saturating_add(limits.introduction_ms);
        known.resend = now.saturating_add(RESEND_INTERVAL);
        Ok(known.clone())
    }

    /// Forgets what is due, and gives those whom nobody decided about.
    pub(super) fn expire(&mut self, now: u64) -> Vec<ParticipantId> {
        let mut lapsed = Vec::new();
        self.0.retain(|id, known| {
            let due = known.until <= now;
            if due && known.verdict == Verdict::Waiting {
                lapsed.push(*id);
            }
            !due
        });
        lapsed
    }

    pub(super) fn forget(&mut self, id: ParticipantId) {
        self.0.remove(&id);
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.values().map(|known| known.until).min()
    }
}

/// Answers to our own introduction, until one is believed.
#[derive(Default)]
pub(super) struct Answers(BTreeMap<ParticipantId, Answer>);

/// Somebody's answer: unsigned, so the key says only in whose name it came.
pub(super) struct Answer {
    pub(super) key: PublicKey,
    pub(super) topic_key: TopicKey,
    /// Another topic key came in the same name.
    contested: bool,
    /// Turned down, and until when that is remembered, so that nobody is asked again and again.
    rejected: Option<u64>,
}

impl Answers {
    /// Keeps an answer that opened.
    pub(super) fn add(
        &mut self,
        key: PublicKey,
        topic_key: TopicKey,
        now: u64,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        self.0.retain(|_, known| known.rejected.is_none_or(|until| now < until));
        let waiting = self.0.values().filter(|known| known.rejected.is_none()).count();
        let full = waiting >= limits.answers;
        match self.0.get_mut(&key.id()) {
            Some(known) if known.topic_key == topic_key && known.rejected.is_some() => {
                Err(Refusal::Denied)
            }
            Some(known) if known.topic_key == topic_key => Err(Refusal::Unasked),
            // Another key than the one that was turned down is another question.
            Some(known) if known.rejected.is_some() => {
                *known = Answer { key, topic_key, contested: false, rejected: None };
                Ok(())
            }
            Some(known) => {
                known.contested = true;
                Ok(())
            }
            None if full => Err(Refusal::PoolFull),
            None => {
                if self.0.len() >= limits.answers {
                    self.drop_oldest_rejected();
                }
                self.0
                    .insert(key.id(), Answer { key, topic_key, contested: false, rejected: None });
                Ok(())
            }
        }
    }

    fn drop_oldest_rejected(&mut self) {
        let rejected = self.0.iter().filter_map(|(id, known)| Some((known.rejected?, *id)));
        if let Some((_, id)) = rejected.min() {
            self.0.remove(&id);
        }
    }

    pub(super) fn find(&self, id: ParticipantId) -> Result<&Answer, CommandError> {
        match self.0.get(&id) {
            None | Some(Answer { rejected: Some(_), .. }) => Err(CommandError::Unknown(id)),
            Some(answer) if answer.contested => Err(CommandError::Contested(id)),
            Some(answer) => Ok(answer),
        }
    }

    pub(super) fn reject(
        &mut self,
        id: ParticipantId,
        now: u64,
        limits: &Limits,
    ) -> Result<(), CommandError> {
        let waiting = self.0.get_mut(&id).filter(|answer| answer.rejected.is_none());
        let waiting = waiting.ok_or(CommandError::Unknown(id))?;
        waiting.rejected = Some(now.saturating_add(limits.introduction_ms));
        if waiting.contested {
            // Which of the keys was meant, nobody knows.
            self.0.remove(&id);
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
