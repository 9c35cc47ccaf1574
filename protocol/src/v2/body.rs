//! What application messages look like inside a frame: PROTOCOL §3.5. Not here: sealing.

use alloc::vec::Vec;

use super::wire::{MAX_LENGTH, Reader, Write, length_of_length};
use crate::{ParticipantId, Record};

/// Kinds of bodies.
pub(super) mod kind {
    pub(in crate::v2) const RUN: u8 = 0x01;
    pub(in crate::v2) const EXPIRES: u8 = 0x02;
    pub(in crate::v2) const CONFIRM: u8 = 0x04;
    pub(in crate::v2) const LAST_APPLICATION: u8 = 0x07;
    pub(in crate::v2) const ROSTER: u8 = 0x10;
    pub(in crate::v2) const REKEY: u8 = 0x11;
    pub(in crate::v2) const KEM_KEY: u8 = 0x12;
    pub(in crate::v2) const HELLO: u8 = 0x13;
    pub(in crate::v2) const MARK: u8 = 0x14;
    pub(in crate::v2) const RECEIPT: u8 = 0x15;
    pub(in crate::v2) const TIME_QUESTION: u8 = 0x16;
    pub(in crate::v2) const TIME_ANSWER: u8 = 0x17;
    pub(in crate::v2) const QUESTION: u8 = 0x18;
    pub(in crate::v2) const ANSWER: u8 = 0x19;
    pub(in crate::v2) const PARCEL: u8 = 0x1a;
}

/// The messages of a frame, and what they have in common.
pub(super) struct Messages<'a> {
    /// Milliseconds since 1970 UTC after which none of them is delivered.
    pub(super) expiry: Option<u64>,
    pub(super) confirm: bool,
    pub(super) bodies: Bodies<'a>,
}

/// One message, or a run of them whose lengths were checked.
#[derive(Clone, Copy)]
pub(super) enum Bodies<'a> {
    One(&'a [u8]),
    Run(&'a [u8]),
}

impl<'a> Messages<'a> {
    /// `None` where any length in it does not fit.
    pub(super) fn parse(kind: u8, body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let expiry = if kind & kind::EXPIRES == 0 { None } else { Some(reader.u48()?) };
        let rest = reader.rest();
        let bodies = if kind & kind::RUN == 0 {
            Bodies::One(rest)
        } else {
            if rest.is_empty() {
                return None;
            }
            while !reader.is_empty() {
                let length = reader.length()?;
                reader.take(length)?;
            }
            Bodies::Run(rest)
        };
        Some(Self { expiry, confirm: kind & kind::CONFIRM != 0, bodies })
    }
}

impl<'a> Bodies<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let (mut one, mut run) = match self {
            Self::One(body) => (Some(body), Reader::new(&[])),
            Self::Run(run) => (None, Reader::new(run)),
        };
        core::iter::from_fn(move || {
            one.take().or_else(|| {
                let length = run.length()?;
                run.take(length)
            })
        })
    }
}

/// What all messages of a frame share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Shared {
    pub(super) expiry: Option<u64>,
    pub(super) confirm: bool,
    /// Whose receipts are waited for; nobody's name: everybody's.
    pub(super) by: Vec<ParticipantId>,
}

/// Numbers of the caller's, for a message that it wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Tickets {
    /// Receipts are wanted.
    pub(super) receipts: Option<u64>,
    /// It wants to know that it was sent.
    pub(super) sent: Option<u64>,
}

/// A frame's messages while they gather.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Run {
    pub(super) shared: Shared,
    /// Each with its length before it.
    bytes: Vec<u8>,
    count: u32,
    pub(super) tickets: Vec<u64>,
    /// Of those who want to know that it was sent.
    pub(super) sent: Vec<u64>,
    /// What is no longer kept once this is sent.
    pub(super) gone: Vec<Record>,
}

impl Run {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared, ..Self::default() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How large the frame's body would be with one more message of this length.
    pub(super) fn size_with(&self, len: usize) -> usize {
        let expiry = if self.shared.expiry.is_some() { 6 } else { 0 };
        // The first goes without a length until there is a second.
        let length = if self.is_empty() { 0 } else { length_of_length(len) };
        self.bytes.len().saturating_add(len).saturating_add(length).saturating_add(expiry)
    }

    pub(super) fn push(&mut self, body: &[u8], tickets: Tickets) {
        self.bytes.length(body.len().min(MAX_LENGTH)).put(body);
        self.count = self.count.saturating_add(1);
        self.tickets.extend(tickets.receipts);
        self.sent.extend(tickets.sent);
    }

    /// Bytes that wait in it.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The kind and the body.
    pub(super) fn to_body(&self) -> (u8, Vec<u8>) {
        let mut kind = 0;
        let mut body = Vec::with_capacity(self.bytes.len().saturating_add(6));
        if let Some(expiry) = self.shared.expiry {
            kind |= kind::EXPIRES;
            body.u48(expiry);
        }
        if self.shared.confirm {
            kind |= kind::CONFIRM;
        }
        let mut reader = Reader::new(&self.bytes);
        if self.count == 1 {
            reader.length();
        } else {
            kind |= kind::RUN;
        }
        body.put(reader.rest());
        (kind, body)
    }
}
