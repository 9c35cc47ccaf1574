//! Each sender's messages in its order (§3.12). Not here: resending.

use stringphone_protocol::Event;

use crate::house::House;

/// A house of two, whose second device wants messages in order and waits 5 s.
fn house(seed: u8) -> House {
    let mut house = House::of(seed, 2);
    house.devices[1].settings.order_ms = Some(5_000);
    house.reboot(1);
    house.settle();
    house.publish(0, b"begin");
    house.settle();
    house
}

fn gaps(house: &House) -> usize {
    house.devices[1].events.iter().filter(|event| matches!(event, Event::Gap { .. })).count()
}

#[test]
fn frames_that_overtake_each_other_are_delivered_in_order() {
    let mut house = house(20);
    let frames: Vec<_> = (0..5_u8).map(|body| house.frame(0, &[body])).collect();
    for at in [2, 0, 4, 3, 1] {
        house.deliver(1, &frames[at]);
    }
    assert_eq!(house.heard(1, 0)[1..], [[0], [1], [2], [3], [4]]);
    house.run(20_000);
    assert_eq!(gaps(&house), 0);
}

#[test]
fn a_missing_one_is_waited_for_and_then_told() {
    let mut house = house(21);
    let frames: Vec<_> = (0..3_u8).map(|body| house.frame(0, &[body])).collect();
    house.deliver(1, &frames[0]);
    house.deliver(1, &frames[2]);
    house.run(4_000);
    assert_eq!(house.heard(1, 0)[1..], [[0]]);
    house.run(2_000);
    assert_eq!(house.heard(1, 0)[1..], [[0], [2]]);
    let told = house.devices[1].events.iter().find_map(|event| match event {
        Event::Gap { from, first, last } => Some((*from, last - first)),
        _ => None,
    });
    assert_eq!(told, Some((house.id(0), 0)), "one frame is missing");
    house.deliver(1, &frames[1]);
    assert_eq!(house.heard(1, 0)[1..], [[0], [2], [1]], "late, and not lost");
}

#[test]
fn what_a_restart_skips_is_no_gap() {
    let mut house = house(22);
    house.reboot(0);
    house.settle();
    house.publish(0, b"after");
    house.run(20_000);
    assert_eq!(house.heard(1, 0).last().unwrap(), b"after");
    assert_eq!(gaps(&house), 0);
}

#[test]
fn nobody_is_waited_for_who_is_evicted() {
    let mut house = House::of(23, 3);
    house.devices[1].settings.order_ms = Some(1_000_000);
    house.reboot(1);
    house.settle();
    house.publish(2, b"begin");
    house.settle();
    house.frame(2, b"lost");
    let last = house.frame(2, b"last");
    house.deliver(1, &last);
    assert_eq!(house.heard(1, 2), [b"begin"]);
    let id = house.id(2);
    house.command(0, stringphone_protocol::Command::Evict(id)).unwrap();
    house.settle();
    assert_eq!(house.heard(1, 2), [b"begin".as_slice(), b"last"]);
}
