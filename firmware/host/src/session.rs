//! The host's session: the founder of a new topic. Not here: the conversation.

use rand_core::CryptoRng;
use stringphone_protocol::v2::{FoundOptions, Settings, V2Session, V2State};
use stringphone_protocol::{Identity, Limits, Moment};

use crate::emulator::MAX_FRAME;

pub(crate) fn found(entropy: &mut dyn CryptoRng) -> Result<V2Session, String> {
    let identity = Identity::generate(entropy);
    let state = V2State::found("firmware", &identity, FoundOptions::default(), entropy);
    // No larger than the firmware takes them.
    let limits = Limits { frame: MAX_FRAME, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let session = V2Session::open(identity, &state, settings, &mut Moment::new(0, entropy));
    session.map_err(|error| error.to_string())
}
