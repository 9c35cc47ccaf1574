//! The message frame: PROTOCOL §3.4. Not here: what bodies say, windows, who may send.

use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;

use super::crypto::{Digest, MESSAGE, Signed, TAG, signed};
use super::epoch::{Hint, Keys};
use super::topic::TopicId;
use super::wire::{Reader, Write, five};
use crate::{Identity, ParticipantId};

pub(super) const TYPE: u8 = 0x20;
/// Bytes over the body.
pub(super) const OVERHEAD: usize = 97;

/// Type, hint, and the first 24 bytes of R.
const HEADER: usize = 27;
/// What stands before the body in the sealed part: the rest of R, sender, counter, kind.
const BEFORE: usize = 22;
/// What stands behind it: S.
const BEHIND: usize = 32;

/// A sender's short name in a frame.
pub(super) type SenderHint = [u8; 8];

pub(super) fn sender_hint(id: ParticipantId) -> SenderHint {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// What a sender says in a frame.
pub(super) struct Said<'a> {
    pub(super) incarnation: u32,
    pub(super) counter: u64,
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

impl Said<'_> {
    /// What its sender signs, in the epoch of this id.
    pub(super) fn signed(&self, topic: &TopicId, epoch: &Digest, sender: &[u8; 32]) -> Signed {
        let incarnation = self.incarnation.to_be_bytes();
        let (counter, kind) = (five(self.counter), [self.kind]);
        signed(
            MESSAGE,
            &[topic.as_bytes(), epoch, sender, &incarnation, &counter, &kind, self.body],
        )
    }

    pub(super) fn sign(&self, topic: &TopicId, epoch: &Keys, identity: &Identity) -> [u8; 64] {
        self.signed(topic, &epoch.id, identity.public_key().as_bytes()).sign(identity)
    }

    /// Signs and seals. `None` only for a body that no frame can hold.
    #[cfg(test)]
    pub(super) fn seal(
        &self,
        topic: &TopicId,
        epoch: &Keys,
        identity: &Identity,
    ) -> Option<Vec<u8>> {
        self.frame(topic, epoch, identity.id(), &self.sign(topic, epoch, identity))
    }

    /// Seals what was signed: the same bytes each time. `None` only for a body that no frame can
    /// hold.
    pub(super) fn frame(
        &self,
        topic: &TopicId,
        epoch: &Keys,
        sender: ParticipantId,
        signature: &[u8; 64],
    ) -> Option<Vec<u8>> {
        let (point, scalar) = signature.split_at_checked(32)?;
        let (nonce, rest) = point.split_first_chunk::<24>()?;
        let mut frame = Vec::with_capacity(OVERHEAD.checked_add(self.body.len())?);
        frame.u8(TYPE).put(&epoch.hint).put(point).put(&sender_hint(sender));
        frame.u40(self.counter).u8(self.kind).put(self.body).put(scalar);
        debug_assert_eq!(rest.len(), 8);
        let (header, sealed) = frame.split_at_mut_checked(HEADER)?;
        let ad = associated(header, topic, epoch)?;
        let tag = epoch.message.seal(*nonce, &ad, sealed)?;
        frame.put(&tag);
        Some(frame)
    }
}

/// What the AEAD binds: the header, the topic and the epoch.
fn associated(header: &[u8], topic: &TopicId, epoch: &Keys) -> Option<[u8; 75]> {
    let mut ad = [0; 75];
    let (first, rest) = ad.split_first_chunk_mut::<HEADER>()?;
    let (second, rest) = rest.split_first_chunk_mut::<16>()?;
    *first = *header.as_array()?;
    *second = *topic.as_bytes();
    *rest.first_chunk_mut::<32>()? = epoch.id;
    Some(ad)
}

/// The hint of a message frame, if it can be one.
pub(super) fn hint(frame: &[u8]) -> Option<Hint> {
    (frame.len() >= OVERHEAD).then(|| frame.get(1..3)?.try_into().ok())?
}

/// A frame that opened: a member made it, nobody knows yet which.
pub(super) struct Opened {
    plain: Vec<u8>,
    pub(super) signature: [u8; 64],
    pub(super) sender: SenderHint,
    pub(super) counter: u64,
    pub(super) kind: u8,
}

impl Opened {
    /// Opens a frame. `None` where it was not sealed in this epoch.
    pub(super) fn open(frame: &[u8], topic: &TopicId, epoch: &Keys) -> Option<Self> {
        let (header, sealed) = frame.split_at_checked(HEADER)?;
        let (sealed, tag) = sealed.split_last_chunk::<TAG>()?;
        let ad = associated(header, topic, epoch)?;
        let nonce = header.get(3..)?.try_into().ok()?;
        let mut plain = sealed.to_vec();
        if !epoch.message.open(nonce, &ad, &mut plain, tag) {
            return None;
        }
        let mut reader = Reader::new(&plain);
        let rest: [u8; 8] = reader.array()?;
        let (sender, counter, kind) = (reader.array()?, reader.u40()?, reader.u8()?);
        let scalar = plain.last_chunk::<BEHIND>()?;
        let mut signature = [0; 64];
        let (first, after) = signature.split_first_chunk_mut::<24>()?;
        let (second, third) = after.split_first_chunk_mut::<8>()?;
        (*first, *second) = (nonce, rest);
        *third.first_chunk_mut()? = *scalar;
        Some(Self { signature, sender, counter, kind, plain })
    }

    pub(super) fn body(&self) -> &[u8] {
        let end = self.plain.len().saturating_sub(BEHIND);
        self.plain.get(BEFORE..end).unwrap_or_default()
    }

    /// The body by itself.
    pub(super) fn into_body(mut self) -> Vec<u8> {
        self.plain.truncate(self.plain.len().saturating_sub(BEHIND));
        self.plain.drain(..BEFORE.min(self.plain.len()));
        self.plain
    }

    /// What a sender would have signed to make this frame.
    pub(super) fn signed_by(
        &self,
        topic: &TopicId,
        epoch: &Keys,
        sender: &VerifyingKey,
        incarnation: u32,
    ) -> Signed {
        let said = Said { incarnation, counter: self.counter, kind: self.kind, body: self.body() };
        said.signed(topic, &epoch.id, sender.as_bytes())
    }

    pub(super) fn verifies(&self, signed: &Signed, sender: &VerifyingKey) -> bool {
        signed.verifies(sender, &self.signature)
    }
}
