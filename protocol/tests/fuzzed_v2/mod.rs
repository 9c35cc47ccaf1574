//! Bodies of the fuzz targets for V2 sessions: frames of all kinds, said by strangers and by a
//! member gone bad, and sequences of operations on a house of three.
//!
//! Under the fuzzer there is no cryptography, so mutations get past authentication; replayed by
//! `cargo test` there is.

pub(crate) mod delivery;
#[path = "../v2/house.rs"]
mod house;

use std::collections::{BTreeMap, BTreeSet};

use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event, Input, ParticipantId, PublishOptions, Session};

use crate::fuzzed::Choices;
use house::{Device, House};

const FOUNDER: usize = 0;
const LAMP: usize = 1;
const BAD: usize = 2;

/// Frames from anybody, and bodies of all kinds from a member, into a keeper, a member and a
/// newcomer. Whatever they say, the keeper and the honest member still hear each other.
pub(crate) fn frames(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut house = House::of(1, 3);
    // A newcomer at the door, by any of the ways.
    let entry = match choices.below(3) {
        0 => Entry::default(),
        1 => Entry::Invitation(house.invitation(FOUNDER)),
        _ => Entry::Pin(house.pin(FOUNDER)),
    };
    let newcomer = house.newcomer(entry);
    while !choices.is_empty() {
        match choices.below(4) {
            // Bytes as they are.
            0 => {
                let (to, frame) = (choices.below(4), take(&mut choices));
                house.deliver(to, &frame);
            }
            // What was said before, with changes.
            1 => {
                let (to, which) = (choices.below(4), usize::from(choices.byte()));
                let count = house.recorded.len();
                let mut frame = house.recorded[count - 1 - which % count].1.clone();
                change(&mut frame, &mut choices);
                house.deliver(to, &frame);
            }
            // A member says anything.
            2 => {
                let (kind, body) = (choices.byte(), take(&mut choices));
                house.devices[BAD].session.say(kind, &body);
                house.input(BAD, Input::Timer).expect("timers never fail");
            }
            _ => house.run(u64::from(choices.byte()) * 100),
        }
    }
    house.devices.truncate(newcomer + 1);
    house.settle();
    for device in [FOUNDER, LAMP] {
        house.devices[device].events.clear();
    }
    if !house.members(LAMP).contains(&house.id(LAMP)) {
        panic!("a member that is no keeper has evicted another");
    }
    house.publish(FOUNDER, b"still here");
    house.run(600_000);
    assert!(!house.heard(LAMP, FOUNDER).is_empty(), "the lamp hears the founder no more");
}

/// As many bytes as the next one says.
fn take(choices: &mut Choices<'_>) -> Vec<u8> {
    let count = choices.byte();
    (0..count).map(|_| choices.byte()).collect()
}

fn change(frame: &mut Vec<u8>, choices: &mut Choices<'_>) {
    match choices.below(3) {
        0 => frame.truncate(usize::from(choices.byte())),
        1 => frame.push(choices.byte()),
        _ => {
            for _ in 0..=choices.below(3) {
                let at = usize::from(choices.byte()) % frame.len().max(1);
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= choices.byte();
                }
            }
        }
    }
}

/// Operations on three devices whose channel loses, repeats and reorders what is said. No message
/// is delivered twice, nobody who was evicted is heard after it; and once the channel is good
/// again, all that are left end on one epoch.
pub(crate) fn operations(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut house = House::of(2, 3);
    let keeper = house.id(LAMP);
    house.command(FOUNDER, Command::Appoint(keeper)).expect("appoints");
    house.settle();
    let mut said = 0_u32;
    let mut steps = 0;
    while !choices.is_empty() && steps < 200 {
        steps += 1;
        step(&mut house, &mut choices, &mut said);
    }
    // A good channel, and time.
    for device in &mut house.devices {
        (device.asleep, device.side) = (false, 0);
    }
    // Each attempt to catch up proves another key, up to five minutes apart, and there may be many.
    for _ in 0..96 {
        for device in 0..house.devices.len() {
            if house.devices[device].session.is_ready() {
                said += 1;
                let _ = house.command(device, Command::Publish(&said.to_be_bytes()));
            }
        }
        house.run(400_000);
    }
    house.devices.iter().for_each(judge);
    let left: Vec<usize> =
        (0..house.devices.len()).filter(|at| house.devices[*at].session.is_ready()).collect();
    let Some(first) = left.first() else { return };
    // Who left or was evicted in the end is known to the others; among them all is the same.
    let founder = house.members(*first);
    for device in left.iter().filter(|at| founder.contains(&house.id(**at))) {
        assert_eq!(house.members(*device), founder, "members");
        assert_eq!(house.epoch(*device).generation, house.epoch(*first).generation, "epoch");
    }
}

fn step(house: &mut House, choices: &mut Choices<'_>, said: &mut u32) {
    let (device, other) = (choices.below(3), choices.below(3));
    let id = house.id(other);
    let ready = house.devices[device].session.is_ready();
    match choices.below(12) {
        0 | 1 => {
            *said += 1;
            let body = said.to_be_bytes();
            let ticket = Some(u64::from(*said)).filter(|_| choices.below(2) == 0);
            let options = PublishOptions { ticket, ..PublishOptions::default() };
            let _ = house.command(device, Command::PublishWith(&body, options));
        }
        2 if choices.below(4) == 0 => drop(house.command(device, Command::Evict(id))),
        3 => drop(house.command(device, Command::Rotate)),
        4 => drop(house.command(device, Command::Appoint(id))),
        5 => house.devices[device].asleep ^= true,
        6 => house.devices[device].side = u8::try_from(choices.below(2)).expect("small"),
        7 if ready => house.reboot(device),
        8 => drop(house.wire.pop_front()),
        9 => {
            if let Some(frame) = house.wire.front().cloned() {
                house.wire.push_back(frame);
            }
        }
        10 => {
            if let Some((_, frame)) = house.wire.pop_back() {
                house.deliver(device, &frame);
            }
        }
        _ => house.run(u64::from(choices.byte()) * 1_000),
    }
}

fn judge(device: &Device) {
    let mut heard: BTreeMap<ParticipantId, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for event in &device.events {
        if let Event::Message { from, body, .. } = event {
            assert!(heard.entry(*from).or_default().insert(body.clone()), "delivered twice");
        }
    }
}
