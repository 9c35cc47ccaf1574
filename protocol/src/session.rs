//! The interface that every protocol's session has. Not here: any protocol.

use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;

use crate::v2::{self, Invitation, InviteOptions, Pin};
use crate::{Identity, InvalidKey, ParticipantId, PublicKey, Record};

/// One participant's side of one topic, without any IO.
///
/// Everything enters through [`handle`](Self::handle) and leaves through [`poll`](Self::poll).
/// The same inputs at the same moments with the same entropy give the same outputs.
///
/// A caller's loop: handle one input, then poll until `None`, then wait for the next frame, the
/// next command, or the [`deadline`](Self::deadline). While an [`Output::Store`] is under way,
/// frames are better left with the link than put in: what they cause has to wait in the session.
pub trait Session: Send + Sync {
    /// The door in. Frames and timers never fail: what is wrong with a frame is reported as
    /// [`Event::Refused`].
    ///
    /// # Errors
    ///
    /// [`CommandError`] where a command can't be carried out; nothing has changed then.
    fn handle(&mut self, input: Input<'_>, moment: &mut Moment<'_>) -> Result<(), CommandError>;

    /// The costly part of reading a frame, which changes nothing. Several may be checked at the
    /// same time, on several cores, and then be put in as [`Input::Checked`] in their order:
    /// that does the same as putting the frames in.
    fn check<'a>(&self, frame: &'a [u8]) -> Checked<'a> {
        Checked::unchecked(frame)
    }

    /// The door out: the next thing to do, in order. After [`Output::Store`] there is nothing
    /// more until [`Input::Stored`].
    fn poll(&mut self) -> Option<Output>;

    /// When [`Input::Timer`] is wanted next, in milliseconds of the caller's monotonic clock.
    fn deadline(&self) -> Option<u64>;

    /// Whether this participant holds the topic's key and may publish.
    fn is_ready(&self) -> bool;

    /// Whether messages gather into one frame until [`poll`](Self::poll) is called. Otherwise each
    /// is a frame of its own.
    fn gathers(&self) -> bool {
        false
    }

    /// Whether a message would be taken now. Not so while the topic's members change keys, which
    /// takes moments; those that were taken then leave as soon as it is done.
    fn has_room(&self) -> bool {
        self.is_ready()
    }

    /// Who this participant is.
    fn identity(&self) -> &Identity;

    /// Who is trusted, ordered by id; ourselves not among them.
    fn participants(&self) -> Vec<PublicKey>;

    /// The members and their roles, ordered by id, ourselves included (V2; otherwise nobody).
    fn members(&self) -> Vec<(PublicKey, v2::Role)> {
        Vec::new()
    }

    /// What a member, or a newcomer that waits, calls itself (V2).
    fn name_of(&self, _id: ParticipantId) -> Option<&str> {
        None
    }

    /// The epoch in use, once we have joined (V2).
    fn epoch(&self) -> Option<Epoch> {
        None
    }

    /// The bytes that the protocol adds to a body.
    fn overhead(&self) -> usize;
}

