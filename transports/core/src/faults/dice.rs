//! Random numbers that are the same on every machine.
//! Not for secrets.

use std::{ops::Range, time::Duration};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Every question takes the same number of draws whatever its answer, so that one fault more or
/// less in the settings leaves the others where they were.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn fork(&mut self) -> Self {
        Self::seeded(self.0.next_u64())
    }

    pub(super) fn hits(&mut self, probability: f64) -> bool {
        // 53 bits are what an f64 holds exactly, so this is the same arithmetic everywhere.
        let drawn = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        drawn < probability
    }

    /// Below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64().checked_rem(end).unwrap_or(0)
    }

    pub(super) fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_nanos();
        let offset = self.below(u64::try_from(width).unwrap_or(u64::MAX));
        range.start + Duration::from_nanos(offset)
    }
}
