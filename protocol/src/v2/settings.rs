//! What the owner of a V2 session chooses. Not here: its lasting state.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Invitation, Pin, Suite};
use crate::{Fingerprint, Limits, PublicKey};

/// What the owner of a V2 session chooses; not part of its lasting state.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What this device calls itself when it joins; visible on the channel (at most 64 bytes).
    pub name: String,
    /// How it joins, if it has not.
    pub entry: Entry,
    /// When keys change.
    pub timing: Timing,
    /// How many frames of a sender are taken between two commits of its window (default 1: each
    /// message is delivered at most once, whatever happens). More spare flash memory: after a
    /// restart as many may come as [`Event::Uncertain`](crate::Event::Uncertain).
    pub frames_per_commit: u32,
    /// Keep what can't be sent yet, and go on sending it after a restart (default not).
    pub outbox: Option<OutboxLimits>,
    /// Keep what is received until it is acknowledged, and ask others for what was missed while we
    /// were away (default not).
    pub inbox: Option<InboxLimits>,
    /// Keep what was sent and received for members that were away (default not).
    pub history: Option<HistoryLimits>,
    /// Deliver each sender's messages in its order. One that is missing is waited for this many
    /// milliseconds, then told as [`Event::Gap`](crate::Event::Gap) (default: as they come).
    pub order_ms: Option<u64>,
    /// Bounds.
    pub limits: Limits,
}

/// How a participant joins a topic that it is not in yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Entry {
    /// By comparing fingerprints: an admitter with one of these is believed at once, any other
    /// waits for [`Command::Confirm`](crate::Command::Confirm).
    Fingerprint(Vec<Fingerprint>),
    /// By an invitation.
    Invitation(Invitation),
    /// By a PIN that a keeper shows.
    Pin(Pin),
}

impl Default for Entry {
    fn default() -> Self {
        Self::Fingerprint(Vec::new())
    }
}

/// When keys change, in milliseconds unless they say otherwise: PROTOCOL §3.15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// After this long in a step the next one is taken (default an hour).
    pub step_ms: u64,
    /// After this many frames of ours as well (default 2²⁰).
    pub step_frames: u32,
    /// How long the epoch before is still read (default an hour).
    pub overlap_ms: u64,
    /// After this long a keeper begins a new generation (default a day).
    pub rekey_ms: u64,
    /// After this long a KEM key is replaced (default 12 hours).
    pub kem_ms: u64,
    /// How long a keeper of rank 1 waits, without a clean generation, before it begins one; others
    /// as many times longer as their rank (default a second).
    pub heal_ms: u64,
    /// How long anybody waits, without a clean generation or hearing unknown epochs, before it
    /// asks (default two seconds).
    pub ask_ms: u64,
    /// How long an admitted newcomer may take to say hello (default ten minutes).
    pub admission_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            step_ms: 3_600_000,
            step_frames: 1 << 20,
            overlap_ms: 3_600_000,
            rekey_ms: 86_400_000,
            kem_ms: 43_200_000,
            heal_ms: 1_000,
            ask_ms: 2_000,
            admission_ms: 600_000,
        }
    }
}

/// Bounds of what waits to be sent, and of what waits to be confirmed, which is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Messages that wait to be sent (default 10,000).
    pub messages: usize,
    /// Bytes of their bodies (default 16 MiB).
    pub bytes: usize,
    /// Milliseconds that a message waits to be sent, and then once more to be confirmed (default
    /// seven days); a restart begins them anew.
    pub age_ms: u64,
    /// What happens beyond.
    pub overflow: Overflow,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 << 20,
            age_ms: 604_800_000,
            overflow: Overflow::default(),
        }
    }
}

/// What happens when an outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// No more is taken.
    #[default]
    Refuse,
    /// The oldest goes, and that is told.
    DropOldest,
}

/// Bounds of what waits to be acknowledged. Frames beyond are refused, and not confirmed: who wants
/// them confirmed sends them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxLimits {
    /// Messages (default 10,000); a frame is taken as a whole.
    pub messages: usize,
    /// Bytes of their bodies (default 16 MiB).
    pub bytes: usize,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 16 << 20 }
    }
}

/// Bounds of what is kept for members that were away; beyond, the oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Frames (default 1,000).
    pub frames: usize,
    /// Bytes of their bodies (default 1 MiB).
    pub bytes: usize,
    /// Milliseconds (default a day); a restart begins them anew.
    pub age_ms: u64,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { frames: 1_000, bytes: 1 << 20, age_ms: 86_400_000 }
    }
}

/// What is chosen for good when a topic is founded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoundOptions {
    /// How keys are sealed to participants.
    pub suite: Suite,
    /// The key of an identity kept in a drawer: the only one that can evict the founder.
    pub recovery: Option<PublicKey>,
}
