//! Messages that expire: with, without and with late clocks (§3.11). Not here: clocks that lie, of
//! keepers, who are trusted with that.

use stringphone_protocol::{Command, CommandError, Event, PublishOptions};

use crate::forge::{Forge, TIME_ANSWER};
use crate::house::House;

fn expiring(house: &mut House, device: usize, ms: u64) -> Result<Vec<u8>, CommandError> {
    let options = PublishOptions { expires_in_ms: Some(ms), ..PublishOptions::default() };
    let mut done = Ok(());
    let sent = house.sent_by(device, |house| {
        done = house.command(device, Command::PublishWith(b"open", options));
    });
    house.wire.clear();
    done.map(|()| sent.last().expect("a frame").clone())
}

/// A house of three, the second of which has no clock; it has not asked what time it is.
fn without_clock(seed: u8) -> House {
    let mut house = House::of(seed, 3);
    house.devices[1].has_clock = false;
    house
}

#[test]
fn a_message_that_comes_in_time_is_delivered_and_a_late_one_is_told() {
    let mut house = House::of(230, 2);
    for (late, delivered) in [(0, 1), (5_000, 2), (5_001, 2)] {
        let frame = expiring(&mut house, 0, 5_000).unwrap();
        house.now += late;
        assert_eq!(house.inject(1, &frame), None);
        assert_eq!(house.heard(1, 0).len(), delivered, "{late} ms late");
    }
    assert!(house.told(1, &Event::Expired(house.id(0))));
}

#[test]
fn without_a_clock_it_asks_a_keeper_and_meanwhile_delivers_nothing() {
    let mut house = without_clock(231);
    let frame = expiring(&mut house, 0, 60_000).unwrap();
    assert_eq!(house.inject(1, &frame), None);
    assert!(house.told(1, &Event::Unverifiable(house.id(0))));
    assert!(house.heard(1, 0).is_empty(), "it can't tell, so it does not act");
    house.deliver_all();
    let frame = expiring(&mut house, 0, 60_000).unwrap();
    assert_eq!(house.inject(1, &frame), None);
    assert_eq!(house.heard(1, 0), [b"open"], "it has asked");
}

/// An attacker that holds messages back must not have them acted on later.
#[test]
fn without_a_clock_no_expired_message_is_ever_delivered() {
    let mut house = without_clock(232);
    let first = expiring(&mut house, 0, 1).unwrap();
    house.deliver(1, &first);
    // The question or the answer is on its way for long: only the device's own time counts.
    let wire: Vec<_> = house.wire.drain(..).collect();
    let mut held = vec![first];
    for _ in 0..20 {
        held.push(expiring(&mut house, 0, 10_000).unwrap());
        house.now += 1_000;
    }
    house.wire = wire.into();
    house.deliver_all();
    house.now += 10_001;
    for frame in &held[1..] {
        house.deliver(1, frame);
    }
    assert!(house.heard(1, 0).is_empty());
    assert!(house.told(1, &Event::Expired(house.id(0))));
}

#[test]
fn an_answer_that_came_late_makes_it_stricter_not_laxer() {
    let mut house = without_clock(233);
    let first = expiring(&mut house, 0, 1).unwrap();
    house.deliver(1, &first);
    let question = house.wire.pop_back().expect("a question").1;
    let answer = house.sent_by(0, |house| house.deliver(0, &question)).remove(0);
    house.wire.clear();
    // Somebody holds the answer back for a minute: it says what time it was then.
    house.now += 60_000;
    house.deliver(1, &answer);
    let fresh = expiring(&mut house, 0, 5_000).unwrap();
    house.deliver(1, &fresh);
    assert_eq!(house.heard(1, 0), [b"open"], "the time that has passed since it asked is counted");
    let stale = expiring(&mut house, 0, 500).unwrap();
    house.deliver(1, &stale);
    assert_eq!(house.heard(1, 0).len(), 1, "to its bound it may be past");
}

#[test]
fn after_an_hour_it_asks_again() {
    let mut house = without_clock(234);
    let first = expiring(&mut house, 0, 1).unwrap();
    house.deliver(1, &first);
    house.deliver_all();
    house.run(3_600_000);
    let frame = expiring(&mut house, 0, 60_000).unwrap();
    house.deliver(1, &frame);
    assert!(house.heard(1, 0).is_empty());
    house.deliver_all();
    let frame = expiring(&mut house, 0, 60_000).unwrap();
    house.deliver(1, &frame);
    assert_eq!(house.heard(1, 0), [b"open"]);
}

#[test]
fn only_a_keeper_that_was_asked_tells_the_time() {
    let mut house = without_clock(235);
    let first = expiring(&mut house, 0, 1).unwrap();
    house.deliver(1, &first);
    let question = house.wire.pop_back().expect("a question").1;
    house.wire.clear();
    let asked = Forge::of(&house.devices[1]).epoch.open(&question).unwrap();
    let mut body = asked.body.clone();
    body.extend(&0_u64.to_be_bytes()[2..]);
    // By a member, and by a keeper to another question.
    let by_member = Forge::of(&house.devices[2]).frame(TIME_ANSWER, &body);
    body[0] ^= 1;
    let unasked = Forge::of(&house.devices[0]).frame(TIME_ANSWER, &body);
    for frame in [by_member, unasked] {
        assert_eq!(house.inject(1, &frame), None);
    }
    let mut keeper = Forge::of(&house.devices[0]);
    keeper.counter += 10;
    let said = keeper.frame(2, &[&[0xff; 6], b"old".as_slice()].concat());
    house.deliver(1, &said);
    assert!(house.heard(1, 0).is_empty(), "it does not know what time it is");
}

#[test]
fn without_any_clock_nobody_says_when_a_message_expires() {
    let mut house = House::of(236, 2);
    house.devices[0].has_clock = false;
    house.devices[1].has_clock = false;
    assert_eq!(expiring(&mut house, 1, 1_000), Err(CommandError::NoClock));
}
