//! NaCl's two boxes, as the original uses them. Not here: frame layouts, decisions.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crypto_secretbox::aead::generic_array::GenericArray;
use crypto_secretbox::aead::{AeadInPlace, KeyInit};
use crypto_secretbox::cipher::consts::U10;
use crypto_secretbox::{Nonce, Tag, XSalsa20Poly1305};
use orion::hazardous::ecc::x25519;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::TopicKey;
use crate::key::{ParseKeyError, SecretBytes, parse_hex};

pub(super) const NONCE: usize = 24;
pub(super) const TAG: usize = 16;

/// A participant's X25519 key pair of one running topic: the private half, 32 bytes, wiped on
/// drop and redacted in output.
#[derive(Clone)]
pub struct ExchangeKey(SecretBytes);

impl ExchangeKey {
    /// Takes the private key's 32 bytes. The caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SecretBytes::new(bytes))
    }

    pub(super) fn random(entropy: &mut dyn CryptoRng) -> Self {
        Self(SecretBytes::random(entropy))
    }

    /// The private key itself: whoever sees it opens every reply that was sealed to it.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The public half, as it stands in introductions and replies.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut out = [0; 32];
        // Scalar multiplication of the base point can't yield the low-order result that orion
        // guards against: a clamped scalar is never a multiple of the group's order.
        if let Ok(public) = x25519::PublicKey::try_from(&x25519::PrivateKey::from(*self.0.expose()))
        {
            out.copy_from_slice(public.as_ref());
        }
        out
    }

    /// The box that we share with the holder of `public`: HSalsa20 of the X25519 secret. `None`
    /// where `public` is of small order and the secret would be known to everybody.
    pub(super) fn agree(&self, public: &[u8; 32]) -> Option<SharedKey> {
        let private = x25519::PrivateKey::from(*self.0.expose());
        let shared = x25519::key_agreement(&private, &x25519::PublicKey::from(*public)).ok()?;
        let secret = GenericArray::from_slice(shared.unprotected_as_ref());
        let key = salsa20::hsalsa::<U10>(secret, &GenericArray::default());
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(key.into());
        Some(SharedKey(SecretBytes::new(&key)))
    }
}

impl fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeKey([redacted])")
    }
}

impl FromStr for ExchangeKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        parse_hex(text, bytes.as_mut_slice())?;
        Ok(Self::from_bytes(&bytes))
    }
}

/// What two exchange keys agree on.
#[derive(Clone)]
pub(super) struct SharedKey(SecretBytes);

impl SharedKey {
    pub(super) fn seal(&self, out: &mut Vec<u8>, nonce: &[u8; NONCE], text: &[u8]) {
        seal(self.0.expose(), out, nonce, text);
    }

    pub(super) fn open(&self, nonce: &[u8; NONCE], boxed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(self.0.expose(), nonce, boxed).map(Zeroizing::new)
    }
}

impl TopicKey {
    pub(super) fn seal(&self, out: &mut Vec<u8>, nonce: &[u8; NONCE], text: &[u8]) {
        seal(self.expose_secret(), out, nonce, text);
    }

    pub(super) fn open(&self, nonce: &[u8; NONCE], boxed: &[u8]) -> Option<Vec<u8>> {
        open(self.expose_secret(), nonce, boxed)
    }
}

/// Appends tag and ciphertext, in NaCl's order.
fn seal(key: &[u8; 32], out: &mut Vec<u8>, nonce: &[u8; NONCE], text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; TAG]);
    out.extend_from_slice(text);
    let Some((tag, body)) = out.get_mut(start..).and_then(|part| part.split_at_mut_checked(TAG))
    else {
        return;
    };
    let cipher = XSalsa20Poly1305::new(GenericArray::from_slice(key));
    // Fails only with associated data, which this box has not.
    if let Ok(sealed) = cipher.encrypt_in_place_detached(Nonce::from_slice(nonce), b"", body) {
        tag.copy_from_slice(&sealed);
    }
}

fn open(key: &[u8; 32], nonce: &[u8; NONCE], boxed: &[u8]) -> Option<Vec<u8>> {
    let (tag, text) = boxed.split_at_checked(TAG)?;
    let mut text = text.to_vec();
    let cipher = XSalsa20Poly1305::new(GenericArray::from_slice(key));
    cipher
        .decrypt_in_place_detached(Nonce::from_slice(nonce), b"", &mut text, Tag::from_slice(tag))
        .ok()?;
    Some(text)
}
