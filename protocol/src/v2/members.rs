//! The members as a room holds them: keys, windows, KEM keys. Not here: who is a member, which is
//! [`standing`](super::standing).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use ed25519_dalek::VerifyingKey;

use super::kem::KemPublic;
use super::message::SenderHint;
use super::standing::{Place, Role};
use super::window::Window;
use crate::roster::verifying_key;
use crate::{ParticipantId, PublicKey};

/// What is held of one member.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Member {
    key: PublicKey,
    /// The point of it, decompressed, while the member is among those that spoke last.
    expanded: Option<Box<VerifyingKey>>,
    pub(super) incarnation: u32,
    pub(super) role: Role,
    pub(super) rank: u32,
    pub(super) window: Window,
    /// Its latest KEM key, and the counter of the frame that brought it.
    pub(super) kem: Option<(u64, KemPublic)>,
}

impl Member {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            key: place.key,
            expanded: None,
            incarnation: place.incarnation,
            role: place.role,
            rank: place.rank,
            window: Window::default(),
            kem: None,
        }
    }

    pub(super) const fn public_key(&self) -> PublicKey {
        self.key
    }

    /// The key, ready to verify. `None` where the bytes are no usable key, which no roster admits.
    pub(super) fn verifying_key(&self) -> Option<VerifyingKey> {
        match &self.expanded {
            Some(key) => Some(**key),
            None => verifying_key(&self.key).ok(),
        }
    }

    /// Keeps the point of its key; whether it was kept before.
    fn expand(&mut self) -> bool {
        let known = self.expanded.is_some();
        if !known {
            self.expanded = verifying_key(&self.key).ok().map(Box::new);
        }
        known
    }
}

/// Boxed, since a node of the map has room for eleven.
pub(super) type Members = BTreeMap<ParticipantId, Box<Member>>;

/// Whose keys are kept decompressed: a point takes six times the room of its key, and
/// decompressing it a tenth of the time of a verification.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
#[derive(Default)]
pub(super) struct Speakers(VecDeque<ParticipantId>);

/// So many.
const SPEAKERS: usize = 64;

impl Speakers {
    /// Somebody was heard.
    pub(super) fn heard(&mut self, id: ParticipantId, members: &mut Members) {
        let Some(member) = members.get_mut(&id) else { return };
        if member.expand() {
            return;
        }
        self.0.push_back(id);
        if self.0.len() > SPEAKERS
            && let Some(longest) = self.0.pop_front()
            && let Some(member) = members.get_mut(&longest)
        {
            member.expanded = None;
        }
    }
}

/// The ids that a sender's short name may stand for.
pub(super) fn ids_of(hint: SenderHint) -> core::ops::RangeInclusive<ParticipantId> {
    let [a, b, c, d, e, f, g, h] = hint;
    let low = [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0];
    let high = [a, b, c, d, e, f, g, h, 255, 255, 255, 255, 255, 255, 255, 255];
    ParticipantId::from_bytes(low)..=ParticipantId::from_bytes(high)
}
