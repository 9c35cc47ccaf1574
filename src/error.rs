//! The one error type of topics. Not the errors of links: those come as events.

use std::sync::Arc;

use stringphone_protocol::{CommandError, ParticipantId, RestoreError};

use crate::event::Participant;
use crate::payload::PayloadError;
use crate::store::StoreError;
use crate::transport::TransportError;

/// What can go wrong with a topic.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The topic's name can't be a channel's.
    #[error("a topic's name has 1 to 64 bytes, this one has {len}")]
    Name {
        /// Bytes of the name.
        len: usize,
    },
    /// The topic key is not held yet: wait for `ready()`.
    #[error("the topic key is not held yet; wait until `ready()` returns")]
    NotReady,
    /// Somebody answered our introduction. Compare the fingerprint with what that participant
    /// shows, then `confirm` its id, and wait again.
    #[error(
        "participant {} answered; compare its fingerprint {} with what it shows, then confirm it",
        .0.id(), .0.fingerprint()
    )]
    NeedsConfirmation(Participant),
    /// The message is too large for the protocol, or for the smallest attached link.
    #[error("the message has {len} bytes, at most {max} fit")]
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The payload can't be encoded.
    #[error(transparent)]
    Payload(Arc<PayloadError>),
    /// The session refused the command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The link can't carry this channel: it carries one, or the channel is taken.
    #[error("the channel `{0}` is taken on this link, or the link carries only one channel")]
    ChannelTaken(String),
    /// No link is attached, so there is nobody to publish to.
    #[error("no link is attached; attach one first")]
    NoLink,
    /// No link of this id is attached.
    #[error("no such link is attached")]
    NoSuchLink,
    /// The link refused a name.
    #[error(transparent)]
    Transport(Arc<TransportError>),
    /// The store failed; the topic stops, because what it would send depends on it.
    #[error("the store failed: {0}")]
    Store(Arc<StoreError>),
    /// The stored records do not make this topic.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The operating system gave no entropy.
    #[error("the operating system gives no random numbers: {0}")]
    Entropy(getrandom::Error),
    /// The topic was stopped, and not all that was published has left: a link was down, or took
    /// nothing.
    #[error(
        "the topic has stopped, and not all that was published has left ({messages} messages were \
         still queued): a link was down or took nothing"
    )]
    Unsent {
        /// How many were still queued. One or the other more may be stuck within a link.
        messages: u64,
    },
    /// The topic ended without being stopped: code in its actor panicked, or its arbiter ended.
    #[error("the topic ended without being stopped: its actor crashed, or its arbiter ended")]
    Crashed,
    /// We were evicted from the topic, or left it; its keys are gone.
    #[error("this participant was evicted from the topic, or left it")]
    Evicted,
    /// The PIN was not taken.
    #[error("the PIN was not taken; have a keeper show a new one, and start again with that")]
    PinRejected,
    /// Not everybody said in time that it has the message.
    #[error("{} members did not confirm the message", missing.len())]
    Unconfirmed {
        /// Who did not.
        missing: Vec<ParticipantId>,
    },
    /// The outbox had no room for the message any longer, or it grew too old there.
    #[error("the message was given up unsent: the outbox was full, or it grew too old")]
    Dropped,
    /// No link was up to take the message.
    #[error("no link is up; the message waits for one, and may get lost there")]
    NotHanded,
    /// The topic keeps no messages until they are acknowledged.
    #[error("the topic has no inbox; open it with one: `Topic::….inbox(InboxLimits::default())`")]
    NoInbox,
    /// Somebody reads the inbox already.
    #[error("the inbox has a reader already; one is all it can have")]
    InboxTaken,
    /// The topic was stopped, or its last handle dropped.
    #[error("the topic has stopped")]
    Stopped,
}

impl From<StoreError> for TopicError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<PayloadError> for TopicError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(Arc::new(error))
    }
}

impl From<TransportError> for TopicError {
    fn from(error: TransportError) -> Self {
        Self::Transport(Arc::new(error))
    }
}

impl From<getrandom::Error> for TopicError {
    fn from(error: getrandom::Error) -> Self {
        Self::Entropy(error)
    }
}