/// What goes into a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Bytes from the channel: anybody may have written them.
    Frame(&'a [u8]),
    /// A frame that [`Session::check`] has looked at.
    Checked(Checked<'a>),
    /// From now on frames to send may have this many bytes at most.
    FrameLimit(usize),
    /// The deadline has passed.
    Timer,
    /// The records of the last [`Output::Store`] are stored.
    Stored,
    /// Something that the owner of this participant wants.
    Command(Command<'a>),
}

/// A frame that was looked at, and that nothing follows from yet.
pub struct Checked<'a> {
    pub(crate) frame: &'a [u8],
    /// What looking at it gave; `None` where that costs little or changes something.
    pub(crate) verdict: Option<Result<alloc::boxed::Box<v2::Checked>, Refusal>>,
}

impl<'a> Checked<'a> {
    pub(crate) const fn unchecked(frame: &'a [u8]) -> Self {
        Self { frame, verdict: None }
    }
}

impl fmt::Debug for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

/// What the owner of a participant can want of its session.
#[non_exhaustive]
pub enum Command<'a> {
    /// Seal this body for the topic.
    Publish(&'a [u8]),
    /// Seal this body for the topic, with conditions (V2).
    PublishWith(&'a [u8], PublishOptions),
    /// Ask the members for the topic key, now and again until somebody answers. Who holds it says
    /// hello instead (V2): something may have been missed.
    Introduce,
    /// Give the topic key to a participant that introduced itself, and trust it.
    Admit(ParticipantId),
    /// Turn an introduction down.
    Deny(ParticipantId),
    /// Believe that this participant's answer is the right one: take its topic key into use and
    /// trust it.
    Confirm(ParticipantId),
    /// Throw this participant's answer away, and others in its name for a while.
    Reject(ParticipantId),
    /// Trust a participant (Classic).
    Trust(PublicKey),
    /// End the trust in a participant (Classic).
    Remove(ParticipantId),
    /// Lock a participant out, and give everybody else new keys (V2 keepers).
    Evict(ParticipantId),
    /// Make a member a keeper (V2 keepers).
    Appoint(ParticipantId),
    /// Give everybody new keys (V2 keepers).
    Rotate,
    /// Write an invitation, told as [`Event::Invited`] (V2 keepers).
    Invite(InviteOptions),
    /// Make a PIN with which one device can join, told as [`Event::PinOffered`] (V2 keepers).
    OfferPin,
    /// Leave the topic for good (V2).
    Leave,
}

/// Under which conditions a message is published (V2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishOptions {
    /// Milliseconds after which nobody shall act on it any more.
    pub expires_in_ms: Option<u64>,
    /// Ask for receipts: they are told with this number, which is the caller's own.
    pub ticket: Option<u64>,
}

/// The name of a message, together with its sender (V2; `docs/PROTOCOL.md` §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Which life of the sender it comes from: 0 for its first admission.
    pub incarnation: u32,
    /// The frame's number, which never comes twice.
    pub counter: u64,
    /// The message's place in its frame.
    pub place: u32,
}

/// What keys are in use (V2; `docs/PROTOCOL.md` §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// One more with each rekey.
    pub generation: u32,
    /// One more with each step, by which the past becomes unreadable.
    pub step: u32,
}

/// Bodies are the users' own business, and no log's.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(body) => write!(f, "Publish([{} bytes])", body.len()),
            Self::Introduce => f.write_str("Introduce"),
            Self::Admit(id) => write!(f, "Admit({id})"),
            Self::Deny(id) => write!(f, "Deny({id})"),
            Self::Confirm(id) => write!(f, "Confirm({id})"),
            Self::Reject(id) => write!(f, "Reject({id})"),
            Self::Trust(key) => write!(f, "Trust({})", key.id()),
            Self::Remove(id) => write!(f, "Remove({id})"),
            Self::PublishWith(body, options) => {
                write!(f, "PublishWith([{} bytes], {options:?})", body.len())
            }
            Self::Evict(id) => write!(f, "Evict({id})"),
            Self::Appoint(id) => write!(f, "Appoint({id})"),
            Self::Rotate => f.write_str("Rotate"),
            Self::Invite(options) => write!(f, "Invite({options:?})"),
            Self::OfferPin => f.write_str("OfferPin"),
            Self::Leave => f.write_str("Leave"),
        }
    }
}

/// When an input arrives, and entropy for what it needs.
#[non_exhaustive]
pub struct Moment<'a> {
    /// Milliseconds of a monotonic clock of the caller's; its zero does not matter.
    pub now: u64,
    /// Milliseconds since 1970 UTC, where the caller has a clock that it trusts.
    pub wall: Option<u64>,
    /// Entropy of cryptographic quality.
    pub entropy: &'a mut dyn CryptoRng,
}

