//! What a Classic session remembers: frames, who was removed, and the records that outlive it.

mod support;

use rand_chacha::rand_core::Rng as _;
use stringphone_protocol::classic::{ClassicSession, ClassicState, ExchangeKey, Reading, Settings};
use stringphone_protocol::{
    Command, CommandError, Event, Identity, Input, Moment, Output, ParticipantId, Record, Refusal,
    RestoreError, Session, TopicKey,
};
use support::events;
use support::people::{
    Person, id, identity, in_the_name_of, introduction, key, member, member_state, member_with,
    newcomer, person, rng,
};

fn naive() -> Settings {
    Settings { reading: Reading::DangerouslyUnverified, ..Settings::default() }
}

fn remembering(frames: usize) -> Settings {
    let mut settings = Settings::default();
    settings.limits.recent_frames = frames;
    settings
}

fn is_new(event: &Event) -> bool {
    match event {
        Event::Message { .. } | Event::Unverified { .. } => true,
        Event::Refused(Refusal::Duplicate) => false,
        other => panic!("{other:?}"),
    }
}

// Frames.

#[test]
fn a_frame_that_arrives_twice_is_delivered_once() {
    for settings in [Settings::default(), naive()] {
        let (mut alice, mut bob) = (member(1, &[]), member_with(2, &[1], settings));
        let (first, second) = (alice.says(b"the same"), alice.says(b"the same"));
        let heard = [&first, &second, &first, &second].map(|frame| is_new(&bob.hear(frame)));
        assert_eq!(heard, [true, true, false, false]);
    }
}

#[test]
fn as_many_frames_of_a_sender_are_remembered_as_the_limit_says() {
    let (mut alice, mut bob) = (member(1, &[]), member_with(2, &[1], remembering(3)));
    let frames: Vec<_> = (0..4).map(|body| alice.says(&[body])).collect();
    assert!(frames[..3].iter().all(|frame| is_new(&bob.hear(frame))));
    assert!(frames[..3].iter().all(|frame| !is_new(&bob.hear(frame))));
    assert!(is_new(&bob.hear(&frames[3])));
    assert!(!is_new(&bob.hear(&frames[1])) && !is_new(&bob.hear(&frames[2])));
    assert!(is_new(&bob.hear(&frames[0])), "the oldest gave way");
}

#[test]
fn no_memory_is_a_choice() {
    let (mut alice, mut bob) = (member(1, &[]), member_with(2, &[1], remembering(0)));
    let frame = alice.says(b"again");
    assert!(is_new(&bob.hear(&frame)) && is_new(&bob.hear(&frame)));
}

#[test]
fn one_sender_cannot_push_anothers_frames_out_of_the_memory() {
    let (mut alice, mut eve) = (member(1, &[]), member(3, &[]));
    let mut bob = member_with(2, &[1, 3], remembering(4));
    let frame = alice.says(b"open the gate");
    assert!(is_new(&bob.hear(&frame)));
    for body in 0..50 {
        assert!(is_new(&bob.hear(&eve.says(&[body]))));
    }
    assert!(!is_new(&bob.hear(&frame)));
}

/// Otherwise whoever sees a frame could keep it from all those who have not got it yet.
#[test]
fn a_forged_frame_does_not_keep_the_true_one_out() {
    let (mut alice, mut bob) = (member(1, &[]), member(2, &[1, 3]));
    let frame = alice.says(b"open the gate");
    let last = frame.len() - 1;
    // The same beginning of the signature, which is what is remembered; all else differs.
    for (at, refusal) in
        [(64, Refusal::BadSignature), (100, Refusal::BadSignature), (last, Refusal::BadSignature)]
    {
        let mut forged = frame.clone();
        forged[at] ^= 1;
        assert_eq!(bob.hear(&forged), Event::Refused(refusal));
    }
    // Nor does a member that signs a frame of its own that looks like it.
    let mut borrowed = member(3, &[]).says(b"open the gate");
    borrowed[1..17].copy_from_slice(&frame[1..17]);
    assert_eq!(bob.hear(&borrowed), Event::Refused(Refusal::BadSignature));
    // Nor one that is true, of a sender that is trusted, but can't be read.
    let mut elsewhere = member(1, &[]);
    elsewhere.session = other_topic(1).session;
    let unreadable = elsewhere.says(b"elsewhere");
    for _ in 0..2 {
        let refused = Event::Refused(Refusal::DecryptionFailed);
        assert_eq!(bob.hear(&unreadable), refused);
    }
    assert!(is_new(&bob.hear(&frame)));
}

fn other_topic(number: u8) -> Person {
    let mut state = ClassicState::found(&mut rng(200));
    state.participants = vec![key(2)];
    person(number, state, Settings::default())
}

