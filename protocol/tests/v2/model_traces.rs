//! What the model checker found (`protocol/model`), each as the shortest story that shows it.

use crate::house::House;
use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event, Session};

/// Takes what is on its way off the wire: the frames of one device, in order.
fn take(house: &mut House, from: usize) -> Vec<Vec<u8>> {
    let all = house.wire.drain(..).filter(|(sender, _)| *sender == from);
    all.map(|(_, frame)| frame).collect()
}

/// Everybody of these speaks every half minute, for so many minutes.
fn talk(house: &mut House, devices: &[usize], minutes: u64) {
    for _ in 0..2 * minutes {
        for device in devices {
            // Who has no clean generation says nothing.
            let _ = house.command(*device, Command::Publish(b"something"));
        }
        house.run(30_000);
    }
}

fn appoint(house: &mut House, device: usize) {
    let id = house.id(device);
    house.command(0, Command::Appoint(id)).unwrap();
    house.settle();
}

#[test]
fn a_keeper_that_a_leave_did_not_reach_hears_of_it_from_those_it_did_reach() {
    let mut house = House::of(41, 3);
    house.command(1, Command::Leave).unwrap();
    for frame in take(&mut house, 1) {
        house.deliver(2, &frame);
    }
    // Device 2 holds no clean generation now, and may not speak; the keeper knows of nothing.
    talk(&mut house, &[0, 2], 2);
    house.assert_together(&[0, 2]);
}

#[test]
fn a_member_whose_question_for_operations_got_lost_asks_again() {
    let mut house = House::of(42, 4);
    let evicted = house.id(2);
    house.command(0, Command::Evict(evicted)).unwrap();
    let frames = take(&mut house, 0);
    for frame in &frames {
        house.deliver(1, frame);
        house.deliver(2, frame);
    }
    // The operation is lost on its way to device 3, the new generation is not.
    for frame in &frames[1..] {
        house.deliver(3, frame);
    }
    // It asks, and the answers are lost.
    house.mute.extend([0, 1]);
    house.run(5_000);
    house.mute.clear();
    talk(&mut house, &[0, 1, 3], 2);
    house.assert_together(&[0, 1, 3]);
}

#[test]
fn a_member_that_may_not_know_of_an_eviction_hands_no_key_to_the_evicted() {
    let mut house = House::of(43, 4);
    appoint(&mut house, 1);
    let [keeper, evicted] = [house.id(1), house.id(2)];
    // Keeper 1 evicts device 2: the operation gets to the founder alone, the generation to device 3.
    house.command(1, Command::Evict(evicted)).unwrap();
    let frames = take(&mut house, 1);
    house.deliver(0, &frames[0]);
    house.deliver(3, &frames[1]);
    house.wire.clear();
    // The founder evicts keeper 1: the operation gets to everybody, the generation to nobody.
    // Now all that device 3 holds is sealed to somebody whom it knows to be evicted, or begun by
    // somebody who knew more than it does.
    house.command(0, Command::Evict(keeper)).unwrap();
    let frames = take(&mut house, 0);
    for device in [1, 2, 3] {
        house.deliver(device, &frames[0]);
    }
    // Device 2 asks everybody for the present key; the founder can't be heard.
    house.mute.insert(0);
    talk(&mut house, &[3], 2);
    assert!(!house.told(2, &Event::Evicted), "device 2 was not told");
    assert_eq!(house.epoch(2).generation, 0, "a generation that it was evicted from");
    house.mute.clear();
    talk(&mut house, &[0, 3], 12);
    house.assert_together(&[0, 3]);
}

#[test]
fn a_keeper_that_lost_its_power_and_a_rekey_catches_up() {
    let mut house = House::of(44, 3);
    appoint(&mut house, 1);
    house.command(0, Command::Rotate).unwrap();
    let frames = take(&mut house, 0);
    house.reboot(1);
    house.deliver(1, &frames[1]);
    frames.iter().for_each(|frame| house.deliver(2, frame));
    talk(&mut house, &[0, 1, 2], 2);
    house.assert_together(&[0, 1, 2]);
}

#[test]
fn who_was_thrown_out_by_somebody_who_was_out_already_can_be_let_in_again() {
    let mut house = House::of(45, 4);
    appoint(&mut house, 1);
    let [keeper, victim] = [house.id(1), house.id(2)];
    // Both at once. Device 2 hears of its eviction first, and wipes its keys at once; for the others
    // it is void, since keeper 1 stands behind the founder.
    house.command(1, Command::Evict(victim)).unwrap();
    let by_keeper = take(&mut house, 1);
    house.command(0, Command::Evict(keeper)).unwrap();
    by_keeper.iter().for_each(|frame| house.deliver(2, frame));
    assert!(house.told(2, &Event::Evicted));
    house.settle();
    for device in [0, 3] {
        assert!(house.members(device).contains(&victim), "the eviction is void for {device}");
    }
    let invitation = house.invitation(0);
    house.devices[2].settings.entry = Entry::Invitation(invitation);
    house.reboot(2);
    house.command(2, Command::Introduce).unwrap();
    house.settle();
    assert!(house.devices[2].session.is_ready());
    talk(&mut house, &[0, 2, 3], 2);
    house.assert_together(&[0, 2, 3]);
}