impl<'a> Moment<'a> {
    /// A moment at `now` milliseconds of the caller's monotonic clock.
    pub fn new(now: u64, entropy: &'a mut dyn CryptoRng) -> Self {
        Self { now, wall: None, entropy }
    }

    /// The same, with the time of day: milliseconds since 1970 UTC.
    #[must_use]
    pub fn with_wall(self, wall: u64) -> Self {
        Self { wall: Some(wall), ..self }
    }
}

impl fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment {{ now: {} }}", self.now)
    }
}

/// What comes out of a session.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum Output {
    /// Commit these records, whole or not at all, then answer with [`Input::Stored`].
    Store(Vec<Record>),
    /// Send this frame on every link.
    Send(Vec<u8>),
    /// Tell whoever wants to know.
    Event(Event),
}

/// What a session tells.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "model", derive(Hash))]
pub enum Event {
    /// A message whose sender is authenticated and trusted.
    #[non_exhaustive]
    Message {
        /// Who made it.
        from: ParticipantId,
        /// What it says.
        body: Vec<u8>,
        /// Its name; Classic's messages have none.
        id: Option<MessageId>,
    },
    /// A message that may have been delivered before we restarted: nobody knows (V2, where
    /// windows are not stored for every frame).
    #[non_exhaustive]
    Uncertain {
        /// Who made it.
        from: ParticipantId,
        /// What it says.
        body: Vec<u8>,
        /// Its name.
        id: Option<MessageId>,
    },
    /// Messages of this sender came too late to be acted on, and were not delivered.
    Expired(ParticipantId),
    /// Messages of this sender that expire, and we do not know what time it is: they were not
    /// delivered.
    Unverifiable(ParticipantId),
    /// A message that *somebody* who holds the topic key made: nobody checked who. Only a session
    /// that was told to read unverified messages yields it.
    #[non_exhaustive]
    Unverified {
        /// Who the message claims to be from.
        claimed: ParticipantId,
        /// What it says.
        body: Vec<u8>,
    },
    /// A newcomer asks for the topic key; it waits for [`Command::Admit`] or [`Command::Deny`].
    Introduced(PublicKey),
    /// A newcomer's question waited too long and is denied.
    Lapsed(ParticipantId),
    /// Somebody answered our introduction; the answer waits for [`Command::Confirm`] or
    /// [`Command::Reject`].
    Answered(PublicKey),
    /// The topic key is in use.
    Ready,
    /// A participant is now trusted.
    Joined(PublicKey),
    /// A participant is no longer trusted.
    Removed(ParticipantId),
    /// A frame was dropped.
    Refused(Refusal),
    /// Other keys are in use.
    Epoch(Epoch),
    /// An invitation that we asked for.
    Invited(Invitation),
    /// A PIN that we asked for; to be shown to whoever holds the device that joins.
    PinOffered(Pin),
    /// Our PIN is used up, guessed at too often, or too old.
    PinBurnt,
    /// The PIN we were given was not taken. Ask for another, and introduce yourself again.
    PinRejected,
    /// The topic went on without us; we ask its members where it is.
    Behind,
    /// A member that had been away has been given the present keys.
    CaughtUp(ParticipantId),
    /// We are no member any more. All keys are gone.
    Evicted,
    /// Two devices speak with this participant's key: one is a copy, or went back to an old state.
    Cloned(ParticipantId),
    /// Our own storage went back to an old state. Nothing was used twice; messages taken since
    /// then may come again.
    RolledBack,
    /// A member sends frames that no honest one would.
    InsiderAlarm,
    /// Somebody has stored messages that we wanted receipts for.
    Confirmed {
        /// The numbers that they were published with.
        tickets: Vec<u64>,
        /// Who; nobody, where the last one missing is no member any more.
        by: Option<ParticipantId>,
        /// How many members are missing still.
        missing: usize,
    },
    /// Receipts did not come, and are not waited for any longer.
    Unconfirmed {
        /// The numbers that the messages were published with.
        tickets: Vec<u64>,
        /// Whose receipts are missing.
        by: Vec<ParticipantId>,
    },
}

