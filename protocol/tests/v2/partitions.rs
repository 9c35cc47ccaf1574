//! Partitions, several keepers, long sleeps: everybody ends on one epoch, with the same members. Not
//! here: what operations add up to, which the tests beside `standing` show.

use proptest::prelude::*;
use stringphone_protocol::v2::{FoundOptions, Role, Settings};
use stringphone_protocol::{Command, Event, Identity, Session as _};

use crate::house::House;

/// A house whose first devices are keepers.
fn keepers(seed: u8, keepers: usize, members: usize) -> House {
    let mut house = House::of(seed, members);
    for keeper in 1..keepers {
        let id = house.id(keeper);
        house.command(0, Command::Appoint(id)).unwrap();
        house.settle();
    }
    house
}

/// Everybody hears everybody again, and says something.
fn heal(house: &mut House) {
    for device in 0..house.devices.len() {
        house.devices[device].side = 0;
        house.devices[device].asleep = false;
    }
    for _ in 0..3 {
        for device in 0..house.devices.len() {
            let _ = house.command(device, Command::Publish(b"hello again"));
        }
        house.run(400_000);
    }
}

fn evict(house: &mut House, by: usize, whom: usize) {
    let id = house.id(whom);
    let _ = house.command(by, Command::Evict(id));
}

#[test]
fn two_keepers_that_rekey_at_once_end_on_one_epoch() {
    let mut house = keepers(120, 3, 5);
    for keeper in 0..3 {
        house.command(keeper, Command::Rotate).unwrap();
    }
    house.settle();
    house.assert_together(&[0, 1, 2, 3, 4]);
}

#[test]
fn a_keeper_that_is_evicted_while_it_evicts_evicts_nobody() {
    let mut house = keepers(121, 2, 5);
    evict(&mut house, 0, 1);
    evict(&mut house, 1, 3);
    house.settle();
    house.run(60_000);
    house.assert_together(&[0, 2, 3, 4]);
    assert!(house.told(1, &Event::Evicted));
}

#[test]
fn of_two_keepers_that_evict_each_other_the_earlier_in_the_order_stays() {
    for seed in 122..128 {
        let mut house = keepers(seed, 3, 5);
        evict(&mut house, 1, 2);
        evict(&mut house, 2, 1);
        house.settle();
        house.run(60_000);
        let (stays, goes) = if house.id(1) < house.id(2) { (1, 2) } else { (2, 1) };
        assert!(house.told(goes, &Event::Evicted));
        let mut together = vec![0, stays, 3, 4];
        together.sort_unstable();
        house.assert_together(&together);
    }
}

#[test]
fn nobody_evicts_the_founder_but_its_recovery_key() {
    let recovery = Identity::from_seed(&[77; 32]);
    let options = FoundOptions { recovery: Some(recovery.public_key()), ..Default::default() };
    let mut house = House::found_with(128, options, Settings::default());
    for _ in 0..2 {
        house.invite_in();
    }
    let id = house.id(1);
    house.command(0, Command::Appoint(id)).unwrap();
    house.settle();
    let founder = house.id(0);
    assert!(house.command(1, Command::Evict(founder)).is_err());
    // The founder's device is stolen; the identity from the drawer is let in by a keeper.
    let pinned = stringphone_protocol::v2::Entry::Fingerprint(vec![house.fingerprint(1)]);
    let records = stringphone_protocol::v2::V2State::join(
        crate::house::TOPIC,
        &recovery,
        stringphone_protocol::v2::Suite::X25519,
    );
    let settings = Settings { entry: pinned, ..Settings::default() };
    let drawer = house.open(recovery.clone(), records.records().to_vec(), settings);
    house.command(drawer, Command::Introduce).unwrap();
    house.settle();
    house.command(1, Command::Admit(recovery.id())).unwrap();
    house.settle();
    assert!(house.devices[drawer].session.is_ready());
    house.command(drawer, Command::Evict(founder)).unwrap();
    // The thief fights back at the same moment.
    evict(&mut house, 0, drawer);
    evict(&mut house, 0, 1);
    house.run(60_000);
    assert!(house.told(0, &Event::Evicted));
    house.assert_together(&[1, 2, drawer]);
}

