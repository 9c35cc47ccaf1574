//! Random numbers that are the same on every machine.
//! Not for secrets outside of a simulation.

use std::time::Duration;

use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for. Streams are independent: what happens in one room, or
/// a fault more or less, leaves the numbers of all others where they were.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Medium,
    Identity,
    Entropy,
    Traffic,
    Attacker,
    Weather,
    Spy,
}

pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: Stream, number: usize) -> Self {
        Self(ChaCha8Rng::from_seed(key(seed, stream, number, 0)))
    }

    pub(crate) fn hits(&mut self, probability: f64) -> bool {
        // 53 bits are what an f64 holds exactly, so this is the same arithmetic everywhere.
        let drawn = (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }

    /// Another seed.
    #[cfg(feature = "actors")]
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        let drawn = self.0.next_u64().checked_rem(end).unwrap_or(0);
        usize::try_from(drawn).unwrap_or(0)
    }

    /// Less than `end`, in whole microseconds; zero if that is zero.
    pub(crate) fn within(&mut self, end: Duration) -> Duration {
        let micros = u64::try_from(end.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.0.next_u64().checked_rem(micros).unwrap_or(0))
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// What a simulated device has in the place of the operating system's generator, in one life.
pub(crate) fn entropy(seed: u64, stream: Stream, number: usize, life: u32) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(key(seed, stream, number, life))
}

fn key(seed: u64, stream: Stream, number: usize, life: u32) -> [u8; 32] {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let parts = [seed, stream as u64, number, u64::from(life)];
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip(parts) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    key
}
