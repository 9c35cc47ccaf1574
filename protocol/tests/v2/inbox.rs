//! Messages that are kept until they are acknowledged (§3.12). Not here: receipts.

use stringphone_protocol::v2::InboxLimits;
use stringphone_protocol::{
    Command, CommandError, Event, Input, MessageId, Moment, Output, PublishOptions, Refusal,
    Session as _,
};

use crate::house::House;
use crate::receipts::{confirmed, who};

/// A house of two, whose second device has an inbox.
fn house(seed: u8, limits: InboxLimits) -> House {
    let mut house = House::of(seed, 2);
    house.devices[1].settings.inbox = Some(limits);
    house.reboot(1);
    house.settle();
    house
}

/// The messages that device 1 was given since it started: body, name, whether again.
fn given(house: &House) -> Vec<(Vec<u8>, MessageId, bool)> {
    let events = house.devices[1].events.iter();
    let given = events.filter_map(|event| match event {
        Event::Message { body, id: Some(id), redelivered, .. } => {
            Some((body.clone(), *id, *redelivered))
        }
        _ => None,
    });
    given.collect()
}

fn acknowledge(house: &mut House, id: MessageId) -> Result<(), CommandError> {
    let from = house.id(0);
    house.command(1, Command::Acknowledge(from, id))
}

#[test]
fn what_is_not_acknowledged_comes_again_after_a_restart_and_says_so() {
    let mut house = house(10, InboxLimits::default());
    house.publish(0, b"one");
    house.publish(0, b"two");
    house.settle();
    let first = given(&house);
    assert_eq!(first.len(), 2);
    acknowledge(&mut house, first[0].1).unwrap();
    house.reboot(1);
    assert_eq!(given(&house), [(b"two".to_vec(), first[1].1, true)]);
    acknowledge(&mut house, first[1].1).unwrap();
    house.reboot(1);
    assert!(given(&house).is_empty());
    let stays = |prefix: &str| {
        let records = house.devices[1].store.iter();
        records.filter(|(name, kept)| name.starts_with(prefix) && kept.value.is_some()).count()
    };
    assert_eq!((stays("inbox/"), stays("acknowledged/")), (0, 0));
}

#[test]
fn of_a_run_only_what_is_not_acknowledged_comes_again() {
    let mut house = house(11, InboxLimits::default());
    {
        let House { devices, rng, now, .. } = &mut house;
        let mut moment = Moment::new(*now, rng);
        for body in [b"a", b"b", b"c"] {
            let command = Command::Publish(body);
            devices[0].session.handle(Input::Command(command), &mut moment).unwrap();
        }
    }
    house.input(0, Input::Timer).unwrap();
    house.settle();
    let all = given(&house);
    assert_eq!(all.len(), 3);
    acknowledge(&mut house, all[1].1).unwrap();
    house.reboot(1);
    let again: Vec<_> = given(&house).into_iter().map(|(body, _, again)| (body, again)).collect();
    assert_eq!(again, [(b"a".to_vec(), true), (b"c".to_vec(), true)]);
}

#[test]
fn window_and_message_are_stored_together_before_delivery_and_receipt() {
    let mut house = house(12, InboxLimits::default());
    confirmed(&mut house, 0, 1);
    let frame = house.wire.pop_front().expect("a frame").1;
    let House { devices, rng, now, .. } = &mut house;
    let mut moment = Moment::new(*now, rng);
    devices[1].session.handle(Input::Frame(&frame), &mut moment).unwrap();
    let Some(Output::Store(records)) = devices[1].session.poll() else { panic!("stored first") };
    let names: Vec<&str> = records.iter().map(|record| &record.key[..6]).collect();
    assert_eq!(names, ["inbox/", "window"]);
    assert!(devices[1].session.poll().is_none(), "nothing before that is done");
    devices[1].session.handle(Input::Stored, &mut moment).unwrap();
    assert!(matches!(devices[1].session.poll(), Some(Output::Event(Event::Message { .. }))));
    assert!(matches!(devices[1].session.poll(), Some(Output::Send(_))), "the receipt");
}

#[test]
fn what_a_full_inbox_refuses_is_not_confirmed_and_comes_later() {
    let mut house = house(13, InboxLimits { messages: 1, ..InboxLimits::default() });
    house.publish(0, b"fills it");
    house.settle();
    confirmed(&mut house, 0, 1);
    house.run(20_000);
    assert!(house.refused(1, Refusal::InboxFull) > 0);
    assert!(who(&house, 0, 1).is_empty());
    let first = given(&house);
    assert_eq!(first.len(), 1);
    acknowledge(&mut house, first[0].1).unwrap();
    house.run(60_000);
    assert_eq!(who(&house, 0, 1), [Some(house.id(1))]);
    assert_eq!(given(&house)[1].0, b"confirm me");
}

#[test]
fn nothing_is_acknowledged_twice() {
    let mut house = house(14, InboxLimits::default());
    house.publish(0, b"one");
    house.settle();
    let id = given(&house)[0].1;
    acknowledge(&mut house, id).unwrap();
    assert_eq!(acknowledge(&mut house, id), Err(CommandError::NotInInbox));
    let other = MessageId { place: 7, ..id };
    assert_eq!(acknowledge(&mut house, other), Err(CommandError::NotInInbox));
}

#[test]
fn a_message_whose_time_has_passed_is_not_kept() {
    let mut house = house(15, InboxLimits::default());
    let options = PublishOptions { expires_in_ms: Some(1_000), ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.now += 2_000;
    house.settle();
    assert!(house.told(1, &Event::Expired(house.id(0))));
    house.reboot(1);
    assert!(given(&house).is_empty());
}
