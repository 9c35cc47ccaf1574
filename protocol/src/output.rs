//! What comes out of a session. Not here: when.

use alloc::vec::Vec;
use core::fmt;

use crate::v2::{Invitation, Pin};
use crate::{MessageId, ParticipantId, PublicKey, Record};

/// What comes out of a session.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum Output {
    /// Commit these records, whole or not at all, then answer with [`Input::Stored`](crate::Input::Stored).
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
        /// It was kept before the last start, perhaps delivered, and not acknowledged (V2 with an
        /// inbox).
        redelivered: bool,
    },
    /// Messages of this sender are missing from its order, and are waited for no longer (V2, where
    /// that was asked for). One that comes all the same is delivered late.
    Gap {
        /// Whose.
        from: ParticipantId,
        /// The number of the first frame that is missing.
        first: u64,
        /// The number of the last one. Some may have been no messages of users.
        last: u64,
    },
    /// Messages in the outbox were given up unsent: there was no room for them, or they were too
    /// old.
    Dropped {
        /// The numbers that they were published with, of those that had one.
        tickets: Vec<u64>,
        /// How many messages.
        messages: usize,
    },
    /// The messages with these numbers were sealed, and their frame sent.
    Sent(Vec<u64>),
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
    /// A newcomer asks for the topic key; it waits for [`Command::Admit`](crate::Command::Admit) or [`Command::Deny`](crate::Command::Deny).
    Introduced(PublicKey),
    /// A newcomer's question waited too long and is denied.
    Lapsed(ParticipantId),
    /// Somebody answered our introduction; the answer waits for [`Command::Confirm`](crate::Command::Confirm) or
    /// [`Command::Reject`](crate::Command::Reject).
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
            Self::Gap { from, first, last } => write!(f, "Gap({from}, {first} to {last})"),
            Self::Dropped { tickets, messages } => {
                write!(f, "Dropped {{ tickets: {tickets:?}, messages: {messages} }}")
            }
            Self::Sent(tickets) => write!(f, "Sent({tickets:?})"),
            Self::Confirmed { tickets, by, missing } => {
                write!(f, "Confirmed {{ tickets: {tickets:?}, by: {by:?}, missing: {missing} }}")
            }
            Self::Unconfirmed { tickets, by } => {
                write!(f, "Unconfirmed {{ tickets: {tickets:?}, by: {by:?} }}")
            }
        }
    }
}

/// What keys are in use (V2; `docs/PROTOCOL.md` §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// One more with each rekey.
    pub generation: u32,
    /// One more with each step, by which the past becomes unreadable.
    pub step: u32,
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
    /// Larger than [`Limits::frame`](crate::Limits::frame).
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
    /// The inbox is full: nothing of it was taken.
    #[error("the inbox is full")]
    InboxFull,
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
