//! G5: an evicted participant reads nothing sent by members that have applied its eviction, and they
//! refuse its messages. Not here: who may evict whom in a partition, see `partitions`.

use orion::hazardous::hpke::{DHKEM_X25519_SHA256_CHACHA20, ModePsk};
use orion::hazardous::kem::x25519_hkdf_sha256 as x25519;
use stringphone_protocol::{Command, Event, Identity, Refusal, Session as _};

use crate::forge::{Forge, Operation, ROSTER, hash, kdf, opens, operations, roster, sign};
use crate::house::House;

/// A house of four, the last of which was evicted without hearing of it; and what it can do.
fn evicted(seed: u8) -> (House, Forge) {
    let mut house = House::of(seed, 4);
    let thief = Forge::of(&house.devices[3]);
    house.devices[3].asleep = true;
    let id = house.id(3);
    house.command(0, Command::Evict(id)).unwrap();
    house.settle();
    (house, thief)
}

#[test]
fn g5_an_evicted_participant_cannot_read_the_next_epoch() {
    let (mut house, _) = evicted(50);
    let before = house.recorded.len();
    for device in 0..3 {
        house.publish(device, b"not for the evicted");
    }
    house.settle();
    let frames: Vec<_> = house.recorded[before..].iter().map(|(_, frame)| frame.clone()).collect();
    assert!(frames.len() >= 3);
    for frame in &frames {
        assert!(!opens(&house.devices[3].store, frame, 64), "what it stored opens nothing");
    }
    // Nor does all that was ever sent help its session.
    house.mute.insert(3);
    house.devices[3].asleep = false;
    for (_, frame) in house.recorded.clone() {
        house.deliver(3, &frame);
    }
    assert!((0..3).all(|from| house.heard(3, from).is_empty()));
    assert!(house.told(3, &Event::Evicted), "the eviction itself it may hear");
}

#[test]
fn g5_what_an_evicted_participant_says_is_refused_by_all() {
    let (mut house, mut thief) = evicted(51);
    for kind in [0, 4, ROSTER, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16] {
        let frame = thief.frame(kind, b"\x00\x00\x00\x00\x00\x00\x00\x00");
        for device in 0..3 {
            let before = (house.members(device), house.epoch(device));
            assert_eq!(house.inject(device, &frame), Some(Refusal::UntrustedSender));
            assert_eq!((house.members(device), house.epoch(device)), before);
        }
    }
    house.settle();
    house.assert_together(&[0, 1, 2]);
}

#[test]
fn g5_messages_wait_until_there_is_an_epoch_without_the_evicted() {
    let mut house = House::of(52, 3);
    let id = house.id(2);
    // The operation arrives, the rekey gets lost.
    let sent = house.sent_by(0, |house| house.command(0, Command::Evict(id)).unwrap());
    house.wire.clear();
    house.deliver(1, &sent[0]);
    let sent = house.sent_by(1, |house| house.publish(1, b"wait"));
    assert!(sent.is_empty(), "nothing is said that the evicted could read");
    house.settle();
    assert!(house.heard(0, 1).contains(&b"wait".to_vec()), "it leaves when all is well");
    assert!(!house.heard(2, 1).contains(&b"wait".to_vec()));
    house.assert_together(&[0, 1]);
}

/// It holds the generation's catch-up key, and hears who asks.
#[test]
fn g5_an_evicted_participant_cannot_hand_its_own_keys_to_a_member_that_catches_up() {
    let mut house = House::of(53, 4);
    // Device 1 sleeps through a rekey, the thief does not.
    house.devices[1].asleep = true;
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    let sleeper = Forge::of(&house.devices[1]);
    let thief = Forge::of(&house.devices[3]);
    let id = house.id(3);
    let sent = house.sent_by(0, |house| house.command(0, Command::Evict(id)).unwrap());
    house.settle();
    house.devices[1].asleep = false;
    // The sleeper hears of the eviction, then that the topic went on; the others hear nothing of it.
    house.devices[1].side = 7;
    for frame in &sent {
        house.deliver(1, frame);
    }
    let mut asked = Vec::new();
    for _ in 0..40 {
        house.deliver(1, &[0x20; 200]);
        asked = house.sent_by(1, |house| house.run(1_000));
        asked.retain(|frame| frame[0] == 0x21);
        if !asked.is_empty() {
            break;
        }
    }
    let introduction = asked.first().expect("it asks to catch up");
    let (number, before) = (house.epoch(1).generation, house.snapshot(1).clone_epoch());
    let frame = bogus_reply(introduction, &sleeper, &thief, &house, number + 5);
    let refusal = house.inject(1, &frame);
    assert_eq!(refusal, Some(Refusal::Unasked), "nobody challenged it");
    assert_eq!(house.snapshot(1).clone_epoch(), before);
}

