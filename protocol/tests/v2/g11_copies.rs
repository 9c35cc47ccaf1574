//! G11: no nonce is used twice by a rolled-back or cloned device, and the others notice. Not here:
//! clones that never speak.

use std::collections::BTreeMap;

use stringphone_protocol::{Command, Event};

use crate::forge::{Forge, MARK};
use crate::house::House;

/// All nonces of message frames, with what was sealed under them.
fn nonces_are_used_once(house: &House) {
    let mut used: BTreeMap<Vec<u8>, &Vec<u8>> = BTreeMap::new();
    for (_, frame) in house.recorded.iter().filter(|(_, frame)| frame[0] == 0x20) {
        let known = used.insert(frame[1..27].to_vec(), frame);
        assert!(known.is_none_or(|known| known == frame), "a nonce for two frames");
    }
}

#[test]
fn g11_a_rolled_back_device_is_noticed_by_the_others_and_by_itself() {
    let mut house = House::of(210, 3);
    house.publish(1, b"0");
    house.settle();
    let old = house.devices[1].store.clone();
    for body in [b"1", b"2", b"3"] {
        house.reboot(1);
        house.publish(1, body);
        house.settle();
    }
    house.restore(1, old);
    house.settle();
    let id = house.id(1);
    assert!(house.told(0, &Event::Cloned(id)) || house.told(1, &Event::RolledBack));
    assert!(house.told(1, &Event::RolledBack), "it knows, and tells its owner");
    nonces_are_used_once(&house);
    house.assert_together(&[0, 1, 2]);
    nonces_are_used_once(&house);
}

#[test]
fn g11_a_rollback_by_more_than_a_window_is_noticed_by_its_hello() {
    let mut house = House::of(211, 2);
    let old = house.devices[1].store.clone();
    for _ in 0..6 {
        house.reboot(1);
        house.publish(1, b"x");
        house.settle();
    }
    house.restore(1, old);
    house.settle();
    assert!(house.told(1, &Event::RolledBack));
    house.publish(1, b"heard again");
    house.settle();
    assert!(house.heard(0, 1).contains(&b"heard again".to_vec()), "it jumped over the mark");
    nonces_are_used_once(&house);
}

/// It begins as it did after its last start, byte by byte.
#[test]
fn g11_a_rollback_by_one_start_is_noticed_although_the_first_words_are_the_same() {
    let mut house = House::of(213, 2);
    house.settle();
    let old = house.devices[1].store.clone();
    house.reboot(1);
    house.settle();
    for body in [b"1", b"2", b"3"] {
        house.publish(1, body);
    }
    house.settle();
    house.restore(1, old);
    house.settle();
    assert!(house.told(1, &Event::RolledBack));
    house.publish(1, b"heard");
    house.settle();
    assert!(house.heard(0, 1).contains(&b"heard".to_vec()));
    nonces_are_used_once(&house);
}

/// Nobody can read its hello, and nobody else says anything.
#[test]
fn g11_a_rollback_over_several_rekeys_is_mended_in_seconds_where_nobody_talks() {
    for members in [2, 3] {
        let mut house = House::of(212, members);
        house.settle();
        let old = house.devices[1].store.clone();
        for _ in 0..3 {
            house.reboot(1);
            house.command(0, Command::Rotate).unwrap();
            // Long enough for the epochs before to be forgotten.
            house.run(2 * 3_600_000);
        }
        let present = house.epoch(0).generation;
        house.restore(1, old);
        assert!(house.epoch(1).generation < present);
        house.run(10_000);
        assert_eq!(house.epoch(1).generation, house.epoch(0).generation);
        assert!(house.told(1, &Event::RolledBack));
        let all: Vec<usize> = (0..members).collect();
        house.assert_together(&all);
        nonces_are_used_once(&house);
    }
}

/// Its first frames after the rollback fall into a gap: frames that never arrived.
#[test]
fn g11_a_rollback_into_a_gap_is_noticed_too() {
    let mut house = House::of(212, 2);
    let old = house.devices[1].store.clone();
    house.mute.insert(1);
    house.reboot(1);
    house.run(1_000);
    house.mute.remove(&1);
    house.reboot(1);
    house.publish(1, b"x");
    house.settle();
    house.restore(1, old);
    house.settle();
    assert!(house.told(1, &Event::RolledBack));
    nonces_are_used_once(&house);
}

#[test]
fn g11_two_copies_of_a_device_raise_the_alarm_and_share_no_nonce() {
    let mut house = House::of(213, 2);
    let (identity, settings) =
        (house.devices[1].identity.clone(), house.devices[1].settings.clone());
    let store = house.devices[1].store.clone();
    let copy = house.open(identity, store.into_values().collect(), settings);
    // They don't hear each other: the copy is elsewhere.
    house.devices[copy].side = 1;
    let said: Vec<_> = (0..3).map(|body: u8| house.frame(1, &[body])).collect();
    let copied: Vec<_> = (0..3).map(|body: u8| house.frame(copy, &[body, 9])).collect();
    for frame in said.iter().chain(&copied) {
        house.deliver(0, frame);
    }
    nonces_are_used_once(&house);
    // The copy began at the end of the block: its owner's next start is where it is now.
    house.reboot(1);
    let again: Vec<_> = (0..3).map(|body: u8| house.frame(1, &[body, 7])).collect();
    for frame in &again {
        house.deliver(0, frame);
    }
    assert!(house.told(0, &Event::Cloned(house.id(1))));
    nonces_are_used_once(&house);
    // Whoever is behind the other hears of it, too, and gets out of its way.
    let ahead = (0..40).map(|_| house.frame(copy, b"further")).next_back().unwrap();
    house.deliver(1, &ahead);
    assert!(house.told(1, &Event::Cloned(house.id(1))));
    let beyond = house.frame(1, b"even further");
    assert_eq!(house.inject(0, &beyond), None);
    nonces_are_used_once(&house);
}

#[test]
fn g11_a_restart_goes_on_with_counters_that_were_never_used() {
    let mut house = House::of(214, 2);
    let forge = Forge::of(&house.devices[1]);
    let mut counters = Vec::new();
    for _ in 0..5 {
        let before = house.recorded.len();
        house.publish(1, b"x");
        house.settle();
        for (from, frame) in &house.recorded[before..] {
            if let (1, Some(opened)) = (*from, forge.epoch.open(frame)) {
                counters.push(opened.counter);
            }
        }
        house.reboot(1);
        house.settle();
    }
    let mut sorted = counters.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, counters, "ever higher");
    assert!(!house.told(0, &Event::Cloned(house.id(1))));
    assert!(!house.told(1, &Event::RolledBack));
}

#[test]
fn g11_marks_that_lie_far_ahead_are_ignored() {
    let mut house = House::of(215, 3);
    let mut eve = Forge::of(&house.devices[2]);
    let mut mark = house.id(1).as_bytes()[..8].to_vec();
    mark.extend([0; 4]);
    mark.extend(&((1_u64 << 40) - 1).to_be_bytes()[3..]);
    let frame = eve.frame(MARK, &mark);
    assert_eq!(house.inject(1, &frame), None);
    assert!(!house.told(1, &Event::RolledBack));
    house.publish(1, b"still here");
    house.settle();
    assert_eq!(house.heard(0, 1), [b"still here"]);
}
