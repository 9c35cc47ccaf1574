//! One frame from anybody, into sessions of every kind. A frame that no participant made leaves
//! no trace, and the true frame still arrives after it.

use std::sync::LazyLock;

use rand_chacha::ChaCha20Rng;
use stringphone_protocol::classic::{ClassicSession, ClassicState, Reading, Settings};
use stringphone_protocol::{Command, Event, Identity, Input, Moment, Output, Session, TopicKey};

use super::{Choices, identity, rng};

const BODY: &[u8] = b"a body that is neither short nor long";
/// Where in a message the sender's id ends, and what is sealed begins.
const SEALED: usize = 81;

/// Fixed keys, and a frame of each type made with them: by the sender, by a newcomer, and by the
/// founder for the newcomer.
struct Genuine {
    founder: Identity,
    sender: Identity,
    newcomer: Identity,
    topic: ClassicState,
    joining: ClassicState,
    message: Vec<u8>,
    introduction: Vec<u8>,
    reply: Vec<u8>,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let mut rng = rng(1);
    let (founder, sender, newcomer) = (identity(0), identity(1), identity(2));
    let mut topic = ClassicState::found(&mut rng);
    topic.topic_key = Some(TopicKey::from_bytes(&[0x77; 32]));
    topic.participants = vec![founder.public_key(), sender.public_key()];
    let joining = ClassicState::join(&mut rng);

    let mut talking = Receiver::new(&sender, &topic, Reading::Strict);
    let message = talking.sends(Input::Command(Command::Publish(BODY)));
    let mut joiner = Receiver::new(&newcomer, &joining, Reading::Strict);
    let introduction = joiner.sends(Input::Command(Command::Introduce));
    let mut admitter = Receiver::new(&founder, &topic, Reading::Strict);
    admitter.take(&introduction);
    let reply = admitter.sends(Input::Command(Command::Admit(newcomer.id())));
    Genuine { founder, sender, newcomer, topic, joining, message, introduction, reply }
});

/// The genuine frames, for seeds.
pub(crate) fn genuine_frames() -> [&'static [u8]; 3] {
    [&GENUINE.message, &GENUINE.introduction, &GENUINE.reply]
}

/// The first byte chooses what the frame starts from: a genuine one that is edited by the bytes
/// that follow, or nothing, and then they are the frame.
pub(crate) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let frame = match choices.below(4) {
        0 => choices.rest().to_vec(),
        kind => edited(genuine_frames()[kind - 1].to_vec(), &mut choices),
    };
    into_a_ready_session(&frame, Reading::Strict);
    into_a_ready_session(&frame, Reading::IgnoreUntrusted);
    into_an_unready_session(&frame);
    into_a_naive_session(&frame);
}

fn edited(mut frame: Vec<u8>, choices: &mut Choices<'_>) -> Vec<u8> {
    for _ in 0..16 {
        if choices.is_empty() {
            break;
        }
        let (what, value) = (choices.byte(), choices.byte());
        let at = choices.below(frame.len().max(1));
        match what % 6 {
            0 | 1 if at < frame.len() => frame[at] ^= value,
            2 if at < frame.len() => frame[at] = value,
            3 => frame.insert(at.min(frame.len()), value),
            4 => frame.truncate(at),
            _ => frame.extend(std::iter::repeat_n(value, at)),
        }
    }
    frame
}

fn into_a_ready_session(frame: &[u8], reading: Reading) {
    let genuine = &*GENUINE;
    let mut receiver = Receiver::new(&genuine.founder, &genuine.topic, reading);
    let event = receiver.hear(frame);
    let taken = frame == genuine.message;
    match event {
        Event::Message { from, body, .. } => {
            assert!(taken && from == genuine.sender.id() && body == BODY);
        }
        Event::Introduced(key) => {
            assert!(frame == genuine.introduction && key == genuine.newcomer.public_key());
        }
        Event::Refused(refusal) => {
            assert!(!taken && frame != genuine.introduction);
            assert_eq!(receiver.session.deadline(), None, "{refusal:?} left a trace");
        }
        other => panic!("{other:?}"),
    }
    receiver.is_unchanged(&genuine.topic);

    // Nothing that came before keeps the true frame out, and nothing lets it in twice.
    let next = receiver.hear(&genuine.message);
    assert_eq!(matches!(next, Event::Message { .. }), !taken, "{next:?}");
    let again = receiver.hear(&genuine.message);
    assert!(matches!(again, Event::Refused(_)), "{again:?}");
}

