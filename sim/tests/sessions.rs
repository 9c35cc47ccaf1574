//! Houses of bare sessions: what is promised holds through faults, and every run can be had again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use stringphone_sim::{House, Link, Report, Topology};

fn bad_radio() -> Link {
    Link::radio().loss(0.05).duplication(0.05).reordering(0.05)
}

fn stormy(seed: u64) -> House {
    House::seeded(seed).devices(16).rooms(2).newcomers(2).link(bad_radio()).storm(20)
}

fn passes(house: &House) -> Report {
    house.run().unwrap_or_else(|failure| panic!("{failure}"))
}

/// A thousand devices keep their promises through an hour of faults.
fn a_thousand_devices(seed: u64) {
    let house = House::seeded(seed).devices(1_000).rooms(100).newcomers(1).link(bad_radio());
    let report = passes(&house.storm(6));
    // It was about something: messages got through, and all kinds of faults struck.
    assert!(report.delivered > report.published * 7, "{report}");
    assert!(report.faults > 500 && report.attacks > 5_000 && report.spied > 1_000, "{report:?}");
    assert!(report.together > 950, "{report}");
}

// One test each, so that they run at the same time.
#[test]
fn a_thousand_devices_keep_their_promises_with_seed_0() {
    a_thousand_devices(0);
}

#[test]
fn a_thousand_devices_keep_their_promises_with_seed_1() {
    a_thousand_devices(1);
}

#[test]
fn a_thousand_devices_keep_their_promises_with_seed_2() {
    a_thousand_devices(2);
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let first = passes(&stormy(11));
    assert_eq!(passes(&stormy(11)), first);
    assert_eq!(passes(&stormy(11)), first);
    assert_ne!(passes(&stormy(12)).trace, first.trace);
}

/// Or a failure could not be looked at by itself.
#[test]
fn what_happens_in_a_room_does_not_depend_on_the_others() {
    let both = passes(&stormy(13));
    let rooms = [0, 1].map(|room| passes(&stormy(13).only(room)));
    let sum = |of: fn(&Report) -> u64| rooms.iter().map(of).sum::<u64>();
    assert_eq!(sum(|report| report.delivered), both.delivered);
    assert_eq!(sum(|report| report.frames), both.frames);
    assert_eq!(sum(|report| report.faults), both.faults);
}

#[test]
fn every_topology_carries_a_house_through_a_storm() {
    let (pairs, floors) = (Topology::Pairs, Topology::Floors(3));
    for topology in [Topology::Bus, pairs, Topology::Star, floors] {
        let house = House::seeded(21).devices(7).newcomers(1).link(bad_radio()).topology(topology);
        let report = passes(&house.storm(15));
        assert!(report.together >= 4, "{topology}: {report}");
    }
}

/// Keys change by themselves, in steps and generations; who was away for half a day comes back.
#[test]
fn three_days_pass_and_all_are_together() {
    let away = "10000s crash 3 for 50000s\n70000s partition 4,5 for 40000s".parse().unwrap();
    let house = House::seeded(5).devices(6).link(Link::wire());
    let house = house.lasts(Duration::from_secs(3 * 86_400)).schedule(away);
    let report = passes(&house.every(Some(Duration::from_secs(1_200))));
    assert_eq!(report.together, 6);
    assert_eq!(report.faults, 2);
}

#[test]
fn who_is_evicted_is_missed_by_nobody_and_can_be_let_in_again() {
    let schedule =
        "200s evict 2 by 0\n300s rotate by 0\n400s admit 2 by 0\n500s replay in 0 frames 99";
    let evicted = schedule.lines().next().unwrap().parse().unwrap();
    let house = House::seeded(3).devices(4).lasts(Duration::from_secs(900));
    assert_eq!(passes(&house.clone().schedule(evicted)).together, 3);
    let report = passes(&house.schedule(schedule.parse().unwrap()));
    assert_eq!((report.together, report.joined, report.faults), (4, 4, 4));
}

/// On a perfect link, after an hour or as long as is said.
fn calm(seed: u64, devices: usize, minutes: u64, schedule: &str) -> House {
    House::seeded(seed)
        .devices(devices)
        .newcomers(2)
        .link(Link::perfect())
        .lasts(Duration::from_secs(60 * minutes))
        .every(Some(Duration::from_secs(300)))
        .schedule(schedule.parse().unwrap())
}

#[test]
fn a_member_that_missed_how_another_was_admitted_again_hears_it() {
    passes(&calm(0, 3, 60, "60s partition 1 for 100s\n100s admit 2 by 0"));
}

#[test]
fn a_member_that_missed_an_eviction_after_three_rekeys_catches_up() {
    let rekeys = "60s rotate by 0\n120s rotate by 0\n180s rotate by 0";
    let report =
        passes(&calm(0, 3, 12, &format!("{rekeys}\n200s partition 2 for 100s\n250s evict 1 by 0")));
    assert!(report.published < 100, "and nobody asks without end");
}

#[test]
fn a_member_that_lost_its_storage_and_spoke_gets_in_again_and_hears_nothing_twice() {
    let schedule = "1069.497793s crash 4 for 7.037775s\n1344.461698s admit 4 by 0\n\
                    1914.077016s replay in 0 frames 154";
    let house = calm(5_004, 8, 60, schedule).topology(Topology::Pairs);
    passes(&[1, 2, 3, 5, 6].into_iter().fold(house, House::without));
}

#[test]
fn what_is_confirmed_was_given_to_who_confirmed_it_through_storms() {
    for seed in [40, 42] {
        let house = House::seeded(seed).devices(12).rooms(2).newcomers(2).link(bad_radio());
        let report = passes(&house.confirmed().storm(20));
        assert!(report.confirmed > 100, "{report:?}");
    }
}

#[test]
fn on_a_bad_link_everybody_gets_and_confirms_every_message() {
    let house = House::seeded(9).devices(5).link(bad_radio()).confirmed();
    let report = passes(&house);
    assert_eq!(report.delivered, 4 * report.published);
    assert_eq!(report.confirmed, 4 * report.published);
}
