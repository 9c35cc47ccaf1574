//! A relay's mind: what goes on, how often, and how much of it. Not here: links, which stand in
//! `tests/relays.rs`.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::engine::{Engine, Side};
use super::{RelayLimits, RelayStats};

fn engine(sides: &[Side]) -> Engine {
    Engine::new(sides, RelayLimits::default())
}

const BOTH: &[Side] = &[Side::Participants, Side::Relays];

fn frame(number: u64) -> Bytes {
    [&[0x20], number.to_be_bytes().as_slice()].concat().into()
}

#[test]
fn between_relays_a_frame_is_wrapped_and_to_participants_as_it_was() {
    let now = Instant::now();
    let (mut near, mut far) = (engine(BOTH), engine(BOTH));
    let onward = near.take(0, "house", frame(1), now).unwrap();
    let wrapped = onward.on(Side::Relays);
    assert_eq!(wrapped[..2], [0x2a, 1]);
    assert_eq!(onward.on(Side::Participants), frame(1));
    let onward = far.take(1, "house", wrapped.clone(), now).unwrap();
    assert_eq!(onward.on(Side::Participants), frame(1));
    assert_eq!(onward.on(Side::Relays)[..10], [&[0x2a, 2], &wrapped[2..10]].concat());
}

#[test]
fn after_eight_relays_a_frame_goes_no_further() {
    let now = Instant::now();
    let first = engine(BOTH).take(0, "house", frame(1), now).unwrap();
    let mut wrapped = first.on(Side::Relays);
    for _ in 0..7 {
        wrapped = engine(BOTH).take(1, "house", wrapped, now).unwrap().on(Side::Relays);
    }
    let mut last = engine(BOTH);
    assert_eq!(last.take(1, "house", wrapped, now), None);
    assert_eq!(last.stats, RelayStats { hops: 1, ..RelayStats::default() });
}

#[test]
fn what_stands_on_the_wrong_side_is_dropped() {
    let now = Instant::now();
    let mut relay = engine(BOTH);
    let wrapped = relay.take(0, "house", frame(1), now).unwrap().on(Side::Relays);
    assert_eq!(relay.take(0, "house", wrapped.clone(), now), None);
    assert_eq!(relay.take(1, "house", frame(2), now), None);
    assert_eq!(relay.take(1, "house", wrapped.slice(..10), now), None);
    assert_eq!(relay.take(1, "house", Bytes::new(), now), None);
    assert_eq!(relay.stats.malformed, 4);
}

#[test]
fn a_frame_that_comes_twice_goes_on_once_and_on_another_channel_as_well() {
    let (mut relay, now) = (engine(&[Side::Participants; 2]), Instant::now());
    assert!(relay.take(0, "house", frame(1), now).is_some());
    assert!(relay.take(1, "house", frame(1), now).is_none());
    assert!(relay.take(1, "garage", frame(1), now).is_some());
    assert_eq!((relay.stats.forwarded, relay.stats.duplicates), (2, 1));
}

#[test]
fn an_introduction_that_is_repeated_goes_on() {
    let (mut relay, start) = (engine(&[Side::Participants; 2]), Instant::now());
    // As V2 repeats it: after two seconds, then less and less often, up to every minute.
    let mut at = 0;
    let mut pause = 2_000;
    let mut forwarded = 0;
    for _ in 0..6 {
        let now = start + Duration::from_millis(at);
        forwarded += u32::from(relay.take(0, "house", frame(1), now).is_some());
        at += pause;
        pause = (pause * 2).min(60_000);
    }
    assert_eq!(forwarded, 6);
}

#[test]
fn what_goes_round_in_a_circle_dies_out() {
    let (mut relay, start) = (engine(&[Side::Participants; 2]), Instant::now());
    // The other way round takes two seconds, and comes in on the other link.
    let rounds = 1_800;
    let forwarded = (0..rounds).filter(|round| {
        let now = start + Duration::from_secs(2 * round);
        relay.take(usize::from(round % 2 == 0), "house", frame(1), now).is_some()
    });
    assert!(forwarded.count() < 25, "in an hour");
}

