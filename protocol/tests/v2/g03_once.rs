//! G3: a message is delivered at most once, over any number of links and restarts. Not here: clones of
//! a sender (G11).

use proptest::prelude::*;
use stringphone_protocol::v2::Settings;
use stringphone_protocol::{
    Command, Event, Input, Moment, Output, PublishOptions, Refusal, Session,
};

use crate::house::House;

fn bodies(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|body| vec![body]).collect()
}

fn frames(house: &mut House, count: u8) -> Vec<Vec<u8>> {
    bodies(count).iter().map(|body| house.frame(0, body)).collect()
}

#[test]
fn g3_a_replayed_frame_is_delivered_once_across_a_restart() {
    let mut house = House::of(30, 2);
    let frames = frames(&mut house, 40);
    for frame in frames.iter().chain(&frames) {
        house.deliver(1, frame);
    }
    assert_eq!(house.heard(1, 0), bodies(40));
    assert_eq!(house.refused(1, Refusal::Duplicate), 40);
    house.reboot(1);
    for frame in &frames {
        assert_eq!(house.inject(1, frame), Some(Refusal::Duplicate));
    }
    assert!(house.heard(1, 0).is_empty(), "after the restart nothing comes again");
}

#[test]
fn g3_everything_ever_recorded_can_be_replayed_to_everybody_without_effect() {
    let mut house = House::of(31, 4);
    for device in 0..4 {
        house.publish(device, b"once");
        house.settle();
    }
    let id = house.id(3);
    house.command(0, Command::Evict(id)).unwrap();
    house.settle();
    let (members, epoch) = (house.members(0), house.epoch(0).generation);
    for round in 0..2 {
        for (_, frame) in house.recorded.clone() {
            for device in 0..3 {
                house.deliver(device, &frame);
            }
        }
        house.settle();
        if round == 0 {
            (0..3).for_each(|device| house.reboot(device));
            house.settle();
            // They have heard it all before the restart.
            (0..3).for_each(|device| house.devices[device].events.clear());
        }
    }
    for device in 0..3 {
        for from in 0..4 {
            assert!(house.heard(device, from).is_empty(), "{device} hears {from} again");
        }
        assert_eq!(
            (house.members(device), house.epoch(device).generation),
            (members.clone(), epoch)
        );
    }
    house.assert_together(&[0, 1, 2]);
}

#[test]
fn g3_a_frame_may_be_very_late_but_comes_once() {
    let mut house = House::of(32, 2);
    let late: Vec<_> = (0..2).map(|body| house.frame(0, &[body])).collect();
    for _ in 0..5_000 {
        house.frame(0, b"not heard");
    }
    let latest = house.frame(0, b"latest");
    for restarted in [false, true] {
        if restarted {
            house.reboot(1);
        }
        let refused = restarted.then_some(Refusal::Duplicate);
        for frame in [&latest, &late[0], &late[1]] {
            assert_eq!(house.inject(1, frame), refused);
        }
    }
    assert_eq!(house.inject(1, &late[0]), Some(Refusal::Duplicate));
}

#[test]
fn g3_a_message_is_delivered_after_its_window_is_stored_and_not_before() {
    let mut house = House::of(33, 2);
    let frame = house.frame(0, b"on");
    let House { devices, rng, now, .. } = &mut house;
    let session = &mut devices[1].session;
    let mut moment = Moment::new(*now, rng);
    session.handle(Input::Frame(&frame), &mut moment).unwrap();
    let Some(Output::Store(records)) = session.poll() else { panic!("stores first") };
    assert!(records.iter().any(|record| record.key.starts_with("window/")));
    assert_eq!(session.poll(), None, "and waits");
    session.handle(Input::Stored, &mut moment).unwrap();
    assert!(matches!(session.poll(), Some(Output::Event(Event::Message { .. }))));
}

/// A house of two, the second of which stores its windows every so many frames.
fn sparing(seed: u8, every: u32) -> House {
    let mut house = House::found(seed);
    let invitation = house.invitation(0);
    let entry = stringphone_protocol::v2::Entry::Invitation(invitation);
    house.newcomer_with(Settings { entry, frames_per_commit: every, ..Settings::default() });
    house.settle();
    assert!(house.devices[1].session.is_ready());
    house
}

#[test]
fn g3_what_may_have_been_delivered_before_a_restart_is_uncertain_and_never_a_message_again() {
    let mut house = sparing(34, 16);
    let frames = frames(&mut house, 40);
    for frame in &frames[..30] {
        house.deliver(1, frame);
    }
    let before = house.heard(1, 0);
    assert_eq!(before.len(), 30);
    house.reboot(1);
    for frame in &frames {
        house.deliver(1, frame);
    }
    let again = house.heard(1, 0);
    assert!(again.iter().all(|body| !before.contains(body)), "once, restart or not");
    let uncertain = |event: &&Event| matches!(event, Event::Uncertain { .. });
    let uncertain = house.devices[1].events.iter().filter(uncertain).count();
    assert!((1..16).contains(&uncertain), "{uncertain}");
    assert_eq!(house.refused(1, Refusal::Duplicate) + uncertain + again.len(), 40);
}

#[test]
fn g3_what_is_confirmed_is_stored() {
    for messages in 1..6 {
        let mut house = sparing(35, 16);
        for _ in 1..messages {
            house.publish(0, b"no matter");
        }
        let options = PublishOptions { ticket: Some(1), ..PublishOptions::default() };
        let confirm = |house: &mut House| {
            house.command(0, Command::PublishWith(b"confirm", options)).unwrap();
        };
        let frame = house.sent_by(0, confirm).pop().unwrap();
        house.deliver_all();
        let confirmed = |event: &Event| matches!(event, Event::Confirmed { missing: 0, .. });
        assert!(house.devices[0].events.iter().any(confirmed));
        house.reboot(1);
        assert_eq!(house.inject(1, &frame), Some(Refusal::Duplicate), "no uncertainty about it");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]

    #[test]
    fn g3_in_any_order_with_repetitions_and_restarts_each_comes_once(
        order in prop::collection::vec((0_usize..40, any::<bool>()), 0..200),
        restarts in prop::collection::vec(0_usize..240, 0..4),
    ) {
        let mut house = House::of(36, 2);
        let frames = frames(&mut house, 40);
        let mut heard = Vec::new();
        let all = (0..40).map(|frame| (frame, false)).chain(order.into_iter().rev());
        let all: Vec<_> = all.collect();
        for (place, (frame, _)) in all.iter().rev().enumerate() {
            if restarts.contains(&place) {
                heard.extend(house.heard(1, 0));
                house.reboot(1);
            }
            house.deliver(1, &frames[*frame]);
        }
        heard.extend(house.heard(1, 0));
        heard.sort();
        prop_assert_eq!(heard, bodies(40));
    }
}
