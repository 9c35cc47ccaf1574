//! The interface that every protocol's session has. Not here: any protocol.

use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;

use crate::{Identity, InvalidKey, ParticipantId, PublicKey, Record, Roster};

/// One participant's side of one topic, without any IO.
///
/// Everything enters through [`handle`](Self::handle) and leaves through [`poll`](Self::poll).
/// The same inputs at the same moments with the same entropy give the same outputs.
///
/// A caller's loop: handle one input, then poll until `None`, then wait for the next frame, the
/// next command, or the [`deadline`](Self::deadline). While an [`Output::Store`] is under way,
/// frames are better left with the link than put in: what they cause has to wait in the session.
pub trait Session: Send {
    /// The door in. Frames and timers never fail: what is wrong with a frame is reported as
    /// [`Event::Refused`].
    ///
    /// # Errors
    ///
    /// [`CommandError`] where a command can't be carried out; nothing has changed then.
    fn handle(&mut self, input: Input<'_>, moment: &mut Moment<'_>) -> Result<(), CommandError>;

    /// The door out: the next thing to do, in order. After [`Output::Store`] there is nothing
    /// more until [`Input::Stored`].
    fn poll(&mut self) -> Option<Output>;

    /// When [`Input::Timer`] is wanted next, in milliseconds of the caller's monotonic clock.
    fn deadline(&self) -> Option<u64>;

    /// Whether this participant holds the topic's key and may publish.
    fn is_ready(&self) -> bool;

    /// Who this participant is.
    fn identity(&self) -> &Identity;

    /// Who is trusted.
    fn roster(&self) -> &Roster;

    /// The bytes that the protocol adds to a body.
    fn overhead(&self) -> usize;
}

/// What goes into a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Bytes from the channel: anybody may have written them.
    Frame(&'a [u8]),
    /// The deadline has passed.
    Timer,
    /// The records of the last [`Output::Store`] are stored.
    Stored,
    /// Something that the owner of this participant wants.
    Command(Command<'a>),
}

/// What the owner of a participant can want of its session.
#[non_exhaustive]
pub enum Command<'a> {
    /// Seal this body for the topic.
    Publish(&'a [u8]),
    /// Ask the members for the topic key, now and again until somebody answers.
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
    /// Trust a participant.
    Trust(PublicKey),
    /// End the trust in a participant.
    Remove(ParticipantId),
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
        }
    }
}

/// When an input arrives, and entropy for what it needs.
#[non_exhaustive]
pub struct Moment<'a> {
    /// Milliseconds of a monotonic clock of the caller's; its zero does not matter.
    pub now: u64,
    /// Entropy of cryptographic quality.
    pub entropy: &'a mut dyn CryptoRng,
}

impl<'a> Moment<'a> {
    /// A moment at `now` milliseconds of the caller's monotonic clock.
    pub fn new(now: u64, entropy: &'a mut dyn CryptoRng) -> Self {
        Self { now, entropy }
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
pub enum Event {
    /// A message whose sender is authenticated and trusted.
    #[non_exhaustive]
    Message {
        /// Who made it.
        from: ParticipantId,
        /// What it says.
        body: Vec<u8>,
    },
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
}

/// Bodies are the users' own business, and no log's.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { from, body } => {
                write!(f, "Message {{ from: {from}, body: [{} bytes] }}", body.len())
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
    /// Frames remembered of each sender, to take each once (default 2,048).
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
            recent_frames: 2_048,
        }
    }
}
