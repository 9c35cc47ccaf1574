//! Members and keepers gone bad: what they can't do to the others. Not here: lies in single frames,
//! which are in [`bad_input`](crate::bad_input).

use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event, Record};

use crate::forge::{Forge, Operation, ROSTER, operations, roster, sign};
use crate::house::{House, Store};

const NONE: [u8; 16] = [0; 16];

#[test]
fn a_keeper_that_admits_the_founder_again_silences_nobody() {
    let mut house = House::of(201, 4);
    let bad = house.id(1);
    house.command(0, Command::Appoint(bad)).unwrap();
    house.settle();
    let mut keeper = Forge::of(&house.devices[1]);
    house.devices[1].asleep = true;
    let again = keeper.operation(&Operation {
        action: 1,
        subject: house.devices[0].identity.public_key(),
        incarnation: 1,
        previous: NONE,
        last: NONE,
        name: "",
    });
    let frame = keeper.frame(ROSTER, &roster(&[again]));
    for device in [0, 2, 3] {
        house.deliver(device, &frame);
    }
    house.settle();
    house.publish(0, b"still heard");
    house.settle();
    assert_eq!(house.heard(2, 0).last().map(Vec::as_slice), Some(&b"still heard"[..]));
    house.command(0, Command::Evict(bad)).expect("the founder stands before it still");
    house.settle();
    house.assert_together(&[0, 2, 3]);
    // A restart goes on as what the roster says.
    house.reboot(0);
    house.settle();
    house.assert_together(&[0, 2, 3]);
}

#[test]
fn a_member_fills_no_roster_with_leaves() {
    let mut house = House::of(202, 3);
    let before = operations(&house.devices[0].store).len();
    let mut member = Forge::of(&house.devices[2]);
    house.devices[2].asleep = true;
    let leave = |last, name| Operation {
        action: 3,
        subject: house.devices[2].identity.public_key(),
        incarnation: 0,
        previous: NONE,
        last,
        name,
    };
    let named: Vec<String> = (0..50).map(|number| format!("leave {number}")).collect();
    let mut leaves: Vec<_> =
        named.iter().map(|name| member.operation(&leave(NONE, name))).collect();
    leaves.push(member.operation(&leave([7; 16], "")));
    // This one says nothing besides.
    leaves.push(member.operation(&leave(NONE, "")));
    let frame = member.frame(ROSTER, &roster(&leaves));
    house.deliver(0, &frame);
    house.settle();
    assert_eq!(operations(&house.devices[0].store).len(), before + 1);
    assert!(house.told(0, &Event::Removed(house.id(2))));
}

#[test]
fn a_member_that_left_and_comes_back_can_leave_again() {
    let mut house = House::of(203, 2);
    for _ in 0..3 {
        let lamp = house.id(1);
        house.command(1, Command::Leave).unwrap();
        house.settle();
        assert!(!house.members(0).contains(&lamp), "it left");
        let invitation = house.invitation(0);
        house.devices[1].settings.entry = Entry::Invitation(invitation);
        house.reboot(1);
        house.command(1, Command::Introduce).unwrap();
        house.settle();
        assert!(house.members(0).contains(&lamp), "it is back");
    }
    house.assert_together(&[0, 1]);
}

/// A founder, a member gone bad, and one that slept through the last generation.
fn late(seed: u8) -> House {
    let mut house = House::of(seed, 3);
    house.devices[2].asleep = true;
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    house
}

/// The bad one alone is awake with the late one, and has its say.
fn the_bad_one(house: &mut House) {
    house.devices[0].asleep = true;
    house.devices[2].asleep = false;
    for _ in 0..4 {
        house.publish(1, b"come to me");
        house.run(30_000);
    }
    house.devices[1].asleep = true;
    let asked = |(from, frame): &(usize, Vec<u8>)| *from == 2 && frame[0] == 0x23;
    assert!(house.recorded.iter().any(asked), "the late one answered a challenge");
}

/// Then the founder comes back.
fn the_founder(house: &mut House) {
    house.devices[0].asleep = false;
    for _ in 0..4 {
        house.publish(0, b"or to me");
        house.run(120_000);
    }
}

