//! Joining by a short PIN: SPAKE2, and what it leaves to its caller. PROTOCOL §3.13. Not here: the
//! frames.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::primitives::PinExchange;
use crate::PublicKey;
use crate::key::SecretBytes;

/// Bytes of a share.
pub(super) const SHARE: usize = 33;
const DIGITS: usize = 6;
/// What the keeper's share begins with; the rest is a point.
const SIDE_B: u8 = b'B';

/// A PIN of six digits, shown by a keeper and typed into the device that joins; wiped on drop,
/// redacted in output.
///
/// ```
/// use stringphone_protocol::v2::Pin;
///
/// let pin: Pin = "402 917".parse()?;
/// assert_eq!(pin.expose_digits(), "402917");
/// assert!("40291".parse::<Pin>().is_err());
/// # Ok::<(), stringphone_protocol::v2::ParsePinError>(())
/// ```
#[derive(Clone)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    pub(super) fn random(entropy: &mut dyn CryptoRng) -> Self {
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
        while digits.len() < DIGITS {
            // Of each byte only the values that divide evenly, so that all digits are as likely.
            let mut byte = Zeroizing::new([0]);
            entropy.fill_bytes(byte.as_mut_slice());
            if let [value @ 0..250] = *byte {
                digits.push(char::from(b'0'.saturating_add(value % 10)));
            }
        }
        Self(digits)
    }

    /// The digits themselves: whoever sees them can join in the invited one's place.
    #[must_use]
    pub fn expose_digits(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Pin {}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin([redacted])")
    }
}

/// The text is no PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has {DIGITS} digits")]
pub struct ParsePinError;

/// Reads the digits; spaces and dashes between them do not count.
impl FromStr for Pin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
        for character in text.trim().chars().filter(|c| !matches!(c, ' ' | '-')) {
            if digits.len() == DIGITS || !character.is_ascii_digit() {
                return Err(ParsePinError);
            }
            digits.push(character);
        }
        if digits.len() == DIGITS { Ok(Self(digits)) } else { Err(ParsePinError) }
    }
}

/// One side of an exchange, whose share is sent.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Exchange {
    state: PinExchange,
    pub(super) share: Vec<u8>,
}

impl Exchange {
    /// The newcomer's side.
    pub(super) fn newcomer(pin: &Pin, key: &PublicKey, entropy: &mut dyn CryptoRng) -> Self {
        let (state, share) = PinExchange::newcomer(&pin.0, key.as_bytes(), entropy);
        Self { state, share }
    }

    /// The keeper's side.
    pub(super) fn keeper(pin: &Pin, newcomer: &PublicKey, entropy: &mut dyn CryptoRng) -> Self {
        let (state, share) = PinExchange::keeper(&pin.0, newcomer.as_bytes(), entropy);
        Self { state, share }
    }

    /// Whether this can be the keeper's share: whatever else it is costs us nothing.
    pub(super) fn is_keepers_share(share: &[u8]) -> bool {
        let [SIDE_B, point @ ..] = share else { return false };
        point.as_array().is_some_and(|point| VerifyingKey::from_bytes(point).is_ok())
    }

    /// The key that both have if both know the PIN. `None` where the share is none.
    pub(super) fn finish(self, share: &[u8]) -> Option<SecretBytes> {
        self.state.finish(share)
    }
}