fn into_an_unready_session(frame: &[u8]) {
    let genuine = &*GENUINE;
    let mut receiver = Receiver::new(&genuine.newcomer, &genuine.joining, Reading::Strict);
    match receiver.hear(frame) {
        // All of a reply but the name that it comes in is authenticated by its box; X25519 does
        // not read the last bit of a public key.
        Event::Answered(_) => {
            let mut open = frame.to_vec();
            open[120] ^= (open[120] ^ genuine.reply[120]) & 0x80;
            assert_eq!(open.len(), genuine.reply.len());
            assert_eq!(open[..121], genuine.reply[..121]);
        }
        Event::Refused(_) => assert_ne!(frame, genuine.reply),
        other => panic!("{other:?}"),
    }
    receiver.is_unchanged(&genuine.joining);
}

fn into_a_naive_session(frame: &[u8]) {
    let genuine = &*GENUINE;
    let reading = Reading::DangerouslyUnverified;
    let mut receiver = Receiver::new(&genuine.founder, &genuine.topic, reading);
    match receiver.hear(frame) {
        Event::Unverified { body, .. } => {
            assert_eq!(body, BODY);
            assert_eq!(frame[SEALED..], genuine.message[SEALED..]);
            let again = receiver.hear(frame);
            assert!(matches!(again, Event::Refused(_)), "{again:?}");
        }
        Event::Introduced(_) => assert_eq!(frame, genuine.introduction),
        Event::Refused(_) => {
            let next = receiver.hear(&genuine.message);
            assert!(matches!(next, Event::Unverified { .. }), "{next:?}");
        }
        other => panic!("{other:?}"),
    }
    receiver.is_unchanged(&genuine.topic);
}

struct Receiver {
    session: ClassicSession,
    rng: ChaCha20Rng,
}

impl Receiver {
    fn new(identity: &Identity, state: &ClassicState, reading: Reading) -> Self {
        let mut settings = Settings { reading, ..Settings::default() };
        settings.limits.frame = 512;
        let session = ClassicSession::open(identity.clone(), state.clone(), settings);
        Self { session: session.expect("valid keys"), rng: rng(2) }
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let moment = &mut Moment::new(0, &mut self.rng);
        self.session.handle(input, moment).expect("it can be done");
        let mut outputs = Vec::new();
        while let Some(output) = self.session.poll() {
            if matches!(output, Output::Store(_)) {
                self.session.handle(Input::Stored, moment).expect("never fails");
            }
            outputs.push(output);
        }
        outputs
    }

    fn take(&mut self, frame: &[u8]) -> Vec<Output> {
        self.handle(Input::Frame(frame))
    }

    /// Whatever the frame is, it causes one event and nothing else.
    fn hear(&mut self, frame: &[u8]) -> Event {
        match <[Output; 1]>::try_from(self.take(frame)) {
            Ok([Output::Event(event)]) => event,
            other => panic!("expected one event, got {other:?}"),
        }
    }

    fn sends(&mut self, input: Input<'_>) -> Vec<u8> {
        let frame = self.handle(input).into_iter().find_map(|output| match output {
            Output::Send(frame) => Some(frame),
            _ => None,
        });
        frame.expect("a frame is sent")
    }

    fn is_unchanged(&self, state: &ClassicState) {
        assert_eq!(self.session.is_ready(), state.topic_key.is_some());
        assert_eq!(self.session.roster().len(), state.participants.len());
        let trusted = |key| state.participants.contains(&key);
        assert!(self.session.roster().iter().all(trusted));
    }
}
