//! A key from what a person remembers: Argon2id (RFC 9106), and what is sealed under it. Not here:
//! where a passphrase is read from.

use std::fmt;

use orion::hazardous::kdf::argon2::{Argon2, CostParams, ID, Sequential};
use rand_core::Rng;
use stringphone_protocol::RestoreError;
use zeroize::Zeroizing;

use super::SEALED;
use crate::entropy;
use crate::error::TopicError;
use crate::seal::{self, Key, NONCE};

const SALT: usize = 16;
/// What stands in front of the sealed text: three costs and the salt.
const HEAD: usize = 12 + SALT;
const ABOUT: &[u8] = b"stringphone key file";

/// What a key file is sealed with. Redacted in output, wiped on drop.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// This passphrase, byte by byte as it is. The caller wipes its own copy.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Costs ‖ salt ‖ nonce ‖ what is sealed.
    pub(super) fn seal(&self, text: &[u8; 64]) -> Result<Vec<u8>, TopicError> {
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
        let mut entropy = entropy::generator()?;
        entropy.fill_bytes(&mut salt);
        entropy.fill_bytes(&mut nonce);
        let head = [Cost::USUAL.bytes().as_slice(), &salt].concat();
        let key = self.key(&Cost::USUAL, &salt);
        let sealed = key.and_then(|key| seal::seal(&key, &nonce, &about(&head), text));
        // Neither the cost nor the length is one that these refuse.
        let sealed = sealed.ok_or_else(|| RestoreError::Damaged(SEALED.into()))?;
        Ok([head.as_slice(), &nonce, &sealed].concat())
    }

    /// What [`Self::seal`] sealed; `None` where it was sealed with another passphrase.
    pub(super) fn open(&self, bytes: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, RestoreError> {
        let parts = || {
            let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
            let (nonce, sealed) = rest.split_first_chunk()?;
            let (cost, salt) = head.split_first_chunk()?;
            Some((head, nonce, sealed, Cost::read(cost)?, salt.as_array()?))
        };
        let damaged = || RestoreError::Damaged(SEALED.into());
        let (head, nonce, sealed, cost, salt) = parts().ok_or_else(damaged)?;
        let key = self.key(&cost, salt).ok_or_else(damaged)?;
        Ok(seal::open(&key, nonce, &about(head), sealed))
    }

    fn key(&self, cost: &Cost, salt: &[u8; SALT]) -> Option<Key> {
        let cost = CostParams::new(cost.passes, cost.memory, cost.lanes).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        let out = key.as_mut_slice();
        Argon2::<ID, Sequential>::derive_key(self.0.as_bytes(), salt, &cost, None, None, out)
            .ok()?;
        Some(key)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase([redacted])")
    }
}

fn about(head: &[u8]) -> Vec<u8> {
    [ABOUT, head].concat()
}

/// What a guess costs.
struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// RFC 9106, section 4, the second recommended option, for where memory is scarce.
    const LOW_MEMORY: Self = Self { memory: 64 << 10, passes: 3, lanes: 4 };
    /// Tests of this crate have no secrets to keep, and would take minutes without optimisation.
    const USUAL: Self =
        if cfg!(test) { Self { memory: 64, ..Self::LOW_MEMORY } } else { Self::LOW_MEMORY };
    /// What a file can make us spend, at most.
    const MOST: Self = Self { memory: 256 << 10, passes: 16, lanes: 16 };

    fn bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let costs = [self.memory, self.passes, self.lanes];
        for (to, cost) in bytes.chunks_exact_mut(4).zip(costs) {
            to.copy_from_slice(&cost.to_le_bytes());
        }
        bytes
    }

    /// `None` beyond [`Self::MOST`].
    fn read(bytes: &[u8; 12]) -> Option<Self> {
        let mut costs = bytes.as_chunks().0.iter().map(|cost| u32::from_le_bytes(*cost));
        let (memory, passes, lanes) = (costs.next()?, costs.next()?, costs.next()?);
        let most = Self::MOST;
        let bounded = memory <= most.memory && passes <= most.passes && lanes <= most.lanes;
        bounded.then_some(Self { memory, passes, lanes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_can_not_make_us_spend_more_than_is_sane() {
        let passphrase = Passphrase::new("x");
        for (memory, passes, lanes) in
            [(u32::MAX, 3, 4), (64 << 10, u32::MAX, 4), (64 << 10, 3, 17), (0, 3, 4), (8, 0, 1)]
        {
            let head = [Cost { memory, passes, lanes }.bytes().as_slice(), &[0; SALT]].concat();
            let bytes = [head.as_slice(), &[0; NONCE + 80]].concat();
            assert!(passphrase.open(&bytes).is_err(), "{memory} {passes} {lanes}");
        }
    }

    /// RFC 9106, section 5.3: Argon2id as files are sealed with, in every later release too.
    #[test]
    fn the_key_is_the_one_that_rfc_9106_says() {
        let cost = CostParams::new(3, 32, 4).unwrap();
        let mut tag = [0; 32];
        let (secret, about) = ([3; 8], [4; 12]);
        Argon2::<ID, Sequential>::derive_key(
            &[1; 32],
            &[2; 16],
            &cost,
            Some(&secret),
            Some(&about),
            &mut tag,
        )
        .unwrap();
        let wanted = [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b,
            0x53, 0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9,
            0x6b, 0x01, 0xe6, 0x59,
        ];
        assert_eq!(tag, wanted);
    }
}
