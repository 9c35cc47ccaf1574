//! G8: newcomer and admitter hold each other's keys. Not here: lost frames, see `lost_frames`.

use stringphone_protocol::v2::{Entry, Invitation, InviteOptions, Pin, Role, Settings};
use stringphone_protocol::{Command, CommandError, Event, Refusal, Session as _};

use crate::house::House;

fn ready(house: &House, device: usize) -> bool {
    house.devices[device].session.is_ready()
}

/// A PIN that is not this one.
fn other_than(pin: &Pin) -> Pin {
    let other = if pin.expose_digits() == "123456" { "654321" } else { "123456" };
    other.parse().unwrap()
}

// PIN.

#[test]
fn g8_a_wrong_pin_lets_nobody_in_and_the_right_one_still_does() {
    let mut house = House::of(80, 2);
    let pin = house.pin(0);
    let thief = house.newcomer(Entry::Pin(other_than(&pin)));
    house.run(60_000);
    assert!(!ready(&house, thief) && house.told(thief, &Event::PinRejected));
    assert_eq!(house.refused(0, Refusal::BadProof), 1);
    let lamp = house.newcomer(Entry::Pin(pin));
    house.run(60_000);
    house.assert_together(&[0, 1, lamp]);
    assert!(house.told(0, &Event::PinBurnt), "it is used up");
}

#[test]
fn g8_three_wrong_answers_burn_a_pin() {
    let mut house = House::of(81, 1);
    let pin = house.pin(0);
    for tries in 1..=3 {
        assert!(!house.told(0, &Event::PinBurnt));
        house.newcomer(Entry::Pin(other_than(&pin)));
        house.run(60_000);
        assert_eq!(house.refused(0, Refusal::BadProof), tries);
    }
    assert!(house.told(0, &Event::PinBurnt));
    let lamp = house.newcomer(Entry::Pin(pin));
    house.run(60_000);
    assert!(!ready(&house, lamp));
}

#[test]
fn g8_a_pin_is_burnt_after_five_minutes() {
    let mut house = House::of(82, 1);
    let pin = house.pin(0);
    house.run(300_000);
    assert!(house.told(0, &Event::PinBurnt));
    let lamp = house.newcomer(Entry::Pin(pin));
    house.run(60_000);
    assert!(!ready(&house, lamp));
}

#[test]
fn g8_guesses_at_a_pin_cannot_run_side_by_side() {
    let mut house = House::of(83, 1);
    let pin = house.pin(0);
    for _ in 0..5 {
        let thief = house.newcomer(Entry::Pin(other_than(&pin)));
        house.mute.insert(thief);
    }
    let challenges = house.sent_by(0, House::deliver_all);
    assert_eq!(challenges.iter().filter(|frame| frame[0] == 0x22).count(), 1);
    assert_eq!(house.refused(0, Refusal::PoolFull), 4);
    // Whoever does not answer is not waited for.
    house.run(10_000);
    let lamp = house.newcomer(Entry::Pin(pin));
    house.run(60_000);
    assert!(ready(&house, lamp));
}

#[test]
fn g8_a_pin_is_for_one_device() {
    let mut house = House::of(84, 1);
    let pin = house.pin(0);
    let lamps = [house.newcomer(Entry::Pin(pin.clone())), house.newcomer(Entry::Pin(pin))];
    house.run(120_000);
    assert_eq!(lamps.iter().filter(|lamp| ready(&house, **lamp)).count(), 1);
}

#[test]
fn g8_an_admission_by_pin_that_lapsed_spent_the_pin() {
    let mut settings = Settings::default();
    settings.timing.admission_ms = 20_000;
    let mut house = House::found_with(87, Default::default(), settings);
    let pin = house.pin(0);
    let lamp = house.newcomer(Entry::Pin(pin));
    let introduction = house.introduction(lamp);
    let challenge = house.sent_by(0, |house| house.deliver(0, &introduction));
    let answer = house.sent_by(lamp, |house| house.deliver(lamp, &challenge[0]));
    house.deliver(0, &answer[0]);
    house.devices[lamp].asleep = true;
    house.run(30_000);
    assert!(house.told(0, &Event::Lapsed(house.id(lamp))) && house.told(0, &Event::PinBurnt));
    let replayed = house.sent_by(0, |house| {
        assert_eq!(house.inject(0, &introduction), Some(Refusal::NotForUs));
        assert_eq!(house.inject(0, &answer[0]), Some(Refusal::Unasked));
    });
    assert!(replayed.is_empty());
}

