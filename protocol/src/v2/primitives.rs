//! The primitives that V2 stands on, as other crates implement them. Not here: the forms that V2 uses
//! them in, which are [`crypto`](super::crypto), [`kem`](super::kem) and [`pin`](super::pin).
//!
//! This module is the one seam: a build for a model checker or a fuzzer has `null_crypto.rs` in its
//! place.

use alloc::vec;
use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, Tag, XChaCha20Poly1305};
use orion::hazardous::hash::blake2::blake2b::Blake2b;
use orion::hazardous::hpke::{DHKEM_X25519_SHA256_CHACHA20, ModeBase, ModePsk};
use orion::hazardous::kem::x25519_hkdf_sha256 as x25519;
use orion::hazardous::mac::blake2b;
use rand_core::CryptoRng;
use spake2::{Ed25519Group, Identity as Name, Password, Spake2};
use zeroize::Zeroizing;

use super::crypto::{Digest, PSK, TAG};
use super::kem::{KemPublic, Sealing, Suite};
use crate::key::SecretBytes;
use crate::{Identity, roster};

#[cfg(feature = "post-quantum")]
use orion::hazardous::hpke::MLKEM768_X25519_SHA256_CHACHA20;
#[cfg(feature = "post-quantum")]
use orion::hazardous::kem::xwing;

/// BLAKE2b-256 of all parts together.
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

/// The same, keyed.
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

/// All labels are shorter than 64 bytes.
fn length(label: &str) -> u8 {
    u8::try_from(label.len()).unwrap_or(u8::MAX)
}

/// Ed25519.
pub(super) fn sign(identity: &Identity, message: &[u8]) -> [u8; 64] {
    identity.sign(message)
}

/// Ed25519, strict.
pub(super) fn verifies(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    roster::verifies(key, message, signature)
}

/// A key of XChaCha20-Poly1305, ready for use.
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

/// Only the model copies sessions.
#[cfg(feature = "model")]
impl Clone for MessageKey {
    fn clone(&self) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(self.0.unprotected_as_ref());
        Self(SecretKey::from(*bytes))
    }
}

/// The public half of a KEM key pair.
pub(super) fn kem_public(suite: Suite, secret: &[u8; 32]) -> KemPublic {
    let bytes = secret.as_slice();
    // A private key of 32 bytes always has a public one: see `ExchangeKey::public`.
    let public = match suite {
        Suite::X25519 => x25519::PrivateKey::try_from(bytes)
            .and_then(|private| x25519::PublicKey::try_from(&private))
            .map(|public| public.as_ref().into()),
        #[cfg(feature = "post-quantum")]
        Suite::XWing => xwing::DecapsulationKey::try_from(bytes)
            .and_then(|private| xwing::EncapsulationKey::try_from(&private))
            .map(|public| public.as_ref().into()),
    };
    public.unwrap_or_default()
}

/// Opens what [`kem_seal`] made. `None` where it was made for another key, `info` or PSK.
pub(super) fn kem_open(
    suite: Suite,
    secret: &[u8; 32],
    sealed: &[u8],
    info: &[u8],
    psk: Option<&SecretBytes>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(suite.encapsulated())?;
    let len = ciphertext.len().checked_sub(TAG)?;
    let mut out = Zeroizing::new(vec![0; len]);
    let secret = secret.as_slice();
    macro_rules! open {
        ($suite:ty, $secret:ty, $encapsulated:ty) => {{
            let secret = <$secret>::try_from(secret).ok()?;
            let encapsulated = <$encapsulated>::try_from(encapsulated).ok()?;
            match psk {
                Some(psk) => ModePsk::<$suite>::new_recipient(
                    &encapsulated,
                    &secret,
                    info,
                    psk.expose(),
                    PSK.as_bytes(),
                )
                .and_then(|mut context| context.open(ciphertext, &[], &mut out)),
                None => ModeBase::<$suite>::new_recipient(&encapsulated, &secret, info)
                    .and_then(|mut context| context.open(ciphertext, &[], &mut out)),
            }
        }};
    }
    let opened = match suite {
        Suite::X25519 => {
            open!(DHKEM_X25519_SHA256_CHACHA20, x25519::PrivateKey, x25519::PublicKey)
        }
        #[cfg(feature = "post-quantum")]
        Suite::XWing => {
            open!(MLKEM768_X25519_SHA256_CHACHA20, xwing::DecapsulationKey, xwing::Ciphertext)
        }
    };
    opened.ok().map(|()| out)
}

