//! The last frames of each sender, so that a frame that arrives on two links is taken once.
//! Not a replay protection: it forgets, and it does not outlive the process.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ParticipantId;

/// A frame's mark: the first 16 bytes of its signature, which differ for every honest frame.
type Mark = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct Recent {
    // A sender's marks are its own: no other can push them out.
    senders: BTreeMap<ParticipantId, Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    order: VecDeque<Mark>,
    known: BTreeSet<Mark>,
}

impl Recent {
    /// Whether the frame with this signature was taken before.
    pub(super) fn contains(&self, sender: ParticipantId, signature: &[u8; 64]) -> bool {
        self.senders.get(&sender).is_some_and(|marks| marks.known.contains(&mark(signature)))
    }

    /// Remembers a frame, and forgets the sender's oldest one beyond `limit`. Only for frames
    /// that were verified: anything else would let strangers fill the memory.
    pub(super) fn remember(&mut self, sender: ParticipantId, signature: &[u8; 64], limit: usize) {
        let marks = self.senders.entry(sender).or_default();
        let mark = mark(signature);
        if limit == 0 || !marks.known.insert(mark) {
            return;
        }
        marks.order.push_back(mark);
        if marks.order.len() > limit
            && let Some(oldest) = marks.order.pop_front()
        {
            marks.known.remove(&oldest);
        }
    }

    pub(super) fn forget(&mut self, sender: ParticipantId) {
        self.senders.remove(&sender);
    }
}

fn mark(signature: &[u8; 64]) -> Mark {
    signature.first_chunk().copied().unwrap_or_default()
}
