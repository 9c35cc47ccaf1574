//! Keys and the names derived from them. Not here: the signing key, which is an [`Identity`].
//!
//! [`Identity`]: crate::Identity

use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use orion::hazardous::hash::sha2::sha256::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::Fingerprint;

/// A participant's Ed25519 public key: 32 bytes, as it stands on the wire.
///
/// Holding one says nothing about its validity; a key becomes usable when it enters a
/// [`Roster`](crate::Roster), which refuses bytes that are no point of the curve.
///
/// ```
/// use stringphone_protocol::PublicKey;
///
/// let text = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// let key: PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), stringphone_protocol::ParseKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes as they stand on the wire (RFC 8032 §5.1.2).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes as they stand on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The participant's id: the first 16 bytes of SHA-256 over the key.
    #[must_use]
    pub fn id(&self) -> ParticipantId {
        ParticipantId(first(&sha256(&self.0)))
    }

    /// What two people compare to know that they see the same key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_key(self)
    }
}

/// A participant's id: 16 bytes derived from its public key, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId([u8; 16]);

impl ParticipantId {
    /// Takes the 16 bytes as they stand on the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes as they stand on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The symmetric key of a Classic topic: 32 bytes, wiped on drop, redacted in output.
#[derive(Clone)]
pub struct TopicKey(SecretBytes);

impl TopicKey {
    /// Takes the key's 32 bytes. The caller wipes its own copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SecretBytes::new(bytes))
    }

    /// The key itself: whoever sees it reads every message of the topic.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl PartialEq for TopicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose().ct_eq(other.0.expose()).into()
    }
}

impl Eq for TopicKey {}

/// Secret bytes in one place of the heap, so that moving them leaves no copies behind.
#[derive(Clone)]
pub(crate) struct SecretBytes<const N: usize = 32>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> SecretBytes<N> {
    pub(crate) fn new(bytes: &[u8; N]) -> Self {
        let mut secret = Self::zeros();
        secret.0.copy_from_slice(bytes);
        secret
    }

    fn zeros() -> Self {
        Self(Box::new(Zeroizing::new([0; N])))
    }

    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl SecretBytes {
    pub(crate) fn random(entropy: &mut dyn rand_core::CryptoRng) -> Self {
        let mut secret = Self::zeros();
        entropy.fill_bytes(secret.0.as_mut_slice());
        secret
    }

    /// The first of them as a secret of its own.
    pub(crate) fn first<const N: usize>(&self) -> SecretBytes<N> {
        const { assert!(N <= 32) };
        let mut first = SecretBytes::zeros();
        first.0.iter_mut().zip(self.expose()).for_each(|(to, from)| *to = *from);
        first
    }
}

#[cfg(feature = "classic")]
impl TopicKey {
    pub(crate) fn random(entropy: &mut dyn rand_core::CryptoRng) -> Self {
        Self(SecretBytes::random(entropy))
    }
}

impl fmt::Debug for TopicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicKey([redacted])")
    }
}

/// The bytes are no Ed25519 public key that anybody could sign with: not a point of the curve,
/// or one of its few weak points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public key is not a usable Ed25519 key")]
pub struct InvalidKey;

/// Text that should have been hex digits of a key or id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct ParseKeyError {
    expected: usize,
}

macro_rules! hex_text {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = alloc::string::String::with_capacity(2 * $bytes);
                self.write_hex(&mut text);
                f.write_str(&text)
            }
        }

        impl $name {
            /// Appends the hex digits.
            pub(crate) fn write_hex(&self, text: &mut alloc::string::String) {
                for byte in self.0 {
                    for digit in [byte >> 4, byte & 15] {
                        text.extend(char::from_digit(digit.into(), 16));
                    }
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseKeyError;

            fn from_str(text: &str) -> Result<Self, ParseKeyError> {
                let mut bytes = [0; $bytes];
                parse_hex(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
    };
}

hex_text!(PublicKey, 32);
hex_text!(ParticipantId, 16);

impl FromStr for TopicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        parse_hex(text, bytes.as_mut_slice())?;
        Ok(Self::from_bytes(&bytes))
    }
}

pub(crate) fn parse_hex(text: &str, bytes: &mut [u8]) -> Result<(), ParseKeyError> {
    let wrong = ParseKeyError { expected: bytes.len().saturating_mul(2) };
    let (digits, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(wrong);
    };
    if digits.len() != bytes.len() {
        return Err(wrong);
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        let (Some(high), Some(low)) = ((*high as char).to_digit(16), (*low as char).to_digit(16))
        else {
            return Err(wrong);
        };
        *byte = u8::try_from(high << 4 | low).map_err(|_| wrong)?;
    }
    Ok(())
}

/// The first bytes of a digest, or of a secret.
pub(crate) fn first<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    const { assert!(N <= 32) };
    let mut first = [0; N];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    first
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // The digest fails only beyond 2^61 bytes, which no slice holds.
    if let Ok(digest) = Sha256::digest(data) {
        out.copy_from_slice(digest.as_ref());
    }
    out
}

impl Zeroize for TopicKey {
    fn zeroize(&mut self) {
        self.0.0.zeroize();
    }
}