/// The generation in use, as it is stored.
fn generation(store: &Store) -> (String, Vec<u8>) {
    let of = |(name, record): (&String, &Record)| {
        Some((name.clone(), record.value.as_ref()?.to_vec())).filter(|_| name.starts_with("gener"))
    };
    store.iter().filter_map(of).max_by_key(|(_, value)| value[..4].to_vec()).expect("one")
}

#[test]
fn a_member_that_hands_over_another_secret_keeps_nobody_away() {
    let mut house = late(204);
    house.spoil(1, |store| {
        let (name, mut value) = generation(store);
        value[252..284].copy_from_slice(&[7; 32]);
        // As if somebody had been heard in it.
        *value.last_mut().unwrap() = 1;
        store.insert(name.clone(), Record::put(name, 1, &value));
    });
    the_bad_one(&mut house);
    the_founder(&mut house);
    house.assert_hear_each_other(&[0, 2]);
}

#[test]
fn a_member_that_hands_over_a_step_of_the_far_future_is_not_followed() {
    let mut house = late(205);
    let before = house.epoch(2);
    house.spoil(1, |store| {
        let (name, mut value) = generation(store);
        // The last that anybody may have come to: its answer takes one more.
        value[248..252].copy_from_slice(&(1_u32 << 20).to_be_bytes());
        *value.last_mut().unwrap() = 1;
        store.insert(name.clone(), Record::put(name, 1, &value));
    });
    the_bad_one(&mut house);
    assert_eq!(house.epoch(2), before);
    the_founder(&mut house);
    house.assert_hear_each_other(&[0, 2]);
}

#[test]
fn a_member_that_hands_over_another_secret_of_a_later_step_is_not_followed() {
    let mut house = House::of(212, 3);
    let before = house.epoch(2);
    house.spoil(1, |store| {
        let (name, mut value) = generation(store);
        value[248..252].copy_from_slice(&300_u32.to_be_bytes());
        value[252..284].copy_from_slice(&[7; 32]);
        *value.last_mut().unwrap() = 1;
        store.insert(name.clone(), Record::put(name, 1, &value));
    });
    the_bad_one(&mut house);
    assert_eq!(house.epoch(2), before);
    the_founder(&mut house);
    house.assert_hear_each_other(&[0, 2]);
}

/// A member that took itself for a keeper, and began a generation with this number.
fn usurp(house: &mut House, number: u32) {
    let (bad, founder) = (Forge::of(&house.devices[1]), house.devices[0].identity.clone());
    house.spoil(1, |store| {
        // Its own storage believes whatever it says; the signature is not the founder's.
        let mut appointment = Forge { identity: founder, ..bad.clone() }.operation(&Operation {
            action: 2,
            subject: bad.identity.public_key(),
            incarnation: 0,
            previous: NONE,
            last: NONE,
            name: "",
        });
        let end = appointment.len() - 64;
        appointment[end..].fill(0);
        let name = format!("operation/{:08x}", operations(store).len());
        store.insert(name.clone(), Record::put(name, 1, &appointment));
        let (_, mut value) = generation(store);
        value[..4].copy_from_slice(&number.to_be_bytes());
        value[100..132].fill(9);
        let incarnation = [0; 4];
        let fields: [&[u8]; 4] = [&bad.topic, &value[..100], &value[100..132], &incarnation];
        let signature = sign(&bad.identity, "certificate", &fields);
        let keeper = bad.identity.id();
        let certificate = [keeper.as_bytes().as_slice(), &incarnation, &signature];
        value[132..216].copy_from_slice(&certificate.concat());
        *value.last_mut().unwrap() = 1;
        let name = format!("generation/{}", "09".repeat(16));
        store.insert(name.clone(), Record::put(name, 1, &value));
    });
    assert_eq!(house.epoch(1).generation, number, "it believes itself");
}

#[test]
fn a_member_that_hands_over_a_generation_of_its_own_pushes_no_number_up() {
    for (seed, number) in [(206, u32::MAX - 1), (207, 1 << 19), (208, 1_000)] {
        let mut house = House::of(seed, 3);
        let late = house.id(2);
        house.command(0, Command::Appoint(late)).unwrap();
        house.settle();
        house.devices[2].asleep = true;
        house.command(0, Command::Rotate).unwrap();
        house.settle();
        usurp(&mut house, number);
        the_bad_one(&mut house);
        the_founder(&mut house);
        let before = house.epoch(0).generation;
        house.command(2, Command::Rotate).unwrap();
        house.settle();
        assert_eq!(house.epoch(2).generation, before + 1, "numbers go on as they were");
        house.assert_hear_each_other(&[0, 2]);
    }
}

