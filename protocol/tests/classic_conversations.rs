//! Conversations between Classic sessions, through frames alone. What a session remembers of
//! frames and participants, and what outlives it, is told in `classic_memory.rs`.

mod support;

use stringphone_protocol::classic::{Admitter, ClassicState, Reading, Settings};
use stringphone_protocol::{
    Command, CommandError, Event, Fingerprint, Input, Moment, Output, ParticipantId, PublicKey,
    Record, Refusal, Session,
};
use support::people::{
    Person, id, identity, impostor, in_the_name_of, introduction, key, member, member_with,
    newcomer, newcomer_with, person, rng,
};
use support::{events, sent};

fn settings(admitter: Admitter) -> Settings {
    Settings { admitter, ..Settings::default() }
}

fn understands(listener: &mut Person, speaker: &mut Person, body: &[u8]) {
    let frame = speaker.says(body);
    let heard = listener.hear(&frame);
    let Event::Message { from, body: read, .. } = heard else { panic!("{heard:?}") };
    assert_eq!((from, read.as_slice()), (speaker.id(), body));
}

// Joining.

#[test]
fn a_newcomer_is_admitted_confirms_and_both_understand_each_other() {
    let (mut member, mut lamp) = (member(1, &[]), newcomer(2));
    let introduction = lamp.introduces();
    assert_eq!(member.hear(&introduction), Event::Introduced(lamp.key()));
    let admitted = member.command(Command::Admit(lamp.id())).unwrap();
    assert!(matches!(admitted[0], Output::Store(_)), "trust is stored first");
    let reply = sent(&admitted);
    assert_eq!(events(admitted), [Event::Joined(lamp.key())]);

    assert_eq!(lamp.hear(&reply), Event::Answered(member.key()));
    let confirmed = lamp.command(Command::Confirm(member.id())).unwrap();
    assert_eq!(events(confirmed), [Event::Joined(member.key()), Event::Ready]);
    understands(&mut member, &mut lamp, b"hello");
    understands(&mut lamp, &mut member, b"");
}

#[test]
fn an_answer_gives_no_key_until_it_is_confirmed() {
    let (mut member, mut lamp) = (member(1, &[]), newcomer(2));
    let reply = member.answers(&lamp.introduces());
    assert_eq!(lamp.hear(&reply), Event::Answered(member.key()));
    assert!(!lamp.session.is_ready());
    assert!(lamp.session.roster().is_empty());
    assert_eq!(lamp.command(Command::Publish(b"hello")), Err(CommandError::NotReady));
    let frame = member.says(b"hello");
    assert_eq!(lamp.hear(&frame), Event::Refused(Refusal::UntrustedSender));

    assert_eq!(lamp.command(Command::Reject(member.id())), Ok(vec![]));
    assert_eq!(
        lamp.command(Command::Confirm(member.id())),
        Err(CommandError::Unknown(member.id()))
    );
}

#[test]
fn a_pinned_answer_is_taken_at_once() {
    let (mut member, pinned) = (member(1, &[]), Admitter::Pinned(vec![key(1).fingerprint()]));
    let mut lamp = newcomer_with(2, settings(pinned));
    let reply = member.answers(&lamp.introduces());
    let outputs = lamp.receive(&reply);
    assert!(matches!(outputs[0], Output::Store(_)));
    assert_eq!(events(outputs), [Event::Joined(key(1)), Event::Ready]);
    understands(&mut lamp, &mut member, b"hello");
}

#[test]
fn where_one_is_pinned_anothers_answer_is_refused() {
    let pinned = Admitter::Pinned(vec![key(1).fingerprint()]);
    let mut lamp = newcomer_with(2, settings(pinned));
    let reply = impostor(9).answers(&lamp.introduces());
    assert_eq!(lamp.hear(&reply), Event::Refused(Refusal::UntrustedSender));
    assert!(!lamp.session.is_ready());
}

#[test]
fn a_waiting_newcomer_that_restarts_is_asked_about_once() {
    let mut member = member(1, &[]);
    let mut before = newcomer(2);
    assert_eq!(member.hear(&before.introduces()), Event::Introduced(key(2)));
    for restart in 3..50 {
        // The same identity with a new exchange key each time.
        let state = ClassicState::join(&mut rng(restart));
        let mut again = person(2, state, Settings::default());
        assert_eq!(member.receive(&again.introduces()), []);
        before = again;
    }
    let reply = sent(&member.command(Command::Admit(id(2))).unwrap());
    assert_eq!(before.hear(&reply), Event::Answered(key(1)), "the last one is answered");
}

