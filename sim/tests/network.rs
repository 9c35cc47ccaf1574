//! The network by itself: what links promise, they keep; and schedules survive being printed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use stringphone_sim::net::{Arrival, Network, NodeId};
use stringphone_sim::{Fault, Link, Planned, Schedule};

/// Sends so many frames, 20 ms apart, and tells who heard which when, in order of time.
fn heard(
    network: &mut Network,
    from: NodeId,
    frames: u8,
    size: usize,
) -> Vec<(Duration, NodeId, Bytes)> {
    let mut under_way: Vec<(Duration, Arrival)> = Vec::new();
    for number in 0..frames {
        let at = Duration::from_millis(20) * u32::from(number);
        let frame = Bytes::from(vec![number; size]);
        network.send(at, from, &frame, |at, arrival| under_way.push((at, arrival)));
    }
    let mut heard = Vec::new();
    while !under_way.is_empty() {
        under_way.sort_by_key(|(at, _)| *at);
        let (at, arrival) = under_way.remove(0);
        let next = network.arrive(at, &arrival, |at, arrival| under_way.push((at, arrival)));
        heard.extend(next.map(|node| (at, node, arrival.frame)));
    }
    heard
}

/// A room of three; the first one speaks.
fn room(link: Link) -> (Network, [NodeId; 3]) {
    let mut network = Network::seeded(7);
    let medium = network.medium(link);
    let nodes = [(); 3].map(|()| network.node([medium]));
    (network, nodes)
}

#[test]
fn a_perfect_link_carries_everything_at_once_to_all_others() {
    let (mut network, [a, b, c]) = room(Link::perfect());
    let heard = heard(&mut network, a, 100, 10);
    for node in [b, c] {
        let own: Vec<u8> = heard.iter().filter(|(_, to, _)| *to == node).map(|h| h.2[0]).collect();
        assert_eq!(own, (0..100).collect::<Vec<_>>());
    }
    assert_eq!(heard.len(), 200);
}

#[test]
fn a_bad_link_does_each_thing_about_as_often_as_it_says() {
    let link = Link::perfect().loss(0.1).duplication(0.2).reordering(0.3).corruption(0.4);
    let (mut network, [a, ..]) = room(link);
    for _ in 0..20 {
        heard(&mut network, a, 250, 10);
    }
    let counts = network.counts();
    let (sent, arrived) = (10_000.0, counts.carried as f64);
    assert!((counts.lost as f64 / sent - 0.1).abs() < 0.02, "{counts:?}");
    assert!((counts.duplicated as f64 / arrived - 0.2).abs() < 0.02, "{counts:?}");
    assert!((counts.reordered as f64 / arrived - 0.3).abs() < 0.02, "{counts:?}");
    assert!((counts.corrupted as f64 / arrived - 0.4).abs() < 0.02, "{counts:?}");
}

#[test]
fn jitter_delays_and_only_reordering_reorders() {
    let jittery = Link::perfect().delay(Duration::from_millis(5)).jitter(Duration::from_secs(1));
    let (mut network, [a, b, _]) = room(jittery.clone());
    let ordered = |heard: &[(Duration, NodeId, Bytes)]| {
        let own = heard.iter().filter(|(_, to, _)| *to == b).map(|(.., frame)| frame[0]);
        own.is_sorted()
    };
    let inside = heard(&mut network, a, 100, 10);
    assert!(ordered(&inside));
    assert!(inside.iter().any(|(at, _, frame)| {
        *at > Duration::from_millis(20) * u32::from(frame[0]) + Duration::from_millis(500)
    }));
    let (mut network, [a, ..]) = room(jittery.reordering(0.5));
    assert!(!ordered(&heard(&mut network, a, 100, 10)));
}