/// A reply without a challenge, by somebody who knows the catch-up key of the asker's generation.
fn bogus_reply(
    introduction: &[u8],
    sleeper: &Forge,
    thief: &Forge,
    house: &House,
    number: u32,
) -> Vec<u8> {
    let name = usize::from(introduction[3]);
    let key = &introduction[4 + name..36 + name];
    let kem = &introduction[36 + name..68 + name];
    let evidence = &introduction[introduction.len() - 64 - 52..introduction.len() - 64];
    let known = sleeper.catch_up.iter().chain(&thief.catch_up);
    let catch_up = known.clone().find(|(id, _)| id[..8] == evidence[..8]).expect("a known one").1;
    let x = hash("introduction hash", &[introduction]);
    let info = [b"stringphone/2 reply".as_slice(), &[1, 3], &x].concat();
    let evictions = {
        let id = *house.id(3).as_bytes();
        hash("evictions", &[&id, &0_u32.to_be_bytes()])
    };
    let mut fields = thief.founding.clone();
    fields.extend(thief.identity.public_key().as_bytes());
    fields.extend([0; 4]);
    fields.extend([0; 4]);
    fields.push(1);
    fields.extend(number.to_be_bytes());
    fields.extend([[1; 32], [2; 32], evictions, [7; 32]].concat());
    fields.extend([0; 84]);
    fields.extend([9; 32]);
    fields.extend([0; 4]);
    fields.extend([8; 32]);
    let signature = sign(&thief.identity, "reply", &[&thief.topic, &[1, 3], &x, key, kem, &fields]);
    fields.extend(signature);
    let psk = kdf(&catch_up, "reply", &[&x]);
    let mut sealed = vec![0; fields.len() + 16];
    let (mut context, enc) = ModePsk::<DHKEM_X25519_SHA256_CHACHA20>::new_sender_deterministic(
        &x25519::PublicKey::try_from(kem).unwrap(),
        &info,
        &psk,
        b"stringphone/2 psk",
        x25519::PrivateKey::try_from([5; 32].as_slice()).unwrap(),
    )
    .unwrap();
    context.seal(&fields, &[], &mut sealed).unwrap();
    let id = house.id(1);
    [&[0x24], id.as_bytes().as_slice(), &x[..16], enc.as_ref(), &sealed].concat()
}

#[test]
fn g5_an_evicted_member_cannot_catch_up() {
    let (mut house, _) = evicted(54);
    house.devices[3].asleep = false;
    house.mute.insert(0);
    // It hears that the topic goes on, but not why.
    house.devices[3].side = 9;
    for _ in 0..30 {
        house.deliver(3, &[0x20; 200]);
        let asked = house.sent_by(3, |house| house.run(20_000));
        for frame in asked {
            for device in 0..3 {
                let replies = house.sent_by(device, |house| {
                    let refusal = house.inject(device, &frame);
                    assert!(refusal.is_some(), "a frame of the evicted is taken");
                });
                assert!(replies.iter().all(|reply| !matches!(reply[0], 0x22 | 0x24)));
            }
        }
    }
    assert!(house.told(3, &Event::Behind), "it did ask");
}

