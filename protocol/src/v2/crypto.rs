//! The primitives below V2, each in the one form that it is used in: PROTOCOL §3.1. Not here: HPKE,
//! which is [`kem`](super::kem), and layouts.

use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, Tag, XChaCha20Poly1305};
use orion::hazardous::hash::blake2::blake2b::Blake2b;
use orion::hazardous::mac::blake2b;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Identity;
use crate::key::SecretBytes;
use crate::roster::verifies;

pub(super) const TAG: usize = 16;

/// A hash, or a key's name.
pub(super) type Digest = [u8; 32];

/// `H(label, data)`, the data in parts.
pub(super) fn hash(label: &str, parts: &[&[u8]]) -> Digest {
    let mut out = [0; 32];
    // It fails only beyond 2^64 bytes, which no slices hold.
    let digest = Blake2b::new(32).and_then(|mut state| {
        state.update(&[length(label)])?;
        state.update(label.as_bytes())?;
        parts.iter().try_for_each(|part| state.update(part))?;
        state.finalize()
    });
    if let Ok(digest) = digest {
        out.copy_from_slice(digest.as_ref());
    }
    out
}

/// `KDF(key, label, data)`, the data in parts.
pub(super) fn kdf(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> SecretBytes {
    let mut out = Zeroizing::new([0; 32]);
    // As above; and a key of 32 bytes is one that BLAKE2b takes.
    let tag = blake2b::SecretKey::try_from(key.as_slice()).and_then(|key| {
        let mut state = blake2b::Blake2b::new(&key, 32)?;
        state.update(&[length(label)])?;
        state.update(label.as_bytes())?;
        parts.iter().try_for_each(|part| state.update(part))?;
        state.finalize()
    });
    if let Ok(tag) = tag {
        out.copy_from_slice(tag.unprotected_as_ref());
    }
    SecretBytes::new(&out)
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
        identity.sign(&self.bytes())
    }

    pub(super) fn verifies(&self, key: &VerifyingKey, signature: &[u8; 64]) -> bool {
        verifies(key, &self.bytes(), signature)
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

/// A message key, ready for use.
pub(super) struct MessageKey(SecretKey);

impl MessageKey {
    pub(super) fn new(bytes: &SecretBytes) -> Self {
        Self(SecretKey::from(*bytes.expose()))
    }

    /// Seals in place. `None` only for more bytes than fit the cipher.
    pub(super) fn seal(&self, nonce: [u8; 24], ad: &[u8], bytes: &mut [u8]) -> Option<[u8; TAG]> {
        let tag =
            XChaCha20Poly1305::seal_inplace(&self.0, &Nonce::from(nonce), Some(ad), bytes).ok()?;
        tag.unprotected_as_ref().try_into().ok()
    }

    /// Opens in place; the bytes are as they were where that fails.
    pub(super) fn open(&self, nonce: [u8; 24], ad: &[u8], bytes: &mut [u8], tag: &[u8]) -> bool {
        let Ok(tag) = Tag::try_from(tag) else { return false };
        let nonce = Nonce::from(nonce);
        XChaCha20Poly1305::open_inplace(&self.0, &nonce, &tag, Some(ad), bytes).is_ok()
    }
}

/// All labels are shorter than 64 bytes.
fn length(label: &str) -> u8 {
    u8::try_from(label.len()).unwrap_or(u8::MAX)
}

macro_rules! labels {
    ($($name:ident = $label:literal;)*) => {
        $(pub(super) const $name: &str = concat!("stringphone/2 ", $label);)*
    };
}

labels! {
    ANSWER = "answer";
    CATCH_UP_KEY = "catch-up key";
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
    MEMBERS = "members";
    MESSAGE = "message";
    MESSAGE_KEY = "message key";
    OPERATION = "operation";
    OPERATION_ID = "operation id";
    OPERATIONS = "operations";
    PROOF = "proof";
    PSK = "psk";
    REKEY = "rekey";
    REPLY = "reply";
    STEP = "step";
    TOPIC = "topic";
    TRANSCRIPT = "transcript";
}
