//! Floods of Classic introductions and replies: they push nobody out, and keep nobody out for good.
//! Not single frames that are wrong: see `classic_refusals.rs`.

mod support;

use stringphone_protocol::classic::{Admitter, Settings};
use stringphone_protocol::{Command, Event, PublicKey, Refusal, Session};
use support::events;
use support::people::{
    id, impostor, in_the_name_of, introduction, key, member, member_with, newcomer, newcomer_with,
    settings,
};

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
