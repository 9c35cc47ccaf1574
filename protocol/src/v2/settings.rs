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

/// What is chosen for good when a topic is founded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoundOptions {
    /// How keys are sealed to participants.
    pub suite: Suite,
    /// The key of an identity kept in a drawer: the only one that can evict the founder.
    pub recovery: Option<PublicKey>,
}