/// Bodies are the users' own business, and no log's.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { from, body, .. } => {
                write!(f, "Message {{ from: {from}, body: [{} bytes] }}", body.len())
            }
            Self::Uncertain { from, body, .. } => {
                write!(f, "Uncertain {{ from: {from}, body: [{} bytes] }}", body.len())
            }
            Self::Unverified { claimed, body } => {
                write!(f, "Unverified {{ claimed: {claimed}, body: [{} bytes] }}", body.len())
            }
            Self::Introduced(key) => write!(f, "Introduced({})", key.id()),
            Self::Lapsed(id) => write!(f, "Lapsed({id})"),
            Self::Answered(key) => write!(f, "Answered({})", key.id()),
            Self::Ready => f.write_str("Ready"),
            Self::Joined(key) => write!(f, "Joined({})", key.id()),
            Self::Removed(id) => write!(f, "Removed({id})"),
            Self::Refused(refusal) => write!(f, "Refused({refusal:?})"),
            Self::Expired(id) => write!(f, "Expired({id})"),
            Self::Unverifiable(id) => write!(f, "Unverifiable({id})"),
            Self::Epoch(epoch) => write!(f, "Epoch({}, {})", epoch.generation, epoch.step),
            Self::Invited(invitation) => write!(f, "Invited({invitation:?})"),
            Self::PinOffered(pin) => write!(f, "PinOffered({pin:?})"),
            Self::PinBurnt => f.write_str("PinBurnt"),
            Self::PinRejected => f.write_str("PinRejected"),
            Self::Behind => f.write_str("Behind"),
            Self::CaughtUp(id) => write!(f, "CaughtUp({id})"),
            Self::Evicted => f.write_str("Evicted"),
            Self::Cloned(id) => write!(f, "Cloned({id})"),
            Self::RolledBack => f.write_str("RolledBack"),
            Self::InsiderAlarm => f.write_str("InsiderAlarm"),
            Self::Confirmed { tickets, by, missing } => {
                write!(f, "Confirmed {{ tickets: {tickets:?}, by: {by:?}, missing: {missing} }}")
            }
            Self::Unconfirmed { tickets, by } => {
                write!(f, "Unconfirmed {{ tickets: {tickets:?}, by: {by:?} }}")
            }
        }
    }
}

/// Why a frame was dropped. For the operator's counters; the sender is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A frame of our own, come back.
    #[error("a frame of our own")]
    Own,
    /// A frame that was taken before.
    #[error("a frame taken before")]
    Duplicate,
    /// A reply to somebody else.
    #[error("a reply to somebody else")]
    NotForUs,
    /// A reply, but the topic key is held already or a reply like it waits.
    #[error("a reply that nobody asked for")]
    Unasked,
    /// From nobody we trust, where the settings say to ignore such senders.
    #[error("from a sender to be ignored")]
    Ignored,
    /// Larger than [`Limits::frame`].
    #[error("larger than the limit")]
    TooLarge,
    /// The first byte names no frame of this protocol.
    #[error("of an unknown type")]
    UnknownType,
    /// Empty, too short or too long for its type.
    #[error("of a wrong length")]
    Malformed,
    /// We do not hold the topic key.
    #[error("no topic key to read it with")]
    NoTopicKey,
    /// From nobody we trust.
    #[error("from a sender that is not trusted")]
    UntrustedSender,
    /// The signature does not verify.
    #[error("a bad signature")]
    BadSignature,
    /// The box does not open.
    #[error("it does not decrypt")]
    DecryptionFailed,
    /// A key-exchange key of small order, with which anybody could read the exchange.
    #[error("a weak key-exchange key")]
    WeakKey,
    /// Too many unanswered introductions or replies wait already.
    #[error("too many of its kind wait already")]
    PoolFull,
    /// From a newcomer, or in the name of a replier, that was turned down a moment ago.
    #[error("from somebody who was turned down a moment ago")]
    Denied,
    /// Of an epoch that we don't hold: long past, far ahead, or of another topic.
    #[error("of an epoch that is not held")]
    UnknownEpoch,
    /// Two devices speak with the sender's key.
    #[error("from a copy of its sender")]
    Cloned,
    /// Its sender had no right to it.
    #[error("its sender had no right to it")]
    NotAllowed,
    /// A control message that this release does not know.
    #[error("a control message of an unknown kind")]
    UnknownKind,
    /// For another suite than the topic's, or one that this build lacks.
    #[error("of another suite")]
    OtherSuite,
    /// It does not prove what it claims: another invitation, PIN, or topic.
    #[error("a proof that does not hold")]
    BadProof,
    /// The invitation was good until a moment ago.
    #[error("with an invitation that has expired")]
    Expired,
    /// The invitation was used by somebody else.
    #[error("with an invitation that somebody else used")]
    Redeemed,
}

