//! G4: a thief reads nothing recorded before the oldest secret that any device holds. Not here: what it
//! reads from then on (G6).

use stringphone_protocol::Command;
use stringphone_protocol::v2::{FoundOptions, Settings};

use crate::forge::{opens, secrets};
use crate::house::House;

const HOUR: u64 = 3_600_000;

#[test]
fn g4_what_was_recorded_is_unreadable_once_its_step_and_its_overlap_are_past() {
    let mut house = House::of(40, 3);
    let frames: Vec<_> = (0..3).map(|device| house.frame(device, b"a secret")).collect();
    for frame in &frames {
        assert!((0..3).any(|thief| opens(&house.devices[thief].store, frame, 0)));
    }
    // Nobody says a word: the timers alone wipe it.
    house.run(2 * HOUR + 60_000);
    for frame in &frames {
        for thief in 0..3 {
            assert!(!opens(&house.devices[thief].store, frame, 64), "what {thief} stored opens it");
        }
    }
    house.assert_together(&[0, 1, 2]);
}

#[test]
fn g4_a_step_that_was_left_is_wiped_with_its_overlap_though_nothing_else_happens() {
    let mut settings = Settings::default();
    settings.timing.step_ms = 24 * HOUR;
    let mut house = House::found_with(47, FoundOptions::default(), settings);
    let frame = house.frame(0, b"a secret");
    house.invite_in();
    assert!(opens(&house.devices[0].store, &frame, 0), "an admission takes a step");
    house.devices[1].asleep = true;
    house.run(HOUR);
    assert!(!opens(&house.devices[0].store, &frame, 0));
}

#[test]
fn g4_a_generation_that_was_left_is_wiped_with_its_overlap() {
    let mut house = House::of(41, 3);
    let frame = house.frame(1, b"a secret");
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    assert!(opens(&house.devices[2].store, &frame, 0), "it is still read for a while");
    house.run(HOUR);
    for thief in 0..3 {
        assert!(!opens(&house.devices[thief].store, &frame, 64));
    }
}

#[test]
fn g4_kem_keys_that_were_replaced_are_wiped_with_their_overlap() {
    let mut house = House::of(42, 2);
    let kem = |house: &House| {
        house.devices[1].store["kem"].value.as_ref().map(|value| value.to_vec()).unwrap()
    };
    let first = kem(&house)[..32].to_vec();
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    let both = kem(&house);
    assert_eq!(both[32..], first, "a rekey under way may have been made for it");
    house.run(HOUR);
    assert_eq!(kem(&house), both[..32], "the one before is gone");
}

#[test]
fn g4_no_more_than_eight_steps_before_the_present_are_held() {
    let mut house = House::of(43, 2);
    let frame = house.frame(0, b"a secret");
    // Each admission takes a step, without time passing.
    for _ in 0..12 {
        house.invite_in();
    }
    for device in 0..2 {
        assert!(secrets(&house.devices[device].store).len() <= 9);
        assert!(!opens(&house.devices[device].store, &frame, 64));
    }
}

#[test]
fn g4_a_device_that_leaves_keeps_nothing_that_opens_anything() {
    let mut house = House::of(44, 3);
    let frame = house.frame(0, b"a secret");
    house.command(2, Command::Leave).unwrap();
    house.settle();
    let store = &house.devices[2].store;
    let left = store.values().filter(|record| record.value.is_some()).map(|record| &record.key);
    assert_eq!(left.collect::<Vec<_>>(), ["identity", "protocol", "topic"]);
    let _ = frame;
    house.assert_together(&[0, 1]);
}

#[test]
fn g4_a_restart_begins_the_overlap_anew_and_it_ends() {
    let mut house = House::of(45, 2);
    let frame = house.frame(0, b"a secret");
    house.run(HOUR + 1_000);
    house.reboot(1);
    assert!(opens(&house.devices[1].store, &frame, 0));
    house.run(HOUR);
    assert!(!opens(&house.devices[1].store, &frame, 64));
}
