//! What a generation is made of, a keeper's word for it, and what of it is handed over: PROTOCOL
//! §3.3. Not here: using it, which is [`epoch`](super::epoch).

use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use rand_core::CryptoRng;

use super::crypto::{
    CATCH_UP_KEY, CERTIFICATE, Digest, EPOCH_ID, GENERATION, Signed, fresh, kdf, signed,
};
use super::topic::TopicId;
use super::wire::{Reader, Write};
use crate::key::SecretBytes;
use crate::{Identity, ParticipantId};

/// The highest step that anybody can have come to honestly.
const MAX_STEP: u32 = 1 << 20;

/// What a generation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Recipe {
    pub(super) number: u32,
    pub(super) parent: Digest,
    pub(super) members: Digest,
    pub(super) evictions: Digest,
}

impl Recipe {
    pub(super) const SIZE: usize = 100;

    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let fields = self.number.to_be_bytes().into_iter().chain(self.parent);
        for (to, from) in bytes.iter_mut().zip(fields.chain(self.members).chain(self.evictions)) {
            *to = from;
        }
        bytes
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            number: reader.u32()?,
            parent: reader.array()?,
            members: reader.array()?,
            evictions: reader.array()?,
        })
    }

    /// The secret of its step 0, from the keeper's fresh bytes.
    pub(super) fn secret(self, topic: &TopicId, fresh: &SecretBytes) -> SecretBytes {
        kdf(fresh.expose(), GENERATION, &[topic.as_bytes(), &self.to_bytes()])
    }
}

/// The id of a generation: that of its first epoch.
pub(super) fn generation_id(topic: &TopicId, secret: &SecretBytes) -> Digest {
    *kdf(secret.expose(), EPOCH_ID, &[topic.as_bytes()]).expose()
}

/// A keeper's word that it began a generation: who is handed its secret by anybody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Certificate {
    pub(super) keeper: ParticipantId,
    pub(super) incarnation: u32,
    signature: [u8; 64],
}

impl Certificate {
    pub(super) const SIZE: usize = 84;

    pub(super) fn sign(
        topic: &TopicId,
        recipe: Recipe,
        id: &Digest,
        identity: &Identity,
        incarnation: u32,
    ) -> Self {
        let signature = Self::signed(topic, recipe, id, incarnation).sign(identity);
        Self { keeper: identity.id(), incarnation, signature }
    }

    pub(super) fn verifies(
        &self,
        topic: &TopicId,
        recipe: Recipe,
        id: &Digest,
        key: &VerifyingKey,
    ) -> bool {
        Self::signed(topic, recipe, id, self.incarnation).verifies(key, &self.signature)
    }

    fn signed(topic: &TopicId, recipe: Recipe, id: &Digest, incarnation: u32) -> Signed {
        let incarnation = incarnation.to_be_bytes();
        signed(CERTIFICATE, &[topic.as_bytes(), &recipe.to_bytes(), id, &incarnation])
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.put(self.keeper.as_bytes()).u32(self.incarnation).put(&self.signature);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let keeper = ParticipantId::from_bytes(reader.array()?);
        Some(Self { keeper, incarnation: reader.u32()?, signature: reader.array()? })
    }
}

/// A secret of a generation, and what has to be known to use it: what a reply hands over and what
/// is stored.
#[derive(Clone)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Held {
    pub(super) recipe: Recipe,
    pub(super) id: Digest,
    pub(super) certificate: Certificate,
    pub(super) step: u32,
    pub(super) secret: SecretBytes,
    pub(super) catch_up: SecretBytes,
}

impl Held {
    /// A generation that we begin, and the fresh bytes that give the others its secret.
    pub(super) fn fresh(
        topic: &TopicId,
        recipe: Recipe,
        identity: &Identity,
        incarnation: u32,
        entropy: &mut dyn CryptoRng,
    ) -> (Self, SecretBytes) {
        let bytes = fresh(identity, "generation", &recipe.to_bytes(), entropy);
        let secret = recipe.secret(topic, &bytes);
        let id = generation_id(topic, &secret);
        let certificate = Certificate::sign(topic, recipe, &id, identity, incarnation);
        (Self::begin(topic, recipe, certificate, secret), bytes)
    }

    /// A generation from its beginning.
    pub(super) fn begin(
        topic: &TopicId,
        recipe: Recipe,
        certificate: Certificate,
        secret: SecretBytes,
    ) -> Self {
        let catch_up = kdf(secret.expose(), CATCH_UP_KEY, &[topic.as_bytes()]);
        let id = generation_id(topic, &secret);
        Self { recipe, id, certificate, step: 0, secret, catch_up }
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.recipe.to_bytes()).put(&self.id);
        self.certificate.write(bytes);
        bytes.put(self.catch_up.expose()).u32(self.step).put(self.secret.expose());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (recipe, id) = (Recipe::read(reader)?, reader.array()?);
        let certificate = Certificate::read(reader)?;
        let catch_up = SecretBytes::new(&reader.array()?);
        let step = reader.u32().filter(|step| *step <= MAX_STEP)?;
        let secret = SecretBytes::new(&reader.array()?);
        Some(Self { recipe, id, certificate, step, secret, catch_up })
    }
}
