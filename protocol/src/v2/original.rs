//! Application messages as their senders signed them, kept so that they can be sent again: PROTOCOL
//! §3.12. Not here: who keeps which, and for whom.

use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use zeroize::{Zeroize, Zeroizing};

use super::crypto::{Digest, PARCEL};
use super::epoch::{Epochs, Keys};
use super::message::Said;
use super::topic::TopicId;
use super::wire::{Reader, Write};
use crate::{ParticipantId, PublicKey};

/// Bytes over the body of what a parcel seals.
const OVERHEAD: usize = 122;
/// Bytes of a parcel before what is sealed.
pub(super) const ADDRESS: usize = 8;

/// How much more than a message's own frame a parcel that holds it takes, but for the sealing.
pub(super) const PARCEL_OVERHEAD: usize = ADDRESS + OVERHEAD;

/// A message, in no frame.
#[derive(Clone)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Original {
    pub(super) epoch: Digest,
    pub(super) sender: ParticipantId,
    pub(super) incarnation: u32,
    pub(super) counter: u64,
    pub(super) kind: u8,
    pub(super) signature: [u8; 64],
    pub(super) body: Vec<u8>,
}

impl Drop for Original {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl Original {
    fn said(&self) -> Said<'_> {
        let Self { incarnation, counter, kind, ref body, .. } = *self;
        Said { incarnation, counter, kind, body }
    }

    /// What tells it from another message of the same counter, if its sender made it.
    pub(super) fn verified(&self, topic: &TopicId, sender: &VerifyingKey) -> Option<u16> {
        let signed = self.said().signed(topic, &self.epoch, sender.as_bytes());
        signed.verifies(sender, &self.signature).then(|| signed.short())
    }

    /// As it is sealed and stored.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.epoch).put(self.sender.as_bytes()).u32(self.incarnation);
        bytes.u40(self.counter).u8(self.kind).put(&self.signature).put(&self.body);
    }

    /// Reads what [`write`](Self::write) wrote: the body is all that is left.
    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: reader.array()?,
            sender: ParticipantId::from_bytes(reader.array()?),
            incarnation: reader.u32()?,
            counter: reader.u40()?,
            kind: reader.u8()?,
            signature: reader.array()?,
            body: reader.rest().to_vec(),
        })
    }

    /// As it is sealed.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(OVERHEAD.saturating_add(self.body.len())));
        self.write(&mut bytes);
        bytes
    }
}

/// A message that is kept, and in which epoch it was sent.
#[derive(Clone)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Kept {
    pub(super) generation: Digest,
    pub(super) step: u32,
    pub(super) original: Original,
}

impl Kept {
    /// Its frame, while the epoch is held: the same bytes as ever.
    pub(super) fn frame(&self, topic: &TopicId, epochs: &Epochs) -> Option<Vec<u8>> {
        let keys: &Keys = epochs.keys(&self.generation, self.step)?;
        let original = &self.original;
        original.said().frame(topic, keys, original.sender, &original.signature)
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.generation).u32(self.step);
        self.original.write(bytes);
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        let (generation, step) = (reader.array()?, reader.u32()?);
        Some(Self { generation, step, original: Original::read(reader)? })
    }
}

/// What a parcel is bound to, besides its recipient's KEM key.
pub(super) fn parcel_info(
    topic: &TopicId,
    carrier: &PublicKey,
    recipient: &PublicKey,
    incarnation: u32,
) -> Vec<u8> {
    let mut info = Vec::from(PARCEL.as_bytes());
    info.put(topic.as_bytes()).put(carrier.as_bytes());
    info.put(recipient.as_bytes()).u32(incarnation);
    info
}
