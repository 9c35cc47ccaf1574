//! Which session the host speaks: the one file to exchange for another protocol, together with the
//! firmware's own `session.rs`. Not here: the conversation.

use rand_core::CryptoRng;
use stringphone_protocol::classic::{ClassicSession, ClassicState, Settings};
use stringphone_protocol::{Identity, Session};

/// What the firmware notices of its removal.
pub(crate) const REMOVAL: Removal = Removal::Refused;

#[derive(PartialEq)]
#[allow(dead_code, reason = "each protocol has one of them")]
pub(crate) enum Removal {
    /// Nothing: it goes on reading, and what it says is refused. Classic can do no more.
    Refused,
    /// It is told, and reads nothing more.
    LockedOut,
}

/// The founder of a new topic, and the invitation for the firmware: for Classic, the founder's
/// fingerprint.
pub(crate) fn found(
    entropy: &mut dyn CryptoRng,
) -> Result<(impl Session + use<>, Vec<u8>), String> {
    let identity = Identity::generate(entropy);
    let invitation = identity.public_key().fingerprint().to_string().into_bytes();
    let session = ClassicSession::open(identity, ClassicState::found(entropy), Settings::default());
    Ok((session.map_err(|error| error.to_string())?, invitation))
}