#[test]
fn g8_nonsense_in_a_challenge_does_not_keep_the_true_one_out() {
    let mut house = House::of(88, 1);
    let pin = house.pin(0);
    let lamp = house.newcomer(Entry::Pin(pin));
    let introduction = house.introduction(lamp);
    let challenges = house.sent_by(0, |house| house.deliver(0, &introduction));
    house.wire.clear();
    let challenge = &challenges[0];
    // Somebody who heard the introduction answers it with shares that are none.
    let eve = stringphone_protocol::Identity::from_seed(&[66; 32]);
    let hash = crate::forge::hash("introduction hash", &[&introduction]);
    for share in [vec![], vec![0; 33], vec![0x42; 33], [vec![0x42], vec![0xff; 32]].concat()] {
        let head = [&challenge[..33], eve.public_key().as_bytes(), &[1; 16], &share].concat();
        let signature = crate::forge::sign(&eve, "challenge", &[&[0; 16], &hash, &head]);
        let frame = [head, signature.to_vec()].concat();
        if share.len() == 33 && house.inject(lamp, &frame).is_none() {
            // It was a point by chance: one answer is all that a PIN is good for.
            return;
        }
    }
    house.deliver(lamp, challenge);
    house.settle();
    house.assert_together(&[0, lamp]);
}

// Invitations.

#[test]
fn g8_an_invitation_lets_in_as_what_it_says() {
    let mut house = House::of(90, 2);
    let options = InviteOptions { role: Role::Keeper, ..InviteOptions::default() };
    house.command(0, Command::Invite(options)).unwrap();
    let invitation = house.devices[0].events.iter().rev().find_map(|event| match event {
        Event::Invited(invitation) => Some(invitation.clone()),
        _ => None,
    });
    let url = invitation.unwrap().expose_url().to_string();
    let lamp = house.newcomer(Entry::Invitation(url.parse::<Invitation>().unwrap()));
    house.settle();
    house.assert_together(&[0, 1, lamp]);
    house.command(lamp, Command::Rotate).expect("it is a keeper");
    house.settle();
    house.assert_together(&[0, 1, lamp]);
}

#[test]
fn g8_an_invitation_is_redeemed_once() {
    let mut house = House::of(91, 1);
    let invitation = house.invitation(0);
    let lamp = house.newcomer(Entry::Invitation(invitation.clone()));
    house.settle();
    let thief = house.newcomer(Entry::Invitation(invitation));
    house.run(60_000);
    assert!(!ready(&house, thief));
    house.reboot(0);
    house.run(60_000);
    assert!(!ready(&house, thief));
    house.devices.remove(thief);
    house.assert_together(&[0, lamp]);
}

#[test]
fn g8_an_invitation_that_one_redeems_is_refused_to_another_even_after_a_restart() {
    let mut house = House::of(92, 1);
    let invitation = house.invitation(0);
    let lamp = house.newcomer(Entry::Invitation(invitation.clone()));
    let introduction = house.introduction(lamp);
    house.deliver(0, &introduction);
    house.wire.clear();
    house.reboot(0);
    house.wire.clear();
    let thief = house.newcomer(Entry::Invitation(invitation));
    house.deliver_all();
    assert_eq!(house.refused(0, Refusal::Redeemed), 1);
    house.run(60_000);
    assert!(ready(&house, lamp) && !ready(&house, thief));
}

#[test]
fn g8_an_invitation_expires_by_the_calendar_and_without_one() {
    for has_clock in [true, false] {
        let mut house = House::of(93, 1);
        house.devices[0].has_clock = has_clock;
        let invitation = house.invitation(0);
        assert_eq!(invitation.expiry().is_some(), has_clock);
        if has_clock {
            // The monotonic clock starts again with each restart.
            house.run(43_200_000);
            house.reboot(0);
            house.run(43_200_001);
        } else {
            house.run(86_400_001);
        }
        let lamp = house.newcomer(Entry::Invitation(invitation));
        house.run(60_000);
        assert!(!ready(&house, lamp));
        assert!(house.refused(0, Refusal::Expired) + house.refused(0, Refusal::NotForUs) > 0);
    }
}

#[test]
fn g8_a_replayed_introduction_gets_nothing_once_the_admission_is_over() {
    let mut house = House::of(94, 1);
    let lamp = house.invite_in();
    let introduction = house.recorded.iter().find(|(_, frame)| frame[0] == 0x21).unwrap().1.clone();
    let before = house.epoch(0);
    let sent = house.sent_by(0, |house| {
        assert_eq!(house.inject(0, &introduction), Some(Refusal::NotForUs));
        house.reboot(0);
        assert_eq!(house.inject(0, &introduction), Some(Refusal::NotForUs));
    });
    assert!(sent.iter().all(|frame| frame[0] == 0x20), "no reply");
    assert_eq!(house.epoch(0), before, "and no step");
    house.settle();
    house.assert_together(&[0, lamp]);
}

#[test]
fn g8_an_admission_by_invitation_that_lapsed_spent_the_invitation() {
    let mut house = House::of(95, 1);
    let invitation = house.invitation(0);
    let lamp = house.newcomer(Entry::Invitation(invitation));
    house.mute.insert(lamp);
    let introduction = house.introduction(lamp);
    house.deliver(0, &introduction);
    house.run(700_000);
    assert!(house.told(0, &Event::Lapsed(house.id(lamp))));
    assert_eq!(house.inject(0, &introduction), Some(Refusal::NotForUs));
}