/// Its storage was lost, its identity was not, and somebody lets it in again.
#[test]
fn a_founder_that_comes_back_stands_where_it_stood() {
    let mut house = keepers(129, 3, 5);
    let identity = house.devices[0].identity.clone();
    let records = stringphone_protocol::v2::V2State::join(
        crate::house::TOPIC,
        &identity,
        stringphone_protocol::v2::Suite::X25519,
    );
    for admitter in [1, 2] {
        let store = records.records().iter().map(|record| (record.key.clone(), record.clone()));
        house.devices[0].settings.entry =
            stringphone_protocol::v2::Entry::Fingerprint(vec![house.fingerprint(admitter)]);
        house.restore(0, store.collect());
        house.command(0, Command::Introduce).unwrap();
        house.settle();
        house.command(admitter, Command::Admit(identity.id())).unwrap();
        house.settle();
        assert!(house.devices[0].session.is_ready());
        let roles = house.devices[3].session.members();
        assert!(roles.contains(&(identity.public_key(), Role::Keeper)));
    }
    house.assert_together(&[0, 1, 2, 3, 4]);
    for whom in [1, 2] {
        evict(&mut house, 0, whom);
        house.settle();
        assert!(house.told(whom, &Event::Evicted), "{whom} is behind the founder");
    }
    house.assert_together(&[0, 3, 4]);
}

#[test]
fn who_slept_through_ten_generations_and_an_eviction_catches_up() {
    let mut house = keepers(130, 2, 5);
    house.devices[4].asleep = true;
    for generation in 0..10 {
        house.command(generation % 2, Command::Rotate).unwrap();
        house.settle();
    }
    evict(&mut house, 0, 3);
    house.run(86_400_000 / 2);
    heal(&mut house);
    house.assert_together(&[0, 1, 2, 4]);
}

#[test]
fn a_restart_in_the_middle_of_it_all_changes_nothing() {
    let mut house = keepers(131, 2, 4);
    house.devices[3].asleep = true;
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    for device in 0..4 {
        house.reboot(device);
    }
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    house.reboot(3);
    heal(&mut house);
    house.assert_together(&[0, 1, 2, 3]);
}

#[test]
fn a_day_of_silence_leaves_everybody_together() {
    let mut house = keepers(132, 3, 6);
    house.run(3 * 86_400_000);
    house.assert_together(&[0, 1, 2, 3, 4, 5]);
    assert!(house.epoch(0).generation >= 2, "keys are changed every day");
    for device in 0..6 {
        assert!(!house.told(device, &Event::InsiderAlarm), "nobody is suspected");
        assert!(!house.told(device, &Event::Behind), "and nobody is behind");
    }
}

