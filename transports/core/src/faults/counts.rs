//! What faults were done.
//! Not what came of them: that is for the layers above to count.

use std::sync::{Arc, Mutex, PoisonError};

/// How many frames each fault struck, and how many arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Frames handed on, second copies included.
    pub delivered: u64,
    /// Frames that never arrived.
    pub lost: u64,
    /// Frames that arrived twice.
    pub duplicated: u64,
    /// Frames that were held back for others to overtake.
    pub reordered: u64,
    /// Frames with a bit flipped.
    pub corrupted: u64,
    /// Links that were broken.
    pub disconnected: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SharedCounts(Arc<Mutex<FaultCounts>>);

impl SharedCounts {
    pub(super) fn read(&self) -> FaultCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut FaultCounts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
