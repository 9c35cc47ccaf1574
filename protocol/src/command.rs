//! What the owner of a participant can want of its session. Not here: what a session makes of it.

use alloc::vec::Vec;
use core::fmt;

use crate::v2::InviteOptions;
use crate::{InvalidKey, ParticipantId, PublicKey};

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
    /// Write an invitation, told as [`Event::Invited`](crate::Event::Invited) (V2 keepers).
    Invite(InviteOptions),
    /// Make a PIN with which one device can join, told as [`Event::PinOffered`](crate::Event::PinOffered) (V2 keepers).
    OfferPin,
    /// Leave the topic for good (V2).
    Leave,
    /// Seal of what waits in the outbox as much as fits into one frame (V2): see
    /// [`Session::waits`](crate::Session::waits).
    SendOn,
    /// A message of this sender is dealt with: the inbox need not keep it (V2).
    Acknowledge(ParticipantId, MessageId),
    /// No receipts are wanted any more for the message of this ticket (V2).
    GiveUp(u64),
}

/// Under which conditions a message is published (V2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishOptions {
    /// Milliseconds after which nobody shall act on it any more.
    pub expires_in_ms: Option<u64>,
    /// Ask for receipts: they are told with this number, which is the caller's own. The message is
    /// stored before it is sent, and sent again to those whose receipts do not come.
    pub ticket: Option<u64>,
    /// Whose receipts are waited for; empty for all members'.
    pub by: Vec<ParticipantId>,
    /// Tell when it was sent, with this number, which is the caller's own.
    pub sent_ticket: Option<u64>,
}

/// A message that is not confirmed by all (V2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// The number that it was published with.
    pub ticket: u64,
    /// Whose receipts are missing; `None` for one that was not sent yet.
    pub missing: Option<Vec<ParticipantId>>,
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
            Self::SendOn => f.write_str("SendOn"),
            Self::Acknowledge(id, message) => write!(f, "Acknowledge({id}, {message:?})"),
            Self::GiveUp(ticket) => write!(f, "GiveUp({ticket})"),
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The topic key is not held yet.
    #[error("the topic key is not held yet; wait until the topic is ready")]
    NotReady,
    /// The body would make a frame larger than [`Limits::frame`](crate::Limits::frame).
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
    /// The roster holds as many as [`Limits::participants`](crate::Limits::participants) allows.
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
    /// The outbox is full, or as many messages as may be wait to be confirmed.
    #[error("{0} messages wait to be sent or confirmed already, which is the limit")]
    OutboxFull(usize),
    /// The inbox holds no such message.
    #[error("the inbox holds no such message; it was acknowledged before")]
    NotInInbox,
    /// There are as many of these as there may be.
    #[error("there are {0} already, which is the limit")]
    TooMany(usize),
}
