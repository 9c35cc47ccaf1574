//! Receipts (§3.12), and sending again what nobody confirmed. Not here: what was never sent.

use stringphone_protocol::v2::OutboxLimits;
use stringphone_protocol::{
    Command, CommandError, Event, Identity, Input, Moment, Output, ParticipantId, PublishOptions,
    Session as _, Unconfirmed,
};

use crate::forge::{Forge, RECEIPT};
use crate::house::House;

pub(crate) fn confirmed(house: &mut House, device: usize, ticket: u64) {
    let options = PublishOptions { ticket: Some(ticket), ..PublishOptions::default() };
    house.command(device, Command::PublishWith(b"confirm me", options)).unwrap();
}

/// Who confirmed a ticket, as a device was told.
pub(crate) fn who(house: &House, device: usize, ticket: u64) -> Vec<Option<ParticipantId>> {
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
    let options =
        PublishOptions { expires_in_ms: Some(1_000), ticket: Some(1), ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.now += 2_000;
    house.deliver_all();
    assert!(house.told(1, &Event::Expired(house.id(0))));
    // Nor when it is sent again.
    house.run(30_000);
    assert!(who(&house, 0, 1).is_empty());
}

#[test]
fn alone_there_is_nobody_to_wait_for() {
    let mut house = House::of(247, 1);
    confirmed(&mut house, 0, 1);
    assert!(house.told(0, &Event::Confirmed { tickets: vec![1], by: None, missing: 0 }));
}

#[test]
fn a_message_that_got_lost_is_sent_again_as_the_same_bytes_and_delivered_once() {
    let mut house = House::of(248, 3);
    house.lose = Some((0, Some(2)));
    let frames = house.sent_by(0, |house| {
        confirmed(house, 0, 1);
        house.run(8_000);
    });
    assert_eq!(frames.len(), 2, "once more, and no more often");
    assert_eq!(frames[0], frames[1]);
    assert_eq!(house.heard(1, 0), [b"confirm me"]);
    assert_eq!(house.heard(2, 0), [b"confirm me"]);
    assert_eq!(who(&house, 0, 1).len(), 2);
}

#[test]
fn a_receipt_that_got_lost_is_given_again() {
    let mut house = House::of(249, 2);
    house.mute.insert(1);
    confirmed(&mut house, 0, 1);
    house.run(1_000);
    assert_eq!(house.heard(1, 0).len(), 1);
    assert!(who(&house, 0, 1).is_empty());
    house.mute.clear();
    house.run(5_000);
    assert_eq!(who(&house, 0, 1), [Some(house.id(1))]);
    assert_eq!(house.heard(1, 0).len(), 1, "and the message was delivered once");
}

#[test]
fn receipts_that_are_given_again_are_bounded() {
    let mut house = House::of(250, 2);
    let frame = house.sent_by(0, |house| confirmed(house, 0, 1)).remove(0);
    house.deliver_all();
    let answers = house.sent_by(1, |house| {
        for _ in 0..1_000 {
            house.deliver(1, &frame);
        }
    });
    assert!(answers.len() <= 64, "{} frames for a thousand replays", answers.len());
}

#[test]
fn after_the_overlap_a_message_is_sealed_to_the_one_that_lacks_it() {
    let mut house = House::of(251, 3);
    house.devices[2].settings.outbox = Some(OutboxLimits::default());
    house.devices[0].settings.outbox = Some(OutboxLimits::default());
    house.reboot(0);
    house.settle();
    house.devices[1].asleep = true;
    confirmed(&mut house, 0, 1);
    house.run(3 * 3_600_000);
    let late = house.recorded.len();
    house.devices[1].asleep = false;
    house.reboot(1);
    house.run(900_000);
    assert_eq!(house.heard(1, 0), [b"confirm me"]);
    let mut by = who(&house, 0, 1);
    by.sort();
    let mut others = [Some(house.id(1)), Some(house.id(2))];
    others.sort();
    assert_eq!(by, others);
    assert_eq!(house.heard(2, 0), [b"confirm me"], "and nobody else hears it again");
    let original = house.recorded[..late]
        .iter()
        .any(|(_, frame)| house.recorded[late..].iter().any(|(_, again)| again == frame));
    assert!(!original, "its own frame is not sent any more");
}

#[test]
fn a_sender_that_restarts_goes_on_until_all_have_confirmed() {
    let mut house = House::of(252, 2);
    house.devices[1].asleep = true;
    confirmed(&mut house, 0, 41);
    house.run(1_000);
    house.reboot(0);
    let unconfirmed = house.devices[0].session.unconfirmed();
    let missing = Some(vec![house.id(1)]);
    assert_eq!(unconfirmed, [Unconfirmed { ticket: 41, missing }]);
    house.devices[1].asleep = false;
    house.run(60_000);
    assert_eq!(house.heard(1, 0), [b"confirm me"]);
    assert_eq!(who(&house, 0, 41), [Some(house.id(1))]);
    assert!(house.devices[0].session.unconfirmed().is_empty());
    assert!(
        !house.devices[0]
            .store
            .iter()
            .any(|(name, record)| { name.starts_with("sent/") && record.value.is_some() })
    );
}

#[test]
fn nothing_that_is_to_be_confirmed_leaves_before_it_is_stored() {
    let mut house = House::of(253, 2);
    let House { devices, rng, now, .. } = &mut house;
    let mut moment = Moment::new(*now, rng);
    let options = PublishOptions { ticket: Some(1), ..PublishOptions::default() };
    let command = Command::PublishWith(b"x", options);
    devices[0].session.handle(Input::Command(command), &mut moment).unwrap();
    let Some(Output::Store(records)) = devices[0].session.poll() else { panic!("it is stored") };
    assert!(records.iter().any(|record| record.key.starts_with("sent/")));
    assert!(devices[0].session.poll().is_none());
}

#[test]
fn receipts_of_named_members_are_enough() {
    let mut house = House::of(254, 3);
    house.devices[2].asleep = true;
    let by = vec![house.id(1)];
    let options = PublishOptions { ticket: Some(1), by, ..PublishOptions::default() };
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.settle();
    let told = Event::Confirmed { tickets: vec![1], by: Some(house.id(1)), missing: 0 };
    assert!(house.told(0, &told));
    let by = vec![Identity::from_seed(&[9; 32]).id()];
    let options = PublishOptions { ticket: Some(2), by: by.clone(), ..PublishOptions::default() };
    let refused = house.command(0, Command::PublishWith(b"x", options));
    assert_eq!(refused, Err(CommandError::Unknown(by[0])), "nobody waits for a stranger");
}

#[test]
fn a_member_whose_kem_key_is_not_known_gets_the_same_bytes_however_late() {
    let mut house = House::of(255, 2);
    house.spoil(0, |store| store.retain(|name, _| !name.starts_with("member-kem/")));
    house.settle();
    house.spoil(0, |store| store.retain(|name, _| !name.starts_with("member-kem/")));
    house.devices[1].asleep = true;
    confirmed(&mut house, 0, 1);
    house.run(30_000);
    house.devices[1].asleep = false;
    house.run(120_000);
    assert_eq!(house.heard(1, 0), [b"confirm me"]);
    assert_eq!(who(&house, 0, 1), [Some(house.id(1))]);
}

#[test]
fn a_member_can_not_have_others_confirm_what_they_did_not_deliver() {
    let mut house = House::of(239, 3);
    let options =
        PublishOptions { expires_in_ms: Some(1_000), ticket: Some(1), ..PublishOptions::default() };
    house.devices[2].asleep = true;
    house.command(0, Command::PublishWith(b"x", options)).unwrap();
    house.now += 2_000;
    house.deliver_all();
    assert!(house.told(1, &Event::Expired(house.id(0))));
    house.reboot(1);
    house.settle();
    // In another's name, of the same number, and as if it did not expire.
    let eve = Forge::of(&house.devices[2]);
    let counter = house.recorded.iter().rev().find_map(|(from, frame)| {
        (*from == 0).then(|| eve.epoch.open(frame)).flatten().filter(|said| said.kind == 0x06)
    });
    let said = crate::forge::Said {
        sender: house.id(0),
        key: house.devices[0].identity.public_key(),
        incarnation: 0,
        counter: counter.expect("the message").counter,
        kind: 0x04,
        body: b"y".to_vec(),
    };
    let frame = eve.seal(&said, &eve.epoch);
    house.deliver(1, &frame);
    house.run(1_000);
    assert!(who(&house, 0, 1).is_empty());
}

#[test]
fn hellos_do_not_make_a_sender_send_without_end() {
    let mut house = House::of(238, 2);
    house.devices[0].settings.outbox = Some(OutboxLimits::default());
    house.reboot(0);
    house.settle();
    house.mute.insert(1);
    house.lost = |from, frame| from == 0 && frame.len() > 100;
    for ticket in 0..100 {
        confirmed(&mut house, 0, ticket);
    }
    house.mute.clear();
    house.lost = |from, frame| from == 1 && frame.len() < 125 && frame.len() != 97;
    let frames = house.sent_by(0, |house| {
        for _ in 0..50 {
            house.reboot(1);
            house.run(1_000);
        }
    });
    assert!(frames.len() < 3_000, "{} frames", frames.len());
}
