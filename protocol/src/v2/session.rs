//! The V2 session: which frame, command and timer goes where. Not here: what a member does with
//! them, which is [`room`](super::room).

/// Splits a session into its room and everything that a room needs besides.
macro_rules! cx {
    ($self:ident, $moment:ident) => {
        Cx {
            identity: &$self.identity,
            settings: &$self.settings,
            frames: $self.frames,
            outbox: &mut $self.outbox,
            now: $moment.now,
            wall: $moment.wall,
            entropy: &mut *$moment.entropy,
        }
    };
}

mod late;
#[cfg(feature = "model")]
mod model;
mod state;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::ask::{Ask, By, Patience};
use super::bucket::Bucket;
use super::joining::{
    ANSWER_TYPE, CHALLENGE_TYPE, Challenge, Handover, INTRODUCTION_TYPE, REPLY_TYPE, Reply,
};
use super::kem::Suite;
use super::message;
use super::room::{Cx, Fate, Out, Room, State};
use super::settings::{Entry, Settings};
use super::standing::Role;
use super::topic::TopicId;
use crate::outbox::Outbox;
use crate::{
    Checked, Command, CommandError, Epoch, Event, FrameLimit, Identity, Input, Moment, Output,
    ParticipantId, PublicKey, Refusal, RestoreError, Session, Unconfirmed,
};

#[cfg(feature = "model")]
pub use model::HeldGeneration;
pub use state::V2State;

/// Before a newcomer says hello again.
const FIRST_GREETING: u64 = 1_000;
const LAST_GREETING: u64 = 32_000;

/// A hello that is said again.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Greeting {
    next: u64,
    /// Until the one after that.
    interval: u64,
    /// When whoever let us in gives up as well.
    until: u64,
}

/// One participant's side of a V2 topic. See [`Session`] for how it is driven, and [the
/// module](super) for an example.
#[cfg_attr(feature = "model", derive(Clone))]
pub struct V2Session {
    identity: Identity,
    settings: Settings,
    topic_name: String,
    suite: Suite,
    frames: FrameLimit,
    outbox: Outbox,
    room: Option<Box<Room>>,
    /// Whether to introduce ourselves until somebody lets us in.
    introducing: bool,
    ask: Option<Ask>,
    /// Replies that wait to be confirmed.
    answers: BTreeMap<ParticipantId, Handover>,
    /// A hello to be said again until we have joined: when, and how long after that.
    greeting: Option<Greeting>,
    catch_up_interval: u64,
    /// Members whose challenge came to nothing since we were last where the topic is, or since
    /// nobody else spoke.
    shunned: Vec<ParticipantId>,
    /// Attempts to catch up since the last that succeeded.
    attempts: usize,
    /// Signature checks of challenges and replies.
    checks: Bucket,
}

impl V2Session {
    /// Opens a session on its lasting state. The state's records are the caller's to store first.
    ///
    /// # Errors
    ///
    /// [`RestoreError`] where a record is missing, damaged, of a later release, of another
    /// identity, or of another protocol.
    pub fn open(
        identity: Identity,
        state: &V2State,
        settings: Settings,
        moment: &mut Moment<'_>,
    ) -> Result<Self, RestoreError> {
        let state = State::new(&identity, &state.0)?;
        let (suite, name) = state.topic()?;
        let mut session = Self {
            frames: FrameLimit::of(settings.limits.frame),
            topic_name: name.into(),
            identity,
            settings,
            suite,
            outbox: Outbox::default(),
            room: None,
            introducing: false,
            ask: None,
            answers: BTreeMap::new(),
            greeting: None,
            catch_up_interval: FIRST_GREETING,
            shunned: Vec::new(),
            attempts: 0,
            checks: Bucket::new(32, 250),
        };
        let identity = session.identity.clone();
        let room = state.room(&identity, &mut cx!(session, moment))?;
        session.room = room.map(Box::new);
        if let Some(room) = &mut session.room {
            room.start(&mut cx!(session, moment));
        }
        session.look_around();
        Ok(session)
    }

    /// The topic's id, once it is known.
    #[must_use]
    pub fn topic(&self) -> Option<TopicId> {
        self.room.as_ref().map(|room| *room.topic())
    }
}

/// For fuzzers and model checkers.
#[cfg(any(fuzzing, feature = "model"))]
impl V2Session {
    /// Says anything, as a member gone bad could. It leaves with the next input.
    pub fn say(&mut self, kind: u8, body: &[u8]) {
        let mut out = Out {
            identity: &self.identity,
            settings: &self.settings,
            frames: self.frames,
            outbox: &mut self.outbox,
        };
        if let Some(room) = &mut self.room {
            room.say(kind, body, &mut out);
        }
    }