/// Seals. `fresh` gives new secrets, as many as the suite needs.
pub(super) fn kem_seal(
    sealing: &Sealing<'_>,
    plaintext: &[u8],
    mut fresh: impl FnMut() -> SecretBytes,
) -> Option<Vec<u8>> {
    let Sealing { suite, to, info, psk } = sealing;
    let mut ciphertext = vec![0; plaintext.len().checked_add(TAG)?];
    let first = fresh();
    macro_rules! seal {
        ($suite:ty, $public:ty, $ephemeral:expr) => {{
            let public = <$public>::try_from(*to).ok()?;
            let (sealed, encapsulated) = match psk {
                Some(psk) => {
                    let (mut context, encapsulated) = ModePsk::<$suite>::new_sender_deterministic(
                        &public,
                        info,
                        psk.expose(),
                        PSK.as_bytes(),
                        $ephemeral,
                    )
                    .ok()?;
                    (context.seal(plaintext, &[], &mut ciphertext), encapsulated)
                }
                None => {
                    let (mut context, encapsulated) =
                        ModeBase::<$suite>::new_sender_deterministic(&public, info, $ephemeral)
                            .ok()?;
                    (context.seal(plaintext, &[], &mut ciphertext), encapsulated)
                }
            };
            sealed.ok()?;
            [encapsulated.as_ref(), ciphertext.as_slice()].concat()
        }};
    }
    Some(match suite {
        Suite::X25519 => seal!(
            DHKEM_X25519_SHA256_CHACHA20,
            x25519::PublicKey,
            x25519::PrivateKey::try_from(first.expose().as_slice()).ok()?
        ),
        #[cfg(feature = "post-quantum")]
        Suite::XWing => {
            let second = fresh();
            let seed =
                Zeroizing::new([first.expose().as_slice(), second.expose().as_slice()].concat());
            seal!(
                MLKEM768_X25519_SHA256_CHACHA20,
                xwing::EncapsulationKey,
                xwing::Eseed::try_from(seed.as_slice()).ok()?
            )
        }
    })
}

/// One side of a SPAKE2 exchange.
pub(super) struct PinExchange(State);

#[cfg(not(feature = "model"))]
type State = Spake2<Ed25519Group>;

#[cfg(not(feature = "model"))]
const fn held(state: Spake2<Ed25519Group>) -> State {
    state
}

/// Only the model copies sessions. Of several copies the last one can be finished.
#[cfg(feature = "model")]
type State = alloc::sync::Arc<Spake2<Ed25519Group>>;

#[cfg(feature = "model")]
fn held(state: Spake2<Ed25519Group>) -> State {
    alloc::sync::Arc::new(state)
}

#[cfg(feature = "model")]
impl Clone for PinExchange {
    fn clone(&self) -> Self {
        Self(alloc::sync::Arc::clone(&self.0))
    }
}

impl PinExchange {
    /// Side A, with its share.
    pub(super) fn newcomer(pin: &str, key: &[u8], entropy: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let (password, name) = (Password::new(pin.as_bytes()), Name::new(key));
        let (state, share) = Spake2::start_a_with_rng(&password, &name, &Name::new(&[]), entropy);
        (Self(held(state)), share)
    }

    /// Side B, with its share.
    pub(super) fn keeper(pin: &str, key: &[u8], entropy: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let (password, name) = (Password::new(pin.as_bytes()), Name::new(key));
        let (state, share) = Spake2::start_b_with_rng(&password, &name, &Name::new(&[]), entropy);
        (Self(held(state)), share)
    }

    /// The key that both have if both know the PIN. `None` where the share is none.
    pub(super) fn finish(self, share: &[u8]) -> Option<SecretBytes> {
        #[cfg(feature = "model")]
        let state = alloc::sync::Arc::into_inner(self.0)?;
        #[cfg(not(feature = "model"))]
        let state = self.0;
        let key = Zeroizing::new(state.finish(share).ok()?);
        Some(SecretBytes::new(key.as_slice().as_array()?))
    }
}