#[test]
fn bandwidth_takes_its_time_and_drops_what_does_not_fit() {
    // 1,000 bytes take 100 ms, and are sent every 20 ms.
    let (mut network, [a, b, _]) = room(Link::perfect().bandwidth(10_000).queue(5_000));
    let heard = heard(&mut network, a, 50, 1_000);
    let own: Vec<_> = heard.iter().filter(|(_, to, _)| *to == b).collect();
    assert_eq!(own.len() as u64 + network.counts().overflowed, 50);
    assert!(own.windows(2).all(|pair| pair[1].0 - pair[0].0 == Duration::from_millis(100)));
    assert!((10..20).contains(&own.len()), "{}", own.len());
}

#[test]
fn a_cut_separates_its_sides_through_relays_too_until_it_heals() {
    let mut network = Network::seeded(1);
    let media = [(); 3].map(|()| network.medium(Link::wire()));
    let [a, b, c] = media.map(|medium| network.node([medium]));
    network.relay(media);
    let who = |network: &mut Network| -> Vec<NodeId> {
        heard(network, a, 1, 9).into_iter().map(|(_, to, _)| to).collect()
    };
    assert_eq!(who(&mut network), [b, c]);
    let cut = network.cut([c]);
    assert_eq!(who(&mut network), [b]);
    network.heal(cut);
    assert_eq!(who(&mut network), [b, c]);
}

#[test]
fn frames_do_not_go_round_in_circles_for_ever() {
    let mut network = Network::seeded(1);
    let media = [(); 2].map(|()| network.medium(Link::wire()));
    let a = network.node([media[0]]);
    network.relay(media);
    network.relay(media);
    assert!(heard(&mut network, a, 1, 9).is_empty());
    // Each of two relays gives it to the other, back and forth.
    assert!(network.counts().carried < 50, "{:?}", network.counts());
}

fn fault() -> impl Strategy<Value = Fault> {
    let time = || (0_u64..10_000_000_000_000).prop_map(Duration::from_nanos);
    let device = || 0_usize..2_000;
    prop_oneof![
        (device(), time()).prop_map(|(device, lasts)| Fault::Crash { device, lasts }),
        device().prop_map(|device| Fault::Reboot { device }),
        device().prop_map(|device| Fault::Wipe { device }),
        (device(), time()).prop_map(|(device, by)| Fault::RollBack { device, by }),
        (device(), time()).prop_map(|(device, lasts)| Fault::Copy { device, lasts }),
        (device(), any::<i32>()).prop_map(|(device, ppm)| Fault::Drift { device, ppm }),
        (device(), any::<i64>()).prop_map(|(device, seconds)| Fault::Jump { device, seconds }),
        (prop::collection::vec(device(), 1..9), time())
            .prop_map(|(devices, lasts)| Fault::Partition { devices, lasts }),
        (device(), device()).prop_map(|(device, by)| Fault::Evict { device, by }),
        (device(), device()).prop_map(|(device, by)| Fault::Appoint { device, by }),
        device().prop_map(|by| Fault::Rotate { by }),
        (device(), device()).prop_map(|(device, by)| Fault::Admit { device, by }),
        (device(), any::<u32>()).prop_map(|(room, frames)| Fault::Replay { room, frames }),
        (device(), any::<u32>()).prop_map(|(room, frames)| Fault::Forge { room, frames }),
        (device(), any::<u32>()).prop_map(|(room, frames)| Fault::Flood { room, frames }),
    ]
}

proptest! {
    #[test]
    fn every_schedule_is_read_back_as_it_was(
        faults in prop::collection::vec((any::<u32>(), fault()), 0..20)
    ) {
        let planned = |(at, fault)| Planned { at: Duration::from_micros(u64::from(at)), fault };
        let schedule: Schedule = faults.into_iter().map(planned).collect();
        prop_assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
    }

    #[test]
    fn no_text_makes_reading_a_schedule_panic(text in "[0-9a-z., µ\n]{0,60}") {
        let _ = text.parse::<Schedule>();
    }
}

#[test]
fn a_line_that_is_no_fault_is_named() {
    let error = "1s reboot 2\n\n# fine\n2s dance 3".parse::<Schedule>().unwrap_err();
    assert_eq!((error.line, error.text.as_str()), (4, "2s dance 3"));
}
