//! How somebody joins a Classic topic: introductions, answers, and who decides on them when.
//! Not what is sent to hinder them: see `classic_floods.rs`.

mod support;

use stringphone_protocol::classic::{Admitter, ClassicState, Settings};
use stringphone_protocol::{
    Command, CommandError, Event, Input, Output, PublicKey, Refusal, Session,
};
use support::people::{
    Person, id, impostor, in_the_name_of, introduction, key, member, member_with, newcomer,
    newcomer_with, person, rng, settings, understands,
};
use support::{events, sent};

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
