//! What arrives on a JetStream link: a durable consumer for each open channel.
//! Not where a consumer begins: see `consumers`.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_nats::{
    Client, Subject,
    datetime::DateTime,
    jetstream::{Message, consumer::pull},
};
use bytes::Bytes;
use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    stream::{self, AbortHandle, Abortable, SelectAll, abortable},
};
use stringphone_transport::{
    ChannelChanges, ChannelName, Channels, Frame, Incoming, TransportError,
};

use crate::{
    connection::{Connection, Health, next_symptom},
    consumers::Consumers,
    incoming::{Source, all_of, frame},
};

/// The header that names the sender.
pub(crate) const FROM: &str = "Sp-From";

/// Frames of a channel that are asked for at a time; one and a half times as many may wait here.
const BATCH: usize = 256;
/// How long the server remembers a request for frames; it tells of itself more often.
const REQUEST: Duration = Duration::from_secs(30);
/// Frames that are handed up between two acknowledgements while more are there.
const ACKNOWLEDGED: u32 = 64;
/// Consumers that are opened at a time.
const OPENING: usize = 16;

/// What was handed up last of each channel, by all links of one transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<HashMap<ChannelName, Place>>>);

/// A place in the stream. The time tells a stream that was made anew from the former one.
#[derive(Clone, Copy, Debug)]
struct Place {
    sequence: u64,
    published: DateTime,
}

impl Heard {
    /// Notes that a frame is handed up; false if it, or one behind it, was already.
    fn is_new(&self, channel: &ChannelName, place: Place) -> bool {
        // No code panics while it holds the lock.
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = heard
            .get(channel)
            .is_none_or(|last| place.sequence > last.sequence || place.published > last.published);
        if is_new {
            heard.insert(channel.clone(), place);
        }
        is_new
    }
}

/// Opens the consumers of the channels that are open, and tells what arrives on them and on later
/// ones, without what `me` has sent.
pub(crate) async fn incoming(
    connection: &Connection,
    consumers: Consumers,
    me: &str,
    heard: Heard,
    ping: Duration,
    channels: Channels,
) -> Result<Incoming, TransportError> {
    let mut durable = Durable {
        client: connection.client.clone(),
        health: connection.health.clone(),
        lost: 0,
        consumers,
        me: me.to_owned(),
        heard,
        heartbeat: ping.min(REQUEST / 2),
        channels,
        inboxes: SelectAll::new(),
        open: HashMap::new(),
        unacknowledged: HashMap::new(),
        handed_up: 0,
    };
    if let Some(changes) = durable.channels.changed().now_or_never() {
        durable.apply(changes).await?;
    }
    Ok(all_of(durable))
}

struct Durable {
    client: Client,
    health: Health,
    lost: u64,
    consumers: Consumers,
    me: String,
    heard: Heard,
    heartbeat: Duration,
    channels: Channels,
    inboxes: SelectAll<Abortable<Inbox>>,
    open: HashMap<ChannelName, AbortHandle>,
    /// Where the last frame of each channel is acknowledged, and with it all before.
    unacknowledged: HashMap<ChannelName, Subject>,
    /// Frames since the last acknowledgement.
    handed_up: u32,
}

impl Source for Durable {
    /// What was returned before is handed up by now.
    async fn next(&mut self) -> Result<Frame, TransportError> {
        loop {
            // Changes have their turn however much arrives.
            let at_once = match self.handed_up {
                ..ACKNOWLEDGED => self.inboxes.next().now_or_never().flatten(),
                _ => None,
            };
            let arrived = match at_once {
                Some(arrived) => Some(arrived),
                None => self.wait().await?,
            };
            let Some((channel, message)) = arrived else { continue };
            if let Some(frame) = self.accept(&channel, message?)? {
                return frame;
            }
        }
    }
}

