//! Which session this firmware speaks: the one file to exchange for another protocol.
//! Not here: what the device does with it.

use alloc::vec;

use rand_core::CryptoRng;
use stringphone_protocol::classic::{Admitter, ClassicSession, ClassicState, Settings};
use stringphone_protocol::{Fingerprint, Identity, Limits, Session};

use crate::link::MAX_FRAME;

/// Bounds for a device with little memory; a host takes the defaults.
const LIMITS: Limits = Limits {
    frame: MAX_FRAME,
    introductions: 4,
    introduction_ms: 60_000,
    answers: 2,
    participants: 16,
    recent_frames: 64,
};

/// A newcomer with a new identity. For Classic, the invitation is the fingerprint of the member
/// that will answer, as text.
pub(crate) fn open(
    entropy: &mut dyn CryptoRng,
    invitation: &[u8],
) -> Result<impl Session + use<>, &'static str> {
    let text = core::str::from_utf8(invitation).map_err(|_| "it is not UTF-8")?;
    let member: Fingerprint = text.parse().map_err(|_| "it is no fingerprint")?;
    let settings = Settings {
        admitter: Admitter::Pinned(vec![member]),
        limits: LIMITS,
        ..Settings::default()
    };
    let identity = Identity::generate(entropy);
    ClassicSession::open(identity, ClassicState::join(entropy), settings)
        .map_err(|_| "it names a key that nobody could sign with")
}
