//! The frames of joining: PROTOCOL §3.13. Not here: who sends them when, and who may join.

use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::crypto::{
    ANSWER, CHALLENGE, CONFIRMATION, Digest, INTRODUCTION, INTRODUCTION_HASH, PROOF, REPLY,
    TRANSCRIPT, hash, kdf, proves, signed,
};
use super::held::Held;
use super::kem::{KemPublic, Suite};
use super::pin::SHARE;
use super::standing::Role;
use super::topic::{Founding, TopicId};
use super::wire::{Reader, Write};
use crate::key::{SecretBytes, first};
use crate::roster::verifying_key;
use crate::{Identity, ParticipantId, PublicKey, Refusal};

pub(super) const INTRODUCTION_TYPE: u8 = 0x21;
pub(super) const CHALLENGE_TYPE: u8 = 0x22;
pub(super) const ANSWER_TYPE: u8 = 0x23;
pub(super) const REPLY_TYPE: u8 = 0x24;

const SIGNATURE: usize = 64;

/// How a newcomer shows that it may join.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) enum Evidence {
    /// Somebody compares fingerprints.
    Fingerprint,
    Invitation {
        id: [u8; 8],
        proof: Digest,
    },
    Pin {
        share: [u8; SHARE],
    },
    CatchUp {
        generation: [u8; 8],
        position: Position,
        proof: Digest,
    },
}

/// Where a member is that asks to catch up: only somebody who is elsewhere is of use to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Position {
    /// The first bytes of the generation's id.
    pub(super) generation: [u8; 8],
    pub(super) step: u32,
}

/// The way of joining, as it stands on the wire.
pub(super) mod way {
    pub(in crate::v2) const FINGERPRINT: u8 = 0;
    pub(in crate::v2) const INVITATION: u8 = 1;
    pub(in crate::v2) const PIN: u8 = 2;
    pub(in crate::v2) const CATCH_UP: u8 = 3;
}

impl Evidence {
    pub(super) const fn way(&self) -> u8 {
        match self {
            Self::Fingerprint => way::FINGERPRINT,
            Self::Invitation { .. } => way::INVITATION,
            Self::Pin { .. } => way::PIN,
            Self::CatchUp { .. } => way::CATCH_UP,
        }
    }
}

/// Who asks to join, and what for.
pub(super) struct Asking<'a> {
    pub(super) suite: Suite,
    pub(super) topic_name: &'a str,
    pub(super) kem: &'a [u8],
    pub(super) nonce: [u8; 16],
    pub(super) name: &'a str,
}

/// What stands behind an introduction's fixed part.
pub(super) enum Claim<'a> {
    Fingerprint,
    Pin(&'a [u8]),
    /// An invitation (its id) or a membership (its generation, and where we are), and the secret
    /// that proves it.
    Proof {
        id: [u8; 8],
        position: Option<Position>,
        topic: TopicId,
        secret: &'a SecretBytes,
    },
}

/// Builds and signs an introduction.
pub(super) fn introduce(asking: &Asking<'_>, claim: &Claim<'_>, identity: &Identity) -> Vec<u8> {
    let way = match claim {
        Claim::Fingerprint => way::FINGERPRINT,
        Claim::Pin(_) => way::PIN,
        Claim::Proof { position: None, .. } => way::INVITATION,
        Claim::Proof { position: Some(_), .. } => way::CATCH_UP,
    };
    let mut frame = Vec::with_capacity(512);
    frame.u8(INTRODUCTION_TYPE).u8(asking.suite.to_byte()).u8(way).text(asking.topic_name);
    frame.put(identity.public_key().as_bytes()).put(asking.kem).put(&asking.nonce);
    frame.text(asking.name);
    match claim {
        Claim::Fingerprint => {}
        Claim::Pin(share) => {
            frame.put(share);
        }
        Claim::Proof { id, position, topic, secret } => {
            frame.put(id);
            if let Some(position) = position {
                frame.put(&position.generation).u32(position.step);
            }
            let proof = kdf(secret.expose(), PROOF, &[topic.as_bytes(), &frame]);
            frame.put(proof.expose());
        }
    }
    let signature = signed(INTRODUCTION, &[&frame]).sign(identity);
    frame.put(&signature);
    frame
}

/// Somebody who wants to join, or to catch up. Nothing of it is verified yet.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Introduction {
    pub(super) suite: Suite,
    pub(super) topic_name: String,
    pub(super) key: PublicKey,
    pub(super) kem: KemPublic,
    pub(super) name: String,
    pub(super) evidence: Evidence,
    /// `I`.
    pub(super) hash: Digest,
}

impl Introduction {
    pub(super) fn parse(frame: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(frame);
        let (_, suite) = (reader.u8(), reader.u8().ok_or(Refusal::Malformed)?);
        let suite = Suite::from_byte(suite).ok_or(Refusal::OtherSuite)?;
        Self::parse_rest(suite, reader, frame).ok_or(Refusal::Malformed)
    }

