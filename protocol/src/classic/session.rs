//! The live Classic session: which frame and command does what. Not here: bytes and ciphers.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::ExchangeKey;
use super::crypt::{NONCE, SharedKey};
use super::frame::{Frame, Introduction, Message, OVERHEAD, Reply};
use super::joining::{Answers, Newcomers};
use super::recent::Recent;
use super::state::{self, ClassicState};
use crate::outbox::Outbox;
use crate::roster::{verifies, verifying_key};
use crate::{
    Command, CommandError, Event, Fingerprint, Identity, Input, Limits, Moment, Output,
    ParticipantId, PublicKey, Record, Refusal, Roster, Session, TopicKey,
};

/// A joiner introduces itself again after this many milliseconds, then twice as many, …
const FIRST_INTERVAL: u64 = 2_000;
/// … up to this many.
const LAST_INTERVAL: u64 = 60_000;
/// Under which name unverified frames are remembered: their senders are anybody's claim.
const UNVERIFIED: ParticipantId = ParticipantId::from_bytes([0; 16]);

/// How a session reads messages; the original's choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// Messages from untrusted senders are refused, and the refusal is told.
    #[default]
    Strict,
    /// Messages from untrusted senders are dropped as ordinary noise (`ignore_untrusted`).
    IgnoreUntrusted,
    /// Signatures are **not checked** (`naive`): anybody who holds the topic key can speak in
    /// anybody's name, and anybody at all can repeat a frame, as often and in whose name it likes.
    /// Messages come as [`Event::Unverified`], never as [`Event::Message`].
    DangerouslyUnverified,
}

/// Whose answer to our introduction gives us the topic key.
///
/// A Classic reply is not signed. `Pinned` and `Waived` trust whoever writes on the channel to
/// name itself truly; `Confirm` lets a person compare fingerprints first.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Admitter {
    /// Each answer waits for [`Command::Confirm`].
    #[default]
    Confirm,
    /// An answer in the name of one of these keys is taken at once; all others are refused.
    Pinned(Vec<Fingerprint>),
    /// The first answer is taken at once, whoever sent it.
    Waived,
}

/// What the owner of a Classic session chooses; not part of its lasting state.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How messages are read.
    pub reading: Reading,
    /// Who may hand us the topic key.
    pub admitter: Admitter,
    /// Bounds.
    pub limits: Limits,
}

/// One participant's side of a Classic topic. See [`Session`] for how it is driven, and the
/// crate's front page for an example.
pub struct ClassicSession {
    identity: Identity,
    exchange: ExchangeKey,
    exchange_public: [u8; 32],
    topic_key: Option<TopicKey>,
    roster: Roster,
    /// The largest frame that may be sent.
    max_frame: usize,
    settings: Settings,
    recent: Recent,
    newcomers: Newcomers,
    answers: Answers,
    introducing: Option<Introducing>,
    outbox: Outbox,
}

/// We ask for the topic key, again and again.
struct Introducing {
    next: u64,
    interval: u64,
}

impl ClassicSession {
    /// Opens a session on its lasting state. The state's records are the caller's to store first.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](crate::InvalidKey) where a participant of the state can't be trusted
    /// because nobody could sign with its key.
    pub fn open(
        identity: Identity,
        state: ClassicState,
        settings: Settings,
    ) -> Result<Self, crate::InvalidKey> {
        let mut roster = Roster::default();
        for key in state.participants {
            roster.insert(key)?;
        }
        Ok(Self {
            identity,
            exchange_public: state.exchange_key.public(),
            exchange: state.exchange_key,
            topic_key: state.topic_key,
            roster,
            max_frame: settings.limits.frame,
            settings,
            recent: Recent::default(),
            newcomers: Newcomers::default(),
            answers: Answers::default(),
            introducing: None,
            outbox: Outbox::default(),
        })
    }
}

impl ClassicSession {
    /// Who is trusted.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }
}

