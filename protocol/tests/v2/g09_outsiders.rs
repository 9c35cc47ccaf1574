//! G9: an outsider's message frame is dropped before any signature is checked, and everything that
//! nobody vouches for is bounded. Not here: members that flood.

use stringphone_protocol::v2::Entry;
use stringphone_protocol::{Command, Event, Identity, Refusal, Session as _};

use crate::forge::sign;
use crate::house::House;

/// An introduction by fingerprint, or by PIN with a share that is a point.
fn introduction(identity: &Identity, number: u32, way: u8) -> Vec<u8> {
    let mut fields = [&[0x21, 1, way, 5], b"house".as_slice()].concat();
    fields.extend(identity.public_key().as_bytes());
    fields.extend([9; 32]);
    fields.extend([0; 12]);
    fields.extend(number.to_be_bytes());
    fields.push(0);
    if way == 2 {
        fields.push(b'A');
        fields.extend(identity.public_key().as_bytes());
    }
    let signature = sign(identity, "introduction", &[&fields]);
    fields.extend(signature);
    fields
}

fn stranger(number: u32) -> Identity {
    let mut seed = [0xee; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(&seed)
}

#[test]
fn g9_a_flood_of_strangers_leaves_what_it_found() {
    let mut house = House::of(160, 2);
    let before = house.snapshot(0);
    for number in 0..2_000 {
        house.deliver(0, &introduction(&stranger(number), number, 0));
    }
    let introduced = |house: &House| {
        let introduced = |event: &&Event| matches!(event, Event::Introduced(_));
        house.devices[0].events.iter().filter(introduced).count()
    };
    assert_eq!(introduced(&house), 16, "so many wait for a person");
    assert_eq!(house.refused(0, Refusal::PoolFull), 2_000 - 16);
    assert_eq!(house.snapshot(0), before, "nothing is stored, said or changed");
    house.run(61_000);
    assert_eq!(
        house.devices[0].events.iter().filter(|e| matches!(e, Event::Lapsed(_))).count(),
        16
    );
    house.assert_together(&[0, 1]);
}

#[test]
fn g9_signatures_of_strangers_are_checked_at_a_rate() {
    let mut house = House::of(161, 1);
    for number in 0..500 {
        let mut frame = introduction(&stranger(number), number, 0);
        *frame.last_mut().unwrap() ^= 1;
        house.deliver(0, &frame);
    }
    assert_eq!(house.refused(0, Refusal::BadSignature), 32);
    house.now += 10_000;
    for number in 0..500 {
        let mut frame = introduction(&stranger(number), number, 0);
        *frame.last_mut().unwrap() ^= 1;
        house.deliver(0, &frame);
    }
    assert_eq!(house.refused(0, Refusal::BadSignature), 64);
}

#[test]
fn g9_a_flood_of_strangers_does_not_keep_an_invited_device_out() {
    let mut house = House::of(162, 2);
    let invitation = house.invitation(0);
    for number in 0..200 {
        house.deliver(0, &introduction(&stranger(number), number, 0));
    }
    let lamp = house.newcomer(Entry::Invitation(invitation));
    house.deliver_all();
    for number in 0..200 {
        house.deliver(0, &introduction(&stranger(number), number, 0));
    }
    house.settle();
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn g9_frames_of_outsiders_do_not_get_to_a_signature() {
    let mut house = House::of(163, 2);
    let known = house.frame(0, b"an epoch's hint");
    for number in 0..1_000_u32 {
        let mut frame = known.clone();
        frame.truncate(97);
        frame[20..24].copy_from_slice(&number.to_be_bytes());
        assert_eq!(house.inject(1, &frame), Some(Refusal::DecryptionFailed));
    }
    assert_eq!(house.refused(1, Refusal::BadSignature), 0);
    assert!(!house.told(1, &Event::InsiderAlarm));
    assert_eq!(house.inject(1, &known), None);
}

#[test]
fn g9_what_a_newcomer_says_again_is_answered_at_a_rate() {
    let mut house = House::of(164, 1);
    let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
    let lamp = house.newcomer(pinned);
    let introduction = house.introduction(lamp);
    house.deliver(0, &introduction);
    let id = house.id(lamp);
    house.command(0, Command::Admit(id)).unwrap();
    let replies = house.sent_by(0, |house| {
        for _ in 0..500 {
            house.deliver(0, &introduction);
        }
    });
    assert!((1..=32).contains(&replies.len()), "{} replies", replies.len());
}

#[test]
fn g9_an_answer_to_a_pin_is_answered_at_a_rate() {
    let mut house = House::of(165, 1);
    let pin = house.pin(0);
    let lamp = house.newcomer(Entry::Pin(pin));
    let introduction = house.introduction(lamp);
    let challenge = house.sent_by(0, |house| house.deliver(0, &introduction)).remove(0);
    let answer = house.sent_by(lamp, |house| house.deliver(lamp, &challenge)).remove(0);
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..500 {
        house.deliver(0, &forged);
    }
    assert!(house.refused(0, Refusal::BadSignature) <= 32);
    house.now += 1_000;
    let replies = house.sent_by(0, |house| {
        for _ in 0..500 {
            house.deliver(0, &answer);
        }
    });
    let replies = replies.iter().filter(|frame| frame[0] == 0x24).count();
    assert!((1..=32).contains(&replies), "{replies} replies");
}

#[test]
fn g9_strangers_without_a_pin_or_invitation_are_nobodys_business() {
    let mut house = House::of(166, 2);
    let before = house.snapshot(0);
    for way in [2, 0] {
        let frame = introduction(&stranger(1), 1, way);
        // A member that is no keeper has nothing to say to them.
        assert_eq!(house.inject(1, &frame), Some(Refusal::NotForUs));
    }
    let frame = introduction(&stranger(1), 1, 2);
    assert_eq!(house.inject(0, &frame), Some(Refusal::NotForUs));
    assert_eq!(house.snapshot(0), before);
}

#[test]
fn g9_noise_makes_a_device_ask_less_and_less_often() {
    let mut house = House::of(167, 2);
    let asked = house.sent_by(1, |house| {
        for _ in 0..3_600 {
            house.deliver(1, &[0x20; 120]);
            house.run(1_000);
        }
    });
    let asked = asked.iter().filter(|frame| frame[0] == 0x21).count();
    assert!(asked < 30, "{asked} times in an hour");
    assert!(house.devices[1].session.is_ready());
    house.assert_together(&[0, 1]);
}

#[test]
fn g9_replies_that_wait_for_a_person_are_bounded() {
    let mut house = House::of(168, 1);
    let mut others: Vec<House> = (0..12).map(|seed| House::of(180 + seed, 1)).collect();
    let lamp = house.newcomer(Entry::default());
    let introduction = house.introduction(lamp);
    let id = house.id(lamp);
    for other in &mut others {
        other.deliver(0, &introduction);
        let replies = other.sent_by(0, |other| other.command(0, Command::Admit(id)).unwrap());
        for reply in replies {
            house.deliver(lamp, &reply);
        }
    }
    let answered = |event: &&Event| matches!(event, Event::Answered(_));
    assert_eq!(house.devices[lamp].events.iter().filter(answered).count(), 8);
    assert!(house.refused(lamp, Refusal::PoolFull) > 0);
}