#[test]
fn a_full_roster_takes_nobody_and_loses_nobody() {
    let mut settings = Settings::default();
    settings.limits.participants = 2;
    let mut member = member_with(1, &[2, 3], settings);
    assert_eq!(member.hear(&newcomer(4).introduces()), Event::Introduced(key(4)));
    let full = Err(CommandError::RosterFull(2));
    assert_eq!(member.command(Command::Admit(id(4))), full);
    assert_eq!(member.command(Command::Trust(key(5))), full);
    assert_eq!(member.command(Command::Trust(key(3))), Ok(vec![]), "it is trusted already");
    member.command(Command::Remove(id(3))).unwrap();
    assert!(member.command(Command::Admit(id(4))).is_ok(), "it still waits");
    assert!(member.session.roster().contains(id(2)));
}

#[test]
fn an_answer_that_was_turned_down_is_not_asked_about_again_for_a_while() {
    let (mut member, mut lamp) = (member(1, &[]), newcomer(2));
    let reply = member.answers(&lamp.introduces());
    assert_eq!(lamp.hear(&reply), Event::Answered(key(1)));
    assert_eq!(lamp.command(Command::Reject(id(1))), Ok(vec![]));
    assert_eq!(lamp.command(Command::Confirm(id(1))), Err(CommandError::Unknown(id(1))));
    assert_eq!(lamp.hear(&reply), Event::Refused(Refusal::Denied));
    // Another key in the same name is another question.
    let other = in_the_name_of(key(1), &impostor(9).answers(&lamp.introduces()));
    assert_eq!(lamp.hear(&other), Event::Answered(key(1)));
    assert_eq!(lamp.command(Command::Reject(id(1))), Ok(vec![]));
    lamp.now += 60_000;
    assert_eq!(lamp.hear(&reply), Event::Answered(key(1)), "it is forgotten by now");
}

#[test]
fn a_waived_joiner_takes_the_first_answer() {
    let mut lamp = newcomer_with(2, settings(Admitter::Waived));
    let introduction = lamp.introduces();
    let (first, second) =
        (impostor(9).answers(&introduction), member(1, &[]).answers(&introduction));
    let taken = events(lamp.receive(&first));
    assert_eq!(taken, [Event::Joined(key(9)), Event::Ready]);
    assert_eq!(lamp.hear(&second), Event::Refused(Refusal::Unasked));
}

#[test]
fn different_topic_keys_in_one_name_cannot_be_confirmed() {
    let mut lamp = newcomer(2);
    let introduction = lamp.introduces();
    let real = member(1, &[]).answers(&introduction);
    let forged = in_the_name_of(key(1), &impostor(9).answers(&introduction));
    for order in [[&real, &forged], [&forged, &real]] {
        for reply in order {
            assert_eq!(lamp.hear(reply), Event::Answered(key(1)));
        }
        let contested = Err(CommandError::Contested(id(1)));
        assert_eq!(lamp.command(Command::Confirm(id(1))), contested);
        assert!(!lamp.session.is_ready());
        lamp.command(Command::Reject(id(1))).unwrap();
    }
    assert_eq!(lamp.hear(&real), Event::Answered(key(1)));
    lamp.command(Command::Confirm(id(1))).unwrap();
    assert!(lamp.session.is_ready());
}

#[test]
fn the_same_answer_on_two_links_waits_once() {
    let mut lamp = newcomer(2);
    let reply = member(1, &[]).answers(&lamp.introduces());
    assert_eq!(lamp.hear(&reply), Event::Answered(key(1)));
    assert_eq!(lamp.hear(&reply), Event::Refused(Refusal::Unasked));
    lamp.command(Command::Confirm(id(1))).unwrap();
    assert_eq!(lamp.hear(&reply), Event::Refused(Refusal::Unasked));
}

