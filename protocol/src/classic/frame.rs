//! The byte layouts of the three frames. Not here: cryptography, decisions.

use alloc::vec::Vec;

use super::crypt::{NONCE, TAG};
use crate::{ParticipantId, PublicKey, Refusal};

/// Bytes of a message beyond its body: type, signature, sender id, nonce, tag.
pub(super) const OVERHEAD: usize = 1 + 64 + 16 + NONCE + TAG;
/// Bytes of a boxed topic key.
const BOXED_KEY: usize = 32 + TAG;

/// A frame taken apart, nothing of it verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Message(Message<'a>),
    Introduction(Introduction),
    Reply(Reply<'a>),
}

/// `"s"` · signature 64 · sender id 16 · nonce 24 · box
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) signature: &'a [u8; 64],
    /// Everything after the signature.
    pub(super) signed: &'a [u8],
    pub(super) sender: ParticipantId,
    pub(super) nonce: &'a [u8; NONCE],
    pub(super) boxed: &'a [u8],
}

/// `"i"` · signing key 32 · signature 64 · exchange key 32
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Introduction {
    pub(super) key: PublicKey,
    pub(super) signature: [u8; 64],
    pub(super) exchange: [u8; 32],
}

/// `"r"` · recipient id 16 · nonce 24 · box 48 · exchange key 32 · signing key 32
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    pub(super) recipient: ParticipantId,
    pub(super) nonce: &'a [u8; NONCE],
    pub(super) boxed: &'a [u8; BOXED_KEY],
    pub(super) exchange: [u8; 32],
    pub(super) key: PublicKey,
}

impl<'a> Frame<'a> {
    /// Takes a frame apart. Introductions and replies have one length; a message has a least one.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let (kind, rest) = bytes.split_first().ok_or(Refusal::Malformed)?;
        let parsed = match kind {
            b's' => Message::parse(rest).map(Self::Message),
            b'i' => Introduction::parse(rest).map(Self::Introduction),
            b'r' => Reply::parse(rest).map(Self::Reply),
            _ => return Err(Refusal::UnknownType),
        };
        parsed.ok_or(Refusal::Malformed)
    }
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (signature, signed) = bytes.split_first_chunk()?;
        let (sender, rest) = signed.split_first_chunk()?;
        let (nonce, boxed) = rest.split_first_chunk()?;
        let sender = ParticipantId::from_bytes(*sender);
        (boxed.len() >= TAG).then_some(Self { signature, signed, sender, nonce, boxed })
    }

    /// Builds the frame: `seal` appends the box, `sign` signs what follows the signature.
    pub(super) fn build(
        sender: ParticipantId,
        nonce: &[u8; NONCE],
        body: usize,
        seal: impl FnOnce(&mut Vec<u8>),
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Vec<u8> {
        let mut frame = Vec::with_capacity(OVERHEAD.saturating_add(body));
        frame.push(b's');
        frame.extend_from_slice(&[0; 64]);
        frame.extend_from_slice(sender.as_bytes());
        frame.extend_from_slice(nonce);
        seal(&mut frame);
        if let Some((signature, signed)) =
            frame.get_mut(1..).and_then(<[u8]>::split_first_chunk_mut::<64>)
        {
            *signature = sign(signed);
        }
        frame
    }
}

impl Introduction {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (signature, exchange) = rest.split_first_chunk()?;
        let exchange = *exchange.as_array()?;
        Some(Self { key: PublicKey::from_bytes(*key), signature: *signature, exchange })
    }

    pub(super) fn build(&self) -> Vec<u8> {
        [&b"i"[..], self.key.as_bytes(), &self.signature, &self.exchange].concat()
    }
}

impl<'a> Reply<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (recipient, rest) = bytes.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (boxed, rest) = rest.split_first_chunk()?;
        let (exchange, key) = rest.split_first_chunk()?;
        let key = PublicKey::from_bytes(*key.as_array()?);
        let recipient = ParticipantId::from_bytes(*recipient);
        Some(Self { recipient, nonce, boxed, exchange: *exchange, key })
    }

    pub(super) fn build(
        recipient: ParticipantId,
        nonce: &[u8; NONCE],
        seal: impl FnOnce(&mut Vec<u8>),
        exchange: &[u8; 32],
        key: &PublicKey,
    ) -> Vec<u8> {
        let mut frame = Vec::with_capacity(153);
        frame.push(b'r');
        frame.extend_from_slice(recipient.as_bytes());
        frame.extend_from_slice(nonce);
        seal(&mut frame);
        frame.extend_from_slice(exchange);
        frame.extend_from_slice(key.as_bytes());
        frame
    }
}