    /// Begins a generation with another number and other evictions than are so, as a keeper gone
    /// bad could.
    pub fn rekey_as(&mut self, number: u32, evictions: [u8; 32], moment: &mut Moment<'_>) {
        if let Some(room) = &mut self.room {
            room.rekey_as(number, evictions, &mut cx!(self, moment));
        }
    }
}

impl Session for V2Session {
    fn handle(&mut self, input: Input<'_>, moment: &mut Moment<'_>) -> Result<(), CommandError> {
        let done = match input {
            Input::Frame(frame) => {
                let checked = self.check(frame);
                self.take(checked, moment);
                Ok(())
            }
            Input::Checked(checked) => {
                self.take(checked, moment);
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
            Input::FrameLimit(limit) => {
                self.frames = limit.within(self.settings.limits.frame);
                Ok(())
            }
            Input::Connected(connected) => {
                if let Some(room) = &mut self.room {
                    room.connected(connected, &mut cx!(self, moment));
                }
                Ok(())
            }
            Input::Command(command) => self.command(command, moment),
        };
        self.look_around();
        done
    }

    fn check<'a>(&self, frame: &'a [u8]) -> Checked<'a> {
        let message = frame.first() == Some(&message::TYPE);
        Checked { frame, verdict: message.then(|| self.check_message(frame)) }
    }

    fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outbox.poll() {
                return Some(output);
            }
            // While records are being stored nothing else comes, and what arrives gathers.
            if self.outbox.is_storing() {
                return None;
            }
            let room = self.room.as_mut()?;
            let mut out = Out {
                identity: &self.identity,
                settings: &self.settings,
                frames: self.frames,
                outbox: &mut self.outbox,
            };
            if !room.settle(&mut out) {
                return None;
            }
        }
    }

    fn deadline(&self) -> Option<u64> {
        let ask = self.ask.as_ref().map(Ask::deadline);
        let room = self.room.as_ref().and_then(|room| room.deadline(&self.settings));
        let asking = match &self.ask {
            Some(_) => None,
            None => self.room.as_ref().and_then(|room| room.ask_at()),
        };
        let greeting = self.greeting.map(|greeting| greeting.next);
        [ask, room, asking, greeting].into_iter().flatten().min()
    }

    fn is_ready(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.joined())
    }

    fn gathers(&self) -> bool {
        true
    }

    fn has_room(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.has_room(self.frames.fill))
    }

    fn waits(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.waits(self.settings.outbox))
    }

    fn unconfirmed(&self) -> Vec<Unconfirmed> {
        self.room.iter().flat_map(|room| room.unconfirmed()).collect()
    }

    fn unsent(&self) -> usize {
        self.room.as_ref().map_or(0, |room| room.unsent())
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn participants(&self) -> Vec<PublicKey> {
        let us = self.identity.public_key();
        self.members().into_iter().map(|(key, _)| key).filter(|key| *key != us).collect()
    }

    fn members(&self) -> Vec<(PublicKey, Role)> {
        self.room.iter().flat_map(|room| room.members()).collect()
    }

    fn name_of(&self, id: ParticipantId) -> Option<&str> {
        let room = self.room.as_ref()?;
        room.name_of(id).or_else(|| room.newcomer_name(id)).filter(|name| !name.is_empty())
    }

    fn epoch(&self) -> Option<Epoch> {
        let (generation, step) = self.room.as_ref()?.epoch()?;
        Some(Epoch { generation, step })
    }

    fn overhead(&self) -> usize {
        message::OVERHEAD
    }
}

/// Frames.
impl V2Session {
    fn take(&mut self, checked: Checked<'_>, moment: &mut Moment<'_>) {
        let taken = match checked.verdict {
            None => self.take_joining(checked.frame, moment),
            Some(verdict) => self.take_message(verdict, checked.frame, moment),
        };
        if let Err(refusal) = taken {
            self.outbox.refuse(refusal);
        }
    }

    fn check_message(&self, frame: &[u8]) -> Result<Box<super::room::Checked>, Refusal> {
        if frame.len() > self.settings.limits.frame {
            return Err(Refusal::TooLarge);
        }
        let room = self.room.as_ref().ok_or(Refusal::NoTopicKey)?;
        room.check(frame).map(Box::new)
    }

    fn take_message(
        &mut self,
        verdict: Result<Box<super::room::Checked>, Refusal>,
        frame: &[u8],
        moment: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        // Frames before it in a burst may have brought what it needs: an epoch, too, whose hint was that
        // of another one by chance.
        let verdict = match verdict {
            Err(
                Refusal::UnknownEpoch
                | Refusal::DecryptionFailed
                | Refusal::UntrustedSender
                | Refusal::NoTopicKey,
            ) => self.check_message(frame),
            other => other,
        };
        let room = self.room.as_mut().ok_or(Refusal::NoTopicKey)?;
        let mut cx = cx!(self, moment);
        let taken = match verdict {
            // Nobody knows who made it: it says nothing about members.
            Err(Refusal::Malformed) => return Err(Refusal::Malformed),
            verdict => verdict.and_then(|checked| room.accept(*checked, &mut cx)),
        };
        taken.inspect_err(|refusal| room.notice(*refusal, &mut cx))
    }

