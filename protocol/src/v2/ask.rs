//! Asking to be let in, or to catch up: our side of PROTOCOL §3.13. Not here: letting others in.

use alloc::vec::Vec;

use super::crypto::{Digest, INTRODUCTION_HASH, hash};
use super::invitation::Invitation;
use super::joining::{
    Answer, Asking, Challenge, Claim, Exchange, Handover, Position, Reply, introduce, short,
    transcript, way,
};
use super::kem::{KemSecret, Suite};
use super::pin::{self, Pin};
use super::room::Cx;
use super::topic::TopicId;
use crate::key::SecretBytes;
use crate::{ParticipantId, PublicKey, Refusal};

/// Before the first repetition of an introduction.
const FIRST_INTERVAL: u64 = 2_000;
const LAST_INTERVAL: u64 = 60_000;
/// How often an answer to a challenge is sent.
const ANSWERS: u32 = 4;

/// By what right we ask.
pub(super) enum By<'a> {
    Fingerprint,
    Invitation(&'a Invitation),
    Pin(&'a Pin),
    CatchUp { topic: TopicId, generation: [u8; 8], position: Position, key: &'a SecretBytes },
}

/// One introduction of ours, and what belongs to it.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Ask {
    suite: Suite,
    way: u8,
    frame: Vec<u8>,
    introduction: Digest,
    kem: KemSecret,
    /// The topic, where we know it already.
    topic: Option<TopicId>,
    /// Whose reply is the right one, where we know already.
    admitter: Option<PublicKey>,
    /// What replies are sealed with besides the KEM key.
    secret: Option<SecretBytes>,
    exchange: Option<pin::Exchange>,
    answered: Option<Answered>,
    next: u64,
    interval: u64,
}

#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Answered {
    transcript: Digest,
    frame: Vec<u8>,
    sent: u32,
}

/// What becomes of an introduction in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Waits,
    /// Nobody took our answer: the PIN was wrong, or not meant for us.
    Over,
}

impl Ask {
    pub(super) fn begin(suite: Suite, topic_name: &str, by: &By<'_>, cx: &mut Cx<'_>) -> Self {
        let kem = KemSecret::generate(suite, cx.identity, cx.entropy);
        let public = kem.public();
        let mut nonce = [0; 16];
        cx.entropy.fill_bytes(&mut nonce);
        let asking = Asking { suite, topic_name, kem: &public, nonce, name: &cx.settings.name };
        let key = cx.identity.public_key();
        let (mut topic, mut admitter, mut secret, mut exchange) = (None, None, None, None);
        let (way, frame) = match by {
            By::Fingerprint => {
                (way::FINGERPRINT, introduce(&asking, &Claim::Fingerprint, cx.identity))
            }
            By::Invitation(invitation) => {
                (topic, admitter) = (Some(invitation.topic), Some(invitation.issuer));
                let key = invitation.key();
                let claim = Claim::Proof {
                    id: invitation.id(),
                    position: None,
                    topic: invitation.topic,
                    secret: &key,
                };
                let frame = introduce(&asking, &claim, cx.identity);
                secret = Some(key);
                (way::INVITATION, frame)
            }
            By::Pin(pin) => {
                let side = pin::Exchange::newcomer(pin, &key, cx.entropy);
                let frame = introduce(&asking, &Claim::Pin(&side.share), cx.identity);
                exchange = Some(side);
                (way::PIN, frame)
            }
            By::CatchUp { topic: known, generation, position, key } => {
                topic = Some(*known);
                let claim = Claim::Proof {
                    id: *generation,
                    position: Some(*position),
                    topic: *known,
                    secret: key,
                };
                secret = Some((*key).clone());
                (way::CATCH_UP, introduce(&asking, &claim, cx.identity))
            }
        };
        let introduction = hash(INTRODUCTION_HASH, &[&frame]);
        cx.outbox.send(frame.clone());
        let mut ask = Self {
            suite,
            way,
            frame,
            introduction,
            kem,
            topic,
            admitter,
            secret,
            exchange,
            answered: None,
            next: 0,
            interval: FIRST_INTERVAL,
        };
        ask.rest(cx);
        ask
    }

    pub(super) const fn deadline(&self) -> u64 {
        self.next
    }

    pub(super) const fn is_catch_up(&self) -> bool {
        self.way == way::CATCH_UP
    }