#[test]
fn a_member_that_challenges_first_and_says_no_more_keeps_nobody_away() {
    let mut house = late(209);
    house.devices[2].asleep = false;
    // The founder's challenge always comes after the bad one's, which then falls silent.
    house.lost = |from, frame| matches!((from, frame[0]), (0, 0x22) | (1, 0x24));
    let challenges = |house: &House, by| {
        let by_it = |(from, frame): &&(usize, Vec<u8>)| *from == by && frame[0] == 0x22;
        house.recorded.iter().filter(by_it).cloned().collect::<Vec<_>>()
    };
    for round in 0..12_000 {
        if round % 1_000 == 0 {
            house.publish(0, b"somewhere else");
        }
        let before = challenges(&house, 1).len();
        house.run(10);
        if challenges(&house, 1).len() > before
            && let Some((_, challenge)) = challenges(&house, 0).last()
        {
            house.deliver(2, challenge);
        }
    }
    assert!(challenges(&house, 1).len() > 1, "it was there");
    assert_eq!(house.epoch(2), house.epoch(0), "it went to the founder in the end");
}

#[test]
fn a_replayed_introduction_pushes_no_exchange_out() {
    let mut house = late(210);
    house.devices[1].asleep = true;
    house.devices[2].asleep = false;
    for _ in 0..3 {
        house.publish(0, b"somewhere else");
        house.deliver_all();
        house.mute.insert(0);
        house.run(40_000);
        house.mute.remove(&0);
    }
    let asked = |(from, frame): &&(usize, Vec<u8>)| *from == 2 && frame[0] == 0x21;
    let old: Vec<_> = house.recorded.iter().filter(asked).map(|(_, frame)| frame.clone()).collect();
    assert!(old.len() >= 2, "it asked");
    house.publish(0, b"somewhere else");
    // Each time it is challenged, all that it ever asked comes once more, and the founder has time
    // to fall for it, before its answer arrives.
    for _ in 0..3_000 {
        let before = house.recorded.len();
        house.mute.insert(2);
        house.run(20);
        house.mute.remove(&2);
        let sent = house.recorded[before..].to_vec();
        for (from, frame) in sent.iter().filter(|(from, _)| *from == 2) {
            if frame[0] == 0x23 {
                old.iter().for_each(|frame| house.deliver(0, frame));
                house.mute.insert(0);
                house.run(150);
                house.mute.remove(&0);
            }
            house.wire.push_back((*from, frame.clone()));
        }
    }
    house.assert_hear_each_other(&[0, 2]);
}

/// Needs the feature `model`, with which a session can be made to go bad.
#[cfg(feature = "model")]
#[test]
fn a_generation_that_an_evicted_keeper_began_does_not_become_clean_by_its_eviction() {
    use crate::forge::hash;
    use stringphone_protocol::Moment;

    let mut house = House::of(211, 3);
    let bad = house.id(1);
    house.command(0, Command::Appoint(bad)).unwrap();
    house.settle();
    // It knows what its eviction will look like, and begins a generation for the time after.
    let evictions = hash("evictions", &[&[bad.as_bytes().as_slice(), &[0; 4]].concat()]);
    let number = house.epoch(0).generation + 100;
    let mut moment = Moment::new(house.now, &mut house.rng);
    house.devices[1].session.rekey_as(number, evictions, &mut moment);
    // The founder does not hear of it.
    house.devices[0].asleep = true;
    house.input(1, stringphone_protocol::Input::Timer).unwrap();
    house.settle();
    let theirs: Vec<_> =
        house.devices[1].session.held_generations().iter().map(|held| held.id).collect();
    let held = house.devices[2].session.held_generations();
    assert!(held.iter().any(|held| held.number == number), "the other has taken it");
    house.devices[1].asleep = true;
    house.devices[0].asleep = false;
    house.command(0, Command::Evict(bad)).unwrap();
    house.settle();
    house.assert_together(&[0, 2]);
    for device in [0, 2] {
        let used = house.devices[device].session.held_generations()[0].id;
        assert!(!theirs.contains(&used), "the evicted one holds what {device} uses");
    }
}
