//! Frames that a Classic session refuses, one by one, and what it calls that.
//! Not how many of them there may be: see `classic_floods.rs`.

mod support;

use stringphone_protocol::classic::{Reading, Settings};
use stringphone_protocol::{Command, CommandError, Event, PublicKey, Refusal, Session};
use support::people::{
    id, impostor, introduction, key, member, member_with, newcomer, understands,
};

#[test]
fn own_frames_are_dropped_in_all_three_types() {
    let (mut alice, mut lamp) = (member(1, &[]), newcomer(2));
    let introduction = lamp.introduces();
    let reply = alice.answers(&introduction);
    let message = alice.says(b"hello");
    let own = Event::Refused(Refusal::Own);
    assert_eq!(lamp.hear(&introduction), own);
    assert_eq!(alice.hear(&reply), own);
    assert_eq!(alice.hear(&message), own);
}

#[test]
fn frames_above_the_limit_are_neither_taken_nor_made() {
    let mut settings = Settings::default();
    settings.limits.frame = 200;
    let mut bob = member_with(2, &[1], settings);
    let mut alice = member(1, &[2]);
    let most = 200 - bob.session.overhead();
    understands(&mut bob, &mut alice, &vec![7; most]);
    let frame = alice.says(&vec![7; most + 1]);
    assert_eq!(bob.hear(&frame), Event::Refused(Refusal::TooLarge));

    assert_eq!(bob.says(&vec![7; most]).len(), 200);
    let refused = bob.command(Command::Publish(&vec![7; most + 1]));
    let (len, max) = (most + 1, most);
    assert_eq!(refused, Err(CommandError::TooLarge { len, max }));
}

#[test]
fn a_limit_below_the_overhead_lets_nothing_out() {
    let mut settings = Settings::default();
    settings.limits.frame = 100;
    let refused = member_with(1, &[], settings).command(Command::Publish(b""));
    assert_eq!(refused, Err(CommandError::TooLarge { len: 0, max: 0 }));
}

#[test]
fn an_introduction_signed_by_another_is_refused() {
    let (mut member, real, other) = (member(1, &[]), introduction(2), introduction(3));
    let forged = [&real[..1], &key(9).as_bytes()[..], &real[33..]].concat();
    let swapped = [&real[..97], &other[97..]].concat();
    for frame in [forged, swapped] {
        let refused = Event::Refused(Refusal::BadSignature);
        assert_eq!(member.hear(&frame), refused);
    }
    assert_eq!(member.session.deadline(), None, "no trace");
    assert_eq!(member.hear(&real), Event::Introduced(key(2)));
}

#[test]
fn a_participant_cannot_speak_in_anothers_name() {
    let (mut eve, mut bob) = (member(3, &[]), member(2, &[1, 3]));
    let mut frame = eve.says(b"it is me, Alice");
    frame[65..81].copy_from_slice(id(1).as_bytes());
    assert_eq!(bob.hear(&frame), Event::Refused(Refusal::BadSignature));
}

#[test]
fn unverified_messages_have_a_type_of_their_own() {
    let settings = Settings { reading: Reading::DangerouslyUnverified, ..Settings::default() };
    let mut naive = member_with(2, &[1], settings);
    let mut frame = member(3, &[]).says(b"it is me, Alice");
    frame[65..81].copy_from_slice(id(1).as_bytes());
    let Event::Unverified { claimed, body, .. } = naive.hear(&frame) else { panic!() };
    assert_eq!((claimed, body.as_slice()), (id(1), &b"it is me, Alice"[..]));
}

/// One way to provoke each refusal; a new refusal has to come with its own.
#[test]
fn every_refusal_can_be_provoked() {
    use Refusal::*;
    for refusal in [
        Own,
        Duplicate,
        NotForUs,
        Unasked,
        Ignored,
        TooLarge,
        UnknownType,
        Malformed,
        NoTopicKey,
        UntrustedSender,
        BadSignature,
        DecryptionFailed,
        WeakKey,
        PoolFull,
        Denied,
    ] {
        assert_eq!(provoked(refusal), Event::Refused(refusal));
        let ordinary = matches!(refusal, Own | Duplicate | NotForUs | Unasked | Ignored);
        assert_eq!(refusal.is_ordinary(), ordinary);
    }
}

