//! What is published while nothing can be sent (§3.12). Not here: what was sent and not confirmed.

use stringphone_protocol::v2::{OutboxLimits, Overflow};
use stringphone_protocol::{Command, CommandError, Event, Input, PublishOptions, Session as _};

use crate::house::House;

/// A house of two, whose first device has an outbox.
fn house(seed: u8, outbox: OutboxLimits) -> House {
    let mut house = House::of(seed, 2);
    house.devices[0].settings.outbox = Some(outbox);
    house.reboot(0);
    house.settle();
    house
}

fn send_on(house: &mut House) {
    while house.devices[0].session.waits() {
        house.command(0, Command::SendOn).unwrap();
    }
    house.settle();
}

fn kept(house: &House) -> usize {
    let records = house.devices[0].store.iter();
    records.filter(|(name, kept)| name.starts_with("unsent/") && kept.value.is_some()).count()
}

#[test]
fn what_is_published_without_a_link_survives_a_restart_and_is_sent_in_order() {
    let mut house = house(1, OutboxLimits::default());
    house.input(0, Input::Connected(false)).unwrap();
    for body in [b"one", b"two", b"six"] {
        house.publish(0, body);
    }
    house.settle();
    assert!(house.heard(1, 0).is_empty());
    assert_eq!(kept(&house), 3);
    house.reboot(0);
    let frames = house.sent_by(0, send_on);
    assert_eq!(house.heard(1, 0), [b"one", b"two", b"six"]);
    assert_eq!(kept(&house), 0);
    let run = frames.iter().filter(|frame| frame.len() == 97 + 3 * 4).count();
    assert_eq!(run, 1, "they share a frame");
}

#[test]
fn what_comes_later_does_not_overtake() {
    let mut house = house(2, OutboxLimits::default());
    house.input(0, Input::Connected(false)).unwrap();
    house.publish(0, b"first");
    house.input(0, Input::Connected(true)).unwrap();
    house.publish(0, b"second");
    send_on(&mut house);
    assert_eq!(house.heard(1, 0), [b"first".as_slice(), b"second"]);
}

#[test]
fn a_full_outbox_refuses_or_drops_the_oldest_and_says_so() {
    for (overflow, wanted) in
        [(Overflow::Refuse, [b"0", b"1"]), (Overflow::DropOldest, [b"1", b"2"])]
    {
        let mut house = house(3, OutboxLimits { messages: 2, overflow, ..OutboxLimits::default() });
        house.input(0, Input::Connected(false)).unwrap();
        let mut published = |body: &[u8]| house.command(0, Command::Publish(body));
        published(b"0").unwrap();
        published(b"1").unwrap();
        let third = published(b"2");
        let dropped = house.told(0, &Event::Dropped { tickets: vec![], messages: 1 });
        match overflow {
            Overflow::Refuse => {
                assert_eq!((third, dropped), (Err(CommandError::OutboxFull(2)), false));
            }
            Overflow::DropOldest => assert_eq!((third, dropped), (Ok(()), true)),
        }
        house.reboot(0);
        send_on(&mut house);
        assert_eq!(house.heard(1, 0), wanted);
    }
}

#[test]
fn a_message_larger_than_the_outbox_drops_nothing_for_nothing() {
    let limits = OutboxLimits { bytes: 10, overflow: Overflow::DropOldest, ..Default::default() };
    let mut house = house(4, limits);
    house.input(0, Input::Connected(false)).unwrap();
    house.publish(0, b"small");
    let refused = house.command(0, Command::Publish(&[0; 11]));
    assert!(matches!(refused, Err(CommandError::TooLarge { len: 11, max: 10 })), "{refused:?}");
    assert_eq!(kept(&house), 1);
}

#[test]
fn what_is_too_old_is_given_up_and_told() {
    let mut house = house(5, OutboxLimits { age_ms: 60_000, ..OutboxLimits::default() });
    house.input(0, Input::Connected(false)).unwrap();
    let options = PublishOptions { ticket: Some(9), ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.run(61_000);
    assert!(house.told(0, &Event::Dropped { tickets: vec![9], messages: 1 }));
    assert_eq!(kept(&house), 0);
}

#[test]
fn a_command_that_expired_in_the_outbox_is_not_sent() {
    let mut house = house(6, OutboxLimits::default());
    house.input(0, Input::Connected(false)).unwrap();
    let options = PublishOptions { expires_in_ms: Some(1_000), ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"open the garage", options)).unwrap();
    house.publish(0, b"news");
    house.run(5_000);
    house.input(0, Input::Connected(true)).unwrap();
    send_on(&mut house);
    assert_eq!(house.heard(1, 0), [b"news"]);
    assert!(!house.told(1, &Event::Expired(house.id(0))), "nobody was bothered with it");
    assert!(house.told(0, &Event::Dropped { tickets: vec![], messages: 1 }));
}

#[test]
fn who_wants_to_know_is_told_when_it_was_sent() {
    let mut house = house(7, OutboxLimits::default());
    house.input(0, Input::Connected(false)).unwrap();
    let options = PublishOptions { sent_ticket: Some(3), ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.settle();
    assert!(!house.told(0, &Event::Sent(vec![3])));
    house.input(0, Input::Connected(true)).unwrap();
    send_on(&mut house);
    assert!(house.told(0, &Event::Sent(vec![3])));
}

#[test]
fn a_message_that_nobody_cares_for_any_more_is_not_sent() {
    let mut house = house(8, OutboxLimits::default());
    house.input(0, Input::Connected(false)).unwrap();
    let options = PublishOptions { ticket: Some(3), ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.command(0, Command::GiveUp(3)).unwrap();
    house.input(0, Input::Connected(true)).unwrap();
    send_on(&mut house);
    assert!(house.heard(1, 0).is_empty());
    assert_eq!(kept(&house), 0);
}
