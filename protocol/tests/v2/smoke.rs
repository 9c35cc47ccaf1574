//! Everything once, in short.

use crate::house::House;
use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event};

#[test]
fn invitation() {
    let mut house = House::of(1, 4);
    house.assert_together(&[0, 1, 2, 3]);
}

#[test]
fn pin() {
    let mut house = House::of(2, 2);
    let pin = house.pin(0);
    let lamp = house.newcomer(Entry::Pin(pin));
    house.settle();
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn fingerprint() {
    let mut house = House::of(3, 2);
    let lamp = house.newcomer(Entry::default());
    house.settle();
    let id = house.id(lamp);
    house.command(0, Command::Admit(id)).unwrap();
    house.settle();
    let founder = house.id(0);
    house.command(lamp, Command::Confirm(founder)).unwrap();
    house.settle();
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn evict() {
    let mut house = House::of(4, 4);
    let id = house.id(2);
    house.command(0, Command::Evict(id)).unwrap();
    house.settle();
    assert!(house.told(2, &Event::Evicted));
    house.assert_together(&[0, 1, 3]);
}

#[test]
fn slept_through() {
    let mut house = House::of(5, 4);
    house.devices[3].asleep = true;
    for _ in 0..10 {
        house.command(0, Command::Rotate).unwrap();
        house.settle();
    }
    house.run(24 * 3_600_000);
    house.devices[3].asleep = false;
    house.publish(0, b"still there?");
    house.run(60_000);
    house.assert_together(&[0, 1, 2, 3]);
}

#[test]
fn reboots() {
    let mut house = House::of(6, 3);
    for device in 0..3 {
        house.reboot(device);
        house.settle();
    }
    house.assert_together(&[0, 1, 2]);
}

#[test]
fn partition() {
    let mut house = House::of(7, 6);
    let keeper = house.id(1);
    house.command(0, Command::Appoint(keeper)).unwrap();
    house.settle();
    for device in [1, 2, 3] {
        house.devices[device].side = 1;
    }
    let (a, b) = (house.id(4), house.id(3));
    house.command(0, Command::Evict(a)).unwrap();
    house.command(1, Command::Evict(b)).unwrap();
    house.settle();
    for device in [1, 2, 3] {
        house.devices[device].side = 0;
    }
    house.publish(0, b"x");
    house.publish(1, b"y");
    for d in [0, 1, 2, 5] {
        house.devices[d].events.clear();
    }
    house.run(120_000);
    house.assert_together(&[0, 1, 2, 5]);
}
