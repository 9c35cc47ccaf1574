//! Members that were away and want to catch up: PROTOCOL §3.13. Not here: our own catching up.

use super::{Asker, nonce, remember};
use crate::v2::crypto::{Digest, KEM_KEY, hash};
use crate::v2::joining::{Answer, Challenge, Introduction, Position, short, transcript};
use crate::v2::room::{Cx, Room};
use crate::{ParticipantId, Refusal};

/// Between two catch-ups of one member.
const CATCH_UP_INTERVAL: u64 = 10_000;

/// How long a member that asks is remembered.
const ASKER_MS: u64 = 10_000;
/// How long an exchange with it may take.
const EXCHANGE_MS: u64 = 2_000;

/// By this a KEM key that was answered is remembered.
fn name_of_key(introduction: &Introduction) -> Digest {
    hash(KEM_KEY, &[&introduction.kem])
}

impl Room {
    /// Whether we are anywhere that a member in this position can't get to by itself.
    pub(super) fn is_elsewhere(&self, theirs: Position) -> bool {
        self.position()
            .is_some_and(|ours| ours.generation != theirs.generation || ours.step > theirs.step)
    }

    /// Whether a member in this position is further than we are: perhaps it asks because it could
    /// not read us.
    pub(super) fn is_behind(&self, theirs: Position) -> bool {
        self.position()
            .is_some_and(|ours| ours.generation == theirs.generation && ours.step < theirs.step)
    }

    /// Whether a member is in a generation that we never heard of: perhaps it asks because it could
    /// not read us, who went back to an old state.
    pub(super) fn is_lost(&self, theirs: Position) -> bool {
        let told = theirs.generation != [0; 8];
        told && self.epochs.catch_up_key(&theirs.generation).is_none()
    }

    pub(super) fn meet_asker(
        &mut self,
        introduction: Introduction,
        generation: &[u8; 8],
        proof: &Digest,
        frame: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let id = introduction.key.id();
        let key = self.epochs.catch_up_key(generation).ok_or(Refusal::UnknownEpoch)?.clone();
        if !Introduction::proven(frame, proof, &self.topic, &key) {
            return Err(Refusal::BadProof);
        }
        if !self.members.contains_key(&id) {
            // It may not have heard that it was evicted.
            if self.admissions.proven.take(cx.now) {
                self.tell_evicted(id, cx);
            }
            return Err(Refusal::UntrustedSender);
        }
        let seen = [&name_of_key(&introduction), &introduction.hash];
        if seen.into_iter().any(|seen| self.admissions.answered.contains(seen)) {
            return Err(Refusal::Duplicate);
        }
        let recently = |(known, at): &(ParticipantId, u64)| {
            *known == id && at.saturating_add(CATCH_UP_INTERVAL) > cx.now
        };
        if self.admissions.last_answers.iter().any(recently) {
            return Err(Refusal::PoolFull);
        }
        let known = self.admissions.askers.get(&id);
        if known.is_some_and(|known| known.introduction.hash == introduction.hash) {
            return Err(Refusal::Duplicate);
        }
        // A replay of an older introduction does not push an exchange out that is under way.
        let fresh = cx.after(ASKER_MS.saturating_sub(EXCHANGE_MS));
        if known.is_some_and(|known| known.transcript.is_some() && known.until > fresh) {
            return Err(Refusal::PoolFull);
        }
        let full = self.admissions.askers.len() >= cx.settings.limits.introductions;
        if (known.is_none() && full) || !self.admissions.proven.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        if !introduction.is_signed(frame) {
            return Err(Refusal::BadSignature);
        }
        remember(&mut self.admissions.answered, introduction.hash);
        let delay = self.courtesy(cx);
        let asker = Asker {
            introduction,
            key,
            challenge_at: Some(cx.after(delay)),
            transcript: None,
            until: cx.after(ASKER_MS),
        };
        self.admissions.askers.insert(id, asker);
        Ok(())
    }

    /// Another member challenges a member that asks: one is enough.
    pub(in crate::v2) fn overhear(&mut self, challenge: &Challenge<'_>, cx: &Cx<'_>) {
        let by_member = self.has_member(&challenge.key);
        if let Some(asker) = self.admissions.askers.get_mut(&challenge.recipient)
            && short(&asker.introduction.hash) == challenge.introduction
            && asker.challenge_at.is_some()
            && by_member
            && self.admissions.proven.take(cx.now)
            && challenge.is_signed(&asker.introduction.hash, self.topic.as_bytes())
        {
            // Unless that one has nothing to say after all: then one after the other, while the
            // asker still listens.
            let [turn, ..] = *self.me.as_bytes();
            let delay = u64::from(turn).saturating_mul(3).saturating_add(800);
            asker.challenge_at = Some(cx.after(delay));
        }
    }

    /// A member has caught up, by whomever.
    pub(in crate::v2::room) fn forget_asker(&mut self, id: ParticipantId) {
        self.admissions.askers.remove(&id);
    }

    pub(super) fn answer_asker(
        &mut self,
        answer: &Answer<'_>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let asker = self.admissions.askers.get(&answer.sender).ok_or(Refusal::Unasked)?;
        let transcript = asker.transcript.ok_or(Refusal::Unasked)?;
        if !answer.confirms(&asker.key, &transcript) {
            return Err(Refusal::BadProof);
        }
        if !answer.is_signed(&asker.introduction.key, &transcript) {
            return Err(Refusal::BadSignature);
        }
        let asker = self.admissions.askers.remove(&answer.sender).ok_or(Refusal::Unasked)?;
        let member = self.members.get(&answer.sender).ok_or(Refusal::UntrustedSender)?;
        if !self.is_settled() {
            return Err(Refusal::NotAllowed);
        }
        let (incarnation, role) = (member.incarnation, member.role);
        remember(&mut self.admissions.answered, name_of_key(&asker.introduction));
        remember(&mut self.admissions.last_answers, (answer.sender, cx.now));
        // It may have been left out of this generation because it was no member yet when that
        // began: what was said until now is not for it.
        self.step(cx);
        self.reply(&asker.introduction, incarnation, role, &transcript, Some(&asker.key), cx)
            .ok_or(Refusal::NotAllowed)
    }

    pub(super) fn challenge_askers(&mut self, cx: &mut Cx<'_>) {
        for asker in self.admissions.askers.values_mut() {
            if asker.challenge_at.is_none_or(|at| at > cx.now) {
                continue;
            }
            asker.challenge_at = None;
            let nonce = nonce(cx);
            let challenge = Challenge::build(
                &asker.introduction,
                &nonce,
                &[],
                self.topic.as_bytes(),
                cx.identity,
            );
            asker.transcript = Some(transcript(&asker.introduction.hash, &challenge));
            cx.outbox.send(challenge);
        }
    }
}