    fn parse_rest(suite: Suite, mut reader: Reader<'_>, frame: &[u8]) -> Option<Self> {
        let way = reader.u8()?;
        let topic_name = String::from(reader.text().filter(|name| !name.is_empty())?);
        let key = PublicKey::from_bytes(reader.array()?);
        let kem = reader.take(suite.public_key_size())?.into();
        let _nonce: [u8; 16] = reader.array()?;
        let name = String::from(reader.text()?);
        let evidence = match way {
            way::FINGERPRINT => Evidence::Fingerprint,
            way::INVITATION => Evidence::Invitation { id: reader.array()?, proof: reader.array()? },
            way::PIN => Evidence::Pin { share: reader.array()? },
            way::CATCH_UP => {
                let generation = reader.array()?;
                let position = Position { generation: reader.array()?, step: reader.u32()? };
                Evidence::CatchUp { generation, position, proof: reader.array()? }
            }
            _ => return None,
        };
        reader.array::<SIGNATURE>()?;
        reader.end()?;
        let hash = hash(INTRODUCTION_HASH, &[frame]);
        Some(Self { suite, topic_name, key, kem, name, evidence, hash })
    }

    /// Whether the proof in the frame was made with this secret.
    pub(super) fn proven(
        frame: &[u8],
        proof: &Digest,
        topic: &TopicId,
        secret: &SecretBytes,
    ) -> bool {
        let before = frame.len().saturating_sub(SIGNATURE.saturating_add(proof.len()));
        let Some(before) = frame.get(..before) else { return false };
        proves(&kdf(secret.expose(), PROOF, &[topic.as_bytes(), before]), proof)
    }

    /// Whether it was signed by the key in it.
    pub(super) fn is_signed(&self, frame: &[u8]) -> bool {
        is_signed(INTRODUCTION, &self.key, &[], frame, &[])
    }
}

/// Checks the signature at the end of a frame, over `first`, all before it, and `last`.
fn is_signed(
    purpose: &'static str,
    key: &PublicKey,
    first: &[&[u8]],
    frame: &[u8],
    last: &[u8],
) -> bool {
    let (Ok(key), Some((before, signature))) =
        (verifying_key(key), frame.split_last_chunk::<SIGNATURE>())
    else {
        return false;
    };
    let mut parts = first.to_vec();
    parts.extend([before, last]);
    signed(purpose, &parts).verifies(&key, signature)
}

/// The first 16 bytes of a hash, by which frames refer to it.
pub(super) fn short(digest: &Digest) -> [u8; 16] {
    first(digest)
}

/// A question that only the one who introduced itself, and holds the secret, can answer.
pub(super) struct Challenge<'a> {
    pub(super) recipient: ParticipantId,
    pub(super) introduction: [u8; 16],
    pub(super) key: PublicKey,
    pub(super) share: &'a [u8],
    frame: &'a [u8],
}

impl<'a> Challenge<'a> {
    /// Builds and signs one. `topic` is zero where the newcomer does not know it.
    pub(super) fn build(
        introduction: &Introduction,
        nonce: &[u8; 16],
        share: &[u8],
        topic: &[u8; 16],
        identity: &Identity,
    ) -> Vec<u8> {
        let mut frame = Vec::with_capacity(256);
        frame.u8(CHALLENGE_TYPE).put(introduction.key.id().as_bytes());
        frame.put(&short(&introduction.hash)).put(identity.public_key().as_bytes());
        frame.put(nonce).put(share);
        let signature = signed(CHALLENGE, &[topic, &introduction.hash, &frame, &[]]).sign(identity);
        frame.put(&signature);
        frame
    }

    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(frame);
        reader.u8()?;
        let recipient = ParticipantId::from_bytes(reader.array()?);
        let (introduction, key) = (reader.array()?, PublicKey::from_bytes(reader.array()?));
        reader.array::<16>()?;
        let (share, signature) = reader.rest().split_last_chunk::<SIGNATURE>()?;
        let _ = signature;
        matches!(share.len(), 0 | SHARE).then_some(())?;
        Some(Self { recipient, introduction, key, share, frame })
    }

    pub(super) fn is_signed(&self, introduction: &Digest, topic: &[u8; 16]) -> bool {
        is_signed(CHALLENGE, &self.key, &[topic, introduction], self.frame, &[])
    }
}

/// `T`: everything said until the challenge.
pub(super) fn transcript(introduction: &Digest, challenge: &[u8]) -> Digest {
    hash(TRANSCRIPT, &[introduction, challenge])
}

/// The newcomer's answer to a challenge.
pub(super) struct Answer<'a> {
    pub(super) recipient: ParticipantId,
    pub(super) sender: ParticipantId,
    pub(super) transcript: [u8; 16],
    confirmation: Digest,
    frame: &'a [u8],
}

