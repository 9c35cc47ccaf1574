//! Members and keepers gone bad: what they can't do to the others. Not here: lies in single frames,
//! which are in [`bad_input`](crate::bad_input).

use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event};

use crate::forge::{Forge, Operation, ROSTER, operations, roster};
use crate::house::House;

const NONE: [u8; 16] = [0; 16];

#[test]
fn a_keeper_that_admits_the_founder_again_silences_nobody() {
    let mut house = House::of(201, 4);
    let bad = house.id(1);
    house.command(0, Command::Appoint(bad)).unwrap();
    house.settle();
    let mut keeper = Forge::of(&house.devices[1]);
    house.devices[1].asleep = true;
    let again = keeper.operation(&Operation {
        action: 1,
        subject: house.devices[0].identity.public_key(),
        incarnation: 1,
        previous: NONE,
        last: NONE,
        name: "",
    });
    let frame = keeper.frame(ROSTER, &roster(&[again]));
    for device in [0, 2, 3] {
        house.deliver(device, &frame);
    }
    house.settle();
    house.publish(0, b"still heard");
    house.settle();
    assert_eq!(house.heard(2, 0).last().map(Vec::as_slice), Some(&b"still heard"[..]));
    house.command(0, Command::Evict(bad)).expect("the founder stands before it still");
    house.settle();
    house.assert_together(&[0, 2, 3]);
    // A restart goes on as what the roster says.
    house.reboot(0);
    house.settle();
    house.assert_together(&[0, 2, 3]);
}

#[test]
fn a_member_fills_no_roster_with_leaves() {
    let mut house = House::of(202, 3);
    let before = operations(&house.devices[0].store).len();
    let mut member = Forge::of(&house.devices[2]);
    house.devices[2].asleep = true;
    let leave = |last, name| Operation {
        action: 3,
        subject: house.devices[2].identity.public_key(),
        incarnation: 0,
        previous: NONE,
        last,
        name,
    };
    let named: Vec<String> = (0..50).map(|number| format!("leave {number}")).collect();
    let mut leaves: Vec<_> =
        named.iter().map(|name| member.operation(&leave(NONE, name))).collect();
    leaves.push(member.operation(&leave([7; 16], "")));
    // This one says nothing besides.
    leaves.push(member.operation(&leave(NONE, "")));
    let frame = member.frame(ROSTER, &roster(&leaves));
    house.deliver(0, &frame);
    house.settle();
    assert_eq!(operations(&house.devices[0].store).len(), before + 1);
    assert!(house.told(0, &Event::Removed(house.id(2))));
}

#[test]
fn a_member_that_left_and_comes_back_can_leave_again() {
    let mut house = House::of(203, 2);
    for _ in 0..3 {
        let lamp = house.id(1);
        house.command(1, Command::Leave).unwrap();
        house.settle();
        assert!(!house.members(0).contains(&lamp), "it left");
        let invitation = house.invitation(0);
        house.devices[1].settings.entry = Entry::Invitation(invitation);
        house.reboot(1);
        house.command(1, Command::Introduce).unwrap();
        house.settle();
        assert!(house.members(0).contains(&lamp), "it is back");
    }
    house.assert_together(&[0, 1]);
}