#[test]
fn an_answer_in_the_name_of_a_key_that_nobody_has_cannot_be_confirmed() {
    let mut lamp = newcomer(2);
    let reply = member(1, &[]).answers(&lamp.introduces());
    let nobody = PublicKey::from_bytes([0; 32]);
    let forged = in_the_name_of(nobody, &reply);
    assert_eq!(lamp.hear(&forged), Event::Answered(nobody));
    let refused = lamp.command(Command::Confirm(nobody.id()));
    assert!(matches!(refused, Err(CommandError::InvalidKey(_))));
    assert!(!lamp.session.is_ready() && lamp.session.roster().is_empty());
}

#[test]
fn a_denied_newcomer_is_not_asked_about_again_until_that_lapses() {
    let mut member = member(1, &[]);
    let introduction = introduction(2);
    member.hear(&introduction);
    member.now = 50_000;
    assert_eq!(member.command(Command::Deny(id(2))), Ok(vec![]));
    // Remembered from the decision on, however long that took.
    assert_eq!(member.session.deadline(), Some(110_000));
    for now in [50_000, 109_999] {
        member.now = now;
        assert_eq!(member.input(Input::Timer), Ok(vec![]));
        let refused = Event::Refused(Refusal::Denied);
        assert_eq!(member.hear(&introduction), refused);
    }
    member.now = 110_000;
    assert_eq!(member.input(Input::Timer), Ok(vec![]), "a decision lapses in silence");
    assert_eq!(member.hear(&introduction), Event::Introduced(key(2)));
}

#[test]
fn an_undecided_introduction_lapses_at_its_deadline() {
    let mut member = member(1, &[]);
    member.now = 5_000;
    member.hear(&introduction(2));
    assert_eq!(member.session.deadline(), Some(65_000));
    member.now = 64_999;
    assert_eq!(member.input(Input::Timer), Ok(vec![]));
    member.now = 65_000;
    let lapsed = member.input(Input::Timer).unwrap();
    assert_eq!(events(lapsed), [Event::Lapsed(id(2))]);
    assert_eq!(member.session.deadline(), None);
    assert_eq!(member.command(Command::Admit(id(2))), Err(CommandError::Unknown(id(2))));
}

#[test]
fn a_lost_reply_is_sent_again_without_asking() {
    let (mut member, mut lamp) = (member(1, &[]), newcomer(2));
    let lost = member.answers(&lamp.introduces());
    member.now = 2_000;
    lamp.now = lamp.session.deadline().unwrap();
    let again = sent(&lamp.input(Input::Timer).unwrap());
    let outputs = member.receive(&again);
    let reply = sent(&outputs);
    assert_eq!(outputs.len(), 1, "nobody is asked");
    assert_ne!(reply, lost, "another nonce");
    assert_eq!(lamp.hear(&reply), Event::Answered(key(1)));
}

#[test]
fn copies_of_an_introduction_are_answered_once_a_second_at_most() {
    let mut member = member(1, &[]);
    let introduction = introduction(2);
    member.answers(&introduction);
    for (now, replies) in [(0, false), (999, false), (1_000, true), (1_999, false)] {
        member.now = now;
        let outputs = member.receive(&introduction);
        if replies {
            sent(&outputs);
        } else {
            assert_eq!(events(outputs), [Event::Refused(Refusal::Duplicate)]);
        }
    }
}

#[test]
fn an_admitted_newcomer_with_another_exchange_key_is_asked_about_again() {
    let mut member = member(1, &[]);
    member.answers(&introduction(2));
    let mut restarted = newcomer(2);
    restarted.session = newcomer_with_exchange_key(2, 77).session;
    let event = member.hear(&restarted.introduces());
    assert_eq!(event, Event::Introduced(key(2)));
}

fn newcomer_with_exchange_key(number: u8, seed: u8) -> Person {
    let state = ClassicState::join(&mut rng(seed));
    person(number, state, Settings::default())
}