fn provoked(refusal: Refusal) -> Event {
    let (mut alice, mut bob, mut lamp) = (member(1, &[2]), member(2, &[1]), newcomer(4));
    let hello = alice.says(b"hello");
    let introduction = lamp.introduces();
    let reply = alice.answers(&introduction);
    match refusal {
        Refusal::Own => alice.hear(&hello),
        Refusal::Duplicate => {
            bob.hear(&hello);
            bob.hear(&hello)
        }
        Refusal::NotForUs => newcomer(5).hear(&reply),
        Refusal::Unasked => {
            lamp.hear(&reply);
            lamp.hear(&reply)
        }
        Refusal::Ignored => {
            let settings = Settings { reading: Reading::IgnoreUntrusted, ..Settings::default() };
            member_with(2, &[], settings).hear(&hello)
        }
        Refusal::TooLarge => bob.hear(&vec![b's'; 65_537]),
        Refusal::UnknownType => bob.hear(b"m"),
        Refusal::Malformed => bob.hear(b""),
        Refusal::NoTopicKey => lamp.hear(&introduction_of(5)),
        Refusal::UntrustedSender => member(2, &[]).hear(&hello),
        Refusal::BadSignature => bob.hear(&[&hello[..], b"!"].concat()),
        Refusal::DecryptionFailed => {
            let mut other_topic = impostor(2);
            other_topic.command(Command::Trust(key(1))).unwrap();
            other_topic.hear(&hello)
        }
        Refusal::WeakKey => {
            let weak = [&reply[..89], &[0; 32], &reply[121..]].concat();
            lamp.hear(&weak)
        }
        Refusal::PoolFull => {
            let mut settings = Settings::default();
            settings.limits.introductions = 0;
            member_with(2, &[], settings).hear(&introduction)
        }
        Refusal::Denied => {
            bob.hear(&introduction);
            bob.command(Command::Deny(id(4))).unwrap();
            bob.hear(&introduction)
        }
        other => panic!("nobody knows how to provoke {other:?}"),
    }
}

fn introduction_of(number: u8) -> Vec<u8> {
    introduction(number)
}

#[test]
fn a_weak_exchange_key_is_refused_in_both_directions() {
    // Signed, so that nothing but its weakness can be wrong with it: of order 1, and of order 2.
    let weak_keys = [[0; 32], [&[1][..], &[0; 31]].concat().try_into().unwrap()];
    for weak in weak_keys {
        let introduction = signed_introduction(&weak);
        let refused = Event::Refused(Refusal::WeakKey);
        assert_eq!(member(1, &[]).hear(&introduction), refused);
        let mut lamp = newcomer(2);
        let reply = member(1, &[]).answers(&lamp.introduces());
        let reply = [&reply[..89], &weak, &reply[121..]].concat();
        assert_eq!(lamp.hear(&reply), refused);
    }
}

fn signed_introduction(exchange: &[u8; 32]) -> Vec<u8> {
    use ed25519_dalek::Signer;
    let signing = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let signature = signing.sign(exchange).to_bytes();
    [&b"i"[..], signing.verifying_key().as_bytes(), &signature, exchange].concat()
}

/// Made by the key's own holder: R is the neutral point, S = SHA-512(R, A, M) · a, so that the
/// equation holds with and without the cofactor. A lenient verifier takes it, a strict one does not.
#[test]
fn a_signature_with_a_weak_point_is_refused() {
    let bytes = |hex: &str| hex.parse::<PublicKey>().unwrap();
    let s = bytes("550116ff16641f91e11a1dda059e0d4d8cdbab6c9da10aa9c1edcbad08aed60a");
    let neutral = [&[1][..], &[0; 31]].concat();
    let exchange = [&[9][..], &[0; 31]].concat();
    let signature = [&neutral[..], s.as_bytes()].concat();
    let lenient = ed25519_dalek::Verifier::verify(
        &ed25519_dalek::VerifyingKey::from_bytes(key(8).as_bytes()).unwrap(),
        &exchange,
        &ed25519_dalek::Signature::from_slice(&signature).unwrap(),
    );
    assert!(lenient.is_ok(), "what is tested here is strictness");
    let frame = [b"i", &key(8).as_bytes()[..], &signature, &exchange].concat();
    let refused = Event::Refused(Refusal::BadSignature);
    assert_eq!(member(1, &[]).hear(&frame), refused);
}
