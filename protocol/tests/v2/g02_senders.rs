//! G2: a message names its sender, and nobody else can have made it. Not here: who may send (G5).

use std::thread;

use proptest::prelude::*;
use stringphone_protocol::{Checked, Command, Event, Input, Refusal, Session as _};

use crate::forge::{Forge, HELLO, Said, sign, torsioned, what_is_signed};
use crate::house::House;

#[test]
fn g2_a_member_cannot_speak_as_another() {
    let mut house = House::of(20, 3);
    let mut eve = Forge::of(&house.devices[2]);
    let said = Said {
        sender: house.id(1),
        key: house.devices[1].identity.public_key(),
        ..eve.said(0, b"signed by eve")
    };
    let epoch = eve.epoch.clone();
    let frame = eve.seal(&said, &epoch);
    let before = house.snapshot(0);
    assert_eq!(house.inject(0, &frame), Some(Refusal::BadSignature));
    assert_eq!(house.snapshot(0), before);
    assert!(house.heard(0, 1).is_empty());
}

#[test]
fn g2_a_members_frame_cannot_be_changed_by_another_member() {
    let mut house = House::of(21, 3);
    let eve = Forge::of(&house.devices[2]);
    let frame = house.frame(1, b"close the gate");
    let opened = eve.epoch.open(&frame).expect("eve reads it");
    let mut lamp = Forge::of(&house.devices[1]);
    let said = Said { counter: opened.counter, ..lamp.said(0, &opened.body) };
    let resealed = |said: &Said, epoch| crate::forge::Secret::seal(epoch, said, &opened.signature);
    assert_eq!(resealed(&said, &eve.epoch), frame, "the sealing is a function of what is signed");
    let others = [
        Said { body: b"open the gate".to_vec(), ..said.clone() },
        Said { body: b"close the gate!".to_vec(), ..said.clone() },
        Said { kind: 4, ..said.clone() },
        Said { kind: HELLO, ..said.clone() },
        Said { counter: said.counter + 1, ..said.clone() },
        Said { sender: house.id(2), ..said.clone() },
    ];
    let before = house.snapshot(0);
    for other in &others {
        let refusal = house.inject(0, &resealed(other, &eve.epoch));
        assert_eq!(refusal, Some(Refusal::BadSignature), "{other:?}");
    }
    // The same words, as if said in the next epoch.
    let refusal = house.inject(0, &resealed(&said, &eve.epoch.next()));
    assert_eq!(refusal, Some(Refusal::BadSignature));
    assert_eq!(house.snapshot(0), before);
    assert_eq!(house.inject(0, &frame), None, "the true one is not kept out");
}

#[test]
fn a_torsioned_signature_is_refused_alone_and_in_a_burst() {
    let mut house = House::of(22, 3);
    let mut forge = Forge::of(&house.devices[1]);
    let mut twisted = |body: &[u8]| {
        let said = forge.said(0, body);
        let signed = what_is_signed("message", &[&said.fields(&forge.epoch)]);
        let signature = torsioned(&forge.identity, &signed);
        forge.epoch.seal(&said, &signature)
    };
    let (alone, burst) = (twisted(b"alone"), twisted(b"in a burst"));
    assert_eq!(house.inject(0, &alone), Some(Refusal::BadSignature));
    let good: Vec<_> = (0..8).map(|body: u8| forge.frame(0, &[body])).collect();
    let mut frames = good.clone();
    frames.insert(4, burst);
    take_as_burst(&mut house, 0, &frames);
    let bodies: Vec<_> = (0..8).map(|body: u8| vec![body]).collect();
    assert_eq!(house.heard(0, 1), bodies, "the others of the burst are taken");
    assert_eq!(house.refused(0, Refusal::BadSignature), 2);
}