#[test]
fn a_source_that_sends_too_much_is_cut_off_and_the_others_are_not() {
    let (mut relay, start) = (engine(&[Side::Participants; 3]), Instant::now());
    let mut heard = 0;
    for number in 0..10_000 {
        let now = start + Duration::from_micros(100 * number);
        heard += u32::from(relay.take(0, "house", frame(number), now).is_some());
        if number % 10 == 0 {
            let other = frame(1_000_000 + number);
            assert!(relay.take(1, "house", other, now).is_some() || number > 9_990);
        }
    }
    // Two seconds' worth at once, and another in the second that it took.
    assert!((1_400..=1_600).contains(&heard), "{heard}");
    let now = start + Duration::from_secs(10);
    assert!(relay.take(0, "house", frame(99_999), now).is_some(), "it may again");
}

#[test]
fn a_relay_that_invents_sources_has_the_rates_of_its_link() {
    let (mut relay, now) = (engine(BOTH), Instant::now());
    let mut heard = 0_u32;
    for number in 0..50_000_u64 {
        let mut wrapped = vec![0x2a, 1];
        wrapped.extend(number.to_be_bytes());
        wrapped.extend(frame(number));
        heard += u32::from(relay.take(1, "house", wrapped.into(), now).is_some());
    }
    assert!(heard <= 8 * 1_000, "{heard}");
}

#[test]
fn nobody_uses_up_the_rates_of_a_link_in_its_name() {
    let (mut relay, now) = (engine(BOTH), Instant::now());
    let wrapped = relay.take(0, "house", frame(0), now).unwrap().on(Side::Relays);
    for number in 0..5_000_u64 {
        let forged = [&wrapped[..10], &frame(1_000 + number)].concat();
        assert!(relay.take(1, "house", forged.into(), now).is_none());
    }
    assert!(relay.take(0, "house", frame(1), now).is_some(), "the link itself may still");
}

#[test]
fn invented_sources_lift_no_limit() {
    let (mut relay, now) = (engine(&[Side::Participants, Side::Relays]), Instant::now());
    for number in 0..1_000_u64 {
        let mut wrapped = vec![0x2a, 1];
        wrapped.extend(number.to_be_bytes());
        wrapped.extend(frame(number));
        relay.take(1, "house", wrapped.into(), now);
    }
    let heard = (0..10_000)
        .filter(|number| relay.take(0, "house", frame(1_000_000 + number), now).is_some());
    assert_eq!(heard.count(), 1_000, "two seconds' worth");
}

#[test]
fn what_carriers_say_to_each_other_goes_on_nowhere() {
    let (mut relay, now) = (engine(BOTH), Instant::now());
    let wrapped = relay.take(0, "house", frame(1), now).unwrap().on(Side::Relays);
    for first in 0x28..=0x2f_u8 {
        assert!(relay.take(0, "house", vec![first; 40].into(), now).is_none());
        let mut hidden = wrapped.to_vec();
        // From another relay.
        hidden[9] ^= 0x80;
        hidden[10] = first;
        assert!(relay.take(1, "house", hidden.into(), now).is_none());
    }
    assert_eq!(relay.stats.malformed, 16);
}

proptest! {
    #[test]
    fn no_bytes_from_anybody_do_more_than_be_counted(
        frames in proptest::collection::vec(
            (0..2_usize, proptest::collection::vec(any::<u8>(), 0..32)), 0..100),
    ) {
        let (mut relay, now) = (engine(BOTH), Instant::now());
        let count = frames.len();
        for (link, frame) in frames {
            relay.take(link, "house", frame.into(), now);
        }
        let RelayStats { forwarded, duplicates, over_rate, hops, malformed, .. } = relay.stats;
        let counted = forwarded + duplicates + over_rate + hops + malformed;
        prop_assert_eq!(usize::try_from(counted).unwrap(), count);
    }
}