    /// Waits for a while, longer each time, and up to a quarter more at random, so that a house
    /// after a power cut does not speak all at once.
    fn rest(&mut self, cx: &mut Cx<'_>) {
        let jitter = cx.jitter(self.interval / 4);
        self.next = cx.now.saturating_add(self.interval).saturating_add(jitter);
        self.interval = self.interval.saturating_mul(2).min(LAST_INTERVAL);
    }

    /// Says it again.
    pub(super) fn repeat(&mut self, cx: &mut Cx<'_>) -> Patience {
        match &mut self.answered {
            Some(answered) if answered.sent >= ANSWERS => return Patience::Over,
            Some(answered) => {
                answered.sent = answered.sent.saturating_add(1);
                cx.outbox.send(answered.frame.clone());
            }
            None => cx.outbox.send(self.frame.clone()),
        }
        self.rest(cx);
        Patience::Waits
    }

    /// Answers a challenge to our introduction: the first that is signed. `is_member` says who may
    /// challenge a member that catches up.
    pub(super) fn take_challenge(
        &mut self,
        challenge: &Challenge<'_>,
        frame: &[u8],
        is_member: impl Fn(&PublicKey) -> bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if challenge.introduction != short(&self.introduction) || self.answered.is_some() {
            return Err(Refusal::Unasked);
        }
        let topic = match (self.way, &self.topic) {
            (way::PIN, _) if !pin::Exchange::is_keepers_share(challenge.share) => {
                return Err(Refusal::Malformed);
            }
            (way::PIN, _) => [0; 16],
            (way::CATCH_UP, _) if !challenge.share.is_empty() => return Err(Refusal::Malformed),
            (way::CATCH_UP, Some(topic)) if is_member(&challenge.key) => *topic.as_bytes(),
            _ => return Err(Refusal::Unasked),
        };
        if !challenge.is_signed(&self.introduction, &topic) {
            return Err(Refusal::BadSignature);
        }
        let transcript = transcript(&self.introduction, frame);
        let secret = match self.exchange.take() {
            Some(exchange) => exchange.finish(challenge.share).ok_or(Refusal::Malformed)?,
            None => self.secret.clone().ok_or(Refusal::Unasked)?,
        };
        let answer = Answer::build(challenge.key.id(), &transcript, &secret, cx.identity);
        cx.outbox.send(answer.clone());
        self.secret = Some(secret);
        self.admitter = Some(challenge.key);
        self.answered = Some(Answered { transcript, frame: answer, sent: 1 });
        self.interval = FIRST_INTERVAL;
        self.rest(cx);
        Ok(())
    }

    /// Whose challenge was answered.
    pub(super) fn challenger(&self) -> Option<ParticipantId> {
        self.answered.as_ref().and(self.admitter).map(|key| key.id())
    }

    /// Whether a reply is one to this introduction.
    pub(super) fn is_for(&self, reply: &Reply<'_>) -> bool {
        reply.introduction == short(&self.introduction)
    }

    /// Opens a reply: what is handed over, by whom, is checked as far as we know whom to expect.
    pub(super) fn open(&self, reply: &Reply<'_>, key: &PublicKey) -> Result<Handover, Refusal> {
        let x = match (self.way, &self.answered) {
            (_, Some(answered)) => &answered.transcript,
            // Whoever was in that generation could make one; who challenged us was a member.
            (way::CATCH_UP | way::PIN, None) => return Err(Refusal::Unasked),
            (_, None) => &self.introduction,
        };
        let public = self.kem.public();
        let exchange =
            Exchange { suite: self.suite, way: self.way, x, recipient: key, kem: &public };
        let psk = match (self.way, &self.secret) {
            (way::FINGERPRINT, _) => None,
            (_, Some(secret)) => Some(exchange.psk(secret)),
            (_, None) => return Err(Refusal::Unasked),
        };
        let opened = self.kem.open(reply.sealed, &exchange.info(), psk.as_ref());
        let handover = Handover::open(&opened.ok_or(Refusal::DecryptionFailed)?, &exchange)?;
        let topic = handover.founding.topic(self.suite);
        if self.topic.is_some_and(|expected| expected != topic)
            || self.admitter.is_some_and(|expected| expected != handover.admitter)
        {
            return Err(Refusal::UntrustedSender);
        }
        Ok(handover)
    }
}
