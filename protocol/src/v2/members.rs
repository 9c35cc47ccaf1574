//! The members as a room holds them: keys, windows, KEM keys. Not here: who is a member, which is
//! [`standing`](super::standing).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;

use super::kem::KemPublic;
use super::message::SenderHint;
use super::standing::{Place, Role};
use super::window::Window;
use crate::{ParticipantId, PublicKey};

/// What is held of one member.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Member {
    // The point is decompressed once, here, and not at every message.
    pub(super) key: VerifyingKey,
    pub(super) incarnation: u32,
    pub(super) role: Role,
    pub(super) rank: u32,
    pub(super) window: Window,
    /// Its latest KEM key, and the counter of the frame that brought it.
    pub(super) kem: Option<(u64, KemPublic)>,
}

impl Member {
    pub(super) fn new(key: VerifyingKey, place: &Place) -> Self {
        Self {
            key,
            incarnation: place.incarnation,
            role: place.role,
            rank: place.rank,
            window: Window::default(),
            kem: None,
        }
    }

    pub(super) fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.key.to_bytes())
    }
}

/// Boxed, since a node of the map has room for eleven.
pub(super) type Members = BTreeMap<ParticipantId, Box<Member>>;

/// The ids that a sender's short name may stand for.
pub(super) fn ids_of(hint: SenderHint) -> core::ops::RangeInclusive<ParticipantId> {
    let [a, b, c, d, e, f, g, h] = hint;
    let low = [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0];
    let high = [a, b, c, d, e, f, g, h, 255, 255, 255, 255, 255, 255, 255, 255];
    ParticipantId::from_bytes(low)..=ParticipantId::from_bytes(high)
}