#[test]
fn g5_leaving_after_an_eviction_takes_nothing_back() {
    let mut house = House::of(55, 5);
    let keeper = house.id(1);
    house.command(0, Command::Appoint(keeper)).unwrap();
    house.settle();
    // The keeper evicts a thief, is evicted itself, and then wants all it did undone.
    let thief = house.id(4);
    house.command(1, Command::Evict(thief)).unwrap();
    house.settle();
    let mut forge = Forge::of(&house.devices[1]);
    house.devices[1].asleep = true;
    house.command(0, Command::Evict(keeper)).unwrap();
    house.settle();
    let members = house.members(0);
    assert!(!members.contains(&thief) && !members.contains(&keeper));
    let leave = Operation {
        action: 3,
        subject: forge.identity.public_key(),
        incarnation: 0,
        previous: [0; 16],
        last: [0; 16],
        name: "",
    };
    let bytes = forge.operation(&leave);
    // It has a friend that passes it on.
    let mut friend = Forge::of(&house.devices[2]);
    let frame = friend.frame(ROSTER, &roster(&[bytes]));
    for device in [0, 3] {
        let held = operations(&house.devices[device].store).len();
        assert_eq!(house.inject(device, &frame), None);
        assert_eq!(operations(&house.devices[device].store).len(), held + 1, "it is taken in");
        assert_eq!(house.members(device), members, "and changes nothing");
    }
    let _ = forge.frame(0, b"");
}

#[test]
fn g5_what_an_evicted_keeper_dates_back_is_void() {
    let mut house = House::of(56, 4);
    let keeper = house.id(1);
    house.command(0, Command::Appoint(keeper)).unwrap();
    house.settle();
    let forge = Forge::of(&house.devices[1]);
    house.devices[1].asleep = true;
    house.command(0, Command::Evict(keeper)).unwrap();
    house.settle();
    let members = house.members(0);
    let spy = Identity::from_seed(&[99; 32]);
    let mut friend = Forge::of(&house.devices[2]);
    let victim = house.devices[3].identity.public_key();
    let mut previous = [0; 16];
    for (action, subject) in [(1, spy.public_key()), (2, spy.public_key()), (3, victim)] {
        let operation =
            Operation { action, subject, incarnation: 0, previous, last: [0; 16], name: "" };
        let bytes = forge.operation(&operation);
        previous = forge.operation_id(&bytes);
        let frame = friend.frame(ROSTER, &roster(&[bytes]));
        for device in [0, 3] {
            assert_eq!(house.inject(device, &frame), None);
            assert_eq!(house.members(device), members);
        }
    }
    assert!(house.devices[3].session.is_ready());
}

#[test]
fn g5_an_evicted_device_comes_back_as_another_incarnation_only() {
    let mut house = House::of(57, 3);
    let old = Forge::of(&house.devices[2]);
    let id = house.id(2);
    house.command(0, Command::Evict(id)).unwrap();
    house.settle();
    house.command(2, Command::Introduce).unwrap();
    house.settle();
    // Its invitation is spent; a person lets it in again.
    house.devices[2].settings.entry = stringphone_protocol::v2::Entry::default();
    house.reboot(2);
    house.command(2, Command::Introduce).unwrap();
    house.settle();
    house.command(0, Command::Admit(id)).unwrap();
    house.settle();
    let founder = house.id(0);
    house.command(2, Command::Confirm(founder)).unwrap();
    house.settle();
    house.assert_together(&[0, 1, 2]);
    assert_eq!(Forge::of(&house.devices[2]).incarnation, 1);
    let mut said = old.clone().said(0, b"from its earlier life");
    said.counter = 1_000_000;
    let epoch = Forge::of(&house.devices[2]).epoch;
    assert_eq!(house.inject(0, &old.seal(&said, &epoch)), Some(Refusal::BadSignature));
}

/// It was about to say hello again: otherwise its owner is called for ever.
#[test]
fn g5_a_newcomer_that_is_evicted_at_once_has_nothing_left_to_do() {
    let mut house = House::of(58, 1);
    let invitation = house.invitation(0);
    let lamp = house.newcomer(stringphone_protocol::v2::Entry::Invitation(invitation));
    house.deliver_all();
    let id = house.id(lamp);
    house.command(0, Command::Evict(id)).unwrap();
    house.deliver_all();
    assert!(house.told(lamp, &Event::Evicted));
    assert_eq!(house.devices[lamp].session.deadline(), None);
}