/// A keeper whose storage went back signs two different things after the same one: counting what one
/// holds of it does not tell which.
#[test]
fn chains_that_fork_come_together() {
    use crate::forge::{Forge, Operation, ROSTER, operations, roster};
    let mut house = keepers(133, 2, 4);
    let mut keeper = Forge::of(&house.devices[1]);
    house.devices[1].asleep = true;
    let admits = |previous, seed| {
        let subject = Identity::from_seed(&[seed; 32]).public_key();
        let last = [0; 16];
        keeper.operation(&Operation {
            action: 1,
            subject,
            incarnation: 0,
            previous,
            last,
            name: "",
        })
    };
    let first = admits([0; 16], 101);
    let after = keeper.operation_id(&first);
    let (one, other) = (admits(after, 102), admits(after, 103));
    let further = admits(keeper.operation_id(&other), 104);
    let both = keeper.frame(ROSTER, &roster(&[first.clone(), one]));
    let rest = keeper.frame(ROSTER, &roster(&[first, other, further]));
    assert_eq!(house.inject(0, &both), None);
    assert_eq!(house.inject(2, &rest), None);
    // Somebody starts again, and says what it holds.
    house.reboot(2);
    house.run(30_000);
    let held = |device: usize| {
        let operations = operations(&house.devices[device].store);
        operations.into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(held(0).len(), 4 + 4);
    assert_eq!(held(0), held(2));
    assert_eq!(held(0), held(3));
}

#[test]
fn a_rekey_of_more_than_255_parts_reaches_the_last() {
    use stringphone_protocol::{FrameLimit, Input};
    let mut house = House::found(134);
    for _ in 0..257 {
        let lamp = house.invite_in();
        house.devices[lamp].asleep = true;
    }
    let last = (1..258).max_by_key(|device| house.id(*device)).unwrap();
    house.devices[last].asleep = false;
    house.publish(0, b"wake up");
    house.run(60_000);
    // One entry fits a frame.
    house.input(0, Input::FrameLimit(FrameLimit::of(330))).unwrap();
    house.command(0, Command::Rotate).unwrap();
    house.deliver_all();
    assert_eq!(house.epoch(0).generation, 1);
    assert_eq!(house.epoch(last).generation, 1);
}

#[derive(Clone, Debug)]
enum Act {
    Evict(usize, usize),
    Appoint(usize, usize),
    Rotate(usize),
    Say(usize),
    Reboot(usize),
    Part(usize, u8),
    Sleep(usize, bool),
    Wait(u64),
    Invite(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let device = || 0_usize..6;
    prop_oneof![
        2 => (0_usize..3, 1_usize..6).prop_map(|(by, whom)| Act::Evict(by, whom)),
        1 => (0_usize..3, 1_usize..6).prop_map(|(by, whom)| Act::Appoint(by, whom)),
        2 => (0_usize..3).prop_map(Act::Rotate),
        3 => device().prop_map(Act::Say),
        1 => device().prop_map(Act::Reboot),
        4 => (device(), 0_u8..3).prop_map(|(device, side)| Act::Part(device, side)),
        2 => (device(), any::<bool>()).prop_map(|(device, asleep)| Act::Sleep(device, asleep)),
        3 => (0_u64..4_000_000).prop_map(Act::Wait),
        1 => (0_usize..3).prop_map(Act::Invite),
    ]
}

fn perform(house: &mut House, act: &Act) {
    match act {
        Act::Evict(by, whom) => evict(house, *by, *whom),
        Act::Appoint(by, whom) => {
            let id = house.id(*whom);
            let _ = house.command(*by, Command::Appoint(id));
        }
        Act::Rotate(by) => drop(house.command(*by, Command::Rotate)),
        Act::Say(device) => drop(house.command(*device, Command::Publish(b"x"))),
        Act::Reboot(device) => house.reboot(*device),
        Act::Part(device, side) => house.devices[*device].side = *side,
        Act::Sleep(device, asleep) => house.devices[*device].asleep = *asleep,
        Act::Wait(ms) => house.run(*ms),
        Act::Invite(by) => {
            if house.devices.len() < 8 && house.devices[*by].session.is_ready() {
                use stringphone_protocol::v2::{Entry, InviteOptions};
                if house.command(*by, Command::Invite(InviteOptions::default())).is_ok() {
                    let invitation =
                        house.devices[*by].events.iter().rev().find_map(|event| match event {
                            Event::Invited(invitation) => Some(invitation.clone()),
                            _ => None,
                        });
                    let lamp = house.newcomer(Entry::Invitation(invitation.unwrap()));
                    house.devices[lamp].side = house.devices[*by].side;
                }
            }
        }
    }
    house.deliver_all();
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]

    /// Whatever happens, whoever is still in it when all hear each other again is together.
    #[test]
    fn whatever_happens_they_end_together(
        seed in 0_u8..255,
        acts in prop::collection::vec(act(), 1..25),
    ) {
        let mut house = keepers(seed, 3, 6);
        for act in &acts {
            perform(&mut house, act);
        }
        heal(&mut house);
        heal(&mut house);
        let members = house.members(0);
        // Who obeyed an eviction that turned out void has wiped its keys, and is a member by name.
        let inside: Vec<usize> = (0..house.devices.len())
            .filter(|device| members.contains(&house.id(*device)))
            .filter(|device| house.devices[*device].session.is_ready())
            .collect();
        let generation = house.epoch(0).generation;
        for device in &inside {
            prop_assert_eq!(&house.members(*device), &members, "device {}", device);
            prop_assert_eq!(house.epoch(*device).generation, generation, "device {}", device);
        }
        for from in &inside {
            house.publish(*from, b"together");
        }
        house.settle();
        for (to, from) in inside.iter().flat_map(|to| inside.iter().map(move |from| (*to, *from))) {
            let heard = to == from || house.heard(to, from).contains(&b"together".to_vec());
            prop_assert!(heard, "{} hears {}", to, from);
        }
    }
}
