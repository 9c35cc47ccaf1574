//! Fingerprints that people read out to each other. Not here: any decision about trust.

use core::fmt;
use core::str::FromStr;

use subtle::ConstantTimeEq;

use crate::PublicKey;
use crate::key::sha256;

/// Separates this hash from every other use of a key.
const LABEL: &[u8; 27] = b"stringphone fingerprint v1\0";
const GROUPS: usize = 6;
const GROUP: usize = 4;
/// Crockford's base 32: no I, L, O or U, so nothing is misheard or misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 120 bits of a key's hash in six groups of four characters, made to be read out:
/// `7Q4K-0ZHN-…`. Two people who hear the same groups see the same key.
///
/// Reading one back is lenient: case, spaces and dashes do not count, `O` is `0`, `I` and `L`
/// are `1`.
///
/// ```
/// use stringphone_protocol::{Fingerprint, Identity};
///
/// let shown = Identity::from_seed(&[7; 32]).public_key().fingerprint();
/// let heard: Fingerprint = shown.to_string().to_lowercase().replace('-', " ").parse()?;
/// assert_eq!(heard, shown);
/// # Ok::<(), stringphone_protocol::ParseFingerprintError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq)]
pub struct Fingerprint([u8; GROUPS * GROUP]);

impl Fingerprint {
    pub(crate) fn of_key(key: &PublicKey) -> Self {
        let mut input = [0; LABEL.len() + 32];
        for (to, from) in input.iter_mut().zip(LABEL.iter().chain(key.as_bytes())) {
            *to = *from;
        }
        Self::of_hash(&sha256(&input))
    }

    fn of_hash(hash: &[u8; 32]) -> Self {
        let mut digits = [0; GROUPS * GROUP];
        // Eight base-32 digits from each five bytes.
        for (digits, bytes) in digits.chunks_exact_mut(8).zip(hash.chunks_exact(5)) {
            let word = bytes.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
            for (shift, digit) in (0..40).step_by(5).rev().zip(digits) {
                *digit = (word >> shift & 31) as u8;
            }
        }
        Self(digits)
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.0.chunks(GROUP).enumerate() {
            if at > 0 {
                f.write_str("-")?;
            }
            for digit in group {
                let letter = ALPHABET.get(usize::from(*digit)).copied().unwrap_or(b'?');
                write!(f, "{}", letter as char)?;
            }
        }
        Ok(())
    }
}

/// Text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 24 letters and digits in six groups, such as 7Q4K-0ZHN-…")]
pub struct ParseFingerprintError;

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let mut digits = [0; GROUPS * GROUP];
        let mut free = digits.iter_mut();
        for letter in text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
            let letter = match letter.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| *known == letter);
            let value = value.ok_or(ParseFingerprintError)?;
            *free.next().ok_or(ParseFingerprintError)? =
                u8::try_from(value).map_err(|_| ParseFingerprintError)?;
        }
        if free.next().is_some() { Err(ParseFingerprintError) } else { Ok(Self(digits)) }
    }
}
