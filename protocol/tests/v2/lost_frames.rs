//! Each single frame of each conversation is lost once: it ends well all the same. Not here: losses that
//! an attacker arranges.

use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event, Session as _};

use crate::house::House;

/// As long as the slowest way to find out.
const LONG: u64 = 700_000;

/// Has a conversation again and again, each time with another frame lost, to everybody or to one
/// device only, until there are no more frames to lose.
fn with_each_frame_lost(seed: u8, talk: impl Fn(&mut House, &dyn Fn(&mut House)) -> Vec<usize>) {
    for whom in [None, Some(0), Some(1), Some(2), Some(3)] {
        for number in 0.. {
            assert!(number < 500, "a conversation without an end");
            let mut house = House::of(seed, 3);
            let all_heard = std::cell::Cell::new(false);
            let members = talk(&mut house, &|house| {
                house.lose = Some((number, whom));
                house.run(20_000);
                all_heard.set(house.lose.take().is_some());
                house.run(LONG);
            });
            house.assert_together(&members);
            if all_heard.get() {
                break;
            }
        }
    }
}

#[test]
fn an_invitation_survives_each_single_loss() {
    with_each_frame_lost(110, |house, run| {
        let invitation = house.invitation(0);
        let lamp = house.newcomer(Entry::Invitation(invitation));
        run(house);
        vec![0, 1, 2, lamp]
    });
}

#[test]
fn a_pin_survives_each_single_loss() {
    with_each_frame_lost(111, |house, run| {
        let pin = house.pin(0);
        let lamp = house.newcomer(Entry::Pin(pin));
        run(house);
        vec![0, 1, 2, lamp]
    });
}

#[test]
fn a_comparison_of_fingerprints_survives_each_single_loss() {
    with_each_frame_lost(112, |house, run| {
        let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
        let lamp = house.newcomer(pinned);
        house.settle();
        let id = house.id(lamp);
        house.command(0, Command::Admit(id)).unwrap();
        run(house);
        vec![0, 1, 2, lamp]
    });
}

#[test]
fn an_eviction_survives_each_single_loss() {
    with_each_frame_lost(113, |house, run| {
        let id = house.id(2);
        house.command(0, Command::Evict(id)).unwrap();
        run(house);
        // Somebody says something, as somebody always does.
        house.publish(0, b"and on it goes");
        house.run(LONG);
        vec![0, 1]
    });
}

#[test]
fn a_rekey_and_an_appointment_survive_each_single_loss() {
    with_each_frame_lost(114, |house, run| {
        let id = house.id(1);
        house.command(0, Command::Appoint(id)).unwrap();
        house.command(0, Command::Rotate).unwrap();
        run(house);
        house.publish(0, b"and on it goes");
        house.run(LONG);
        vec![0, 1, 2]
    });
}

#[test]
fn a_leave_survives_each_single_loss() {
    with_each_frame_lost(115, |house, run| {
        house.command(2, Command::Leave).unwrap();
        run(house);
        // Whoever leaves says so once; the others see it gone, and a keeper sees to it.
        let id = house.id(2);
        let _ = house.command(0, Command::Evict(id));
        house.publish(0, b"and on it goes");
        house.run(LONG);
        vec![0, 1]
    });
}

#[test]
fn a_catch_up_survives_each_single_loss() {
    with_each_frame_lost(116, |house, run| {
        house.devices[2].asleep = true;
        house.command(0, Command::Rotate).unwrap();
        house.settle();
        house.command(0, Command::Rotate).unwrap();
        house.settle();
        house.devices[2].asleep = false;
        house.publish(0, b"good morning");
        run(house);
        house.publish(0, b"still asleep?");
        house.run(LONG);
        vec![0, 1, 2]
    });
}

#[test]
fn a_device_that_leaves_is_not_waited_for() {
    let mut house = House::of(117, 3);
    house.command(2, Command::Leave).unwrap();
    house.settle();
    assert!(house.told(2, &Event::Evicted) && !house.devices[2].session.is_ready());
    assert!(house.devices[2].session.deadline().is_none(), "and has nothing left to do");
    house.assert_together(&[0, 1]);
}