#[test]
fn introductions_repeat_at_growing_intervals_until_the_key_is_held() {
    let (mut member, mut lamp) = (member(1, &[]), newcomer(2));
    let mut introduction = lamp.introduces();
    for interval in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        let wait = lamp.session.deadline().unwrap() - lamp.now;
        let allowed = interval..interval + interval / 4;
        assert!(allowed.contains(&wait), "{wait} of {interval}");
        lamp.now += wait - 1;
        assert_eq!(lamp.input(Input::Timer), Ok(vec![]), "too early");
        lamp.now += 1;
        introduction = sent(&lamp.input(Input::Timer).unwrap());
    }
    lamp.hear(&member.answers(&introduction));
    lamp.command(Command::Confirm(id(1))).unwrap();
    assert_eq!(lamp.session.deadline(), None);
    assert_eq!(lamp.command(Command::Introduce), Ok(vec![]), "nothing to ask");
}

#[test]
fn joiners_that_start_together_do_not_ask_again_together() {
    let waits = (10..20).map(|number| {
        let mut lamp = newcomer(number);
        lamp.introduces();
        lamp.session.deadline().unwrap()
    });
    let different: std::collections::BTreeSet<_> = waits.collect();
    assert!(different.len() > 5, "{different:?}");
}

// Floods.

#[test]
fn a_flood_of_introductions_pushes_nobody_out() {
    let mut settings = Settings::default();
    settings.limits.introductions = 3;
    let mut member = member_with(1, &[], settings);
    for number in 10..13 {
        assert_eq!(member.hear(&introduction(number)), Event::Introduced(key(number)));
    }
    for number in 20..60 {
        let full = Event::Refused(Refusal::PoolFull);
        assert_eq!(member.hear(&introduction(number)), full);
    }
    // Decisions make room: they give way to those that wait, even to older ones.
    member.now = 1_000;
    member.command(Command::Deny(id(10))).unwrap();
    assert_eq!(member.hear(&introduction(20)), Event::Introduced(key(20)));
    let full = Event::Refused(Refusal::PoolFull);
    assert_eq!(member.hear(&introduction(21)), full);
    for number in [11, 12, 20] {
        member.command(Command::Admit(id(number))).unwrap();
    }
}

#[test]
fn decisions_are_remembered_up_to_the_limit() {
    let mut settings = Settings::default();
    settings.limits.introductions = 2;
    let mut member = member_with(1, &[], settings);
    for number in 10..13 {
        member.now += 1;
        member.hear(&introduction(number));
        member.command(Command::Deny(id(number))).unwrap();
    }
    for number in [11, 12] {
        let denied = Event::Refused(Refusal::Denied);
        assert_eq!(member.hear(&introduction(number)), denied);
    }
    let oldest = member.hear(&introduction(10));
    assert_eq!(oldest, Event::Introduced(key(10)), "the oldest gave way");
}

#[test]
fn a_flood_of_replies_pushes_no_answer_out() {
    let mut settings = Settings::default();
    settings.limits.answers = 2;
    let mut lamp = newcomer_with(2, settings);
    let introduction = lamp.introduces();
    let real = member(1, &[]).answers(&introduction);
    assert_eq!(lamp.hear(&real), Event::Answered(key(1)));
    let forged = impostor(9).answers(&introduction);
    assert_eq!(lamp.hear(&forged), Event::Answered(key(9)));
    for number in 20..60 {
        let reply = in_the_name_of(key(number), &forged);
        assert_eq!(lamp.hear(&reply), Event::Refused(Refusal::PoolFull));
    }
    lamp.command(Command::Confirm(id(1))).unwrap();
}

#[test]
fn a_flood_of_replies_does_not_keep_out_an_answer_that_is_taken_at_once() {
    let nobody =
        |number: u8| PublicKey::from_bytes([&[2], &[number; 31][..]].concat().try_into().unwrap());
    let unusable: Vec<_> = (0..100)
        .map(nobody)
        .filter(|key| newcomer(2).command(Command::Trust(*key)).is_err())
        .collect();
    for admitter in [Admitter::Pinned(vec![key(1).fingerprint()]), Admitter::Waived] {
        let mut lamp = newcomer_with(2, settings(admitter));
        let introduction = lamp.introduces();
        let forged = impostor(9).answers(&introduction);
        let last = unusable.iter().map(|key| lamp.hear(&in_the_name_of(*key, &forged))).last();
        assert!(matches!(last, Some(Event::Refused(Refusal::PoolFull | Refusal::UntrustedSender))));
        assert!(!lamp.session.is_ready());
        let real = member(1, &[]).answers(&introduction);
        let taken = events(lamp.receive(&real));
        assert_eq!(taken, [Event::Joined(key(1)), Event::Ready]);
    }
}

