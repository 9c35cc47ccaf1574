//! A participant's own signing identity. Not here: what is known of others, the [`Roster`].
//!
//! [`Roster`]: crate::Roster

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::key::{ParseKeyError, parse_hex};
use crate::{ParticipantId, PublicKey};

/// A participant's persistent Ed25519 identity, made from a 32-byte seed as the original's is.
///
/// Clones are cheap and share one secret, which is wiped when the last one goes.
///
/// ```
/// use stringphone_protocol::Identity;
///
/// let identity = Identity::from_seed(&[7; 32]);
/// assert_eq!(identity.id(), identity.public_key().id());
/// assert!(format!("{identity:?}").contains("[redacted]"));
/// ```
#[derive(Clone)]
pub struct Identity {
    signing: Arc<SigningKey>,
    id: ParticipantId,
}

impl Identity {
    /// Makes a new identity from the caller's entropy, which must be of cryptographic quality.
    pub fn generate(entropy: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill_bytes(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The identity of this 32-byte seed (RFC 8032 §5.1.5). The caller wipes its own copy.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = Arc::new(SigningKey::from_bytes(seed));
        let id = PublicKey::from_bytes(signing.verifying_key().to_bytes()).id();
        scrub_stack();
        Self { signing, id }
    }

    /// The seed itself: whoever sees it *is* this participant.
    #[must_use]
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// The public key, which others put into their rosters.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.signing.verifying_key().to_bytes())
    }

    /// The participant's id.
    #[must_use]
    pub const fn id(&self) -> ParticipantId {
        self.id
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

/// Overwrites what functions that have returned left on the stack: values that were moved leave
/// copies behind, and whatever is built there next may take them along in its unused bytes.
#[inline(never)]
pub fn scrub_stack() {
    let mut below = [0xff_u8; 4_096];
    // It is not optimised away.
    below.zeroize();
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity {{ id: {}, seed: [redacted] }}", self.id)
    }
}

/// Reads a seed of 64 hex digits, as the original's users keep it.
impl FromStr for Identity {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        parse_hex(text, seed.as_mut_slice())?;
        Ok(Self::from_seed(&seed))
    }
}
