//! What is said between the host and the firmware, and what has to have happened at the end.
//! Not here: how a session is driven.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stringphone_protocol::v2::InviteOptions;
use stringphone_protocol::{Command, Event, ParticipantId, Session};

use crate::emulator::Emulator;
use crate::member::Member;
use crate::report::Report;
use crate::session;

/// Fixed, so that each run is the same and figures can be compared. Nobody's secrets come of it.
const SEED: [u8; 32] = *b"fit for an emulator, nothing els";

/// What the firmware's `device.rs` says and takes, byte for byte.
const GREETING: &[u8] = b"hello";
const ECHO: &[u8] = b"echo: ";
const START: u8 = 1;

const QUESTION: &[u8] = b"are you there?";

/// From the invitation to the eviction.
pub(crate) fn hold(emulator: &mut Emulator) -> Result<(), String> {
    let mut entropy = ChaCha20Rng::from_seed(SEED);
    let mut seed = [0; 32];
    entropy.fill_bytes(&mut seed);
    let session = session::found(&mut entropy)?;
    let mut member = Member::new(session, entropy, emulator);
    let firmware = invite(&mut member, &seed)?;
    talk(&mut member, firmware)?;
    evict(&mut member, firmware)
}

/// The seed is all the entropy that the firmware gets.
fn invite(member: &mut Member<'_, impl Session>, seed: &[u8; 32]) -> Result<ParticipantId, String> {
    member.command(Command::Invite(InviteOptions::default()))?;
    let invitation = member.wait("the host's own invitation", |event| match event {
        Event::Invited(invitation) => Some(invitation),
        _ => None,
    })?;
    let url = invitation.expose_url();
    member.order([&[START], seed.as_slice(), url.as_bytes()].concat())?;
    member.wait("the firmware's first hello", |event| match event {
        Event::Joined(key) => Some(key.id()),
        _ => None,
    })
}

fn talk(member: &mut Member<'_, impl Session>, firmware: ParticipantId) -> Result<(), String> {
    member.wait("the firmware's greeting", |event| says(&event, firmware, GREETING))?;
    member.command(Command::Publish(QUESTION))?;
    let echo = [ECHO, QUESTION].concat();
    member.wait("the firmware's echo", |event| says(&event, firmware, &echo))
}

fn says(event: &Event, sender: ParticipantId, words: &[u8]) -> Option<()> {
    match event {
        Event::Message { from, body, .. } if *from == sender && body == words => Some(()),
        _ => None,
    }
}

/// The firmware hears of it, and ends by itself.
fn evict(member: &mut Member<'_, impl Session>, firmware: ParticipantId) -> Result<(), String> {
    member.command(Command::Evict(firmware))?;
    member.wait("the firmware's removal", |event| (event == Event::Removed(firmware)).then_some(()))
}

/// Compares what the firmware counted with what was said to it.
pub(crate) fn judge(report: &Report) -> Result<(), String> {
    let expected = [("ready", 1), ("heard", 1), ("unsent", 0), ("evicted", 1), ("garbage", 0)];
    for (name, wanted) in expected {
        let counted = report.number(name)?;
        if counted != wanted {
            return Err(format!(
                "The firmware reports {name}={counted}, where {wanted} was expected:\n    {report}"
            ));
        }
    }
    let (stack, size) = (report.number("stack_peak")?, report.number("stack_size")?);
    if stack >= size {
        return Err(format!("The firmware used all {size} bytes of its stack, and maybe more."));
    }
    Ok(())
}
