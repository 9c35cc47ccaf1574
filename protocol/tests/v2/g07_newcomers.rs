//! G7: a newcomer reads nothing sent before its admission. Not here: how it is let in (G8).

use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event};

use crate::forge::opens;
use crate::house::House;

/// Nothing recorded so far is readable by this device, with its session or by the book.
fn knows_nothing_of(house: &mut House, device: usize, recorded: &[Vec<u8>]) {
    let read = |event: &&Event| matches!(event, Event::Message { .. } | Event::Uncertain { .. });
    let before = house.devices[device].events.iter().filter(read).count();
    for frame in recorded.iter().filter(|frame| frame[0] == 0x20) {
        assert!(!opens(&house.devices[device].store, frame, 64));
        house.deliver(device, frame);
    }
    assert_eq!(house.devices[device].events.iter().filter(read).count(), before);
}

fn chat(house: &mut House) -> Vec<Vec<u8>> {
    for device in 0..2 {
        house.publish(device, b"before you came");
    }
    house.settle();
    house.recorded.iter().map(|(_, frame)| frame.clone()).collect()
}

#[test]
fn g7_by_invitation_nothing_from_before_is_read() {
    let mut house = House::of(70, 2);
    let recorded = chat(&mut house);
    let lamp = house.invite_in();
    knows_nothing_of(&mut house, lamp, &recorded);
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn g7_by_pin_nothing_from_before_is_read() {
    let mut house = House::of(71, 2);
    let recorded = chat(&mut house);
    let pin = house.pin(0);
    let lamp = house.newcomer(Entry::Pin(pin));
    house.settle();
    knows_nothing_of(&mut house, lamp, &recorded);
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn g7_by_fingerprint_nothing_from_before_is_read() {
    let mut house = House::of(72, 2);
    let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
    let lamp = house.newcomer(pinned);
    house.settle();
    // What is said while it waits is not for it either.
    let recorded = chat(&mut house);
    let id = house.id(lamp);
    house.command(0, Command::Admit(id)).unwrap();
    house.settle();
    knows_nothing_of(&mut house, lamp, &recorded);
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn g7_whoever_catches_up_reads_nothing_from_before_it_came() {
    let mut house = House::of(73, 2);
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    let recorded = chat(&mut house);
    let lamp = house.invite_in();
    house.devices[lamp].asleep = true;
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    house.devices[lamp].asleep = false;
    house.publish(0, b"wake up");
    house.run(30_000);
    assert!(house.told(0, &Event::CaughtUp(house.id(lamp))));
    knows_nothing_of(&mut house, lamp, &recorded);
    house.assert_together(&[0, 1, lamp]);
}

/// It came after the generation began that it is handed later.
#[test]
fn g7_a_catch_up_hands_over_a_step_that_nothing_was_said_in() {
    let mut house = House::of(74, 2);
    house.devices[1].asleep = true;
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    let frame = house.frame(0, b"while it slept");
    house.devices[1].asleep = false;
    house.publish(0, b"wake up");
    house.run(30_000);
    assert!(!opens(&house.devices[1].store, &frame, 64));
    house.assert_together(&[0, 1]);
}

#[test]
fn g7_a_newcomer_that_never_came_is_locked_out_again() {
    let mut house = House::of(75, 2);
    let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
    let lamp = house.newcomer(pinned);
    house.settle();
    house.mute.insert(lamp);
    let (id, before) = (house.id(lamp), house.epoch(0).generation);
    house.command(0, Command::Admit(id)).unwrap();
    house.run(700_000);
    assert!(house.told(0, &Event::Lapsed(id)));
    assert_eq!(house.epoch(0).generation, before + 1);
    assert!(!house.members(0).contains(&id) && !house.members(1).contains(&id));
    house.publish(0, b"not for it");
    house.settle();
    assert!(house.heard(lamp, 0).is_empty());
    house.assert_together(&[0, 1]);
}

#[test]
fn g7_a_pending_admission_outlives_a_restart_of_the_admitter() {
    let mut house = House::of(76, 2);
    let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
    let lamp = house.newcomer(pinned);
    house.settle();
    let id = house.id(lamp);
    let reply = house.sent_by(0, |house| house.command(0, Command::Admit(id)).unwrap());
    house.wire.clear();
    house.reboot(0);
    for frame in reply {
        house.deliver(lamp, &frame);
    }
    house.settle();
    house.assert_together(&[0, 1, lamp]);
}
