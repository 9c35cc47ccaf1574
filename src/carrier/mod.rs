//! Carriers: one actor for each connection, which keeps a transport's link up and shares it among
//! topics. Not here: what any frame means.

mod actor;
mod backoff;
mod life;
pub(crate) mod pieces;
mod route;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::TopicError;
use crate::event::LinkId;
use crate::runtime::{self, ArbiterHandle};
use crate::transport::{ChannelName, Facts, Frame, Transport};
use actor::{CarrierActor, Close, Open};

/// A connection that topics share: a handle on the actor that owns a transport.
///
/// The actor connects, reconnects after a loss with growing pauses, survives panics of the
/// adapter, and tells its topics when the link goes up and down. Clones are cheap. The connection
/// ends when the last handle and the last [`Channel`] of it are dropped.
///
/// ```
/// use stringphone::memory::Hub;
/// use stringphone::{Carrier, Topic, keyfile};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let me = keyfile::ephemeral()?;
/// let carrier = Carrier::start(Hub::new().port("gateway"));
/// for name in ["greenhouse", "garage"] {
///     let topic = Topic::found(name, me.clone()).classic().start()?;
///     topic.attach(carrier.channel(name)?).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Carrier {
    addr: Addr<CarrierActor>,
    facts: Arc<Facts>,
    outbound: mpsc::Sender<Outbound>,
    /// Tells the actor, when the last handle goes, that nobody holds the carrier any more.
    held: Arc<DropGuard>,
    /// Cancelled once the connection is closed.
    closed: CancellationToken,
}

/// How a carrier behaves; the defaults suit a gateway.
#[derive(Clone, Debug)]
pub struct CarrierSettings {
    /// Frames that wait for the link, of all topics together (default 256).
    pub queue: usize,
    /// The first pause before a reconnection (default 250 ms); each further one is twice as long …
    pub first_pause: Duration,
    /// … up to this (default 30 s). Every pause is shortened at random by up to a half.
    pub last_pause: Duration,
    /// How long a frame waits for its link before it counts as stale and is lost (default 30 s):
    /// a command that was given long ago may do harm when it is obeyed at last.
    pub keep: Duration,
    /// A link that takes nothing for this long, or does not come up, is given up and connected
    /// again (default 30 s).
    pub stall: Duration,
    /// Makes the random part of the pauses repeatable, for simulations.
    pub seed: Option<u64>,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            queue: 256,
            first_pause: Duration::from_millis(250),
            last_pause: Duration::from_secs(30),
            keep: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            seed: None,
        }
    }
}

impl Carrier {
    /// Starts a carrier over this transport.
    pub fn start(transport: impl Transport) -> Self {
        Self::start_with(transport, CarrierSettings::default())
    }

    /// Starts a carrier with settings of your own.
    pub fn start_with(transport: impl Transport, settings: CarrierSettings) -> Self {
        Self::start_on(&runtime::arbiter(), Box::new(transport), settings)
    }

    pub(crate) fn start_on(
        arbiter: &ArbiterHandle,
        transport: Box<dyn Transport>,
        settings: CarrierSettings,
    ) -> Self {
        let facts = Arc::new(transport.facts());
        let (outbound, queue) = mpsc::channel(settings.queue.clamp(1, MAX_QUEUE));
        let stopped = CancellationToken::new();
        let held = Arc::new(stopped.clone().drop_guard());
        let closed = CancellationToken::new();
        let closing = closed.clone().drop_guard();
        let addr = CarrierActor::start_in_arbiter(arbiter, move |_| {
            CarrierActor::new(transport, queue, settings, stopped, closing)
        });
        Self { addr, facts, outbound, held, closed }
    }

    /// A channel of this connection, for one topic: UTF-8 of 1 to 64 bytes, visible on the link.
    ///
    /// # Errors
    ///
    /// [`TopicError::Name`] where the name is empty or too long.
    pub fn channel(&self, name: &str) -> Result<Channel, TopicError> {
        Ok(Channel { carrier: self.clone(), name: channel_name(name)? })
    }

    /// What is known of the link.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// More than anybody means, and less than what a queue could not count.
pub(crate) const MAX_QUEUE: usize = 1 << 20;

pub(crate) fn channel_name(name: &str) -> Result<ChannelName, TopicError> {
    ChannelName::try_from(name).map_err(|_| TopicError::Name { len: name.len() })
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carrier({})", self.facts.name)
    }
}

/// A channel of a [`Carrier`], to attach a topic to.
#[derive(Clone, Debug)]
pub struct Channel {
    carrier: Carrier,
    name: ChannelName,
}

impl Channel {
    /// Hands what arrives on the channel to `inbox` from now on.
    pub(crate) async fn open(
        self,
        id: LinkId,
        inbox: mpsc::Sender<Inbound>,
    ) -> Result<OpenChannel, TopicError> {
        let open = Open { id, name: self.name.clone(), inbox };
        let addr = self.carrier.addr.clone();
        // Made first, so that the channel is closed again where nobody waits for the answer.
        let channel = OpenChannel { channel: self, id };
        addr.send(open).await.map_err(|_| TopicError::Stopped)??;
        Ok(channel)
    }
}

/// A channel in use by a topic; closed when dropped.
pub(crate) struct OpenChannel {
    channel: Channel,
    id: LinkId,
}

impl OpenChannel {
    pub(crate) fn facts(&self) -> &Facts {
        &self.channel.carrier.facts
    }

    pub(crate) fn outbound(&self) -> mpsc::Sender<Outbound> {
        self.channel.carrier.outbound.clone()
    }

    pub(crate) fn frame(&self, bytes: Bytes) -> Outbound {
        Outbound::Frame(Frame::on(self.channel.name.clone(), bytes), Instant::now())
    }

    /// What to wait for, after this was dropped, to know that the connection is closed; nothing
    /// where others hold it.
    pub(crate) fn closed(&self) -> Option<CancellationToken> {
        let carrier = &self.channel.carrier;
        (Arc::strong_count(&carrier.held) == 1).then(|| carrier.closed.clone())
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        // Not fed by the network: once for each attachment at most.
        let close = Close { id: self.id, name: self.channel.name.clone() };
        self.channel.carrier.addr.do_send(close);
    }
}

/// From a topic to its carrier.
pub(crate) enum Outbound {
    /// A frame, and when it was queued.
    Frame(Frame, Instant),
    /// Answered once everything before it was handed to the link.
    Flush(oneshot::Sender<()>),
}

/// From a carrier to its topics.
pub(crate) enum Inbound {
    Frame(Bytes),
    Up,
    Down(Box<Down>),
    /// Frames were lost.
    Lost(u64),
}

/// What a topic knows of a link.
#[derive(Clone)]
enum State {
    Up,
    Down(Down),
}

impl From<State> for Inbound {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Down(down) => Self::Down(Box::new(down)),
        }
    }
}

/// Why a link is down, and when it is tried again.
#[derive(Clone, Debug)]
pub(crate) struct Down {
    pub(crate) reason: String,
    pub(crate) retry_in: Duration,
}
