//! A topic that runs in this process: all that its owner can ask of it. Not here: who asks, and
//! from where.

mod answers;
mod delivery;
mod keeper;
mod links;
mod questions;
mod recovery;
mod roster;
mod tally;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures::{FutureExt, StreamExt, stream, stream::BoxStream};
use stringphone::keyfile::Keys;
use stringphone::tcp::RoomStats;
use stringphone::{
    Admission, Fingerprint, Invitation, Limits, LinkId, Participant, ParticipantId, Pin,
    Protocol as Speaks, Refusal, Topic, TopicError, TopicHandle, Transport,
};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

pub(crate) use delivery::acknowledge;
pub(crate) use questions::{Question, Questions};

use crate::failure::Failure;
use crate::home::{Home, Origin, Protocol, TopicConfig};
use crate::report::{By, Report};

/// How long a newcomer's question waits, and a denial is remembered: time for two people to find
/// each other and compare fingerprints.
const PATIENCE_MS: u64 = 300_000;
/// Events that wait for one reader.
const EVENTS: usize = 256;

/// How a topic is to be run.
pub(crate) struct Plan<'a> {
    pub(crate) topic: &'a str,
    pub(crate) keys: Keys,
    pub(crate) protocol: Protocol,
    pub(crate) origin: Origin,
    pub(crate) admission: Admission,
    pub(crate) entry: Entry,
    /// Whether messages are kept until a listener has told them.
    pub(crate) inbox: bool,
    /// What we call ourselves when we join.
    pub(crate) name: Option<String>,
}

/// What we have to show for ourselves, where we are not in the topic yet.
pub(crate) enum Entry {
    /// Be let in by nobody else, if there is one.
    Fingerprint(Option<Fingerprint>),
    Invitation(Invitation),
    Pin(Pin),
}

impl Entry {
    pub(crate) fn by(&self) -> By {
        match self {
            Self::Fingerprint(_) => By::Fingerprint,
            Self::Invitation(_) => By::Invitation,
            Self::Pin(_) => By::Pin,
        }
    }
}

impl<'a> Plan<'a> {
    /// The topic as this home knows it, with nobody admitted.
    pub(crate) fn new(topic: &'a str, keys: Keys, how: &TopicConfig) -> Self {
        Self {
            topic,
            keys,
            protocol: how.protocol,
            origin: how.origin,
            admission: Admission::Nobody,
            entry: Entry::Fingerprint(None),
            inbox: how.inbox,
            name: None,
        }
    }

    fn start(self, home: &Home) -> Result<TopicHandle, TopicError> {
        let Self { topic, keys, protocol, origin, admission, entry, inbox, name } = self;
        let Keys { identity, storage } = keys;
        let trusted = if let Entry::Fingerprint(trusted) = entry { trusted } else { None };
        let new = match (origin, entry) {
            (Origin::Joined, Entry::Invitation(invitation)) => Topic::invited(invitation, identity),
            (Origin::Joined, Entry::Pin(pin)) => Topic::join(topic, identity).pin(pin),
            (Origin::Joined, Entry::Fingerprint(_)) => Topic::join(topic, identity),
            (Origin::Founded | Origin::Imported, _) => Topic::found(topic, identity),
        };
        let new = new.store(home.store(topic, &storage)).admission(admission);
        match protocol {
            Protocol::V2 => {
                let new = delivery::keeping(new, inbox).device_name(name.unwrap_or_default());
                finish(new, trusted)
            }
            Protocol::Classic => finish(new.classic(), trusted),
        }
    }
}

fn finish(
    mut topic: Topic<impl Speaks>,
    trusted: Option<Fingerprint>,
) -> Result<TopicHandle, TopicError> {
    if let Some(trusted) = trusted {
        topic = topic.pin_admitter(trusted);
    }
    topic.limits(limits()).start()
}

/// A running topic. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Node(Arc<Inner>);

struct Inner {
    home: Home,
    protocol: Protocol,
    topic: TopicHandle,
    questions: Questions,
    state: watch::Sender<State>,
    /// Weak, so that it ends with the topic.
    reports: broadcast::WeakSender<Report>,
    room: OnceLock<RoomStats>,
    behind: OnceLock<links::Behind>,
    /// Whether we are leaving the topic, of our own will.
    left: AtomicBool,
}

#[derive(Default)]
struct State {
    ready: bool,
    links: BTreeMap<LinkId, (String, bool)>,
    /// What the last link that went down said.
    broken: Option<String>,
    /// What members call themselves.
    names: BTreeMap<ParticipantId, String>,
    /// Which keys are in use.
    generation: Option<u32>,
    recovery: recovery::Recovery,
}

/// What stands in the way of somebody who wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// There is no link, and never was; the last error, if there was one.
    NoLink(Option<String>),
    /// Somebody answered, and nobody here has confirmed it.
    Unconfirmed,
    /// Somebody answered who was not the one to be trusted.
    Stranger,
    /// Nobody answered.
    Silence,
}

