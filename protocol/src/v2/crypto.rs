//! What V2 uses of its primitives, each in one form: PROTOCOL §3.1. Not here: the
//! [`primitives`], HPKE, which is [`kem`](super::kem), and layouts.

use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::primitives;
use crate::Identity;
use crate::key::SecretBytes;

pub(super) use super::primitives::MessageKey;

pub(super) const TAG: usize = 16;

/// A hash, or a key's name.
pub(super) type Digest = [u8; 32];

/// `H(label, data)`, the data in parts.
pub(super) fn hash(label: &str, parts: &[&[u8]]) -> Digest {
    primitives::hash(label, parts)
}

/// `KDF(key, label, data)`, the data in parts.
pub(super) fn kdf(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> SecretBytes {
    primitives::kdf(key, label, parts)
}

/// Whether a proof made by [`kdf`] is this one, in constant time.
pub(super) fn proves(expected: &SecretBytes, given: &[u8]) -> bool {
    expected.expose().as_slice().ct_eq(given).into()
}

/// A new secret that depends on the identity's seed as well as on the entropy.
pub(super) fn fresh(
    identity: &Identity,
    purpose: &str,
    context: &[u8],
    entropy: &mut dyn CryptoRng,
) -> SecretBytes {
    let random = SecretBytes::random(entropy);
    let seed = identity.expose_seed();
    kdf(random.expose(), FRESH, &[seed.as_slice(), purpose.as_bytes(), context])
}

/// What a signature says, hashed: computed once, signed or verified, and remembered in short.
pub(super) fn signed(purpose: &'static str, parts: &[&[u8]]) -> Signed {
    Signed { purpose, digest: hash(purpose, parts) }
}

/// The string that is signed.
pub(super) struct Signed {
    purpose: &'static str,
    digest: Digest,
}

impl Signed {
    pub(super) fn sign(&self, identity: &Identity) -> [u8; 64] {
        primitives::sign(identity, &self.bytes())
    }

    pub(super) fn verifies(&self, key: &VerifyingKey, signature: &[u8; 64]) -> bool {
        primitives::verifies(key, &self.bytes(), signature)
    }

    /// What tells this string from others that should not be, in short.
    pub(super) fn short(&self) -> u16 {
        let [first, second, ..] = self.digest;
        u16::from_be_bytes([first, second])
    }

    fn bytes(&self) -> Vec<u8> {
        [self.purpose.as_bytes(), &self.digest].concat()
    }
}

macro_rules! labels {
    ($($name:ident = $label:literal;)*) => {
        $(pub(super) const $name: &str = concat!("stringphone/2 ", $label);)*
    };
}

labels! {
    ANSWER = "answer";
    CATCH_UP_KEY = "catch-up key";
    CERTIFICATE = "certificate";
    CHALLENGE = "challenge";
    CONFIRMATION = "confirmation";
    EPOCH_ID = "epoch id";
    EVICTIONS = "evictions";
    FRESH = "fresh";
    GENERATION = "generation";
    HINT = "hint";
    INTRODUCTION = "introduction";
    INTRODUCTION_HASH = "introduction hash";
    INVITATION = "invitation";
    INVITATION_SECRET = "invitation secret";
    KEM_KEY = "KEM key";
    MEMBERS = "members";
    MESSAGE = "message";
    MESSAGE_KEY = "message key";
    OPERATION = "operation";
    OPERATION_ID = "operation id";
    OPERATIONS = "operations";
    PARCEL = "parcel";
    PROOF = "proof";
    PSK = "psk";
    REKEY = "rekey";
    REPLY = "reply";
    STEP = "step";
    TOPIC = "topic";
    TRANSCRIPT = "transcript";
}
