//! The participants whose messages are believed. Not here: who decides about it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::{InvalidKey, ParticipantId, PublicKey};

/// The trusted participants of a topic, ordered by id.
///
/// Trusted entries are never pushed out by others: only [`remove`](Self::remove) takes one away.
///
/// ```
/// use stringphone_protocol::{Identity, Roster};
///
/// let lamp = Identity::from_seed(&[1; 32]).public_key();
/// let mut roster = Roster::default();
/// assert!(roster.insert(lamp)?);
/// assert!(!roster.insert(lamp)?, "it was there already");
/// assert!(roster.contains(lamp.id()));
/// # Ok::<(), stringphone_protocol::InvalidKey>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Roster {
    // The point is decompressed once, here, and not at every message. Boxed, since a node of the map
    // has room for eleven.
    members: BTreeMap<ParticipantId, Box<VerifyingKey>>,
}

impl Roster {
    /// Trusts a participant; `false` if it was trusted already.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] where the bytes are no key that anybody could sign with.
    pub fn insert(&mut self, key: PublicKey) -> Result<bool, InvalidKey> {
        let verifying = Box::new(verifying_key(&key)?);
        Ok(self.members.insert(key.id(), verifying).is_none())
    }

    /// Ends the trust; `false` if there was none.
    pub fn remove(&mut self, id: ParticipantId) -> bool {
        self.members.remove(&id).is_some()
    }

    /// Whether this participant is trusted.
    #[must_use]
    pub fn contains(&self, id: ParticipantId) -> bool {
        self.members.contains_key(&id)
    }

    /// The public keys of the trusted participants, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.members.values().map(|key| PublicKey::from_bytes(key.to_bytes()))
    }

    /// How many participants are trusted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    #[cfg(feature = "classic")]
    pub(crate) fn find(&self, id: ParticipantId) -> Option<&VerifyingKey> {
        self.members.get(&id).map(Box::as_ref)
    }
}

/// Turns wire bytes into a key that can verify; refuses points of small order.
pub(crate) fn verifying_key(key: &PublicKey) -> Result<VerifyingKey, InvalidKey> {
    let verifying = VerifyingKey::from_bytes(key.as_bytes()).map_err(|_| InvalidKey)?;
    if verifying.is_weak() { Err(InvalidKey) } else { Ok(verifying) }
}

/// The one rule by which signatures are verified, everywhere: strict (RFC 8032 §5.1.7, canonical,
/// no small-order points, without the cofactor).
pub(crate) fn verifies(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}
