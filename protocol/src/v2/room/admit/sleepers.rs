//! Members that were away and want to catch up: PROTOCOL §3.13. Not here: our own catching up.

use super::{Asker, nonce, remember};
use crate::v2::crypto::Digest;
use crate::v2::joining::{Answer, Challenge, Introduction, Position, short, transcript};
use crate::v2::room::{Cx, Room};
use crate::{ParticipantId, Refusal};

/// Between two catch-ups of one member.
const CATCH_UP_INTERVAL: u64 = 10_000;

impl Room {
    /// Whether we are anywhere that a member in this position can't get to by itself.
    pub(super) fn is_elsewhere(&self, theirs: Position) -> bool {
        self.position()
            .is_some_and(|ours| ours.generation != theirs.generation || ours.step > theirs.step)
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
        if !self.members.contains_key(&id) {
            return Err(Refusal::UntrustedSender);
        }
        let key = self.epochs.catch_up_key(generation).ok_or(Refusal::UnknownEpoch)?.clone();
        if !Introduction::proven(frame, proof, &self.topic, &key) {
            return Err(Refusal::BadProof);
        }
        let kem = crate::v2::crypto::hash("stringphone/2 KEM key", &[&introduction.kem]);
        if self.admissions.answered.contains(&kem) {
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
        let full = self.admissions.askers.len() >= cx.settings.limits.introductions;
        if (known.is_none() && full) || !self.admissions.proven.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        if !introduction.is_signed(frame) {
            return Err(Refusal::BadSignature);
        }
        let delay = self.courtesy(cx);
        let asker = Asker {
            introduction,
            key,
            challenge_at: Some(cx.after(delay)),
            transcript: None,
            until: cx.after(10_000),
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
            asker.challenge_at = None;
        }
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
        if !self.is_clean() {
            return Err(Refusal::NotAllowed);
        }
        let (incarnation, role) = (member.incarnation, member.role);
        let kem = crate::v2::crypto::hash("stringphone/2 KEM key", &[&asker.introduction.kem]);
        remember(&mut self.admissions.answered, kem);
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
