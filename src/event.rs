//! What a topic tells of itself. Not here: messages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stringphone_protocol::{Epoch, Fingerprint, ParticipantId, PublicKey, Refusal};

use crate::subscription::Received;

/// A participant of a topic, as others know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Participant {
    key: PublicKey,
}

impl Participant {
    /// The participant who holds the private half of this key.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self { key }
    }

    /// Its id, 16 bytes of a hash of its key.
    #[must_use]
    pub fn id(&self) -> ParticipantId {
        self.key.id()
    }

    /// What people compare to know that they see the same participant.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    /// Its public key.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.key
    }
}

/// One attachment of a topic to a link; unique in the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(crate) u64);

static NEXT_LINK: AtomicU64 = AtomicU64::new(0);

impl LinkId {
    pub(crate) fn new() -> Self {
        Self(NEXT_LINK.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkId({})", self.0)
    }
}

/// What happens around a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The topic key is held: messages can be published and read.
    Ready,
    /// A newcomer introduced itself. What becomes of it, the admission policy says.
    Introduced(Participant),
    /// Nobody decided about a newcomer in time: it is denied.
    Lapsed(ParticipantId),
    /// Somebody answered our introduction and waits to be confirmed.
    Answered(Participant),
    /// A participant is trusted from now on.
    Joined(Participant),
    /// A participant is trusted no longer.
    Removed(ParticipantId),
    /// A link is up.
    LinkUp {
        /// Which.
        link: LinkId,
        /// Its name, such as `tcp hub:7000`.
        name: String,
    },
    /// A link is down, or did not come up.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Its name, such as `tcp hub:7000`.
        name: String,
        /// Why, in words.
        reason: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// Frames were refused; told at most once a second for each reason. How many,
    /// [`Stats::refused`] counts, and ordinary ones (our own, duplicates, replies to others) are
    /// only counted.
    Refused(Refusal),
    /// Other keys are in use (V2): a step was taken, or somebody rekeyed.
    Epoch(Epoch),
    /// A message that may have been delivered before the last restart (V2, on topics that store
    /// what was received only now and then).
    Uncertain(Received),
    /// A message of this participant came too late to be acted on, and was not delivered (V2).
    Expired(ParticipantId),
    /// A message of this participant expires, and we do not know what time it is: it was not
    /// delivered (V2).
    Unverifiable(ParticipantId),
    /// Our PIN is used up, guessed at too often, or too old (V2).
    PinBurnt,
    /// The topic went on without us, and we ask its members where it is (V2).
    Behind,
    /// A member that had been away was given the present keys, without anybody being asked (V2).
    CaughtUp(ParticipantId),
    /// We were evicted, or left. The topic stops (V2).
    Evicted,
    /// **Alarm**: two devices speak with this participant's key. One is a copy, or went back to an
    /// old state (V2).
    Cloned(ParticipantId),
    /// **Alarm**: our own storage went back to an old state. No key or nonce was used twice;
    /// messages that were delivered since then may come again (V2).
    RolledBack,
    /// **Alarm**: a member sends frames that no honest one would (V2).
    InsiderAlarm,
    /// Messages of this participant are missing from its order, and are waited for no longer (V2,
    /// on topics that were opened [`in_order`](crate::Topic::in_order)).
    Gap {
        /// Whose.
        from: ParticipantId,
        /// How many frames are missing at most; some may have been no messages.
        frames: u64,
    },
    /// The outbox gave messages up unsent: it was full, or they grew too old (V2).
    Dropped {
        /// How many.
        messages: usize,
    },
    /// Frames were lost on a link: garbage on the way in, or no room on the way out.
    Lost {
        /// Which.
        link: LinkId,
        /// How many.
        frames: u64,
    },
}

/// Counters of a topic since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages published.
    pub published: u64,
    /// Messages received from trusted participants.
    pub received: u64,
    /// Messages that were taken by [`publish`](crate::TopicHandle::publish) and could not be sent
    /// because no link was attached.
    pub unsent: u64,
    /// Frames lost on links, as in [`Event::Lost`].
    pub lost: u64,
    /// Frames refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
}
