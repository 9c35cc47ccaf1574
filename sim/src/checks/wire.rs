//! What can be seen on the wire without any key: no nonce comes twice, and who was answered.
//! Not what frames say.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use stringphone_protocol::ParticipantId;

use crate::report::Reason;

const MESSAGE: u8 = 0x20;
const REPLY: u8 = 0x24;

#[derive(Default)]
pub(super) struct Wire {
    /// A digest of the frame that each nonce was used for.
    nonces: BTreeMap<[u8; 24], u64>,
    /// By room and participant: how many frames had been sent when it was first given keys, since
    /// it was invited.
    answered: BTreeMap<(usize, [u8; 16]), Option<usize>>,
}

impl Wire {
    /// The nonce of a message frame is the beginning of its signature (PROTOCOL §3.4): under
    /// whichever key, it must never be seen in another frame.
    pub(super) fn sealed(&mut self, frame: &[u8]) -> Result<(), Reason> {
        let Some((&MESSAGE, rest)) = frame.split_first() else { return Ok(()) };
        let Some(nonce) = rest.get(2..26).and_then(|nonce| nonce.first_chunk::<24>()) else {
            return Ok(());
        };
        // Its keys are fixed: the same on every machine.
        let mut hasher = DefaultHasher::new();
        frame.hash(&mut hasher);
        let digest = hasher.finish();
        match self.nonces.insert(*nonce, digest) {
            Some(other) if other != digest => Err(Reason::NonceRepeated),
            _ => Ok(()),
        }
    }

    pub(super) fn answered(&mut self, room: usize, frame: &[u8], heard: usize) {
        let Some((&REPLY, rest)) = frame.split_first() else { return };
        let Some(id) = rest.first_chunk::<16>() else { return };
        if let Some(first) = self.answered.get_mut(&(room, *id)) {
            first.get_or_insert(heard);
        }
    }

    pub(super) fn admitting(&mut self, room: usize, id: ParticipantId) {
        self.answered.insert((room, *id.as_bytes()), None);
    }

    pub(super) fn let_in(&mut self, room: usize, id: ParticipantId) -> Option<usize> {
        self.answered.remove(&(room, *id.as_bytes())).flatten()
    }
}
