//! Blind relays: frames forwarded between links, without any key. PROTOCOL §1.6. Not here: topics,
//! and what any frame says.

mod actor;
mod engine;
mod rates;
mod seen;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::carrier::{Carrier, Inbound, OpenChannel};
use crate::error::TopicError;
use crate::event::LinkId;
use crate::runtime;
use actor::{Flush, Listen, RelayActor, Tell, TellLinks};
use engine::{Engine, Side};

/// Frames from one link that wait for the relay. Beyond them the link's own flow control works.
const INBOX: usize = 64;
/// After so long without a frame, nothing more is on its way from a topic of this process.
const QUIET: Duration = Duration::from_millis(20);
const SETTLING: Duration = Duration::from_secs(2);

/// A relay about to be started: forwards the frames of some channels between links, without any key.
///
/// It joins, say, a serial line, a broker and a TCP room into one channel, for topics that this
/// process can read and for others. What comes in on one link goes out on all others. Frames that
/// come twice are dropped, so two relays between the same links do no harm.
///
/// Links to *participants* carry frames as they are. Links to other relays, and to nobody else,
/// carry them wrapped, with how many relays they have gone through ([`peer`](Self::peer)).
///
/// A topic of this process takes part through a link of its own, such as a port of
/// [`memory::Hub`](crate::memory::Hub):
///
/// ```
/// use stringphone::memory::Hub;
/// use stringphone::{Carrier, Relay, Topic, keyfile};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (upstairs, downstairs, inside) = (Hub::new(), Hub::new(), Hub::new());
/// let relay = Relay::new()
///     .link(Carrier::start(upstairs.port("relay")))
///     .link(Carrier::start(downstairs.port("relay")))
///     .inside(Carrier::start(inside.port("relay")))
///     .start(["house"])
///     .await?;
/// let topic = Topic::found("house", keyfile::ephemeral()?).start()?;
/// topic.attach(inside.port("gateway")).await?;
/// # drop(relay);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Relay {
    links: Vec<(Carrier, Side)>,
    limits: RelayLimits,
}

/// What a relay takes from each source: a link, or a link of another relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Frames a second, as a lasting rate (default 500); two seconds' worth may come at once.
    pub frames: u32,
    /// Bytes a second, as a lasting rate (default 256 KiB); two seconds' worth may come at once.
    pub bytes: u32,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self { frames: 500, bytes: 256 * 1024 }
    }
}

/// A link of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayLink {
    /// Its name, such as `tcp hub:7000`.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
}

/// What a relay has done since it started, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStats {
    /// Handed to at least one link.
    pub forwarded: u64,
    /// Dropped: the same had come a moment before.
    pub duplicates: u64,
    /// Dropped: their source sent too many, or too much.
    pub over_rate: u64,
    /// Dropped: they had gone through too many relays.
    pub hops: u64,
    /// Dropped: wrapped where participants are, or not wrapped where relays are.
    pub malformed: u64,
    /// Not handed to one of the links: its queue was full, or the frame was too large for it.
    pub unsent: u64,
    /// Lost on their way in.
    pub lost: u64,
}

impl Relay {
    /// A relay without links.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forwards to and from participants on this link.
    #[must_use]
    pub fn link(mut self, carrier: Carrier) -> Self {
        self.links.push((carrier, Side::Participants));
        self
    }

    /// Forwards to and from a topic of this process, on a link that it has for itself: it is held to
    /// no limits.
    #[must_use]
    pub fn inside(mut self, carrier: Carrier) -> Self {
        self.links.push((carrier, Side::Inside));
        self
    }

    /// Forwards to and from other relays on this link, and nobody else.
    #[must_use]
    pub fn peer(mut self, carrier: Carrier) -> Self {
        self.links.push((carrier, Side::Relays));
        self
    }

    /// The same relay with limits of your own.
    #[must_use]
    pub fn limits(mut self, limits: RelayLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts it, with these channels. More can be opened later.
    ///
    /// # Errors
    ///
    /// [`TopicError::Name`] where a channel's name is empty or too long,
    /// [`TopicError::ChannelTaken`] where somebody else of this process has it on one of the links,
    /// and on a link of one channel, where the relay has another on it already.
    pub async fn start<N: AsRef<str>>(
        self,
        channels: impl IntoIterator<Item = N>,
    ) -> Result<RelayHandle, TopicError> {
        let sides: Vec<Side> = self.links.iter().map(|(_, side)| *side).collect();
        let names = self.links.iter().map(|(carrier, _)| carrier.facts().name.clone());
        let links = names.map(|name| RelayLink { name, up: false }).collect();
        let engine = Engine::new(&sides, self.limits);
        let stopped = CancellationToken::new();
        let held = Arc::new(stopped.clone().drop_guard());
        let addr = RelayActor::start_in_arbiter(&runtime::arbiter(), move |_| {
            RelayActor::new(engine, links, stopped)
        });
        let carriers = self.links.into_iter().map(|(carrier, _)| carrier).collect();
        let handle = RelayHandle { addr, carriers, _held: held };
        for channel in channels {
            handle.open(channel.as_ref()).await?;
        }
        Ok(handle)
    }
}

/// A handle on a relay. The relay ends when the last one is dropped.
#[derive(Clone)]
pub struct RelayHandle {
    addr: Addr<RelayActor>,
    carriers: Arc<[Carrier]>,
    /// Tells the actor, when the last handle goes.
    _held: Arc<DropGuard>,
}

impl RelayHandle {
    /// Relays one more channel.
    ///
    /// # Errors
    ///
    /// As [`Relay::start`].
    pub async fn open(&self, channel: &str) -> Result<(), TopicError> {
        let mut opened: Vec<(OpenChannel, mpsc::Receiver<Inbound>)> = Vec::new();
        for carrier in &*self.carriers {
            let (sender, inbox) = mpsc::channel(INBOX);
            let open = carrier.channel(channel)?.open(LinkId::new(), sender).await?;
            opened.push((open, inbox));
        }
        let listen = Listen { channel: channel.into(), opened };
        self.addr.send(listen).await.map_err(|_| TopicError::Stopped)
    }

    /// The links, in the order in which they were given.
    ///
    /// # Errors
    ///
    /// [`TopicError::Stopped`] where its actor is gone.
    pub async fn links(&self) -> Result<Vec<RelayLink>, TopicError> {
        self.addr.send(TellLinks).await.map_err(|_| TopicError::Stopped)
    }

    /// Waits until nothing comes in any more and what came was handed to the links, or for two
    /// seconds: those that are down take nothing.
    ///
    /// # Errors
    ///
    /// [`TopicError::Stopped`] where its actor is gone.
    pub async fn settle(&self) -> Result<(), TopicError> {
        let settled = async {
            let mut before = self.stats().await?;
            loop {
                sleep(QUIET).await;
                let after = self.stats().await?;
                if after == before {
                    break;
                }
                before = after;
            }
            let flushed = self.addr.send(Flush).await.map_err(|_| TopicError::Stopped)?;
            for done in flushed {
                // A link that is gone has nothing left to take.
                let _ = done.await;
            }
            Ok(())
        };
        timeout(SETTLING, settled).await.unwrap_or(Ok(()))
    }

    /// What it has done so far.
    ///
    /// # Errors
    ///
    /// [`TopicError::Stopped`] where its actor is gone.
    pub async fn stats(&self) -> Result<RelayStats, TopicError> {
        self.addr.send(Tell).await.map_err(|_| TopicError::Stopped)
    }
}

impl fmt::Debug for RelayHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.carriers.iter()).finish()
    }
}
