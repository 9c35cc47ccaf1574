//! What a topic is called, and what it was founded on: PROTOCOL §3.2. Not here: who is in it now.

use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;

use super::crypto::{TOPIC, fresh, hash};
use super::kem::Suite;
use super::wire::{Reader, Write};
use crate::key::first;
use crate::{Identity, PublicKey};

pub(super) const FOUNDING: usize = 80;

/// A topic's id: 16 bytes of a hash of its founding record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub(super) [u8; 16]);

impl TopicId {
    /// The 16 bytes as they stand on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// What a topic was founded on. Its hash is the topic's id, so nothing in it can be exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Founding {
    pub(super) founder: PublicKey,
    pub(super) recovery: Option<PublicKey>,
    pub(super) nonce: [u8; 16],
}

impl Founding {
    pub(super) fn new(
        founder: &Identity,
        recovery: Option<PublicKey>,
        entropy: &mut dyn CryptoRng,
    ) -> Self {
        let nonce = first(fresh(founder, "topic", &[], entropy).expose());
        Self { founder: founder.public_key(), recovery, nonce }
    }

    pub(super) fn topic(&self, suite: Suite) -> TopicId {
        TopicId(first(&hash(TOPIC, &[&[suite.to_byte()], &self.to_bytes()])))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FOUNDING);
        let recovery = self.recovery.map_or([0; 32], |key| *key.as_bytes());
        bytes.put(self.founder.as_bytes()).put(&recovery).put(&self.nonce);
        bytes
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let founder = PublicKey::from_bytes(reader.array()?);
        let recovery: [u8; 32] = reader.array()?;
        let recovery = (recovery != [0; 32]).then(|| PublicKey::from_bytes(recovery));
        Some(Self { founder, recovery, nonce: reader.array()? })
    }
}
