//! What the bus's tests share: houses whose members know each other, and odd links and stores.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod disk;

use std::collections::VecDeque;
use std::error::Error;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::{SinkExt, StreamExt, stream};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use stringphone::memory::Hub;
use stringphone::transport::{
    Channels, Facts, Frame, Incoming, Link, Outgoing, Transport, TransportError,
};
use stringphone::{
    Attach, Classic, ClassicState, Event, Events, Identity, LinkId, PublicKey, Received,
    Subscription, Topic, TopicError, TopicHandle,
};

pub(crate) type Test = Result<(), Box<dyn Error>>;

/// The same identity for the same number, everywhere.
pub(crate) fn identity(number: u8) -> Identity {
    Identity::from_seed(&[number; 32])
}

pub(crate) fn key(number: u8) -> PublicKey {
    identity(number).public_key()
}

/// What a member holds of a topic whose key all of the house hold, and whom it trusts.
pub(crate) fn state(number: u8, trusted: &[u8]) -> ClassicState {
    let mut shared = ChaCha20Rng::from_seed([99; 32]);
    let mut own = ChaCha20Rng::from_seed([number; 32]);
    ClassicState {
        topic_key: ClassicState::found(&mut shared).topic_key,
        exchange_key: ClassicState::join(&mut own).exchange_key,
        participants: trusted.iter().map(|number| key(*number)).collect(),
    }
}

/// A member of that topic.
pub(crate) fn member(number: u8, trusted: &[u8]) -> Topic<Classic> {
    Topic::import("house", identity(number), state(number, trusted))
}

/// Members 1 and 2, who trust each other, on one hub.
pub(crate) async fn pair(hub: &Hub) -> Result<(TopicHandle, TopicHandle), TopicError> {
    let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
    attach(&a, hub.port("a")).await?;
    attach(&b, hub.port("b")).await?;
    Ok((a, b))
}

/// Attaches a topic and waits until the link is up.
pub(crate) async fn attach(
    topic: &TopicHandle,
    link: impl Into<Attach>,
) -> Result<LinkId, TopicError> {
    let mut events = topic.events().await?;
    let attached = topic.attach(link).await?;
    event(&mut events, |event| match event {
        Event::LinkUp { link, .. } if *link == attached => Some(()),
        _ => None,
    })
    .await;
    Ok(attached)
}

pub(crate) async fn next<T>(subscription: &mut Subscription<T>) -> Received<T> {
    subscription.next().await.expect("the topic goes on").expect("a message")
}

/// Waits for an event of this kind, and passes over others.
pub(crate) async fn event<T>(events: &mut Events, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = events.next().await.expect("the topic goes on").expect("no event is lost");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

/// Runs a test on an actix system whose clock is virtual. What does not happen within a day of it
/// never will.
pub(crate) fn in_virtual_time(test: impl Future<Output = Test>) -> Test {
    actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    })
    .block_on(async {
        let day = Duration::from_secs(86_400);
        tokio::time::timeout(day, test).await.map_err(|_| "it waits in vain")?
    })
}

/// Whether a test of many rounds goes on, after so many since it began: for this many, or for as many
/// seconds as `STRINGPHONE_SOAK_SECONDS` says.
pub(crate) fn goes_on(rounds: u32, at_least: u32, began: Instant) -> bool {
    let seconds = std::env::var("STRINGPHONE_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    rounds < at_least || began.elapsed() < Duration::from_secs(seconds)
}

/// What a [`Scripted`] transport does when it is asked to connect.
pub(crate) enum Act {
    Refuse,
    Panic,
    /// A link whose stream panics.
    PanicLater,
    /// A link that is lost at once.
    Lose,
    /// A link that takes nothing and gives nothing.
    Stuck,
    /// A link that takes a frame, and is lost five seconds later.
    StuckThenLost,
    /// A good link through this port.
    Connect(Box<dyn Transport>),
}

/// A transport that does one thing after the other, and then refuses for ever.
pub(crate) struct Scripted(Mutex<VecDeque<Act>>);

impl Scripted {
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self(Mutex::new(acts.into_iter().collect()))
    }
}

#[async_trait]
impl Transport for Scripted {
    fn facts(&self) -> Facts {
        Facts::new("scripted", 1024).reliable().many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let act = self.0.get_mut().unwrap().pop_front().unwrap_or(Act::Refuse);
        let nowhere: Outgoing =
            Box::pin(futures::sink::drain().sink_map_err(|never| match never {}));
        match act {
            Act::Refuse => Err(TransportError::other("refused")),
            Act::Panic => panic!("the adapter fell over"),
            Act::PanicLater => {
                let panics: Incoming =
                    Box::pin(stream::once(async { panic!("it fell over later") }));
                Ok(Link { incoming: panics, outgoing: nowhere })
            }
            Act::Lose => Ok(Link { incoming: Box::pin(stream::empty()), outgoing: nowhere }),
            Act::Stuck => {
                let stuck = futures::sink::unfold((), |(), _: Frame| pending());
                Ok(Link { incoming: Box::pin(stream::pending()), outgoing: Box::pin(stuck) })
            }
            Act::StuckThenLost => {
                let stuck = futures::sink::unfold((), |(), _: Frame| pending());
                let lost = stream::once(async {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    Err(TransportError::Closed)
                });
                Ok(Link::new(lost, stuck))
            }
            Act::Connect(mut port) => port.connect(channels).await,
        }
    }
}

/// Records what crosses a transport, both ways.
pub(crate) struct Tapped<T> {
    pub(crate) inner: T,
    pub(crate) heard: Arc<Mutex<Vec<Frame>>>,
}

#[async_trait]
impl<T: Transport> Transport for Tapped<T> {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let link = self.inner.connect(channels).await?;
        let (heard, sent) = (self.heard.clone(), self.heard.clone());
        let incoming = link.incoming.inspect(move |item| {
            if let Ok(frame) = item {
                heard.lock().unwrap().push(frame.clone());
            }
        });
        let outgoing = link.outgoing.with(move |frame: Frame| {
            sent.lock().unwrap().push(frame.clone());
            futures::future::ok::<_, TransportError>(frame)
        });
        Ok(Link::new(incoming, outgoing))
    }
}