/// Checks frames on threads, then takes them in their order, as a Topic does.
fn take_as_burst(house: &mut House, device: usize, frames: &[Vec<u8>]) {
    let session = &house.devices[device].session;
    let checked: Vec<Checked<'_>> = thread::scope(|scope| {
        let each = frames.iter().map(|frame| scope.spawn(|| session.check(frame)));
        each.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for checked in checked {
        house.input(device, Input::Checked(checked)).unwrap();
    }
}

#[test]
fn g2_two_frames_of_one_number_in_one_burst_raise_the_alarm() {
    let mut house = House::of(23, 2);
    let mut forge = Forge::of(&house.devices[1]);
    let said = forge.said(0, b"one");
    let other = Said { body: b"other".to_vec(), ..said.clone() };
    let epoch = forge.epoch.clone();
    let frames = [forge.seal(&said, &epoch), forge.seal(&other, &epoch)];
    take_as_burst(&mut house, 0, &frames);
    assert!(house.told(0, &Event::Cloned(house.id(1))));
    assert_eq!(house.heard(0, 1), [b"one"]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]

    /// Rekeys, evictions, steps and duplicates among the frames included.
    #[test]
    fn g2_a_burst_does_what_its_frames_do_one_by_one(
        acts in prop::collection::vec(0_u8..6, 1..12),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let conversation = |house: &mut House| {
            let before = house.recorded.len();
            // The listener hears nothing until all is said.
            house.devices[3].asleep = true;
            for (place, act) in acts.iter().enumerate() {
                let body = [u8::try_from(place).unwrap()];
                match act {
                    0 => house.command(0, Command::Rotate).unwrap(),
                    1 => drop(house.command(0, Command::Evict(house.id(2)))),
                    2 => drop(house.command(0, Command::Appoint(house.id(1)))),
                    3 => house.run(3_600_000),
                    _ => house.publish(usize::from(*act) - 4, &body),
                }
                house.deliver_all();
            }
            let mut frames: Vec<_> =
                house.recorded[before..].iter().map(|(_, frame)| frame.clone()).collect();
            // Time alone makes no frames.
            if !frames.is_empty() {
                for index in &again {
                    frames.push(index.get(&frames).clone());
                }
            }
            house.devices[3].asleep = false;
            frames
        };
        let (mut one, mut other) = (House::of(24, 4), House::of(24, 4));
        let (frames, same) = (conversation(&mut one), conversation(&mut other));
        prop_assert_eq!(&frames, &same, "a house repeats from its seed");
        for frame in &frames {
            one.deliver(3, frame);
        }
        take_as_burst(&mut other, 3, &frames);
        prop_assert_eq!(&one.devices[3].events, &other.devices[3].events);
        prop_assert_eq!(one.snapshot(3), other.snapshot(3));
    }
}

#[test]
fn g2_an_insider_that_forges_raises_an_alarm_and_an_outsider_cannot() {
    let mut house = House::of(25, 3);
    for length in 0..200_usize {
        let mut frame = vec![0x20; length];
        house.deliver(0, &frame);
        frame.resize(97 + length, 0);
        house.deliver(0, &frame);
    }
    assert!(!house.told(0, &Event::InsiderAlarm), "nothing shows that these are a member's");
    let mut eve = Forge::of(&house.devices[2]);
    for _ in 0..17 {
        let said = Said { sender: house.id(1), ..eve.said(0, b"") };
        let epoch = eve.epoch.clone();
        house.deliver(0, &eve.seal(&said, &epoch));
    }
    assert!(house.told(0, &Event::InsiderAlarm));
}

#[test]
fn g2_a_signature_for_another_purpose_is_none() {
    let mut house = House::of(26, 2);
    let mut forge = Forge::of(&house.devices[1]);
    for purpose in ["operation", "introduction", "challenge", "answer", "reply", "messages"] {
        let said = forge.said(0, b"x");
        let signature = sign(&forge.identity, purpose, &[&said.fields(&forge.epoch)]);
        let frame = forge.epoch.seal(&said, &signature);
        assert_eq!(house.inject(0, &frame), Some(Refusal::BadSignature), "{purpose}");
    }
}
