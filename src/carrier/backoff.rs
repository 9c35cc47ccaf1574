//! How long to wait before a reconnection. Not here: the reconnection.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::CarrierSettings;

/// A link that was up for this long was a good one: the next loss starts from the first pause.
const GOOD: Duration = Duration::from_secs(10);

pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
    random: ChaCha8Rng,
}

impl Backoff {
    pub(crate) fn new(settings: &CarrierSettings) -> Self {
        // Only to keep many carriers from stepping in time: any seed does where there is none.
        let seed = settings.seed.or_else(|| getrandom::u64().ok()).unwrap_or_default();
        let first = settings.first_pause.max(Duration::from_millis(1));
        let last = settings.last_pause.max(first);
        Self { first, last, next: first, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Anything, for whoever must not step in time either.
    pub(crate) fn random(&mut self) -> u32 {
        self.random.next_u32()
    }

    /// The pause after a link that was up for `up`: from half of the whole to the whole.
    pub(crate) fn pause(&mut self, up: Duration) -> Duration {
        if up >= GOOD {
            self.next = self.first;
        }
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.last);
        let share = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        whole.mul_f64(1.0 - share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_last_one_and_start_anew_after_a_good_link() {
        let mut backoff = Backoff::new(&CarrierSettings { seed: Some(7), ..Default::default() });
        let mut whole = Duration::from_millis(250);
        for _ in 0..12 {
            let pause = backoff.pause(Duration::from_secs(1));
            assert!(pause <= whole && pause >= whole / 2, "{pause:?} of {whole:?}");
            whole = (whole * 2).min(Duration::from_secs(30));
        }
        assert!(backoff.pause(GOOD) <= Duration::from_millis(250));
    }
}
