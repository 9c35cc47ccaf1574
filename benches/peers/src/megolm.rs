//! Megolm, the group ratchet of Matrix, as vodozemac has it. Not Olm, which brings its keys to
//! members, and not the base64 and JSON around it.

use vodozemac::megolm::{GroupSession, InboundGroupSession, MegolmMessage, SessionConfig};

use crate::{Done, Pair};

struct Megolm {
    sender: GroupSession,
    receiver: InboundGroupSession,
}

pub(crate) fn pair() -> Done<Box<dyn Pair>> {
    let sender = GroupSession::new(SessionConfig::default());
    let receiver = InboundGroupSession::new(&sender.session_key(), SessionConfig::default());
    Ok(Box::new(Megolm { sender, receiver }))
}

impl Pair for Megolm {
    fn send(&mut self, body: &[u8]) -> Vec<u8> {
        self.sender.encrypt(body).to_bytes()
    }

    fn receive(&mut self, message: &[u8]) -> Vec<u8> {
        let message = MegolmMessage::from_bytes(message).expect("a message");
        self.receiver.decrypt(&message).expect("a good message").plaintext
    }
}
