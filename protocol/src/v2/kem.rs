//! Key encapsulation by HPKE (RFC 9180), single-shot: PROTOCOL §3.1. Not here: what is sealed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::crypto::{TAG, fresh};
use super::primitives;
use crate::Identity;
use crate::key::SecretBytes;

/// How keys are sealed to participants; chosen when a topic is founded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// X25519: for everything down to a microcontroller.
    #[default]
    X25519,
    /// X-Wing, X25519 and ML-KEM-768 together: what is recorded today stays secret from a quantum
    /// computer of tomorrow (G10). Needs 150 KB of stack and keys of 1.2 KB.
    #[cfg(feature = "post-quantum")]
    XWing,
}

impl Suite {
    /// The suite's byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::X25519 => 1,
            #[cfg(feature = "post-quantum")]
            Self::XWing => 2,
        }
    }

    /// The suite of this byte, if this build knows it.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::X25519),
            #[cfg(feature = "post-quantum")]
            2 => Some(Self::XWing),
            _ => None,
        }
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_key_size(self) -> usize {
        match self {
            Self::X25519 => 32,
            #[cfg(feature = "post-quantum")]
            Self::XWing => 1216,
        }
    }

    /// Bytes that sealing adds: the encapsulated key and the tag.
    pub(super) const fn overhead(self) -> usize {
        self.encapsulated().saturating_add(TAG)
    }

    pub(super) const fn encapsulated(self) -> usize {
        match self {
            Self::X25519 => 32,
            #[cfg(feature = "post-quantum")]
            Self::XWing => 1120,
        }
    }
}

/// The private half of a KEM key pair, as the 32 bytes that it is made of.
#[derive(Clone)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct KemSecret {
    suite: Suite,
    secret: SecretBytes,
}

/// A KEM public key.
pub(super) type KemPublic = Box<[u8]>;

impl KemSecret {
    pub(super) fn generate(suite: Suite, identity: &Identity, entropy: &mut dyn CryptoRng) -> Self {
        Self { suite, secret: fresh(identity, "KEM key", &[suite.to_byte()], entropy) }
    }

    pub(super) fn from_bytes(suite: Suite, bytes: &[u8; 32]) -> Self {
        Self { suite, secret: SecretBytes::new(bytes) }
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        self.secret.expose()
    }

    pub(super) fn public(&self) -> KemPublic {
        primitives::kem_public(self.suite, self.secret.expose())
    }

    /// Opens what [`seal`] made. `None` where it was made for another key, `info` or PSK.
    pub(super) fn open(
        &self,
        sealed: &[u8],
        info: &[u8],
        psk: Option<&SecretBytes>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        primitives::kem_open(self.suite, self.secret.expose(), sealed, info, psk)
    }
}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemSecret({:?}, [redacted])", self.suite)
    }
}

/// Whom something is sealed to, and how.
pub(super) struct Sealing<'a> {
    pub(super) suite: Suite,
    pub(super) to: &'a [u8],
    pub(super) info: &'a [u8],
    pub(super) psk: Option<&'a SecretBytes>,
}

/// `SEAL`: the encapsulated key and the ciphertext. `None` where `to` is no usable public key.
pub(super) fn seal(
    sealing: &Sealing<'_>,
    plaintext: &[u8],
    identity: &Identity,
    entropy: &mut dyn CryptoRng,
) -> Option<Vec<u8>> {
    primitives::kem_seal(sealing, plaintext, || {
        fresh(identity, "encapsulation", sealing.to, entropy)
    })
}