impl Durable {
    /// Acknowledges everything, and waits for a message, or applies a change.
    async fn wait(&mut self) -> Result<Option<Arrived>, TransportError> {
        self.acknowledge().await?;
        tokio::select! {
            biased;
            symptom = next_symptom(&mut self.health, &mut self.lost) => Err(symptom),
            changes = self.channels.changed() => self.apply(changes).await.map(|()| None),
            Some(arrived) = self.inboxes.next() => Ok(Some(arrived)),
        }
    }

    /// The frame of a message, if it is one that nobody here has heard or sent.
    fn accept(
        &mut self,
        channel: &ChannelName,
        Numbered { message, place }: Numbered,
    ) -> Result<Option<Result<Frame, TransportError>>, TransportError> {
        let reply =
            message.reply.clone().ok_or_else(|| TransportError::other("no way to reply"))?;
        self.unacknowledged.insert(channel.clone(), reply);
        self.handed_up += 1;
        let from = message.headers.as_ref().and_then(|headers| headers.get(FROM));
        let ours = from.is_some_and(|from| from.as_str() == self.me);
        if ours || !self.heard.is_new(channel, place) {
            return Ok(None);
        }
        Ok(frame(channel, &message))
    }

    async fn acknowledge(&mut self) -> Result<(), TransportError> {
        self.handed_up = 0;
        for (_, reply) in self.unacknowledged.drain() {
            let acknowledgement = Bytes::from_static(b"+ACK");
            let sent = self.client.publish(reply, acknowledgement).await;
            sent.map_err(TransportError::other)?;
        }
        Ok(())
    }

    async fn apply(&mut self, changes: ChannelChanges) -> Result<(), TransportError> {
        for channel in changes.closed {
            if let Some(inbox) = self.open.remove(&channel) {
                inbox.abort();
            }
        }
        let (consumers, heartbeat) = (&self.consumers, self.heartbeat);
        let opening =
            changes.opened.into_iter().map(|channel| Inbox::open(consumers, channel, heartbeat));
        let mut opened = stream::iter(opening).buffer_unordered(OPENING);
        while let Some(inbox) = opened.try_next().await? {
            let channel = inbox.channel.clone();
            let (inbox, handle) = abortable(inbox);
            self.inboxes.push(inbox);
            self.open.insert(channel, handle);
        }
        Ok(())
    }
}

type Arrived = (ChannelName, Result<Numbered, TransportError>);

/// A message that follows the one before it.
struct Numbered {
    message: Message,
    place: Place,
}

/// What the consumer of one channel delivers.
struct Inbox {
    channel: ChannelName,
    messages: pull::Stream,
    /// The number of the last delivery.
    delivered: u64,
}

impl Inbox {
    async fn open(
        consumers: &Consumers,
        channel: ChannelName,
        heartbeat: Duration,
    ) -> Result<Self, TransportError> {
        let consumer = consumers.open(&channel).await?;
        let delivered = consumer.cached_info().delivered.consumer_sequence;
        let messages = consumer
            .stream()
            .max_messages_per_batch(BATCH)
            .expires(REQUEST)
            .heartbeat(heartbeat)
            .messages()
            .await
            .map_err(TransportError::other)?;
        Ok(Self { channel, messages, delivered })
    }

    /// Numbers the message, unless some before it are missing.
    fn number(&mut self, message: Message) -> Result<Numbered, TransportError> {
        let info = message.info().map_err(TransportError::Other)?;
        let (expected, number) = (self.delivered + 1, info.consumer_sequence);
        if number != expected {
            let gap =
                format!("delivery {number} instead of {expected}: is a durable name used twice?");
            return Err(TransportError::other(gap));
        }
        self.delivered = number;
        let place = Place { sequence: info.stream_sequence, published: info.published };
        Ok(Numbered { message, place })
    }
}

impl Stream for Inbox {
    type Item = Arrived;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Arrived>> {
        self.messages.poll_next_unpin(cx).map(|message| {
            let numbered = match message? {
                Ok(message) => self.number(message),
                Err(error) => Err(TransportError::other(error)),
            };
            Some((self.channel.clone(), numbered))
        })
    }
}
