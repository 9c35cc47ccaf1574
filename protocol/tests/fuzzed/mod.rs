//! The bodies of the fuzz targets for sessions. Plain functions of bytes, so that the same
//! claims are fuzzed, replayed from the corpora, and tried by proptest.
//! Not the targets themselves; those are in `fuzz/`.
#![allow(dead_code, reason = "each user takes its part")]

pub(crate) mod frames;
pub(crate) mod operations;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stringphone_protocol::Identity;

/// Bytes that decide what happens next; zeros once they have run out.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The person of this number.
pub(crate) fn identity(number: u8) -> Identity {
    Identity::from_seed(&[number.wrapping_add(1); 32])
}
