//! What holds of Classic sessions for any keys, bodies, frames and sequences of operations: the
//! original's own properties and more; and the fuzz targets' claims, on their corpora and on
//! whatever proptest makes up.

mod fuzzed;
mod support;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stringphone_protocol::classic::{ClassicSession, ClassicState, Settings};
use stringphone_protocol::{
    Command, Event, Fingerprint, Identity, ParticipantId, PublicKey, Refusal, Session, TopicKey,
};
use support::Peer;
use support::people::{Person, id, impostor, introduction, key, member, newcomer};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

fn seed() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

fn open(seed: &[u8; 32], state: ClassicState) -> Person {
    let session = ClassicSession::open(Identity::from_seed(seed), state, Settings::default());
    Peer::new(session.unwrap(), ChaCha20Rng::from_seed(*seed))
}

/// Two that share a topic; whom each trusts is still to be said.
fn sharing(alice: &[u8; 32], bob: &[u8; 32], topic: &[u8; 32]) -> (Person, Person) {
    let state = |seed: &[u8; 32]| {
        let mut state = ClassicState::join(&mut ChaCha20Rng::from_seed(*seed));
        state.topic_key = Some(TopicKey::from_bytes(topic));
        state
    };
    (open(alice, state(alice)), open(bob, state(bob)))
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn decoding_inverts_encoding(
        seeds in (seed(), seed(), seed()),
        body in vec(any::<u8>(), 0..=4096),
    ) {
        prop_assume!(seeds.0 != seeds.1);
        let (mut alice, mut bob) = sharing(&seeds.0, &seeds.1, &seeds.2);
        bob.command(Command::Trust(alice.key())).unwrap();
        let frame = alice.says(&body);
        prop_assert_eq!(frame.len(), body.len() + alice.session.overhead());
        let heard = bob.hear(&frame);
        let Event::Message { from, body: read, .. } = heard else {
            return Err(TestCaseError::fail(format!("{heard:?}")));
        };
        prop_assert_eq!(from, alice.id());
        prop_assert_eq!(read, body);
    }

    #[test]
    fn trust_goes_each_way_by_itself(
        seeds in (seed(), seed(), seed()),
        (alice_trusts, bob_trusts) in any::<(bool, bool)>(),
        body in vec(any::<u8>(), 0..64),
    ) {
        prop_assume!(seeds.0 != seeds.1);
        let (mut alice, mut bob) = sharing(&seeds.0, &seeds.1, &seeds.2);
        if alice_trusts {
            alice.command(Command::Trust(bob.key())).unwrap();
        }
        if bob_trusts {
            bob.command(Command::Trust(alice.key())).unwrap();
        }
        let (from_alice, from_bob) = (alice.says(&body), bob.says(&body));
        for (listener, frame, trusts) in [
            (&mut alice, from_bob, alice_trusts),
            (&mut bob, from_alice, bob_trusts),
        ] {
            let event = listener.hear(&frame);
            let as_trusted = match event {
                Event::Message { .. } => trusts,
                event => !trusts && event == Event::Refused(Refusal::UntrustedSender),
            };
            prop_assert!(as_trusted);
        }
    }

    #[test]
    fn another_topics_messages_stay_closed(
        seeds in (seed(), seed()),
        topics in (seed(), seed()),
        body in vec(any::<u8>(), 0..64),
    ) {
        prop_assume!(seeds.0 != seeds.1 && topics.0 != topics.1);
        let mut alice = sharing(&seeds.0, &seeds.1, &topics.0).0;
        let mut bob = sharing(&seeds.0, &seeds.1, &topics.1).1;
        bob.command(Command::Trust(alice.key())).unwrap();
        let event = bob.hear(&alice.says(&body));
        prop_assert_eq!(event, Event::Refused(Refusal::DecryptionFailed));
    }

    #[test]
    fn a_master_and_a_newcomer_find_each_other(
        (master, lamp) in (seed(), seed()),
        body in vec(any::<u8>(), 0..64),
    ) {
        prop_assume!(master != lamp);
        let mut rng = ChaCha20Rng::from_seed(master);
        let mut master = open(&master, ClassicState::found(&mut rng));
        let mut lamp = open(&lamp, ClassicState::join(&mut rng));
        let introduction = lamp.introduces();
        prop_assert_eq!(master.hear(&introduction), Event::Introduced(lamp.key()));
        let reply = master.sends(Command::Admit(lamp.id()));
        prop_assert_eq!(lamp.hear(&reply), Event::Answered(master.key()));
        lamp.command(Command::Confirm(master.id())).unwrap();
        let (down, up) = (master.says(&body), lamp.says(&body));
        let both = [lamp.hear(&down), master.hear(&up)];
        let messages = both.iter().all(|event| matches!(event, Event::Message { .. }));
        prop_assert!(messages, "{:?}", both);
    }

    #[test]
    fn an_introduction_signed_by_another_is_refused(
        seeds in (seed(), seed()),
        pretended in seed(),
    ) {
        prop_assume!(seeds.0 != pretended && seeds.1 != pretended && seeds.0 != seeds.1);
        let mut rng = ChaCha20Rng::from_seed(seeds.0);
        let mut master = open(&seeds.0, ClassicState::found(&mut rng));
        let mut forged = open(&seeds.1, ClassicState::join(&mut rng)).introduces();
        let pretended = Identity::from_seed(&pretended).public_key();
        forged[1..33].copy_from_slice(pretended.as_bytes());
        prop_assert_eq!(master.hear(&forged), Event::Refused(Refusal::BadSignature));
        prop_assert_eq!(master.session.deadline(), None);
    }

    #[test]
    fn anothers_reply_does_not_open(seeds in (seed(), seed(), seed())) {
        prop_assume!(seeds.0 != seeds.1 && seeds.1 != seeds.2 && seeds.0 != seeds.2);
        let mut rng = ChaCha20Rng::from_seed(seeds.0);
        let mut master = open(&seeds.0, ClassicState::found(&mut rng));
        let mut lamp = open(&seeds.1, ClassicState::join(&mut rng));
        let mut eve = open(&seeds.2, ClassicState::join(&mut rng));
        let mut reply = master.answers(&lamp.introduces());
        prop_assert_eq!(eve.hear(&reply), Event::Refused(Refusal::NotForUs));
        reply[1..17].copy_from_slice(eve.id().as_bytes());
        prop_assert_eq!(eve.hear(&reply), Event::Refused(Refusal::DecryptionFailed));
        prop_assert!(!eve.session.is_ready());
    }

    #[test]
    fn reading_a_fingerprint_inverts_showing_it(
        seeds in (seed(), seed()),
        lower in any::<bool>(),
        separator in prop_oneof![Just(""), Just(" "), Just("-"), Just(" - ")],
    ) {
        prop_assume!(seeds.0 != seeds.1);
        let [one, other] = [seeds.0, seeds.1].map(|seed| Identity::from_seed(&seed).public_key());
        let shown = one.fingerprint().to_string();
        prop_assert_eq!(shown.len(), 29);
        let mut heard = shown.replace('-', separator);
        if lower {
            heard = heard.to_lowercase().replace('0', "o").replace('1', "l");
        }
        let read: Fingerprint = heard.parse().unwrap();
        prop_assert_eq!(read, one.fingerprint());
        prop_assert_eq!(read.to_string(), shown);
        prop_assert_ne!(one.fingerprint(), other.fingerprint());
        prop_assert_ne!(one.id(), other.id());
    }

    #[test]
    fn reading_arbitrary_text_never_panics(text in any::<String>()) {
        if let Ok(fingerprint) = text.parse::<Fingerprint>() {
            let shown = fingerprint.to_string();
            prop_assert_eq!(shown.parse::<Fingerprint>(), Ok(fingerprint));
        }
        if let Ok(key) = text.parse::<PublicKey>() {
            prop_assert_eq!(key.to_string(), text.to_lowercase());
        }
        let _ = (text.parse::<TopicKey>(), text.parse::<Identity>(), text.parse::<ParticipantId>());
    }

    #[test]
    fn records_restore_the_state_that_they_hold(
        seeds in (seed(), vec(seed(), 0..8)),
        topic in proptest::option::of(seed()),
    ) {
        let identity = Identity::from_seed(&seeds.0);
        let mut state = ClassicState::join(&mut ChaCha20Rng::from_seed(seeds.0));
        state.topic_key = topic.map(|topic| TopicKey::from_bytes(&topic));
        state.participants = seeds.1.iter().map(|seed| Identity::from_seed(seed).public_key()).collect();
        let mut records = state.to_records(&identity);
        records.reverse();
        let again = ClassicState::from_records(&identity, &records).unwrap();
        prop_assert_eq!(again.topic_key, state.topic_key);
        prop_assert_eq!(again.exchange_key.public(), state.exchange_key.public());
        let trusted = |keys: Vec<PublicKey>| keys.into_iter().collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(trusted(again.participants), trusted(state.participants));
    }

    #[test]
    fn arbitrary_records_never_panic(
        records in vec((any::<u8>(), any::<u16>(), vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let identity = Identity::from_seed(&[1; 32]);
        let mut all = support::people::member_state(1, &[2]).to_records(&identity);
        for (name, version, value) in records {
            let names = ["protocol", "identity", "exchange-key", "topic-key", "participant/", "x"];
            let name = names[usize::from(name) % names.len()];
            all.push(stringphone_protocol::Record::put(name, version, &value));
        }
        if let Ok(state) = ClassicState::from_records(&identity, &all) {
            let _ = ClassicSession::open(identity, state, Settings::default());
        }
    }

    #[test]
    fn arbitrary_bytes_change_nothing(
        kind in prop_oneof![Just(None), Just(Some(b's')), Just(Some(b'i')), Just(Some(b'r'))],
        mut bytes in prop_oneof![
            vec(any::<u8>(), 0..400),
            vec(any::<u8>(), 128..=129),
            vec(any::<u8>(), 152..=153),
            vec(any::<u8>(), 65_530..65_540),
        ],
    ) {
        if let (Some(kind), Some(first)) = (kind, bytes.first_mut()) {
            *first = kind;
        }
        for mut session in [member(1, &[2]), newcomer(3)] {
            prop_assert!(matches!(session.hear(&bytes), Event::Refused(_)));
            left_no_trace(&session);
        }
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn no_sequence_of_operations_breaks_the_claims_about_them(bytes in vec(any::<u8>(), 0..240)) {
        fuzzed::operations::run(&bytes);
    }

    #[test]
    fn no_sequence_breaks_them_after_joining_either(bytes in vec(any::<u8>(), 0..200)) {
        fuzzed::operations::run(&[&seed_named("classic_operations", JOINED)[..], &bytes].concat());
    }

    #[test]
    fn no_frame_breaks_the_claims_about_frames(bytes in vec(any::<u8>(), 0..64)) {
        fuzzed::frames::run(&bytes);
    }
}

/// Members trust 2 and hold their key; newcomers hold nothing.
fn left_no_trace(peer: &Person) {
    let trusted: Vec<_> = peer.session.roster().iter().collect();
    let expected = if peer.session.is_ready() { vec![key(2)] } else { vec![] };
    assert_eq!(trusted, expected);
    assert_eq!(peer.session.deadline(), None);
}

// Every change of one byte, and every cut.

#[test]
fn a_message_with_one_byte_changed_or_cut_off_is_refused() {
    let mut bob = member(1, &[2]);
    let frame = member(2, &[]).says(b"a body");
    for broken in broken(&frame) {
        let event = bob.hear(&broken);
        assert!(matches!(event, Event::Refused(_)), "{event:?}");
        left_no_trace(&bob);
    }
    assert!(matches!(bob.hear(&frame), Event::Message { .. }));
}

#[test]
fn an_introduction_with_one_byte_changed_or_cut_off_is_refused() {
    let mut bob = member(1, &[2]);
    let frame = introduction(3);
    for broken in broken(&frame) {
        let event = bob.hear(&broken);
        assert!(matches!(event, Event::Refused(_)), "{event:?}");
        left_no_trace(&bob);
    }
    assert_eq!(bob.hear(&frame), Event::Introduced(key(3)));
}

/// Classic signs no replies: the name that one comes in is the part that anybody may change,
/// besides a bit of the exchange key that X25519 does not read.
#[test]
fn a_reply_with_one_byte_changed_or_cut_off_is_refused_unless_it_is_the_name() {
    let frame = impostor(1).answers(&introduction(3));
    let mut forged_names = 0;
    for broken in broken(&frame) {
        let mut lamp = newcomer(3);
        let opens = broken.len() == 153
            && broken[..120] == frame[..120]
            && broken[120] & 0x7f == frame[120] & 0x7f;
        match lamp.hear(&broken) {
            Event::Answered(named) => {
                assert!(opens);
                forged_names += usize::from(named != key(1));
            }
            Event::Refused(_) => assert!(!opens),
            other => panic!("{other:?}"),
        }
        left_no_trace(&lamp);
        assert_eq!(newcomer(3).hear(&frame), Event::Answered(key(1)));
        assert!(lamp.command(Command::Publish(b"")).is_err());
    }
    assert_eq!(forged_names, 32 * 3);
    assert_ne!(id(1), id(3));
}

/// Each byte changed in three ways, each shorter frame, and one that is a byte longer.
fn broken(frame: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let changed = (0..frame.len()).flat_map(move |at| {
        [0x01, 0x80, 0xff].map(|mask| {
            let mut frame = frame.to_vec();
            frame[at] ^= mask;
            frame
        })
    });
    let cut = (0..frame.len()).map(|length| frame[..length].to_vec());
    changed.chain(cut).chain([[frame, &[0]].concat()])
}

// The fuzzer's corpora.

const JOINED: &str = "a_newcomer_joins_and_they_talk";

fn corpus(target: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

fn seed_named(target: &str, name: &str) -> Vec<u8> {
    let path = corpus(target).join(name);
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn replay<T>(target: &str, run: impl Fn(&[u8]) -> T) -> usize {
    let files = std::fs::read_dir(corpus(target)).expect("a corpus");
    files
        .map(|file| {
            let file = file.unwrap();
            println!("{target}: {}", file.file_name().display());
            run(&std::fs::read(file.path()).unwrap());
        })
        .count()
}

#[test]
fn the_claims_hold_for_the_fuzzers_corpora() {
    assert!(replay("classic_frames", fuzzed::frames::run) > 10);
    assert!(replay("classic_operations", fuzzed::operations::run) > 5);
}

/// Otherwise the seeds would lead nowhere, and nobody would notice.
#[test]
fn the_seeds_for_operations_do_what_their_names_say() {
    for (name, messages) in [
        (JOINED, 2),
        ("a_pinned_answer_is_taken", 1),
        ("a_waived_answer_is_taken", 1),
        ("an_outsider_answers_first", 1),
        ("frames_wait_for_a_slow_store", 1),
        ("restarts_in_the_middle_of_joining", 1),
        ("removed_and_trusted_again", 3),
        ("damaged_frames_of_each_type", 1),
    ] {
        let arrived = fuzzed::operations::run(&seed_named("classic_operations", name));
        assert_eq!(arrived, messages, "{name}");
    }
}
