//! Participants with known keys, and what they say to each other.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stringphone_protocol::classic::{Admitter, ClassicSession, ClassicState, Settings};
use stringphone_protocol::{Command, Event, Identity, ParticipantId, PublicKey, Session};

use super::Peer;

pub(crate) type Person = Peer<ChaCha20Rng>;

pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The person of this number.
pub(crate) fn identity(number: u8) -> Identity {
    Identity::from_seed(&[number; 32])
}

pub(crate) fn key(number: u8) -> PublicKey {
    identity(number).public_key()
}

pub(crate) fn id(number: u8) -> ParticipantId {
    identity(number).id()
}

pub(crate) fn person(number: u8, state: ClassicState, settings: Settings) -> Person {
    let session = ClassicSession::open(identity(number), state, settings).unwrap();
    Peer::new(session, rng(number))
}

/// The state of somebody who holds the key of topic 1 and trusts these.
pub(crate) fn member_state(number: u8, trusted: &[u8]) -> ClassicState {
    let mut state = ClassicState::join(&mut rng(number));
    state.topic_key = ClassicState::found(&mut rng(1)).topic_key;
    state.participants = trusted.iter().map(|number| key(*number)).collect();
    state
}

pub(crate) fn member(number: u8, trusted: &[u8]) -> Person {
    member_with(number, trusted, Settings::default())
}

pub(crate) fn member_with(number: u8, trusted: &[u8], settings: Settings) -> Person {
    person(number, member_state(number, trusted), settings)
}

/// Somebody who holds the key of another topic, which it would like others to use.
pub(crate) fn impostor(number: u8) -> Person {
    let state = ClassicState::found(&mut rng(number));
    person(number, state, Settings::default())
}

pub(crate) fn newcomer(number: u8) -> Person {
    newcomer_with(number, Settings::default())
}

pub(crate) fn newcomer_with(number: u8, settings: Settings) -> Person {
    let state = ClassicState::join(&mut rng(number));
    person(number, state, settings)
}

/// What newcomer `number` sends to introduce itself.
pub(crate) fn introduction(number: u8) -> Vec<u8> {
    newcomer(number).introduces()
}

impl Person {
    pub(crate) fn id(&self) -> ParticipantId {
        self.session.identity().id()
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.session.identity().public_key()
    }

    pub(crate) fn says(&mut self, body: &[u8]) -> Vec<u8> {
        self.sends(Command::Publish(body))
    }

    pub(crate) fn introduces(&mut self) -> Vec<u8> {
        self.sends(Command::Introduce)
    }

    /// The reply that answers this introduction.
    pub(crate) fn answers(&mut self, introduction: &[u8]) -> Vec<u8> {
        self.receive(introduction);
        let newcomer = PublicKey::from_bytes(introduction[1..33].try_into().unwrap());
        self.sends(Command::Admit(newcomer.id()))
    }
}

/// The same reply in another's name: nobody signs a reply.
pub(crate) fn in_the_name_of(key: PublicKey, reply: &[u8]) -> Vec<u8> {
    [&reply[..121], key.as_bytes()].concat()
}

/// Those of a joiner who takes answers like this.
pub(crate) fn settings(admitter: Admitter) -> Settings {
    Settings { admitter, ..Settings::default() }
}

/// The listener reads what the speaker says, and knows from whom it is.
pub(crate) fn understands(listener: &mut Person, speaker: &mut Person, body: &[u8]) {
    let frame = speaker.says(body);
    let heard = listener.hear(&frame);
    let Event::Message { from, body: read, .. } = heard else { panic!("{heard:?}") };
    assert_eq!((from, read.as_slice()), (speaker.id(), body));
}
