//! For the model checker: sessions that can be copied, compared, and looked into. Not here: what is
//! looked for.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::V2Session;
use crate::ParticipantId;

/// A generation that a session holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldGeneration {
    /// Its id, which nobody chooses.
    pub id: [u8; 32],
    /// One more than its parent's.
    pub number: u32,
    /// The present step.
    pub step: u32,
}

impl V2Session {
    /// The generations held, the one in use first.
    #[must_use]
    pub fn held_generations(&self) -> Vec<HeldGeneration> {
        self.room.iter().flat_map(|room| room.held_generations()).collect()
    }

    /// Who is evicted as far as this session knows, and the highest incarnation that is.
    #[must_use]
    pub fn evicted(&self) -> Vec<(ParticipantId, u32)> {
        self.room.iter().flat_map(|room| room.evicted()).collect()
    }

    /// Whether the generation in use is sealed to nobody who is evicted.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.is_clean())
    }
}

/// Everything that what it does can depend on. Its settings stay what they were.
impl Hash for V2Session {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.identity, self.frames, &self.outbox, &self.room).hash(state);
        (self.introducing, &self.ask, &self.answers, self.greeting).hash(state);
        (self.catch_up_interval, self.attempts, &self.checks, &self.shunned).hash(state);
    }
}

impl fmt::Debug for V2Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V2Session({}, {:?})", self.identity.id(), self.held_generations())
    }
}