impl Node {
    /// Starts the topic, with no link yet.
    pub(crate) async fn start(home: &Home, plan: Plan<'_>) -> Result<Self, Failure> {
        let asks = plan.admission == Admission::Ask;
        let file = home.topic_file(plan.topic);
        if plan.origin == Origin::Imported && !file.exists() {
            // Anew it would be another topic of the same name, with a key that nobody else has.
            return Err(Failure::failed(format!(
                "{}, with the imported keys of topic {:?}, is missing: put it back, or import \
                 again into an empty home",
                file.display(),
                plan.topic
            )));
        }
        let protocol = plan.protocol;
        let topic = plan.start(home)?;
        // The first answer is also the one that tells what is wrong with the store.
        let sources = keeper::Sources::of(&topic, asks).await?;
        let ready = topic.ready().now_or_never().is_some_and(|ready| ready.is_ok());
        let (reports, _) = broadcast::channel(EVENTS);
        let members = topic.members().await?;
        let names =
            members.into_iter().filter_map(|member| Some((member.participant.id(), member.name?)));
        let state = State {
            ready,
            names: names.collect(),
            generation: topic.epoch().await?.map(|epoch| epoch.generation),
            ..State::default()
        };
        let node = Self(Arc::new(Inner {
            home: home.clone(),
            protocol,
            topic,
            questions: Questions::default(),
            state: watch::Sender::new(state),
            reports: reports.downgrade(),
            room: OnceLock::new(),
            behind: OnceLock::new(),
            left: AtomicBool::new(false),
        }));
        tokio::spawn(keeper::keep(node.clone(), sources, reports));
        Ok(node)
    }

    async fn attach(&self, transport: impl Transport) -> Result<(), Failure> {
        self.0.topic.attach(transport).await?;
        Ok(())
    }

    pub(crate) fn home(&self) -> &Home {
        &self.0.home
    }

    pub(crate) fn name(&self) -> &str {
        self.0.topic.name()
    }

    pub(crate) fn participant(&self) -> Participant {
        self.0.topic.participant()
    }

    pub(crate) fn questions(&self) -> &Questions {
        &self.0.questions
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.0.state.borrow().ready
    }

    pub(crate) fn links_up(&self) -> usize {
        let state = self.0.state.borrow();
        state.links.values().filter(|(_, up)| *up).count()
    }

    /// Whether it is known that nobody is connected who could hear us.
    fn is_alone(&self) -> bool {
        if self.is_behind_relay() {
            return false;
        }
        // The room itself is a link that is always up.
        let (peers, room) = self.0.room.get().map_or((0, 0), |room| (room.peers(), 1));
        peers == 0 && self.links_up() <= room
    }

    /// Whether we left the topic, of our own will.
    pub(crate) fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Relaxed)
    }

    /// Why we are not in the topic yet, as far as it can be seen from here.
    pub(crate) async fn obstacle(&self, trusts_one: bool) -> Obstacle {
        let refused = self.0.topic.stats().await.map(|stats| stats.refused).unwrap_or_default();
        let state = self.0.state.borrow();
        if !state.links.values().any(|(_, up)| *up) {
            return Obstacle::NoLink(state.broken.clone());
        }
        if trusts_one && refused.contains_key(&Refusal::UntrustedSender) {
            return Obstacle::Stranger;
        }
        if self.questions().any_admitter() { Obstacle::Unconfirmed } else { Obstacle::Silence }
    }

    /// What this member calls itself, as far as it is known by now.
    fn name_of(&self, id: ParticipantId) -> Option<String> {
        self.0.state.borrow().names.get(&id).cloned()
    }

    /// Waits until a link is up.
    pub(crate) async fn linked(&self) {
        let mut state = self.0.state.subscribe();
        let up = |state: &State| state.links.values().any(|(_, up)| *up);
        // The sender is in this very node.
        drop(state.wait_for(up).await);
    }

    /// The messages from now on, and what happens besides. Ends when the topic stops.
    pub(crate) async fn watch(&self, events: bool) -> Result<BoxStream<'static, Report>, Failure> {
        let node = self.clone();
        let told = move |item| Report::received(item, |id| node.name_of(id));
        let messages = self.0.topic.subscribe_raw().await?.map(told);
        let reports = self.0.reports.upgrade().filter(|_| events);
        let Some(reports) = reports.map(|sender| sender.subscribe()) else {
            return Ok(messages.boxed());
        };
        let events = stream::unfold(reports, async |mut reports| match reports.recv().await {
            Ok(report) => Some((report, reports)),
            Err(RecvError::Lagged(missed)) => Some((Report::Lagged { missed }, reports)),
            Err(RecvError::Closed) => None,
        });
        Ok(stream::select(messages, events).boxed())
    }

    /// Stops in order; returns once the links are closed, with everything written.
    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        self.0.topic.stop().await?;
        self.last_words().await;
        Ok(())
    }
}

fn limits() -> Limits {
    Limits { introduction_ms: PATIENCE_MS, ..Limits::default() }
}