#[test]
fn frames_that_come_too_early_are_not_remembered() {
    let mut alice = member(1, &[2]);
    let frame = alice.says(b"too early");
    let mut stranger = member(2, &[]);
    let untrusted = Event::Refused(Refusal::UntrustedSender);
    assert_eq!(stranger.hear(&frame), untrusted);
    stranger.command(Command::Trust(key(1))).unwrap();
    assert!(is_new(&stranger.hear(&frame)));

    let mut lamp = newcomer(4);
    lamp.command(Command::Trust(key(1))).unwrap();
    assert_eq!(lamp.hear(&frame), Event::Refused(Refusal::NoTopicKey));
    let reply = alice.answers(&lamp.introduces());
    lamp.hear(&reply);
    lamp.command(Command::Confirm(id(1))).unwrap();
    assert!(is_new(&lamp.hear(&frame)));
}

// Removal.

#[test]
fn a_removed_participant_is_refused_and_asked_about_again() {
    let (mut alice, mut lamp) = (member(1, &[3]), newcomer(2));
    let introduction = lamp.introduces();
    let reply = alice.answers(&introduction);
    lamp.hear(&reply);
    lamp.command(Command::Confirm(id(1))).unwrap();
    let (old, held_back) = (lamp.says(b"old"), lamp.says(b"held back"));
    assert!(is_new(&alice.hear(&old)));

    let removed = alice.command(Command::Remove(id(2))).unwrap();
    let Some(Output::Store(records)) = removed.first() else { panic!("{removed:?}") };
    assert_eq!(records, &[Record::delete(format!("participant/{}", id(2)))]);
    assert_eq!(events(removed), [Event::Removed(id(2))]);
    let new = lamp.says(b"new");
    for frame in [&old, &held_back, &new] {
        let refused = Event::Refused(Refusal::UntrustedSender);
        assert_eq!(alice.hear(frame), refused);
    }
    let again = Err(CommandError::Unknown(id(2)));
    assert_eq!(alice.command(Command::Remove(id(2))), again);
    // It was admitted a moment ago; that answers no introduction any more.
    let asked = Event::Introduced(key(2));
    assert_eq!(alice.hear(&introduction), asked);

    assert!(is_new(&alice.hear(&member(3, &[]).says(b"others stay"))));
}

// Records.

/// All that a person's store holds after these outputs.
fn keep(store: &mut Vec<Record>, outputs: &[Output]) {
    for output in outputs {
        if let Output::Store(records) = output {
            store.extend(records.iter().cloned());
        }
    }
}

fn restart(number: u8, store: &[Record]) -> Person {
    let state = ClassicState::from_records(&identity(number), store).unwrap();
    person(number, state, Settings::default())
}

#[test]
fn a_restart_from_records_goes_on() {
    let joining = ClassicState::join(&mut rng(2));
    let mut store = joining.to_records(&identity(2));
    let mut lamp = person(2, joining, Settings::default());
    let introduction = lamp.introduces();

    // A reply to the introduction made before the restart still opens.
    let mut lamp = restart(2, &store);
    assert!(!lamp.session.is_ready());
    let mut alice = member(1, &[]);
    let reply = alice.answers(&introduction);
    assert_eq!(lamp.hear(&reply), Event::Answered(key(1)));
    keep(&mut store, &lamp.command(Command::Confirm(id(1))).unwrap());
    for number in [3, 4, 5] {
        let trusted = lamp.command(Command::Trust(key(number))).unwrap();
        keep(&mut store, &trusted);
    }
    keep(&mut store, &lamp.command(Command::Remove(id(4))).unwrap());
    let again = lamp.command(Command::Trust(key(3)));
    assert_eq!(again, Ok(vec![]), "nothing is stored that did not change");

    let mut lamp = restart(2, &store);
    let trusted: Vec<_> = lamp.session.roster().iter().collect();
    assert_eq!(trusted.len(), 3);
    assert!([1, 3, 5].iter().all(|number| trusted.contains(&key(*number))));
    assert!(is_new(&lamp.hear(&alice.says(b"good morning"))));
    assert!(is_new(&alice.hear(&lamp.says(b"good morning"))));
    // A restarted member admits with the same exchange key as before.
    let mut late = newcomer(6);
    let reply = lamp.answers(&late.introduces());
    assert_eq!(reply[89..121], restart(2, &store).answers(&late.introduces())[89..121]);
    assert_eq!(late.hear(&reply), Event::Answered(key(2)));
}