    fn take_joining(&mut self, frame: &[u8], moment: &mut Moment<'_>) -> Result<(), Refusal> {
        if frame.len() > self.settings.limits.frame {
            return Err(Refusal::TooLarge);
        }
        let mut cx = cx!(self, moment);
        match (frame.first(), &mut self.room) {
            (None, _) => Err(Refusal::Malformed),
            (Some(&INTRODUCTION_TYPE), Some(room)) => room.meet(frame, &self.topic_name, &mut cx),
            (Some(&ANSWER_TYPE), Some(room)) => room.take_answer(frame, &mut cx),
            (Some(&(INTRODUCTION_TYPE | ANSWER_TYPE)), None) => Err(Refusal::NoTopicKey),
            (Some(&CHALLENGE_TYPE), _) => self.take_challenge(frame, moment),
            (Some(&REPLY_TYPE), _) => self.take_reply(frame, moment),
            (Some(_), _) => Err(Refusal::UnknownType),
        }
    }

    fn take_challenge(&mut self, frame: &[u8], moment: &mut Moment<'_>) -> Result<(), Refusal> {
        let challenge = Challenge::parse(frame).ok_or(Refusal::Malformed)?;
        if challenge.recipient != self.identity.id() {
            if let Some(room) = &mut self.room {
                room.overhear(&challenge, &cx!(self, moment));
            }
            return Err(Refusal::NotForUs);
        }
        let ask = self.ask.as_mut().ok_or(Refusal::Unasked)?;
        if !self.checks.take(moment.now) {
            return Err(Refusal::PoolFull);
        }
        let (room, shunned) = (self.room.as_ref(), &self.shunned);
        let is_member = |key: &PublicKey| {
            room.is_some_and(|room| room.has_member(key)) && !shunned.contains(&key.id())
        };
        ask.take_challenge(&challenge, frame, is_member, &mut cx!(self, moment))
    }

    fn take_reply(&mut self, frame: &[u8], moment: &mut Moment<'_>) -> Result<(), Refusal> {
        let reply = Reply::parse(frame).ok_or(Refusal::Malformed)?;
        let us = self.identity.public_key();
        if reply.recipient != us.id() {
            return Err(Refusal::NotForUs);
        }
        let ask = self.ask.as_ref().filter(|ask| ask.is_for(&reply)).ok_or(Refusal::Unasked)?;
        if !self.checks.take(moment.now) {
            return Err(Refusal::PoolFull);
        }
        let handover = ask.open(&reply, &us)?;
        if self.room.is_some() {
            return self.caught_up(handover, moment);
        }
        match &self.settings.entry {
            Entry::Fingerprint(pinned) => {
                if pinned.contains(&handover.admitter.fingerprint()) {
                    self.enter(handover, moment);
                } else if pinned.is_empty() {
                    self.wait_for_confirmation(handover)?;
                } else {
                    return Err(Refusal::UntrustedSender);
                }
            }
            Entry::Invitation(_) | Entry::Pin(_) => self.enter(handover, moment),
        }
        Ok(())
    }

    fn wait_for_confirmation(&mut self, handover: Handover) -> Result<(), Refusal> {
        let id = handover.admitter.id();
        if self.answers.contains_key(&id) {
            return Err(Refusal::Duplicate);
        }
        if self.answers.len() >= self.settings.limits.answers {
            return Err(Refusal::PoolFull);
        }
        self.outbox.event(Event::Answered(handover.admitter));
        self.answers.insert(id, handover);
        Ok(())
    }

    /// Takes a handed-over key into use; the one-time key goes.
    fn enter(&mut self, handover: Handover, moment: &mut Moment<'_>) {
        let me = self.identity.id();
        let mut cx = cx!(self, moment);
        let Some(mut room) = Room::enter(self.suite, handover, me, &cx) else { return };
        room.greet(&mut cx);
        self.room = Some(Box::new(room));
        self.ask = None;
        self.answers.clear();
        let next = moment.now.saturating_add(FIRST_GREETING);
        let until = moment.now.saturating_add(self.settings.timing.admission_ms);
        self.greeting = Some(Greeting { next, interval: FIRST_GREETING, until });
    }
}

