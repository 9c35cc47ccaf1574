//! One device: a real session, and what an observer who forgets nothing notes about it. Not here:
//! whom it talks to.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

use stringphone_protocol::v2::{HeldGeneration, V2Session, V2State};
use stringphone_protocol::{
    CommandError, Event, Identity, Input, MessageId, Moment, Output, ParticipantId, Record, Session,
};

use crate::entropy::Entropy;

/// Whether everything that happens is printed: for a path that was found.
pub(crate) static EXPLAIN: AtomicBool = AtomicBool::new(false);

#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) session: V2Session,
    seed: u64,
    draws: u64,
    /// Everything that was ever sent: the nonce, and a hash of the frame.
    nonces: BTreeMap<[u8; 24], u64>,
    /// Everything that was ever delivered.
    names: BTreeSet<(ParticipantId, MessageId)>,
    /// Bodies that were delivered, with their senders, since the last time that somebody looked.
    pub(crate) heard: Vec<(ParticipantId, Vec<u8>)>,
    pub(crate) store: Option<BTreeMap<String, Record>>,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// A message was delivered a second time.
    DeliveredTwice,
    /// Two different frames under one nonce.
    NonceReused,
    /// A message of somebody whose eviction the receiver had applied.
    HeardEvicted,
    /// An evicted device holds a generation that somebody began who knew of the eviction.
    EvictedHolds,
    /// Frames cause frames without end.
    NeverQuiet,
    /// A device took another for a copy, or suspects its members.
    FalseAlarm,
}

/// What a device sent, and what is wrong.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) invited: Option<stringphone_protocol::v2::Invitation>,
}

pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Device {
    pub(crate) fn open(
        identity: Identity,
        state: &V2State,
        settings: stringphone_protocol::v2::Settings,
        seed: u64,
        now: u64,
        keeps_store: bool,
    ) -> (Self, Done) {
        let mut entropy = Entropy::new(seed, 0);
        let mut moment = Moment::new(now, &mut entropy).with_wall(now);
        let session = V2Session::open(identity, state, settings, &mut moment).expect("opens");
        let store = state.records().iter().map(|record| (record.key.clone(), record.clone()));
        let mut device = Self {
            session,
            seed,
            draws: entropy.draws,
            nonces: BTreeMap::new(),
            names: BTreeSet::new(),
            heard: Vec::new(),
            store: keeps_store.then(|| store.collect()),
        };
        let mut done = Done::default();
        device.drain(now, &mut done);
        (device, done)
    }

    pub(crate) fn id(&self) -> ParticipantId {
        self.session.identity().id()
    }

    /// Puts something in, and takes everything out; what it stores is stored at once.
    pub(crate) fn input(&mut self, input: Input<'_>, now: u64) -> (Result<(), CommandError>, Done) {
        let mut entropy = Entropy::new(self.seed, self.draws);
        let mut moment = Moment::new(now, &mut entropy).with_wall(now);
        let outcome = self.session.handle(input, &mut moment);
        self.draws = entropy.draws;
        let mut done = Done::default();
        self.drain(now, &mut done);
        (outcome, done)
    }

    fn drain(&mut self, now: u64, done: &mut Done) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Store(records) => {
                    if let Some(store) = &mut self.store {
                        store
                            .extend(records.into_iter().map(|record| (record.key.clone(), record)));
                    }
                    let mut entropy = Entropy::new(self.seed, self.draws);
                    let mut moment = Moment::new(now, &mut entropy).with_wall(now);
                    self.session.handle(Input::Stored, &mut moment).expect("is told");
                    self.draws = entropy.draws;
                }
                Output::Send(frame) => {
                    self.note_nonce(&frame, done);
                    done.frames.push(frame);
                }
                Output::Event(event) => self.note(event, done),
                _ => {}
            }
        }
    }

    /// Message frames: type 1, hint 2, nonce 24.
    fn note_nonce(&mut self, frame: &[u8], done: &mut Done) {
        if frame[0] != 0x20 {
            return;
        }
        let nonce = *frame[3..].first_chunk().expect("a message frame has a nonce");
        let known = *self.nonces.entry(nonce).or_insert(hash_of(&frame));
        if known != hash_of(&frame) {
            done.flaw = Some(Flaw::NonceReused);
        }
    }

    fn note(&mut self, event: Event, done: &mut Done) {
        if EXPLAIN.load(Ordering::Relaxed) {
            println!("        {:.4} {event:?}", self.id().to_string());
        }
        match event {
            Event::Message { from, id: Some(id), body, .. } => {
                if !self.names.insert((from, id)) {
                    done.flaw = Some(Flaw::DeliveredTwice);
                }
                if self.session.evicted().contains(&(from, id.incarnation)) {
                    done.flaw = Some(Flaw::HeardEvicted);
                }
                self.heard.push((from, body));
            }
            Event::Cloned(_) | Event::RolledBack | Event::InsiderAlarm => {
                done.flaw = Some(Flaw::FalseAlarm);
            }
            Event::Invited(invitation) => done.invited = Some(invitation),
            _ => {}
        }
    }

    /// The same device after a power cut: what it stored, and the observer's notes.
    pub(crate) fn reboot(
        &mut self,
        settings: stringphone_protocol::v2::Settings,
        now: u64,
    ) -> Done {
        let records = self.store.clone().expect("a store").into_values().collect();
        let identity = self.session.identity().clone();
        let mut entropy = Entropy::new(self.seed, self.draws);
        let mut moment = Moment::new(now, &mut entropy).with_wall(now);
        let state = V2State::from_records(records);
        self.session = V2Session::open(identity, &state, settings, &mut moment).expect("opens");
        self.draws = entropy.draws;
        let mut done = Done::default();
        self.drain(now, &mut done);
        done
    }

    /// Whether any frame can matter to it: not to somebody who is out, and does not ask to be in.
    pub(crate) fn is_listening(&self) -> bool {
        self.session.topic().is_some() || self.session.deadline().is_some()
    }

    /// Whether it is in the topic, as far as it knows.
    pub(crate) fn is_in(&self) -> bool {
        self.session.is_ready()
    }

    pub(crate) fn current(&self) -> Option<HeldGeneration> {
        self.session.held_generations().first().copied()
    }

    /// Hash of all that its future, or a later judgement about it, can depend on.
    pub(crate) fn digest(&self) -> u64 {
        hash_of(&(&self.session, self.draws, &self.nonces, &self.names, &self.heard, &self.store))
    }
}