#[test]
fn records_hold_the_whole_state() {
    let state = member_state(1, &[2, 3]);
    let records = state.to_records(&identity(1));
    let again = ClassicState::from_records(&identity(1), &records).unwrap();
    assert_eq!(again.topic_key, state.topic_key);
    let exposed = |state: &ClassicState| *state.exchange_key.expose_secret();
    assert_eq!(exposed(&again), exposed(&state));
    let sorted = |state: &ClassicState| {
        let mut keys = state.participants.clone();
        keys.sort();
        keys
    };
    assert_eq!(sorted(&again), sorted(&state));
    for record in records {
        assert!(record.key.is_ascii() && record.key.len() <= 64, "{record:?}");
    }
}

#[test]
fn a_deletion_that_follows_undoes_what_was_stored() {
    let mut records = member_state(1, &[2, 3]).to_records(&identity(1));
    let removed = Record::delete(format!("participant/{}", id(2)));
    records.push(removed.clone());
    let state = ClassicState::from_records(&identity(1), &records).unwrap();
    assert_eq!(state.participants, [key(3)]);
    records.insert(0, removed);
    records.push(Record::put(format!("participant/{}", id(2)), 1, key(2).as_bytes()));
    let state = ClassicState::from_records(&identity(1), &records).unwrap();
    assert_eq!(state.participants.len(), 2);
}

#[test]
fn records_that_make_no_session_are_refused_with_the_reason() {
    let good = member_state(1, &[2]).to_records(&identity(1));
    let with = |name: &str, change: &dyn Fn(&mut Record)| {
        let mut records = good.clone();
        change(records.iter_mut().find(|record| record.key == name).unwrap());
        ClassicState::from_records(&identity(1), &records).unwrap_err()
    };
    let participant = format!("participant/{}", id(2));
    for name in ["identity", "exchange-key", "topic-key", &participant] {
        let damaged = RestoreError::Damaged(name.into());
        for length in [0, 31, 33] {
            let short = Some(vec![1; length].into());
            let refused = with(name, &|record| record.value.clone_from(&short));
            assert_eq!(refused, damaged);
        }
    }
    for name in ["protocol", "identity", "exchange-key", "topic-key", &participant] {
        let key = name.into();
        let refused = with(name, &|record| record.version = 2);
        assert_eq!(refused, RestoreError::Newer { key, version: 2 });
    }
    for name in ["protocol", "identity", "exchange-key"] {
        let refused = with(name, &|record| record.value = None);
        assert_eq!(refused, RestoreError::Missing(name));
    }
    let swapped = Some(key(3).as_bytes().to_vec().into());
    let refused = with(&participant, &|record| record.value.clone_from(&swapped));
    assert_eq!(refused, RestoreError::Damaged(participant.clone()));
    let refused = with(&participant, &|record| record.key = "participant/me".into());
    assert_eq!(refused, RestoreError::Damaged("participant/me".into()));
    let refused = with("protocol", &|record| {
        record.value = Some(b"v2".to_vec().into());
    });
    assert_eq!(refused, RestoreError::OtherProtocol("v2".into()));

    let refused = ClassicState::from_records(&identity(7), &good).unwrap_err();
    assert_eq!(refused, RestoreError::OtherIdentity(id(1)));
    let refused = ClassicState::from_records(&identity(1), &[]).unwrap_err();
    assert_eq!(refused, RestoreError::Missing("protocol"));

    let mut weak = good.clone();
    let nobody = stringphone_protocol::PublicKey::from_bytes([0; 32]);
    let name = format!("participant/{}", nobody.id());
    weak.push(Record::put(name, 1, nobody.as_bytes()));
    let state = ClassicState::from_records(&identity(1), &weak).unwrap();
    assert!(ClassicSession::open(identity(1), state, Settings::default()).is_err());

    let mut foreign = good;
    foreign.push(Record::put("gateway/bridge", 9, b"not ours"));
    assert!(ClassicState::from_records(&identity(1), &foreign).is_ok());
}

// What logs see.

/// Every form in which a careless `{:?}` could print these bytes.
fn shows(text: &str, secret: &[u8]) -> bool {
    let text = text.to_lowercase();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = secret.iter().map(ToString::to_string).collect::<Vec<_>>();
    let spaced = secret.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    let forms = [hex, decimal.join(", "), spaced.join(" "), spaced.join(", ")];
    forms.iter().any(|form| text.contains(form))
        || text.replace(char::is_whitespace, "").contains(&decimal.join(","))
        || text.contains(&String::from_utf8_lossy(secret).to_lowercase())
}