impl Refusal {
    /// Whether such frames are ordinary on a healthy channel, and no sign of an intruder.
    #[must_use]
    pub const fn is_ordinary(self) -> bool {
        matches!(self, Self::Own | Self::Duplicate | Self::NotForUs | Self::Unasked | Self::Ignored)
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The topic key is not held yet.
    #[error("the topic key is not held yet; wait until the topic is ready")]
    NotReady,
    /// The body would make a frame larger than [`Limits::frame`].
    #[error("the body has {len} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Nobody of this id waits for an answer, or is trusted.
    #[error("nothing is known of participant {0}")]
    Unknown(ParticipantId),
    /// The key can't be trusted because nobody could sign with it.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// The roster holds as many as [`Limits::participants`] allows.
    #[error("{0} participants are trusted already, which is the limit; remove one first")]
    RosterFull(usize),
    /// Several different topic keys were offered in this participant's name: all but one, or
    /// all, are forged, and nothing on the wire tells which.
    #[error(
        "different topic keys were offered in the name of participant {0}: somebody forges replies"
    )]
    Contested(ParticipantId),
    /// The protocol that the topic speaks has nothing like it.
    #[error("the topic's protocol has nothing like that")]
    Unsupported,
    /// Only a keeper may do that, and to nobody who stands before it.
    #[error("only a keeper may do that, and only to those behind it")]
    NotAllowed,
    /// It can't be said when the message expires.
    #[error(
        "nobody knows what time it is: give the session a clock, or wait for a keeper's answer"
    )]
    NoClock,
    /// The members are changing keys; until that is done no more messages wait.
    #[error("the members are changing keys; try again in a moment")]
    Waiting,
    /// There are as many of these as there may be.
    #[error("there are {0} already, which is the limit")]
    TooMany(usize),
}

/// Bounds on what a session holds and takes, with the defaults that suit a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame in bytes, in and out (default 65,536).
    pub frame: usize,
    /// Introductions that wait for a decision at the same time (default 16).
    pub introductions: usize,
    /// Milliseconds that an introduction waits, and that a decision about one, or about an answer
    /// to ours, is remembered (default 60,000).
    pub introduction_ms: u64,
    /// Answers to our introduction that wait for confirmation at the same time (default 8).
    pub answers: usize,
    /// Participants trusted at the same time (default 4,096). A state that holds more is opened
    /// all the same.
    pub participants: usize,
    /// Operations of the roster, past ones included (default 16,384; V2).
    pub operations: usize,
    /// Frames remembered of each sender, to take each once (default 2,048; Classic).
    pub recent_frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 65_536,
            introductions: 16,
            introduction_ms: 60_000,
            answers: 8,
            participants: 4_096,
            operations: 16_384,
            recent_frames: 2_048,
        }
    }
}
