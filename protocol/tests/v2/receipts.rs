//! Receipts (§3.12). Not here: sending again what nobody confirmed.

use stringphone_protocol::{Command, Event, ParticipantId, PublishOptions};

use crate::forge::{Forge, RECEIPT};
use crate::house::House;

fn confirmed(house: &mut House, device: usize, ticket: u64) {
    let options = PublishOptions { ticket: Some(ticket), ..PublishOptions::default() };
    house.command(device, Command::PublishWith(b"confirm me", options)).unwrap();
}

/// Who confirmed a ticket, as a device was told.
fn who(house: &House, device: usize, ticket: u64) -> Vec<Option<ParticipantId>> {
    let events = house.devices[device].events.iter();
    let by = events.filter_map(|event| match event {
        Event::Confirmed { tickets, by, .. } if tickets.contains(&ticket) => Some(*by),
        _ => None,
    });
    by.collect()
}

#[test]
fn everybody_who_has_a_message_confirms_it_once() {
    let mut house = House::of(240, 4);
    confirmed(&mut house, 0, 7);
    house.settle();
    let mut by = who(&house, 0, 7);
    by.sort();
    let mut members: Vec<_> = (1..4).map(|device| Some(house.id(device))).collect();
    members.sort();
    assert_eq!(by, members);
    let last = house.devices[0].events.iter().rev().find_map(|event| match event {
        Event::Confirmed { missing, .. } => Some(*missing),
        _ => None,
    });
    assert_eq!(last, Some(0));
}

#[test]
fn a_run_is_confirmed_with_all_its_tickets() {
    use stringphone_protocol::{Input, Moment, Session as _};
    let mut house = House::of(241, 2);
    {
        let House { devices, rng, now, .. } = &mut house;
        let mut moment = Moment::new(*now, rng);
        for ticket in 0..5 {
            let options = PublishOptions { ticket: Some(ticket), ..PublishOptions::default() };
            let command = Command::PublishWith(b"x", options);
            devices[0].session.handle(Input::Command(command), &mut moment).unwrap();
        }
    }
    house.input(0, Input::Timer).unwrap();
    house.settle();
    let told = Event::Confirmed { tickets: vec![0, 1, 2, 3, 4], by: Some(house.id(1)), missing: 0 };
    assert!(house.told(0, &told));
}

#[test]
fn nobody_waits_for_a_device_that_is_evicted() {
    let mut house = House::of(242, 3);
    house.devices[2].asleep = true;
    confirmed(&mut house, 0, 1);
    house.settle();
    assert_eq!(who(&house, 0, 1), [Some(house.id(1))]);
    let id = house.id(2);
    house.command(0, Command::Evict(id)).unwrap();
    house.settle();
    assert!(house.told(0, &Event::Confirmed { tickets: vec![1], by: None, missing: 0 }));
}

#[test]
fn what_nobody_confirms_is_given_up_and_told() {
    let mut house = House::of(243, 2);
    house.devices[1].asleep = true;
    confirmed(&mut house, 0, 1);
    house.run(601_000);
    let by = vec![house.id(1)];
    assert!(house.told(0, &Event::Unconfirmed { tickets: vec![1], by }));
}

#[test]
fn no_more_than_256_are_awaited() {
    let mut house = House::of(244, 2);
    house.devices[1].asleep = true;
    for ticket in 0..300 {
        confirmed(&mut house, 0, ticket);
    }
    let given_up = |event: &&Event| matches!(event, Event::Unconfirmed { .. });
    assert_eq!(house.devices[0].events.iter().filter(given_up).count(), 300 - 256);
}

#[test]
fn a_receipt_counts_for_its_maker_only() {
    let mut house = House::of(245, 3);
    house.devices[1].asleep = true;
    confirmed(&mut house, 0, 1);
    let mut eve = Forge::of(&house.devices[2]);
    let mut body = house.id(0).as_bytes()[..8].to_vec();
    body.extend([0; 5]);
    body.extend([0xff; 2]);
    let frame = eve.frame(RECEIPT, &body);
    house.deliver(0, &frame);
    house.deliver(0, &eve.frame(RECEIPT, &body));
    assert_eq!(who(&house, 0, 1), [Some(house.id(2))], "once, and not for the other");
}

#[test]
fn a_message_that_expired_is_not_confirmed() {
    let mut house = House::of(246, 2);
    let options = PublishOptions { expires_in_ms: Some(1_000), ticket: Some(1) };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.now += 2_000;
    house.deliver_all();
    assert!(house.told(1, &Event::Expired(house.id(0))));
    assert!(who(&house, 0, 1).is_empty());
}

#[test]
fn alone_there_is_nobody_to_wait_for() {
    let mut house = House::of(247, 1);
    confirmed(&mut house, 0, 1);
    assert!(house.told(0, &Event::Confirmed { tickets: vec![1], by: None, missing: 0 }));
}