impl Session for ClassicSession {
    fn handle(&mut self, input: Input<'_>, moment: &mut Moment<'_>) -> Result<(), CommandError> {
        match input {
            Input::Frame(frame) => {
                if let Err(refusal) = self.receive(frame, moment) {
                    self.outbox.refuse(refusal);
                }
                Ok(())
            }
            Input::Timer => {
                self.expire(moment);
                Ok(())
            }
            Input::Stored => {
                self.outbox.stored();
                Ok(())
            }
            Input::Checked(checked) => self.handle(Input::Frame(checked.frame), moment),
            // Nothing waits for links, nor is sent again.
            Input::Connected(_) => Ok(()),
            Input::FrameLimit(limit) => {
                self.max_frame = limit.largest.min(self.settings.limits.frame);
                Ok(())
            }
            Input::Command(command) => self.command(command, moment),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outbox.poll()
    }

    fn deadline(&self) -> Option<u64> {
        let introduction = self.introducing.as_ref().map(|introducing| introducing.next);
        self.newcomers.deadline().into_iter().chain(introduction).min()
    }

    fn is_ready(&self) -> bool {
        self.topic_key.is_some()
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn participants(&self) -> Vec<PublicKey> {
        self.roster.iter().collect()
    }

    fn overhead(&self) -> usize {
        OVERHEAD
    }
}

/// Frames.
impl ClassicSession {
    fn receive(&mut self, frame: &[u8], moment: &mut Moment<'_>) -> Result<(), Refusal> {
        if frame.len() > self.settings.limits.frame {
            return Err(Refusal::TooLarge);
        }
        match Frame::parse(frame)? {
            Frame::Message(message) => self.read(&message),
            Frame::Introduction(introduction) => self.meet(&introduction, moment),
            Frame::Reply(reply) => self.weigh(&reply, moment.now),
        }
    }

    fn read(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        if message.sender == self.identity.id() {
            return Err(Refusal::Own);
        }
        let unverified = self.settings.reading == Reading::DangerouslyUnverified;
        let remembered_as = if unverified { UNVERIFIED } else { message.sender };
        if self.recent.contains(remembered_as, message.signature) {
            return Err(Refusal::Duplicate);
        }
        if !unverified {
            self.verify(message)?;
        }
        let topic_key = self.topic_key.as_ref().ok_or(Refusal::NoTopicKey)?;
        let body = topic_key.open(message.nonce, message.boxed).ok_or(Refusal::DecryptionFailed)?;
        // Verified and opened: only now may the frame leave a trace.
        self.recent.remember(remembered_as, message.signature, self.settings.limits.recent_frames);
        self.outbox.event(if unverified {
            Event::Unverified { claimed: message.sender, body }
        } else {
            Event::Message { from: message.sender, body, id: None, redelivered: false }
        });
        Ok(())
    }

    fn verify(&self, message: &Message<'_>) -> Result<(), Refusal> {
        let Some(key) = self.roster.find(message.sender) else {
            return Err(match self.settings.reading {
                Reading::IgnoreUntrusted => Refusal::Ignored,
                _ => Refusal::UntrustedSender,
            });
        };
        if verifies(key, message.signed, message.signature) {
            Ok(())
        } else {
            Err(Refusal::BadSignature)
        }
    }

    /// A newcomer introduces itself.
    fn meet(
        &mut self,
        introduction: &Introduction,
        moment: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        let id = introduction.key.id();
        if id == self.identity.id() {
            return Err(Refusal::Own);
        }
        if self.topic_key.is_none() {
            return Err(Refusal::NoTopicKey);
        }
        let limits = self.settings.limits;
        self.newcomers.check(id, &introduction.exchange, moment.now, &limits)?;
        let key = verifying_key(&introduction.key).map_err(|_| Refusal::BadSignature)?;
        if !verifies(&key, &introduction.exchange, &introduction.signature) {
            return Err(Refusal::BadSignature);
        }
        let admitted = self.newcomers.resend(id, &introduction.exchange, moment.now);
        if let Some(shared) = admitted {
            self.reply(id, &shared, moment);
            return Ok(());
        }
        let shared = self.exchange.agree(&introduction.exchange).ok_or(Refusal::WeakKey)?;
        let key = introduction.key;
        if self.newcomers.wait(key, introduction.exchange, shared, moment.now, &limits) {
            self.outbox.event(Event::Introduced(key));
        }
        Ok(())
    }

    /// Somebody answers an introduction: ours?
    fn weigh(&mut self, reply: &Reply<'_>, now: u64) -> Result<(), Refusal> {
        if reply.key.id() == self.identity.id() {
            return Err(Refusal::Own);
        }
        if reply.recipient != self.identity.id() {
            return Err(Refusal::NotForUs);
        }
        if self.topic_key.is_some() {
            return Err(Refusal::Unasked);
        }
        let take_at_once = match &self.settings.admitter {
            Admitter::Confirm => false,
            Admitter::Pinned(pinned) if pinned.contains(&reply.key.fingerprint()) => true,
            Admitter::Pinned(_) => return Err(Refusal::UntrustedSender),
            Admitter::Waived => true,
        };
        let shared = self.exchange.agree(&reply.exchange).ok_or(Refusal::WeakKey)?;
        let opened = shared.open(reply.nonce, reply.boxed).ok_or(Refusal::DecryptionFailed)?;
        let bytes = opened.as_array().ok_or(Refusal::Malformed)?;
        let topic_key = TopicKey::from_bytes(bytes);
        // Before it needs room among those that wait: forged answers may have filled that.
        if take_at_once && self.take(reply.key, topic_key.clone()).is_ok() {
            return Ok(());
        }
        // In the name of a key that can't be trusted it waits like any other.
        self.answers.add(reply.key, topic_key, now, &self.settings.limits)?;
        self.outbox.event(Event::Answered(reply.key));
        Ok(())
    }
}

/// Commands and timers.
impl ClassicSession {
    fn command(
        &mut self,
        command: Command<'_>,
        moment: &mut Moment<'_>,
    ) -> Result<(), CommandError> {
        match command {
            Command::Publish(body) => self.publish(body, moment),
            Command::Introduce => {
                self.introduce(FIRST_INTERVAL, moment);
                Ok(())
            }
            Command::Admit(id) => self.admit(id, moment),
            Command::Deny(id) => self.newcomers.deny(id, moment.now, &self.settings.limits),
            Command::Confirm(id) => self.confirm(id),
            Command::Reject(id) => self.answers.reject(id, moment.now, &self.settings.limits),
            Command::Trust(key) => self.trust(key, Vec::new()),
            Command::Remove(id) => self.remove(id),
            _ => Err(CommandError::Unsupported),
        }
    }

    fn publish(&mut self, body: &[u8], moment: &mut Moment<'_>) -> Result<(), CommandError> {
        let topic_key = self.topic_key.as_ref().ok_or(CommandError::NotReady)?;
        let max = self.max_frame.saturating_sub(OVERHEAD);
        // Where the limit is below the overhead, not even an empty body fits.
        if OVERHEAD.saturating_add(body.len()) > self.max_frame {
            return Err(CommandError::TooLarge { len: body.len(), max });
        }
        let nonce = nonce(moment);
        let frame = Message::build(
            self.identity.id(),
            &nonce,
            body.len(),
            |out| topic_key.seal(out, &nonce, body),
            |signed| self.identity.sign(signed),
        );
        self.outbox.send(frame);
        Ok(())
    }

    fn introduce(&mut self, interval: u64, moment: &mut Moment<'_>) {
        if self.topic_key.is_some() {
            self.introducing = None;
            return;
        }
        let introduction = Introduction {
            key: self.identity.public_key(),
            signature: self.identity.sign(&self.exchange_public),
            exchange: self.exchange_public,
        };
        self.outbox.send(introduction.build());
        // Up to a quarter later, so that a house after a power cut does not speak all at once.
        let jitter = u64::from(moment.entropy.next_u32()).checked_rem(interval / 4).unwrap_or(0);
        self.introducing = Some(Introducing {
            next: moment.now.saturating_add(interval).saturating_add(jitter),
            interval: interval.saturating_mul(2).min(LAST_INTERVAL),
        });
    }

    fn admit(&mut self, id: ParticipantId, moment: &mut Moment<'_>) -> Result<(), CommandError> {
        self.room_for(id)?;
        let newcomer = self.newcomers.admit(id, moment.now, &self.settings.limits)?;
        self.trust(newcomer.key, Vec::new())?;
        self.reply(id, &newcomer.shared, moment);
        Ok(())
    }

    fn reply(&mut self, recipient: ParticipantId, shared: &SharedKey, moment: &mut Moment<'_>) {
        let Some(topic_key) = &self.topic_key else {
            return;
        };
        let nonce = nonce(moment);
        let frame = Reply::build(
            recipient,
            &nonce,
            |out| shared.seal(out, &nonce, topic_key.expose_secret()),
            &self.exchange_public,
            &self.identity.public_key(),
        );
        self.outbox.send(frame);
    }

    fn confirm(&mut self, id: ParticipantId) -> Result<(), CommandError> {
        let answer = self.answers.find(id)?;
        self.take(answer.key, answer.topic_key.clone())
    }

    /// Takes a topic key into use, and trusts whoever gave it.
    fn take(&mut self, key: PublicKey, topic_key: TopicKey) -> Result<(), CommandError> {
        self.trust(key, vec![state::topic_key(&topic_key)])?;
        self.topic_key = Some(topic_key);
        self.introducing = None;
        self.answers.clear();
        self.outbox.event(Event::Ready);
        Ok(())
    }

    fn room_for(&self, id: ParticipantId) -> Result<(), CommandError> {
        let limit = self.settings.limits.participants;
        if self.roster.len() >= limit && !self.roster.contains(id) {
            return Err(CommandError::RosterFull(limit));
        }
        Ok(())
    }

    /// Trusts a participant, and stores that together with what else changes.
    fn trust(&mut self, key: PublicKey, mut records: Vec<Record>) -> Result<(), CommandError> {
        self.room_for(key.id())?;
        let new = self.roster.insert(key)?;
        if new {
            records.push(state::participant(&key));
        }
        if !records.is_empty() {
            self.outbox.store(records);
        }
        if new {
            self.outbox.event(Event::Joined(key));
        }
        Ok(())
    }

    fn remove(&mut self, id: ParticipantId) -> Result<(), CommandError> {
        if !self.roster.remove(id) {
            return Err(CommandError::Unknown(id));
        }
        self.recent.forget(id);
        // Otherwise the next introduction would be answered without asking anybody.
        self.newcomers.forget(id);
        self.outbox.store(vec![state::participant_removed(id)]);
        self.outbox.event(Event::Removed(id));
        Ok(())
    }

    fn expire(&mut self, moment: &mut Moment<'_>) {
        for id in self.newcomers.expire(moment.now) {
            self.outbox.event(Event::Lapsed(id));
        }
        let due = self.introducing.as_ref().filter(|introducing| introducing.next <= moment.now);
        if let Some(interval) = due.map(|introducing| introducing.interval) {
            self.introduce(interval, moment);
        }
    }
}

fn nonce(moment: &mut Moment<'_>) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    moment.entropy.fill_bytes(&mut nonce);
    nonce
}

impl From<ClassicSession> for Box<dyn Session> {
    fn from(session: ClassicSession) -> Self {
        Box::new(session)
    }
}
