//! What is said between the host and the firmware, whatever protocol they speak, and what has to
//! have happened at the end. Not here: how a session is driven.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stringphone_protocol::{Command, Event, ParticipantId, Refusal, Session};

use crate::emulator::Emulator;
use crate::member::Member;
use crate::report::Report;
use crate::session::{self, REMOVAL, Removal};

/// Fixed, so that each run is the same and figures can be compared. Nobody's secrets come of it.
const SEED: [u8; 32] = *b"fit for an emulator, nothing els";

/// What the firmware's `device.rs` says and takes, byte for byte.
const GREETING: &[u8] = b"hello";
const ECHO: &[u8] = b"echo: ";
const START: u8 = 1;
const END: u8 = 2;

const QUESTION: &[u8] = b"are you there?";
const PARTING: &[u8] = b"after you have gone";
/// How long nothing may come of a firmware that is locked out.
const SILENCE: Duration = Duration::from_secs(2);

/// From the first order to the last.
pub(crate) fn hold(emulator: &mut Emulator) -> Result<(), String> {
    let mut entropy = ChaCha20Rng::from_seed(SEED);
    let (session, invitation) = session::found(&mut entropy)?;
    let mut start = vec![START];
    start.extend(seed(&mut entropy));
    start.extend(invitation);
    emulator.order(start)?;

    let mut member = Member::new(session, entropy, emulator);
    let firmware = admit(&mut member)?;
    talk(&mut member, firmware)?;
    remove(&mut member, firmware)?;
    emulator.order(vec![END])
}

/// All the entropy that the firmware gets.
fn seed(entropy: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    entropy.fill_bytes(&mut seed);
    seed
}

fn admit(member: &mut Member<'_, impl Session>) -> Result<ParticipantId, String> {
    // Who comes with an invitation joins without a question.
    let (firmware, asks) = member.wait("the firmware's introduction", |event| match event {
        Event::Introduced(key) => Some((key.id(), true)),
        Event::Joined(key) => Some((key.id(), false)),
        _ => None,
    })?;
    if asks {
        member.command(Command::Admit(firmware))?;
    }
    Ok(firmware)
}

fn talk(member: &mut Member<'_, impl Session>, firmware: ParticipantId) -> Result<(), String> {
    member.wait("the firmware's greeting", |event| says(&event, firmware, GREETING))?;
    member.command(Command::Publish(QUESTION))?;
    let echo = [ECHO, QUESTION].concat();
    member.wait("the firmware's echo", |event| says(&event, firmware, &echo))
}

fn remove(member: &mut Member<'_, impl Session>, firmware: ParticipantId) -> Result<(), String> {
    member.command(Command::Remove(firmware))?;
    member.command(Command::Publish(PARTING))?;
    match REMOVAL {
        Removal::Refused => {
            member.wait("the refusal of a removed firmware's message", |event| match event {
                Event::Refused(Refusal::UntrustedSender) => Some(()),
                _ => None,
            })
        }
        Removal::LockedOut => {
            let heard = |event| matches!(event, Event::Message { .. }).then_some(());
            match member.wait_for(SILENCE, heard)? {
                None => Ok(()),
                Some(()) => Err("A firmware that was removed could still speak.".into()),
            }
        }
    }
}

fn says(event: &Event, sender: ParticipantId, words: &[u8]) -> Option<()> {
    match event {
        Event::Message { from, body, .. } if *from == sender && body == words => Some(()),
        _ => None,
    }
}

/// Compares what the firmware counted with what was said to it.
pub(crate) fn judge(report: &Report) -> Result<(), String> {
    let (heard, removed) = match REMOVAL {
        Removal::Refused => (2, 0),
        Removal::LockedOut => (1, 1),
    };
    let expected = [("ready", 1), ("heard", heard), ("removed", removed), ("garbage", 0)];
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
