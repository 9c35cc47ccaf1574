//! Frames made by the original library: ours decodes them all, encodes the same bytes, and says
//! of each broken one what is wrong with it.
//!
//! Further files of the same form can be checked by naming them, separated by colons:
//! `STRINGPHONE_VECTORS=mine.json:yours.json cargo test -p stringphone-protocol --test classic_vectors`
//!
//! Expectations are drawn from a case's `what`, `call` and `outcome` (and from the frame's
//! length, where the original sliced a short frame and stumbled over the pieces later).

mod support;

use serde_json::Value;
use stringphone_protocol::classic::{ClassicSession, ClassicState, ExchangeKey, Reading, Settings};
use stringphone_protocol::{
    Command, Event, Identity, Output, ParticipantId, PublicKey, Refusal, Session, TopicKey,
};
use support::{Peer, Recorded, events, sent};

const OURS: &str = include_str!("data/classic.json");

#[test]
fn the_originals_frames_decode_and_encode_to_the_same_bytes() {
    let counts = check_positive("the project's own", &parse("the project's own", OURS));
    assert_eq!(counts, [20, 20, 20]);
}

#[test]
fn the_originals_broken_frames_are_refused_for_the_right_reason() {
    let counts = check_negative("the project's own", &parse("the project's own", OURS));
    assert_eq!(counts, [25, 26, 26]);
}

#[test]
fn frames_of_further_files_hold_as_well() {
    let Ok(files) = std::env::var("STRINGPHONE_VECTORS") else {
        println!("STRINGPHONE_VECTORS names no further files; only the project's own were checked");
        return;
    };
    for file in files.split(':').filter(|file| !file.is_empty()) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|why| panic!("{file}: {why}"));
        let vectors = parse(file, &text);
        let (positive, negative) = (check_positive(file, &vectors), check_negative(file, &vectors));
        let total: usize = positive.iter().chain(&negative).sum();
        assert!(total > 0, "{file}: no cases");
        println!("{file}: {positive:?} positive, {negative:?} negative (s, i, r)");
    }
}

#[test]
#[should_panic(expected = "No such file")]
fn a_missing_file_is_not_skipped() {
    let file = "no-such-file.json";
    std::fs::read_to_string(file).unwrap_or_else(|why| panic!("{file}: {why}"));
}

fn parse(file: &str, text: &str) -> Value {
    let vectors: Value = serde_json::from_str(text).unwrap_or_else(|why| panic!("{file}: {why}"));
    assert_eq!(vectors["format"], "stringphone-classic-vectors/1", "{file}: format");
    vectors
}

fn check_positive(file: &str, vectors: &Value) -> [usize; 3] {
    let checks =
        [("s", message as fn(&Value)), ("i", introduction as _), ("r", answered_introduction as _)];
    checks.map(|(kind, check)| {
        let cases = cases(&vectors["positive"], kind);
        for (at, case) in cases.iter().enumerate() {
            println!("{file}: positive.{kind}, case {at}");
            check(case);
        }
        cases.len()
    })
}

fn check_negative(file: &str, vectors: &Value) -> [usize; 3] {
    ["s", "i", "r"].map(|kind| {
        let cases = cases(&vectors["negative"], kind);
        for (at, case) in cases.iter().enumerate() {
            println!("{file}: negative.{kind}, case {at}: {}", case["what"]);
            broken(case);
        }
        cases.len()
    })
}

fn cases<'a>(group: &'a Value, kind: &str) -> &'a [Value] {
    match group.get(kind) {
        Some(cases) => cases.as_array().expect("a list of cases"),
        None => &[],
    }
}

// The good ones.

fn message(case: &Value) {
    let (frame, body) = (bytes(&case["frame"]), bytes(&case["plaintext"]));
    let sender = id(&case["sender"]);

    let heard = peer(&case["receiver"], Reading::Strict, &[0]).hear(&frame);
    let Event::Message { from, body: read, .. } = heard else { panic!("{heard:?}") };
    assert_eq!((from, &read), (sender, &body));

    let mut sender = peer(&case["sender"], Reading::Strict, &bytes(&case["nonce"]));
    assert_eq!(sender.sends(Command::Publish(&body)), frame);
}

fn introduction(case: &Value) {
    let frame = bytes(&case["frame"]);
    let mut newcomer = peer(&case["sender"], Reading::Strict, &[0]);
    assert_eq!(newcomer.sends(Command::Introduce), frame);

    let founded = ClassicState::found(&mut Recorded::new(&[9]));
    let member =
        ClassicSession::open(Identity::from_seed(&[9; 32]), founded, settings(Reading::Strict));
    let mut member = Peer::new(member.unwrap(), Recorded::new(&[9]));
    assert_eq!(member.hear(&frame), Event::Introduced(key(&case["sender"])));
}