impl<'a> Answer<'a> {
    pub(super) fn build(
        recipient: ParticipantId,
        transcript: &Digest,
        secret: &SecretBytes,
        identity: &Identity,
    ) -> Vec<u8> {
        let mut frame = Vec::with_capacity(160);
        frame.u8(ANSWER_TYPE).put(recipient.as_bytes()).put(identity.id().as_bytes());
        frame.put(&short(transcript)).put(confirmation(secret, transcript).expose());
        let signature = signed(ANSWER, &[&frame, transcript]).sign(identity);
        frame.put(&signature);
        frame
    }

    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(frame);
        reader.u8()?;
        let recipient = ParticipantId::from_bytes(reader.array()?);
        let sender = ParticipantId::from_bytes(reader.array()?);
        let (transcript, confirmation) = (reader.array()?, reader.array()?);
        reader.array::<SIGNATURE>()?;
        reader.end()?;
        Some(Self { recipient, sender, transcript, confirmation, frame })
    }

    /// Whether the sender holds the secret. Cheap, so it goes before the signature.
    pub(super) fn confirms(&self, secret: &SecretBytes, transcript: &Digest) -> bool {
        proves(&confirmation(secret, transcript), &self.confirmation)
    }

    pub(super) fn is_signed(&self, key: &PublicKey, transcript: &Digest) -> bool {
        is_signed(ANSWER, key, &[], self.frame, transcript)
    }
}

fn confirmation(secret: &SecretBytes, transcript: &Digest) -> SecretBytes {
    kdf(secret.expose(), CONFIRMATION, &[transcript])
}

/// What an exchange is about: what both sides of a reply must agree on.
pub(super) struct Exchange<'a> {
    pub(super) suite: Suite,
    pub(super) way: u8,
    /// `X`: the introduction's hash, or the transcript.
    pub(super) x: &'a Digest,
    pub(super) recipient: &'a PublicKey,
    pub(super) kem: &'a [u8],
}

impl Exchange<'_> {
    /// HPKE's `info`.
    pub(super) fn info(&self) -> Vec<u8> {
        let mut info = Vec::from(REPLY.as_bytes());
        info.u8(self.suite.to_byte()).u8(self.way).put(self.x);
        info
    }

    /// HPKE's PSK, from the secret that both hold.
    pub(super) fn psk(&self, secret: &SecretBytes) -> SecretBytes {
        kdf(secret.expose(), REPLY, &[self.x])
    }

    fn signed(&self, topic: &TopicId, fields: &[u8]) -> super::crypto::Signed {
        let bytes = [self.suite.to_byte(), self.way];
        let parts = [
            topic.as_bytes().as_slice(),
            &bytes,
            self.x,
            self.recipient.as_bytes(),
            self.kem,
            fields,
        ];
        signed(REPLY, &parts)
    }
}

/// What an admitter hands over.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Handover {
    pub(super) founding: Founding,
    pub(super) admitter: PublicKey,
    pub(super) admitter_incarnation: u32,
    pub(super) incarnation: u32,
    pub(super) role: Role,
    pub(super) held: Held,
}

impl Handover {
    /// The plaintext of a reply, signed.
    pub(super) fn to_bytes(
        &self,
        exchange: &Exchange<'_>,
        identity: &Identity,
    ) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(469));
        bytes.put(&self.founding.to_bytes()).put(self.admitter.as_bytes());
        bytes.u32(self.admitter_incarnation).u32(self.incarnation).u8(self.role.to_byte());
        self.held.write(&mut bytes);
        let topic = self.founding.topic(exchange.suite);
        let signature = exchange.signed(&topic, &bytes).sign(identity);
        bytes.put(&signature);
        bytes
    }

    /// Reads the plaintext of a reply, and checks the admitter's signature. Whether the admitter
    /// is the right one, and the topic, is for others to say.
    pub(super) fn open(bytes: &[u8], exchange: &Exchange<'_>) -> Result<Self, Refusal> {
        let (fields, signature) =
            bytes.split_last_chunk::<SIGNATURE>().ok_or(Refusal::Malformed)?;
        let handover = Self::parse(fields).ok_or(Refusal::Malformed)?;
        let topic = handover.founding.topic(exchange.suite);
        let key = verifying_key(&handover.admitter).map_err(|_| Refusal::BadSignature)?;
        if exchange.signed(&topic, fields).verifies(&key, signature) {
            Ok(handover)
        } else {
            Err(Refusal::BadSignature)
        }
    }

    fn parse(fields: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(fields);
        let founding = Founding::read(&mut reader)?;
        let admitter = PublicKey::from_bytes(reader.array()?);
        let (admitter_incarnation, incarnation) = (reader.u32()?, reader.u32()?);
        let role = Role::from_byte(reader.u8()?)?;
        let held = Held::read(&mut reader)?;
        reader.end()?;
        Some(Self { founding, admitter, admitter_incarnation, incarnation, role, held })
    }
}

/// The outside of a reply.
pub(super) struct Reply<'a> {
    pub(super) recipient: ParticipantId,
    pub(super) introduction: [u8; 16],
    pub(super) sealed: &'a [u8],
}

impl<'a> Reply<'a> {
    pub(super) fn build(recipient: ParticipantId, introduction: &Digest, sealed: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(sealed.len().saturating_add(33));
        frame.u8(REPLY_TYPE).put(recipient.as_bytes()).put(&short(introduction)).put(sealed);
        frame
    }

    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(frame);
        reader.u8()?;
        let recipient = ParticipantId::from_bytes(reader.array()?);
        Some(Self { recipient, introduction: reader.array()?, sealed: reader.rest() })
    }
}