#[test]
fn no_debug_output_shows_a_secret() {
    let body = b"meet me at noon";
    let mut noise = rng(250);
    let mut seed = [0; 32];
    noise.fill_bytes(&mut seed);
    let (mut topic, mut exchange) = ([0; 32], [0; 32]);
    noise.fill_bytes(&mut topic);
    noise.fill_bytes(&mut exchange);
    let identity = Identity::from_seed(&seed);
    let state = ClassicState {
        topic_key: Some(TopicKey::from_bytes(&topic)),
        exchange_key: ExchangeKey::from_bytes(&exchange),
        participants: vec![key(2)],
    };
    let records = state.to_records(&identity);
    let session = ClassicSession::open(identity.clone(), state.clone(), Settings::default());
    let mut alice = support::Peer::new(session.unwrap(), rng(9));
    alice.hear(&introduction(3));
    let admitted = alice.command(Command::Admit(id(3))).unwrap();
    let from = identity.id();
    let frame = alice.says(body);
    let mut bob_state = state.clone();
    bob_state.participants = vec![identity.public_key()];
    let heard = person(2, bob_state.clone(), Settings::default()).hear(&frame);
    let unverified = person(2, bob_state, naive()).hear(&frame);
    assert!(is_new(&heard) && is_new(&unverified));
    let damaged =
        [Record::put("protocol", 1, b"classic"), Record::put("identity", 1, &topic[..31])];

    let mut entropy = rng(1);
    let mut printed = vec![
        format!("{identity:?} {:?}", identity.public_key()),
        format!("{state:?} {:?} {:?}", state.topic_key, state.exchange_key),
        format!("{records:?} {:?}", Output::Store(records.clone())),
        format!("{admitted:?} {frame:?}"),
        format!("{heard:?} {unverified:?} {:?}", Output::Event(heard.clone())),
        format!("{:?}", Input::Command(Command::Publish(body))),
        format!("{:?} {from:?}", Moment::new(0, &mut entropy)),
        format!("{:?}", alice.session.roster()),
        format!("{:?}", ClassicState::from_records(&identity, &damaged)),
        format!("{:?}", "not hex".parse::<TopicKey>()),
    ];
    let pretty = format!("{state:#?} {records:#?} {identity:#?} {heard:#?}");
    printed.push(pretty);
    for text in printed {
        let secrets: [&[u8]; 4] = [&seed, &topic, &exchange, body];
        for secret in secrets {
            assert!(!shows(&text, secret), "{text}");
        }
    }
    // The search itself finds what it looks for.
    assert!(shows(&format!("{topic:?}"), &topic) && shows(&format!("{topic:#?}"), &topic));
    assert!(shows(&format!("{topic:02x?}"), &topic));
}

#[test]
fn every_command_and_event_prints_its_name() {
    let id: ParticipantId = id(1);
    let commands = [
        (Command::Publish(b"12345"), "Publish([5 bytes])".into()),
        (Command::Introduce, "Introduce".into()),
        (Command::Admit(id), format!("Admit({id})")),
        (Command::Deny(id), format!("Deny({id})")),
        (Command::Confirm(id), format!("Confirm({id})")),
        (Command::Reject(id), format!("Reject({id})")),
        (Command::Trust(key(1)), format!("Trust({id})")),
        (Command::Remove(id), format!("Remove({id})")),
    ];
    for (command, text) in commands {
        assert_eq!(format!("{command:?}"), text);
    }
    let events = [
        (Event::Introduced(key(1)), format!("Introduced({id})")),
        (Event::Answered(key(1)), format!("Answered({id})")),
        (Event::Joined(key(1)), format!("Joined({id})")),
        (Event::Lapsed(id), format!("Lapsed({id})")),
        (Event::Removed(id), format!("Removed({id})")),
        (Event::Ready, "Ready".into()),
        (Event::Refused(Refusal::Own), "Refused(Own)".into()),
    ];
    for (event, text) in events {
        assert_eq!(format!("{event:?}"), text);
    }
}

/// A limit of Classic that no session can mend: see the module's documentation.
#[test]
fn an_answer_in_anothers_name_looks_like_its_own() {
    let mut lamp = newcomer(2);
    let introduction = lamp.introduces();
    let forged = other_topic(9).answers(&introduction);
    let event = lamp.hear(&in_the_name_of(key(1), &forged));
    assert_eq!(event, Event::Answered(key(1)));
}

/// What unverified reading means: neither the sender's name nor the signature is authenticated,
/// so that an outsider can repeat what it saw.
#[test]
fn unverified_reading_takes_repetitions_in_any_name() {
    let (mut alice, mut bob) = (member(1, &[]), member_with(2, &[], naive()));
    let frame = alice.says(b"open the gate");
    for at in [1, 2, 65] {
        let mut repeated = frame.clone();
        repeated[at] ^= 1;
        repeated[3] ^= at as u8;
        assert!(is_new(&bob.hear(&repeated)));
    }
}
