//! Entropy that depends on the device and on how often it drew, and on nothing else: so two orders of
//! independent events end in one state. Not here: anything that nobody could guess.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

pub(crate) struct Entropy {
    seed: u64,
    pub(crate) draws: u64,
}

impl Entropy {
    pub(crate) fn new(seed: u64, draws: u64) -> Self {
        Self { seed, draws }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.draws += 1;
        let mut z = self.seed.wrapping_add(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}
