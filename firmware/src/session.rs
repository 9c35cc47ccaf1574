//! The V2 session of a device with little memory. Not here: what the device does with it.

use rand_core::CryptoRng;
use stringphone_protocol::v2::{
    Entry, Invitation, ParseInvitationError, Settings, Timing, V2Session, V2State,
};
use stringphone_protocol::{Identity, Limits, Moment};

use crate::clock;
use crate::device::Problem;
use crate::link::MAX_FRAME;

/// Bounds for a device with little memory, which is no keeper; a host takes the defaults.
const LIMITS: Limits = Limits {
    frame: MAX_FRAME,
    introductions: 1,
    introduction_ms: 60_000,
    answers: 1,
    participants: 16,
    operations: 64,
    recent_frames: 0, // Classic's
};

/// What is past is held for a minute, not for an hour: each generation takes a kilobyte.
const OVERLAP: u64 = 60_000;
/// Of a sender, between two commits of its window: flash memory wears out.
const FRAMES_PER_COMMIT: u32 = 16;

/// A newcomer with a new identity, which will join by the invitation.
pub(crate) fn open(entropy: &mut dyn CryptoRng, invitation: &[u8]) -> Result<V2Session, Problem> {
    let text = core::str::from_utf8(invitation).map_err(|_| ParseInvitationError::Damaged)?;
    let invitation: Invitation = text.parse()?;
    let identity = Identity::generate(entropy);
    let state = V2State::join(invitation.topic_name(), &identity, invitation.suite());
    let settings = Settings {
        entry: Entry::Invitation(invitation),
        timing: Timing { overlap_ms: OVERLAP, ..Timing::default() },
        frames_per_commit: FRAMES_PER_COMMIT,
        limits: LIMITS,
        ..Settings::default()
    };
    Ok(V2Session::open(identity, &state, settings, &mut Moment::new(clock::now(), entropy))?)
}
