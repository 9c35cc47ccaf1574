//! Members that were away catch up from those who were not (§3.12). Not here: epochs.

use stringphone_protocol::v2::{HistoryLimits, InboxLimits};
use stringphone_protocol::{Command, Event, Refusal};

use crate::forge::Forge;
use crate::house::House;

/// A house of four: 0 founds, 1 keeps a history, 2 has an inbox, 3 talks.
fn house(seed: u8, history: HistoryLimits) -> House {
    let mut house = House::of(seed, 4);
    house.devices[1].settings.history = Some(history);
    house.devices[2].settings.inbox = Some(InboxLimits::default());
    for device in [1, 2] {
        house.reboot(device);
        house.settle();
    }
    house
}

fn sleeps(house: &mut House, device: usize, ms: u64) {
    house.devices[device].asleep = true;
    for number in 0..3_u8 {
        house.publish(3, &[number]);
        house.run(1_000);
    }
    // Whoever spoke is not there any more.
    house.devices[3].asleep = true;
    house.run(ms);
    house.devices[device].asleep = false;
    house.reboot(device);
    house.run(600_000);
}

#[test]
fn a_device_that_was_away_for_minutes_hears_the_same_frames() {
    let mut house = house(30, HistoryLimits::default());
    sleeps(&mut house, 2, 60_000);
    assert_eq!(house.heard(2, 3), [[0], [1], [2]]);
    assert!(!house.recorded.iter().any(|(from, frame)| *from == 1 && frame.len() > 250));
}

#[test]
fn a_device_that_was_away_for_hours_gets_them_sealed_to_it_alone() {
    let mut house = house(31, HistoryLimits::default());
    sleeps(&mut house, 2, 5 * 3_600_000);
    assert_eq!(house.heard(2, 3), [[0], [1], [2]]);
    let same = |frame: &Vec<u8>| house.recorded.iter().filter(|(_, other)| other == frame).count();
    let spoken = house.recorded.iter().filter(|(from, _)| *from == 3);
    assert!(spoken.clone().all(|(_, frame)| same(frame) == 1), "not as they were");
    let parcels = house.recorded.iter().filter(|(from, frame)| *from == 1 && frame.len() == 276);
    assert_eq!(parcels.count(), 3);
}

#[test]
fn what_is_kept_survives_a_restart_of_its_keeper() {
    let mut house = house(32, HistoryLimits::default());
    house.devices[2].asleep = true;
    house.publish(3, b"kept");
    house.settle();
    house.devices[3].asleep = true;
    house.reboot(1);
    house.run(3 * 3_600_000);
    house.devices[2].asleep = false;
    house.reboot(2);
    house.run(600_000);
    assert_eq!(house.heard(2, 3), [b"kept"]);
}

#[test]
fn who_was_admitted_later_is_told_nothing() {
    let mut house = house(33, HistoryLimits::default());
    house.publish(3, b"before your time");
    house.settle();
    let invitation = house.invitation(0);
    let settings = stringphone_protocol::v2::Settings {
        entry: stringphone_protocol::v2::Entry::Invitation(invitation),
        inbox: Some(InboxLimits::default()),
        ..Default::default()
    };
    let newcomer = house.newcomer_with(settings);
    house.settle();
    for ms in [60_000, 3 * 3_600_000, 30 * 3_600_000] {
        house.run(ms);
        house.reboot(newcomer);
        house.run(600_000);
        assert!(house.heard(newcomer, 3).is_empty(), "after {ms} ms");
    }
}

#[test]
fn the_bounds_of_a_history_hold() {
    let mut house = house(34, HistoryLimits { frames: 2, ..HistoryLimits::default() });
    sleeps(&mut house, 2, 60_000);
    assert_eq!(house.heard(2, 3), [[1], [2]]);
    let kept = |house: &House| {
        let records = house.devices[1].store.iter();
        records.filter(|(name, kept)| name.starts_with("history/") && kept.value.is_some()).count()
    };
    assert_eq!(kept(&house), 2);
    house.run(25 * 3_600_000);
    assert_eq!(kept(&house), 0, "and it ends");
}

#[test]
fn of_several_that_could_answer_one_does() {
    let mut house = House::of(35, 6);
    for device in 0..4 {
        house.devices[device].settings.history = Some(HistoryLimits::default());
        house.reboot(device);
        house.settle();
    }
    house.devices[4].settings.inbox = Some(InboxLimits::default());
    house.reboot(4);
    house.settle();
    house.devices[4].asleep = true;
    house.publish(5, b"news");
    house.settle();
    house.devices[4].asleep = false;
    let before = house.recorded.len();
    let news = house.recorded.iter().rfind(|(from, _)| *from == 5).unwrap().1.clone();
    house.reboot(4);
    house.run(600_000);
    assert_eq!(house.heard(4, 5), [b"news"]);
    let again = house.recorded[before..].iter().filter(|(_, frame)| *frame == news).count();
    assert!(again <= 2, "{again} members answered");
}

#[test]
fn a_parcel_can_be_made_of_true_messages_only() {
    let mut house = house(36, HistoryLimits::default());
    let mut eve = Forge::of(&house.devices[3]);
    let (lamp, victim) = (house.id(0), house.id(2));
    // Signed by Eve, in the name of another.
    let frame = eve.parcel(&house.devices[2], lamp, 1 << 30, b"open the door");
    assert_eq!(house.inject(2, &frame), Some(Refusal::BadSignature));
    let frame = eve.parcel(&house.devices[2], victim, 1 << 30, b"from yourself");
    assert_eq!(house.inject(2, &frame), Some(Refusal::NotAllowed));
    // Her own words she can say this way too.
    let own = house.id(3);
    let frame = eve.parcel(&house.devices[2], own, 1 << 20, b"hello");
    assert_eq!(house.inject(2, &frame), None);
    assert_eq!(house.heard(2, 3), [b"hello"]);
    let frame = eve.parcel(&house.devices[2], own, 1 << 20, b"hello");
    assert_eq!(house.inject(2, &frame), Some(Refusal::Duplicate), "but once");
}

#[test]
fn what_an_evicted_member_said_is_not_handed_on() {
    let mut house = house(37, HistoryLimits::default());
    house.devices[2].asleep = true;
    house.publish(3, b"from the evicted");
    house.settle();
    let id = house.id(3);
    house.command(0, Command::Evict(id)).unwrap();
    house.run(3 * 3_600_000);
    house.devices[2].asleep = false;
    house.reboot(2);
    house.run(900_000);
    assert!(house.told(2, &Event::Removed(id)) || !house.members(2).contains(&id));
    assert!(house.heard(2, 3).is_empty());
}
