//! Sequences of operations on sessions that hear each other over a net that loses, repeats,
//! reorders and damages frames. Three share a topic or want to; the fourth is an outsider that
//! answers introductions to them with a topic of its own.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use stringphone_protocol::classic::{Admitter, ClassicSession, ClassicState, Settings};
use stringphone_protocol::{
    Command, CommandError, Event, Input, Limits, Moment, Output, ParticipantId, PublicKey, Record,
    Session,
};

use super::{Choices, identity, rng};

const NODES: usize = 4;
/// Operations in one run; more would only be slow.
const MOST: usize = 60;

/// The operations by their bytes, for seeds. Arguments follow as one byte each.
pub(crate) mod op {
    pub(crate) const PUBLISH: u8 = 0;
    pub(crate) const DELIVER: u8 = 1;
    pub(crate) const DAMAGE: u8 = 2;
    pub(crate) const INTRODUCE: u8 = 3;
    pub(crate) const ADMIT: u8 = 4;
    pub(crate) const DENY: u8 = 5;
    pub(crate) const CONFIRM: u8 = 6;
    pub(crate) const REJECT: u8 = 7;
    pub(crate) const TRUST: u8 = 8;
    pub(crate) const REMOVE: u8 = 9;
    pub(crate) const TIMER: u8 = 10;
    pub(crate) const RESTART: u8 = 11;
    pub(crate) const SLOW_STORE: u8 = 12;
    pub(crate) const STORED: u8 = 13;
    pub(super) const COUNT: usize = 14;
}

