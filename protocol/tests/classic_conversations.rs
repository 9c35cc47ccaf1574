//! What holds for all that Classic sessions do: commands that fail change nothing, and outputs keep
//! their order. Not what a session remembers: see `classic_memory.rs`.

mod support;

use stringphone_protocol::{
    Command, Event, Fingerprint, Input, Moment, Output, ParticipantId, PublicKey, Record, Session,
};
use support::people::{
    id, identity, impostor, in_the_name_of, introduction, key, member, newcomer,
};

#[test]
fn commands_that_fail_change_nothing() {
    let nobody = id(99);
    let weak = PublicKey::from_bytes([0; 32]);
    let everything = |session: &dyn Session| {
        let roster: Vec<_> = session.participants();
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
