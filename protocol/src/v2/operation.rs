//! One signed statement of a keeper about a participant: PROTOCOL §3.7. Not here: what a set of
//! them adds up to.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;

use super::crypto::{OPERATION, OPERATION_ID, Signed, hash, signed};
use super::topic::TopicId;
use super::wire::{Reader, Write};
use crate::key::first;
use crate::{Identity, ParticipantId, PublicKey};

/// An operation's id: 16 bytes of its hash.
pub(super) type OperationId = [u8; 16];

pub(super) const NONE: OperationId = [0; 16];

const SIGNATURE: usize = 64;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Member,
    Keeper,
    /// The subject's last operation that stands.
    Evicted {
        last: OperationId,
    },
}

/// The fields of an operation, all but the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation<'a> {
    pub(super) action: Action,
    pub(super) subject: PublicKey,
    pub(super) incarnation: u32,
    pub(super) author: ParticipantId,
    pub(super) author_incarnation: u32,
    pub(super) previous: OperationId,
    pub(super) name: &'a str,
}

impl<'a> Operation<'a> {
    /// Signs it. The author is the identity.
    pub(super) fn sign(&self, topic: &TopicId, identity: &Identity) -> Box<[u8]> {
        let mut bytes = self.to_bytes();
        let signature = what_is_signed(topic, &bytes).sign(identity);
        bytes.put(&signature);
        bytes.into_boxed_slice()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let (action, last) = match self.action {
            Action::Member => (1, NONE),
            Action::Keeper => (2, NONE),
            Action::Evicted { last } => (3, last),
        };
        let mut bytes = Vec::with_capacity(256);
        bytes.u8(action).put(self.subject.as_bytes()).u32(self.incarnation);
        bytes.put(self.author.as_bytes()).u32(self.author_incarnation);
        bytes.put(&self.previous).put(&last).text(self.name);
        bytes
    }

    /// Reads the fields. The signature is not looked at.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let action = reader.u8()?;
        let (subject, incarnation) = (PublicKey::from_bytes(reader.array()?), reader.u32()?);
        let author = ParticipantId::from_bytes(reader.array()?);
        let author_incarnation = reader.u32()?;
        let (previous, last) = (reader.array()?, reader.array()?);
        let action = match (action, last) {
            (1, NONE) => Action::Member,
            (2, NONE) => Action::Keeper,
            (3, last) => Action::Evicted { last },
            _ => return None,
        };
        let name = reader.text()?;
        reader.array::<SIGNATURE>()?;
        reader.end()?;
        Some(Self { action, subject, incarnation, author, author_incarnation, previous, name })
    }

    /// Whether it says nothing besides: one such operation for each incarnation, no more.
    pub(super) fn is_bare(&self) -> bool {
        self.previous == NONE
            && self.name.is_empty()
            && matches!(self.action, Action::Evicted { last: NONE })
    }

    /// Whether it evicts its own author.
    pub(super) fn is_leave(&self) -> bool {
        matches!(self.action, Action::Evicted { .. })
            && self.subject.id() == self.author
            && self.incarnation == self.author_incarnation
    }
}

/// Whether the signature at the operation's end is its author's.
pub(super) fn verify(topic: &TopicId, bytes: &[u8], author: &VerifyingKey) -> bool {
    let Some((fields, signature)) = bytes.split_last_chunk::<SIGNATURE>() else {
        return false;
    };
    what_is_signed(topic, fields).verifies(author, signature)
}

/// It does not depend on the signature, of which an author can make any number.
pub(super) fn id(topic: &TopicId, bytes: &[u8]) -> OperationId {
    let fields = bytes.split_last_chunk::<SIGNATURE>().map_or(bytes, |(fields, _)| fields);
    first(&hash(OPERATION_ID, &[topic.as_bytes(), fields]))
}

fn what_is_signed(topic: &TopicId, fields: &[u8]) -> Signed {
    signed(OPERATION, &[topic.as_bytes(), fields])
}