/// Commands.
impl V2Session {
    fn command(
        &mut self,
        command: Command<'_>,
        moment: &mut Moment<'_>,
    ) -> Result<(), CommandError> {
        match command {
            Command::Introduce => {
                self.introduce(moment);
                return Ok(());
            }
            Command::Confirm(id) => return self.confirm(id, moment),
            Command::Reject(id) => {
                let known = self.answers.remove(&id);
                return known.map(drop).ok_or(CommandError::Unknown(id));
            }
            _ => {}
        }
        let room = self.room.as_mut().ok_or(CommandError::NotReady)?;
        if !room.joined() {
            return Err(CommandError::NotReady);
        }
        let mut cx = cx!(self, moment);
        match command {
            Command::Publish(body) => room.publish(body, crate::PublishOptions::default(), &mut cx),
            Command::PublishWith(body, options) => room.publish(body, options, &mut cx),
            Command::Admit(id) => room.admit(id, &mut cx),
            Command::Deny(id) => room.deny(id, &cx),
            Command::Evict(id) => room.evict(id, &mut cx),
            Command::Appoint(id) => room.appoint(id, &mut cx),
            Command::Rotate => room.rotate(&mut cx),
            Command::Invite(options) => room.invite(options, &self.topic_name, &mut cx),
            Command::OfferPin => room.offer_pin(&mut cx),
            Command::Leave => room.leave(&mut cx),
            Command::SendOn => room.send_on(&mut cx),
            Command::Acknowledge(from, message) => room.acknowledge(from, message),
            Command::GiveUp(ticket) => room.give_up_ticket(ticket),
            _ => Err(CommandError::Unsupported),
        }
    }

    fn introduce(&mut self, moment: &mut Moment<'_>) {
        if let Some(room) = &mut self.room {
            if room.joined() {
                room.ask_for_operations(&cx!(self, moment));
            }
            return;
        }
        self.introducing = true;
        let entry = self.settings.entry.clone();
        let by = match &entry {
            Entry::Fingerprint(_) => By::Fingerprint,
            Entry::Invitation(invitation) => By::Invitation(invitation),
            Entry::Pin(pin) => By::Pin(pin),
        };
        self.answers.clear();
        self.ask = Some(Ask::begin(self.suite, &self.topic_name, &by, &mut cx!(self, moment)));
    }

    fn confirm(&mut self, id: ParticipantId, moment: &mut Moment<'_>) -> Result<(), CommandError> {
        let handover = self.answers.remove(&id).ok_or(CommandError::Unknown(id))?;
        self.enter(handover, moment);
        Ok(())
    }
}

/// Time.
impl V2Session {
    fn expire(&mut self, moment: &mut Moment<'_>) {
        if let Some(room) = &mut self.room {
            room.expire(&mut cx!(self, moment));
        }
        self.greet_again(moment);
        if self.ask.as_ref().is_some_and(|ask| ask.deadline() <= moment.now) {
            self.ask_again(moment);
        }
        let due = |room: &Room| room.ask_at().is_some_and(|at| at <= moment.now);
        if self.ask.is_none() && self.room.as_deref().is_some_and(due) {
            self.catch_up(moment);
        }
    }

    fn ask_again(&mut self, moment: &mut Moment<'_>) {
        let Some(ask) = &mut self.ask else { return };
        if ask.is_catch_up() {
            self.give_up_asking(moment.now);
        } else if ask.repeat(&mut cx!(self, moment)) == Patience::Over {
            self.ask = None;
            self.introducing = false;
            self.outbox.event(Event::PinRejected);
        }
    }

    fn greet_again(&mut self, moment: &mut Moment<'_>) {
        let Some(Greeting { next, interval, until }) = self.greeting else { return };
        let Some(room) = &mut self.room else { return };
        if room.joined() {
            self.greeting = None;
        } else if next <= moment.now {
            if until <= moment.now {
                // Our admission has lapsed: again from the beginning.
                self.room = None;
                self.greeting = None;
                self.introduce(moment);
                return;
            }
            room.greet(&mut cx!(self, moment));
            let interval = interval.saturating_mul(2).min(LAST_GREETING);
            let next = moment.now.saturating_add(interval);
            self.greeting = Some(Greeting { next, interval, until });
        }
    }

    /// Looks whether we are still in it.
    fn look_around(&mut self) {
        if self.room.as_ref().is_none_or(|room| room.fate() == Fate::Goes) {
            return;
        }
        if let Some(mut room) = self.room.take() {
            self.ask = None;
            self.greeting = None;
            room.last_deliveries(&mut self.outbox);
            self.outbox.store(room.gone_records());
            self.outbox.event(Event::Evicted);
        }
    }
}

impl From<V2Session> for Box<dyn Session> {
    fn from(session: V2Session) -> Self {
        Box::new(session)
    }
}