#[test]
fn g8_an_invitation_without_its_secret_is_worth_nothing() {
    let mut house = House::of(96, 1);
    let invitation = house.invitation(0);
    let url = invitation.expose_url().to_string();
    let mut letters: Vec<char> = url.chars().collect();
    // Within the secret: 61 bytes stand before it, that is 82 letters after the scheme.
    let place = "stringphone:v2/".len() + 90;
    letters[place] = if letters[place] == 'A' { 'B' } else { 'A' };
    let forged: Invitation = letters.iter().collect::<String>().parse().unwrap();
    assert_ne!(forged, invitation);
    let lamp = house.newcomer(Entry::Invitation(forged));
    house.run(60_000);
    assert!(!ready(&house, lamp));
}

/// What is written in it is part of its secret: whoever changes it, or knows its id only, proves
/// nothing, and does not use it up.
#[test]
fn g8_an_invitation_that_was_changed_proves_nothing() {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    let mut house = House::of(97, 1);
    let invitation = house.invitation(0);
    let url = invitation.expose_url().to_string();
    let mut bytes = Base64UrlUnpadded::decode_vec(&url["stringphone:v2/".len()..]).unwrap();
    // The role, and the last byte of the expiry.
    for place in [2, 56] {
        let honest = bytes[place];
        bytes[place] = if place == 2 { 2 } else { honest ^ 1 };
        let changed = format!("stringphone:v2/{}", Base64UrlUnpadded::encode_string(&bytes));
        bytes[place] = honest;
        let thief = house.newcomer(Entry::Invitation(changed.parse().unwrap()));
        let introduction = house.introduction(thief);
        let before = house.snapshot(0);
        assert_eq!(house.inject(0, &introduction), Some(Refusal::BadProof));
        assert_eq!(house.snapshot(0), before);
        house.devices[thief].asleep = true;
    }
    let lamp = house.newcomer(Entry::Invitation(invitation));
    house.settle();
    assert!(ready(&house, lamp));
}

// Fingerprints.

#[test]
fn g8_nobody_is_let_in_by_fingerprint_unless_a_person_says_so() {
    let mut house = House::of(100, 2);
    let lamp = house.newcomer(Entry::default());
    house.run(300_000);
    assert!(!ready(&house, lamp));
    assert!(house.told(0, &Event::Lapsed(house.id(lamp))));
}

#[test]
fn g8_a_newcomer_takes_nobody_but_the_one_whose_fingerprint_is_pinned() {
    let mut house = House::of(101, 2);
    let keeper = house.id(1);
    house.command(0, Command::Appoint(keeper)).unwrap();
    house.settle();
    let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
    let lamp = house.newcomer(pinned);
    house.settle();
    let id = house.id(lamp);
    house.command(1, Command::Admit(id)).unwrap();
    house.deliver_all();
    assert_eq!(house.refused(lamp, Refusal::UntrustedSender), 1);
    assert!(!ready(&house, lamp));
    house.command(0, Command::Admit(id)).unwrap();
    house.settle();
    assert!(ready(&house, lamp));
}

#[test]
fn g8_who_was_denied_is_not_shown_again_for_a_while() {
    let mut house = House::of(102, 1);
    let lamp = house.newcomer(Entry::default());
    house.deliver_all();
    let id = house.id(lamp);
    house.command(0, Command::Deny(id)).unwrap();
    house.run(30_000);
    assert!(house.refused(0, Refusal::Denied) > 0);
    assert_eq!(house.command(0, Command::Admit(id)), Err(CommandError::Unknown(id)));
    let shown = |house: &House| {
        let shown = |event: &&Event| matches!(event, Event::Introduced(_));
        house.devices[0].events.iter().filter(shown).count()
    };
    assert_eq!(shown(&house), 1);
    house.run(120_000);
    assert!(shown(&house) > 1, "it may ask again later");
}

#[test]
fn g8_a_rejected_answer_is_forgotten() {
    let mut house = House::of(103, 1);
    let lamp = house.newcomer(Entry::default());
    house.deliver_all();
    let (id, founder) = (house.id(lamp), house.id(0));
    house.command(0, Command::Admit(id)).unwrap();
    house.deliver_all();
    assert!(house.told(lamp, &Event::Answered(house.devices[0].identity.public_key())));
    house.command(lamp, Command::Reject(founder)).unwrap();
    let refused = house.command(lamp, Command::Confirm(founder));
    assert_eq!(refused, Err(CommandError::Unknown(founder)));
    assert!(!ready(&house, lamp));
}

/// The exchange is signed whole: nobody in between can put a KEM key, or a name, of its own into it.
#[test]
fn g8_an_introduction_that_was_changed_on_the_way_is_refused() {
    let mut house = House::of(104, 1);
    let lamp = house.newcomer(Entry::default());
    let introduction = house.introduction(lamp);
    for place in 2..introduction.len() {
        let mut changed = introduction.clone();
        changed[place] ^= 1;
        let refusal = house.inject(0, &changed);
        assert!(refusal.is_some(), "changed at {place}");
        house.now += 1_000;
    }
    assert_eq!(house.inject(0, &introduction), None);
}