fn answered_introduction(case: &Value) {
    let (intro, frame) = (bytes(&case["intro"]), bytes(&case["frame"]));
    let mut replier = peer(&case["replier"], Reading::Strict, &bytes(&case["nonce"]));
    assert_eq!(replier.hear(&intro), Event::Introduced(key(&case["newcomer"])));
    let outputs = replier.command(Command::Admit(id(&case["newcomer"]))).unwrap();
    assert_eq!(sent(&outputs), frame);

    let mut newcomer = peer(&case["newcomer"], Reading::Strict, &[0]);
    assert_eq!(newcomer.hear(&frame), Event::Answered(key(&case["replier"])));
    assert!(!newcomer.session.is_ready(), "the key is not used before it is confirmed");
    let outputs = newcomer.command(Command::Confirm(id(&case["replier"]))).unwrap();
    let Some(Output::Store(records)) = outputs.first() else { panic!("{outputs:?}") };
    let stored = records.iter().find(|record| record.key == "topic-key").expect("the topic key");
    assert_eq!(stored.value.as_deref(), Some(&bytes(&case["topic_key"])));
    assert!(events(outputs).contains(&Event::Ready));
}

// The broken ones.

/// What ours must make of a broken frame.
#[derive(Debug)]
enum Expected {
    /// Dropped for one of these reasons.
    Refused(&'static [Refusal]),
    Message(Vec<u8>),
    Unverified(Vec<u8>),
    Introduced,
    Answered,
}

fn broken(case: &Value) {
    let frame = bytes(&case["frame"]);
    let reading = match text(&case["call"]) {
        "decode" | "construct_reply" | "parse_reply" => Reading::Strict,
        "decode_ignore" => Reading::IgnoreUntrusted,
        "decode_naive" => Reading::DangerouslyUnverified,
        other => panic!("an unknown call: {other}"),
    };
    let mut receiver = peer(&case["receiver"], reading, &[0]);
    let ready = receiver.session.is_ready();
    let expected = expected(case, &frame);
    let event = receiver.hear(&frame);
    let as_expected = match (&expected, &event) {
        (Expected::Refused(reasons), Event::Refused(reason)) => reasons.contains(reason),
        (Expected::Message(wanted), Event::Message { body, .. })
        | (Expected::Unverified(wanted), Event::Unverified { body, .. }) => wanted == body,
        (Expected::Introduced, Event::Introduced(_)) | (Expected::Answered, Event::Answered(_)) => {
            true
        }
        _ => false,
    };
    assert!(as_expected, "expected {expected:?}, got {event:?} of {case}");
    assert_eq!(receiver.session.is_ready(), ready, "a broken frame gives nobody a key");
}

fn expected(case: &Value, frame: &[u8]) -> Expected {
    use Expected::Refused;
    let outcome = &case["outcome"];
    if let Some(returned) = outcome.get("returns") {
        return expected_where_the_original_returned(case, frame, text(returned));
    }
    // The original slices first and stumbles later; ours looks at the length first.
    let misshapen = !well_shaped(frame);
    let corrupt = text(&case["what"]).contains("corrupt");
    let raised = text(&outcome["raises"]);
    match raised.rsplit('.').next().unwrap_or(raised) {
        "ValueError" if text(&outcome["message"]).contains("wrong type") => wrong_type(frame),
        _ if misshapen => Refused(&[Refusal::Malformed]),
        "BadSignatureError" => Refused(&[Refusal::BadSignature]),
        "UntrustedKeyError" => Refused(&[Refusal::UntrustedSender]),
        "CryptoError" => Refused(&[Refusal::DecryptionFailed]),
        "AttributeError" | "MissingTopicKeyError" => Refused(&[Refusal::NoTopicKey]),
        "RuntimeError" if raised.starts_with("nacl.") => Refused(&[Refusal::WeakKey]),
        "RuntimeError" => Refused(&[Refusal::NoTopicKey]),
        // The original reports these two unread, ours after it has checked them.
        "IntroductionError" if corrupt => Refused(&[Refusal::BadSignature, Refusal::WeakKey]),
        "IntroductionError" => Expected::Introduced,
        "IntroductionReplyError" if !is_for(frame, &case["receiver"]) => {
            Refused(&[Refusal::NotForUs])
        }
        "IntroductionReplyError" if corrupt => {
            Refused(&[Refusal::DecryptionFailed, Refusal::WeakKey])
        }
        "IntroductionReplyError" => Expected::Answered,
        _ => panic!("an unknown outcome: {outcome}"),
    }
}

fn expected_where_the_original_returned(case: &Value, frame: &[u8], returned: &str) -> Expected {
    use Expected::Refused;
    let value = || bytes(&case["outcome"]["value"]);
    let naive = text(&case["call"]) == "decode_naive";
    match (returned, frame.first()) {
        ("bytes", _) if naive => Expected::Unverified(value()),
        ("bytes", _) => Expected::Message(value()),
        // No honest peer sends a reply that is too short or too long.
        _ if !well_shaped(frame) => Refused(&[Refusal::Malformed]),
        ("True", _) => Expected::Answered,
        ("False", _) if !is_for(frame, &case["receiver"]) => Refused(&[Refusal::NotForUs]),
        ("False", _) => Refused(&[Refusal::Unasked]),
        ("None", _) if is_own(frame, &case["receiver"]) => Refused(&[Refusal::Own]),
        ("None", Some(b's')) => Refused(&[Refusal::Ignored]),
        ("None", Some(b'i')) => Refused(&[Refusal::NoTopicKey]),
        ("None", Some(b'r')) => Refused(&[Refusal::Unasked, Refusal::NotForUs]),
        _ => panic!("an unknown outcome: {}", case["outcome"]),
    }
}

/// The original's calls each take one type; ours has one door, so a known type that the call did
/// not want is refused by its own rules there.
fn wrong_type(frame: &[u8]) -> Expected {
    Expected::Refused(match frame.first() {
        None => &[Refusal::Malformed],
        Some(b's') => &[Refusal::UntrustedSender, Refusal::BadSignature, Refusal::Malformed],
        Some(b'i') => &[Refusal::NoTopicKey, Refusal::Malformed],
        Some(b'r') => &[Refusal::Unasked, Refusal::NotForUs, Refusal::Malformed],
        Some(_) => &[Refusal::UnknownType],
    })
}

/// Whether the frame has a length that its type can have.
fn well_shaped(frame: &[u8]) -> bool {
    match frame.first() {
        Some(b's') => frame.len() > 120,
        Some(b'i') => frame.len() == 129,
        Some(b'r') => frame.len() == 153,
        _ => false,
    }
}

fn is_for(reply: &[u8], receiver: &Value) -> bool {
    reply[1..17] == id(receiver).as_bytes()[..]
}

fn is_own(frame: &[u8], receiver: &Value) -> bool {
    match frame[0] {
        b's' => frame[65..81] == id(receiver).as_bytes()[..],
        b'i' => frame[1..33] == key(receiver).as_bytes()[..],
        _ => frame[121..153] == key(receiver).as_bytes()[..],
    }
}

// Reading cases.

fn settings(reading: Reading) -> Settings {
    let mut settings = Settings { reading, ..Settings::default() };
    settings.limits.frame = usize::MAX;
    settings
}

fn peer(person: &Value, reading: Reading, entropy: &[u8]) -> Peer<Recorded> {
    let identity = Identity::from_seed(&array(&person["sign_seed"]));
    assert_eq!(identity.public_key(), key(person), "the public key follows from the seed");
    assert_eq!(identity.id(), id(person), "the id follows from the public key");
    let exchange_key = ExchangeKey::from_bytes(&array(&person["enc_sk"]));
    assert_eq!(exchange_key.public(), array(&person["enc_pk"]), "the exchange keys are a pair");
    let topic_key = &person["topic_key"];
    let state = ClassicState {
        topic_key: (!topic_key.is_null()).then(|| TopicKey::from_bytes(&array(topic_key))),
        exchange_key,
        participants: person["participants"]
            .as_object()
            .expect("participants")
            .values()
            .map(|key| PublicKey::from_bytes(array(key)))
            .collect(),
    };
    let session = ClassicSession::open(identity, state, settings(reading)).expect("valid keys");
    Peer::new(session, Recorded::new(entropy))
}

fn key(person: &Value) -> PublicKey {
    PublicKey::from_bytes(array(&person["sign_pk"]))
}

fn id(person: &Value) -> ParticipantId {
    ParticipantId::from_bytes(array(&person["id"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected text, found {value}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = text(value);
    assert!(text.len().is_multiple_of(2), "an odd number of digits");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap_or_else(|_| panic!("expected {N} bytes, found {value}"))
}