/// The first byte chooses how the third node takes answers; then come operations. Returns how
/// many messages arrived.
pub(crate) fn run(bytes: &[u8]) -> usize {
    let mut choices = Choices::new(bytes);
    let mut world = World::new(choices.byte());
    for _ in 0..MOST {
        if choices.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    for node in &mut world.nodes {
        node.stored();
        node.owes_nothing();
    }
    world.nodes.iter().map(|node| node.had.len()).sum()
}

struct World {
    nodes: Vec<Node>,
    /// All that was ever on the air.
    air: Vec<Sent>,
    messages: u32,
    now: u64,
}

#[derive(Clone)]
struct Sent {
    frame: Vec<u8>,
    by: usize,
    says: Says,
}

/// Where a frame is a message: the topic key that it is sealed with, and the body.
type Says = Option<(Vec<u8>, Vec<u8>)>;

impl World {
    fn new(choice: u8) -> Self {
        let founder = identity(0).public_key().fingerprint();
        let third = match choice % 3 {
            0 => Admitter::Confirm,
            1 => Admitter::Pinned(vec![founder]),
            _ => Admitter::Waived,
        };
        let nodes = vec![
            Node::new(0, true, Admitter::Confirm),
            Node::new(1, false, Admitter::Confirm),
            Node::new(2, false, third),
            Node::new(3, true, Admitter::Confirm),
        ];
        Self { nodes, air: Vec::new(), messages: 0, now: 1_000 }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let what = choices.below(op::COUNT) as u8;
        let at = choices.below(NODES);
        let now = self.now;
        if what == op::PUBLISH {
            self.messages += 1;
            let body = self.messages.to_be_bytes();
            self.nodes[at].publish(&body, now);
        } else if what == op::DELIVER || what == op::DAMAGE {
            let chosen = choices.below(self.air.len().max(1));
            let Some(mut sent) = self.air.get(chosen).cloned() else {
                return;
            };
            let by = self.nodes[sent.by].key();
            if what == op::DAMAGE {
                let place = choices.below(sent.frame.len());
                sent.frame[place] ^= choices.byte().max(1);
                self.nodes[at].hear_damaged(&sent, by, now);
            } else {
                self.nodes[at].hear(&sent, by, now);
            }
        } else if what == op::TIMER {
            self.now += u64::from(choices.byte()) * 300;
            self.nodes[at].timer(self.now);
        } else if what == op::RESTART {
            self.nodes[at].restart();
        } else if what == op::SLOW_STORE {
            self.nodes[at].slow_store = true;
        } else if what == op::STORED {
            self.nodes[at].stored();
        } else {
            let other = self.nodes[choices.below(NODES)].key();
            let id = other.id();
            self.nodes[at].command(
                now,
                |what_is| match what_is {
                    op::INTRODUCE => Command::Introduce,
                    op::ADMIT => Command::Admit(id),
                    op::DENY => Command::Deny(id),
                    op::CONFIRM => Command::Confirm(id),
                    op::REJECT => Command::Reject(id),
                    op::TRUST => Command::Trust(other),
                    _ => Command::Remove(id),
                },
                what,
            );
        }
        self.collect();
    }

    fn collect(&mut self) {
        for (by, node) in self.nodes.iter_mut().enumerate() {
            for (frame, says) in std::mem::take(&mut node.sent) {
                self.air.push(Sent { frame, by, says });
            }
        }
        // Old frames fall out of the air, so that one byte finds any of the rest.
        let surplus = self.air.len().saturating_sub(64);
        self.air.drain(..surplus);
    }
}

/// A session, its store, and what must hold of it.
struct Node {
    number: u8,
    session: ClassicSession,
    rng: ChaCha20Rng,
    admitter: Admitter,
    store: BTreeMap<String, Record>,
    /// Records that are given out, and not stored yet.
    storing: Option<Vec<Record>>,
    slow_store: bool,
    bodies: Vec<Vec<u8>>,
    sent: Vec<(Vec<u8>, Says)>,

    ready: bool,
    /// Messages that may come out, because a true frame came in at a time when its maker was
    /// trusted; and among them those that must.
    may: BTreeSet<(ParticipantId, Vec<u8>)>,
    must: BTreeSet<(ParticipantId, Vec<u8>)>,
    had: BTreeSet<(ParticipantId, Vec<u8>)>,
    /// Whose introduction came in undamaged.
    introduced: BTreeSet<PublicKey>,
    waiting: BTreeSet<ParticipantId>,
    answered: BTreeSet<ParticipantId>,
}

fn limits() -> Limits {
    let mut settings = Settings::default();
    settings.limits.frame = 300;
    settings.limits.introductions = 2;
    settings.limits.answers = 1;
    settings.limits.introduction_ms = 10_000;
    settings.limits
}

fn open(number: u8, state: ClassicState, admitter: Admitter) -> ClassicSession {
    let settings = Settings { admitter, limits: limits(), ..Settings::default() };
    ClassicSession::open(identity(number), state, settings).expect("valid keys")
}

impl Node {
    fn new(number: u8, founds: bool, admitter: Admitter) -> Self {
        let mut rng = rng(100 + number);
        let state =
            if founds { ClassicState::found(&mut rng) } else { ClassicState::join(&mut rng) };
        let records = state.to_records(&identity(number));
        let name = |record: Record| (record.key.clone(), record);
        Self {
            number,
            session: open(number, state, admitter.clone()),
            rng,
            admitter,
            store: records.into_iter().map(name).collect(),
            storing: None,
            slow_store: false,
            bodies: Vec::new(),
            sent: Vec::new(),
            ready: founds,
            may: BTreeSet::new(),
            must: BTreeSet::new(),
            had: BTreeSet::new(),
            introduced: BTreeSet::new(),
            waiting: BTreeSet::new(),
            answered: BTreeSet::new(),
        }
    }

    fn key(&self) -> PublicKey {
        self.session.identity().public_key()
    }

    fn handle(&mut self, input: Input<'_>, now: u64) -> Result<(), CommandError> {
        let moment = &mut Moment::new(now, &mut self.rng);
        self.session.handle(input, moment)
    }

    fn publish(&mut self, body: &[u8], now: u64) {
        self.stored();
        match self.handle(Input::Command(Command::Publish(body)), now) {
            Ok(()) => {
                assert!(self.ready);
                self.bodies.push(body.to_vec());
            }
            Err(why) => assert_eq!((why, self.ready), (CommandError::NotReady, false)),
        }
        self.drain();
    }

    fn command<'a>(&mut self, now: u64, make: impl Fn(u8) -> Command<'a>, what: u8) {
        // An owner decides about what it has been told.
        self.stored();
        let before = self.summary();
        if self.handle(Input::Command(make(what)), now).is_err() {
            assert_eq!(self.session.poll(), None);
            assert_eq!(self.summary(), before, "a failed command changed something");
            return;
        }
        match make(what) {
            Command::Admit(id) | Command::Deny(id) => {
                assert!(self.waiting.remove(&id), "nobody was asked about {id}");
            }
            Command::Confirm(id) => {
                assert!(!self.ready && self.answered.contains(&id));
                self.becomes_ready();
            }
            Command::Reject(id) => assert!(self.answered.remove(&id)),
            Command::Remove(id) => {
                self.waiting.remove(&id);
                self.may.retain(|(from, _)| *from != id);
                self.had.retain(|(from, _)| *from != id);
            }
            _ => {}
        }
        self.drain();
    }

    fn becomes_ready(&mut self) {
        self.ready = true;
        self.answered.clear();
    }

    fn hear(&mut self, sent: &Sent, by: PublicKey, now: u64) {
        match (&sent.says, sent.frame.first()) {
            (Some((key, body)), _) if self.session.roster().contains(by.id()) && self.ready => {
                let message = (by.id(), body.clone());
                let readable = self.store.get("topic-key").and_then(|it| it.value.as_deref());
                if self.storing.is_none()
                    && readable == Some(key)
                    && by != self.key()
                    && !self.had.contains(&message)
                {
                    self.must.insert(message.clone());
                }
                self.may.insert(message);
            }
            (None, Some(b'i')) => {
                self.introduced.insert(by);
            }
            _ => {}
        }
        self.receive(sent, by, now);
    }

    /// A damaged frame gives leave to nothing, but a reply's name is nobody's signature.
    fn hear_damaged(&mut self, sent: &Sent, by: PublicKey, now: u64) {
        self.receive(sent, by, now);
    }

    fn receive(&mut self, sent: &Sent, by: PublicKey, now: u64) {
        let before = self.summary();
        self.handle(Input::Frame(&sent.frame), now).expect("frames never fail");
        if self.session.is_ready() && !self.ready {
            let asked = match &self.admitter {
                Admitter::Confirm => false,
                Admitter::Pinned(pinned) => pinned.contains(&by.fingerprint()),
                _ => true,
            };
            assert!(asked && sent.frame[0] == b'r', "ready without being asked");
            self.becomes_ready();
        } else {
            assert_eq!(self.summary().0, before.0, "a frame changed the roster");
        }
        self.drain();
    }

    fn timer(&mut self, now: u64) {
        self.handle(Input::Timer, now).expect("timers never fail");
        let next = self.session.deadline();
        assert!(next.is_none_or(|next| next > now), "the timer stands still");
        self.drain();
    }

    fn stored(&mut self) {
        self.slow_store = false;
        self.commit();
        self.drain();
    }

    fn commit(&mut self) {
        for record in self.storing.take().into_iter().flatten() {
            assert!(record.key.len() <= 64 && record.key.is_ascii());
            if record.value.is_some() {
                self.store.insert(record.key.clone(), record);
            } else {
                self.store.remove(&record.key);
            }
        }
        self.handle(Input::Stored, 0).expect("never fails");
    }

    fn restored(&self) -> ClassicState {
        let records: Vec<_> = self.store.values().cloned().collect();
        ClassicState::from_records(self.session.identity(), &records).expect("its own records")
    }

    /// Power is lost: whatever was not stored is gone.
    fn restart(&mut self) {
        self.storing = None;
        self.session = open(self.number, self.restored(), self.admitter.clone());
        self.ready = self.session.is_ready();
        self.bodies.clear();
        self.may.clear();
        self.must.clear();
        self.had.clear();
        self.introduced.clear();
        self.waiting.clear();
        self.answered.clear();
        assert!(self.session.poll().is_none());
        self.drain();
    }

    fn drain(&mut self) {
        if self.storing.is_some() {
            assert!(self.session.poll().is_none(), "something overtook a record");
        }
        while let Some(output) = self.session.poll() {
            match output {
                Output::Store(records) => {
                    self.storing = Some(records);
                    assert!(self.session.poll().is_none(), "something overtook a record");
                    if self.slow_store {
                        return;
                    }
                    self.commit();
                }
                Output::Send(frame) => self.sends(frame),
                Output::Event(event) => self.tells(event),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.session.is_ready(), self.ready);
        if self.storing.is_none() {
            self.agrees_with_its_records();
        }
    }

    fn sends(&mut self, frame: Vec<u8>) {
        assert!(frame.len() <= limits().frame);
        let topic_key = self.store.get("topic-key").and_then(|it| it.value.as_deref());
        let says = match frame[0] {
            b's' => {
                let key = topic_key.expect("the key is stored before it is used");
                Some((key.clone(), self.bodies.remove(0)))
            }
            b'r' => {
                assert!(topic_key.is_some() && frame.len() == 153);
                None
            }
            _ => None,
        };
        self.sent.push((frame, says));
    }

    fn tells(&mut self, event: Event) {
        match event {
            Event::Message { from, body, .. } => {
                let message = (from, body);
                assert!(self.may.contains(&message), "nobody said that");
                self.must.remove(&message);
                assert!(self.had.insert(message), "a message came twice");
            }
            Event::Introduced(key) => {
                assert!(self.introduced.contains(&key), "nobody introduced that");
                self.waiting.insert(key.id());
                assert!(self.waiting.len() <= limits().introductions);
            }
            Event::Lapsed(id) => assert!(self.waiting.remove(&id)),
            Event::Answered(key) => {
                if !self.ready {
                    self.answered.insert(key.id());
                }
                assert!(self.answered.len() <= limits().answers);
            }
            Event::Unverified { .. } => panic!("nobody wanted unverified messages"),
            _ => {}
        }
    }

    fn agrees_with_its_records(&self) {
        let state = self.restored();
        let trusted: BTreeSet<_> = state.participants.into_iter().collect();
        assert_eq!(trusted, self.session.roster().iter().collect());
        assert_eq!(state.topic_key.is_some(), self.session.is_ready());
    }

    fn owes_nothing(&self) {
        assert!(self.must.is_empty(), "a true message was kept back");
    }

    fn summary(&self) -> (Vec<PublicKey>, bool, Option<u64>) {
        let roster = self.session.roster().iter().collect();
        (roster, self.session.is_ready(), self.session.deadline())
    }
}
