//! What a room counts.
//! Not events: those go to `tracing`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Why a room is rid of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// It left, or its connection broke.
    Left,
    /// It sent something that is no frame, or a frame that is too large or names no channel.
    Garbage,
    /// It began a frame and did not finish it in time, or did not finish the handshake that has to
    /// come first.
    HalfFrame,
    /// More bytes waited for it than may.
    Unread,
    /// It accepted no byte for too long, or has vanished.
    WriteStall,
    /// It used more channels than it may.
    Channels,
    /// It came when the room was full.
    Full,
    /// It had not sent a single frame for [`partial_frame`](super::Limits::partial_frame) when
    /// another peer needed its place in a full room.
    Mute,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "it left",
            Self::Garbage => "it sent garbage",
            Self::HalfFrame => "it did not finish a frame",
            Self::Unread => "too many bytes waited for it",
            Self::WriteStall => "it accepted no bytes",
            Self::Channels => "it used too many channels",
            Self::Full => "the room is full",
            Self::Mute => "it sent nothing and the room is full",
        })
    }
}

/// The counters of a room; a clone reads the same ones, wherever the room went.
#[derive(Clone, Debug, Default)]
pub struct RoomStats(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    peers: usize,
    dropped: BTreeMap<DropReason, u64>,
}

impl RoomStats {
    /// How many peers are in the room now.
    pub fn peers(&self) -> usize {
        self.counts().peers
    }

    /// How many peers the room got rid of for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counts().dropped.get(&reason).copied().unwrap_or(0)
    }

    pub(crate) fn set_peers(&self, peers: usize) {
        self.counts().peers = peers;
    }

    pub(crate) fn count(&self, reason: DropReason) {
        *self.counts().dropped.entry(reason).or_default() += 1;
    }

    /// No code panics while it holds the lock, so poisoned counters are sound ones.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