// Frames that are refused.

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

// Commands that fail.

#[test]
fn commands_that_fail_change_nothing() {
    let nobody = id(99);
    let weak = PublicKey::from_bytes([0; 32]);
    let everything = |session: &dyn Session| {
        let roster: Vec<_> = session.roster().iter().collect();
        (roster, session.is_ready(), session.deadline())
    };
    // A member with a newcomer at the door and one denied; a joiner with a contested answer.
    let mut member = member(1, &[5]);
    member.hear(&introduction(2));
    member.hear(&introduction(3));
    member.command(Command::Deny(id(3))).unwrap();
    let mut lamp = newcomer(2);
    let introduction = lamp.introduces();
    lamp.hear(&impostor(9).answers(&introduction));
    lamp.hear(&in_the_name_of(key(9), &impostor(8).answers(&introduction)));
    for person in [&mut member, &mut lamp] {
        let before = everything(&person.session);
        let ready = person.session.is_ready();
        let large = vec![0; 65_536];
        let commands = [
            (Command::Publish(&large), true),
            (Command::Publish(b"hello"), !ready),
            (Command::Admit(nobody), true),
            (Command::Admit(id(3)), true),
            (Command::Deny(nobody), true),
            (Command::Deny(id(3)), true),
            (Command::Confirm(nobody), true),
            (Command::Confirm(id(9)), true),
            (Command::Reject(nobody), true),
            (Command::Trust(weak), true),
            (Command::Remove(nobody), true),
        ];
        for (command, fails) in commands {
            if fails {
                let what = format!("{command:?}");
                let mut entropy = support::Recorded::new(&[1]);
                let moment = &mut Moment::new(person.now, &mut entropy);
                let result = person.session.handle(Input::Command(command), moment);
                assert!(result.is_err(), "{what}");
                assert_eq!(person.session.poll(), None, "{what}");
                assert_eq!(everything(&person.session), before, "{what}");
            }
        }
    }
    member.command(Command::Admit(id(2))).unwrap();
    lamp.command(Command::Reject(id(9))).unwrap();
}

// Order.

#[test]
fn nothing_overtakes_a_record() {
    let mut member = member(1, &[5]);
    member.hear(&introduction(2));
    let mut entropy = support::Recorded::new(&[1]);
    let moment = &mut Moment::new(0, &mut entropy);
    let session = &mut member.session;
    let mut handle = |session: &mut stringphone_protocol::classic::ClassicSession,
                      input: Input<'_>| {
        session.handle(input, moment).unwrap();
    };
    handle(session, Input::Command(Command::Admit(id(2))));
    handle(session, Input::Command(Command::Publish(b"welcome")));
    let Some(Output::Store(records)) = session.poll() else { panic!() };
    assert_eq!(records, [Record::put(format!("participant/{}", id(2)), 1, key(2).as_bytes())]);
    assert_eq!(session.poll(), None);
    handle(session, Input::Frame(b""));
    handle(session, Input::Timer);
    assert_eq!(session.poll(), None, "whatever else happens");
    handle(session, Input::Stored);
    let mut kinds = Vec::new();
    while let Some(output) = session.poll() {
        kinds.push(match output {
            Output::Send(frame) => char::from(frame[0]),
            Output::Event(Event::Joined(_)) => 'J',
            Output::Event(Event::Refused(_)) => 'R',
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(kinds, ['J', 'r', 's', 'R']);
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let talk = || {
        let (mut member, mut lamp) = (member(1, &[]), newcomer(2));
        let reply = member.answers(&lamp.introduces());
        lamp.receive(&reply);
        let confirmed = lamp.command(Command::Confirm(id(1))).unwrap();
        (reply, confirmed, lamp.says(b"hello"))
    };
    assert_eq!(talk(), talk());
}

#[test]
fn fingerprints_and_ids_are_those_of_the_key() {
    let shown: Fingerprint = key(1).fingerprint().to_string().parse().unwrap();
    assert_eq!(shown, identity(1).public_key().fingerprint());
    let parsed: ParticipantId = id(1).to_string().parse().unwrap();
    assert_eq!(parsed, key(1).id());
}
