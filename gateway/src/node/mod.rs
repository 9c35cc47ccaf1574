//! A topic that runs in this process: all that its owner can ask of it. Not here: who asks, and
//! from where.

mod answers;
mod keeper;
mod questions;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use futures::{FutureExt, StreamExt, stream, stream::BoxStream};
use stringphone::tcp::{RoomStats, TcpClient, TcpRoom};
use stringphone::{
    Admission, Fingerprint, Identity, Limits, LinkId, Participant, Topic, TopicHandle, Transport,
};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

pub(crate) use questions::{Question, Questions};

use crate::failure::Failure;
use crate::home::{Home, Origin};
use crate::report::Report;

/// How long a newcomer's question waits, and a denial is remembered: time for two people to find
/// each other and compare fingerprints.
const PATIENCE_MS: u64 = 300_000;
/// Events that wait for one reader.
const EVENTS: usize = 256;

/// How a topic is to be run.
pub(crate) struct Plan<'a> {
    pub(crate) topic: &'a str,
    pub(crate) identity: Identity,
    pub(crate) origin: Origin,
    pub(crate) admission: Admission,
    /// Take the topic key from nobody else.
    pub(crate) pin: Option<Fingerprint>,
}

/// A running topic. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Node(Arc<Inner>);

struct Inner {
    home: Home,
    topic: TopicHandle,
    questions: Questions,
    state: watch::Sender<State>,
    /// Weak, so that it ends with the topic.
    reports: broadcast::WeakSender<Report>,
    room: OnceLock<RoomStats>,
}

#[derive(Default)]
struct State {
    ready: bool,
    links: BTreeMap<LinkId, (String, bool)>,
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
        let topic = match plan.origin {
            Origin::Joined => Topic::join(plan.topic, plan.identity),
            Origin::Founded | Origin::Imported => Topic::found(plan.topic, plan.identity),
        };
        let mut builder = topic
            .classic()
            .store(home.store(plan.topic))
            .admission(plan.admission)
            .limits(limits());
        if let Some(pin) = plan.pin {
            builder = builder.pin_admitter(pin);
        }
        let topic = builder.start()?;
        // The first answer is also the one that tells what is wrong with the store.
        let sources = keeper::Sources::of(&topic, asks).await?;
        let ready = topic.ready().now_or_never().is_some_and(|ready| ready.is_ok());
        let (reports, _) = broadcast::channel(EVENTS);
        let node = Self(Arc::new(Inner {
            home: home.clone(),
            topic,
            questions: Questions::default(),
            state: watch::Sender::new(State { ready, ..State::default() }),
            reports: reports.downgrade(),
            room: OnceLock::new(),
        }));
        tokio::spawn(keeper::keep(node.clone(), sources, reports));
        Ok(node)
    }

    pub(crate) async fn listen(&self, room: TcpRoom) -> Result<(), Failure> {
        // Only the first room's peers are told; there is no second.
        let _ = self.0.room.set(room.stats());
        self.attach(room).await
    }

    pub(crate) async fn connect(&self, client: TcpClient) -> Result<(), Failure> {
        self.attach(client).await
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

    /// Waits until a link is up.
    pub(crate) async fn linked(&self) {
        let mut state = self.0.state.subscribe();
        let up = |state: &State| state.links.values().any(|(_, up)| *up);
        // The sender is in this very node.
        drop(state.wait_for(up).await);
    }

    /// The messages from now on, and what happens besides. Ends when the topic stops.
    pub(crate) async fn watch(&self, events: bool) -> Result<BoxStream<'static, Report>, Failure> {
        let messages = self.0.topic.subscribe_raw().await?.map(Report::from);
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
        Ok(self.0.topic.stop().await?)
    }
}

fn limits() -> Limits {
    Limits { introduction_ms: PATIENCE_MS, ..Limits::default() }
}
