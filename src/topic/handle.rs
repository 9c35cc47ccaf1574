//! What users hold of a topic. Not here: the actor behind it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, Addr, Recipient};
use bytes::Bytes;
use futures::StreamExt;
use stringphone_protocol::{Command, Unconfirmed};
use tokio::sync::{mpsc, oneshot};

use super::actor::{Call, Seed, TopicActor};
use super::admission::Admission;
use super::attachment::{Attachment, INBOX};
use super::bus::Bus;
use super::inbox::Inbox;
use super::open::Opening;
use super::publish::{Conditions, Outgoing, Publish};
use super::shared::{Alive, Shared, Status};
use crate::carrier::{Carrier, CarrierSettings, Channel};
use crate::error::TopicError;
use crate::event::{LinkId, Participant, Stats};
use crate::payload::Payload;
use crate::runtime::{self, ArbiterHandle};
use crate::subscription::{Delivery, Events, Subscription, UnverifiedMessages};
use crate::transport::{ChannelName, Transport};

/// A handle on a topic's actor: cheap to clone, usable from any runtime.
///
/// The topic lives until [`stop`](Self::stop), or until the last handle is dropped.
#[derive(Clone)]
pub struct TopicHandle(Arc<Inner>);

struct Inner {
    addr: Addr<TopicActor>,
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
    arbiter: ArbiterHandle,
}

pub(super) fn start(
    name: ChannelName,
    opening: Opening,
    admission: Admission,
    capacity: usize,
) -> TopicHandle {
    let participant = Participant::new(opening.identity.public_key());
    let shared = Arc::new(Shared::new(name, participant, opening.outbox));
    let (sender, queue) = mpsc::channel(capacity);
    let arbiter = runtime::arbiter();
    // Made here, so that it goes even where the arbiter never gets to the actor.
    let alive = Alive(shared.clone());
    let door = sender.downgrade();
    let addr = TopicActor::start_in_arbiter(&arbiter, move |_| {
        TopicActor::new(Seed { opening, policy: admission.into(), queue, capacity }, door, alive)
    });
    TopicHandle(Arc::new(Inner { addr, queue: sender, shared, arbiter }))
}

/// Messages.
impl TopicHandle {
    /// Publishes a payload to every participant that trusts us.
    ///
    /// # Errors
    ///
    /// Awaiting gives [`TopicError::NotReady`] while the topic key is not held,
    /// [`TopicError::NoLink`] while nothing is attached, [`TopicError::TooLarge`] where the
    /// protocol, or the smallest of the attached links, can't carry it, and
    /// [`TopicError::Payload`] where it can't be encoded.
    pub fn publish<T: Payload>(&self, payload: &T) -> Publish<'_> {
        Publish::new(self, payload.encode().map(Bytes::from))
    }

    /// Publishes bytes as they are; otherwise as [`publish`](Self::publish).
    pub fn publish_raw(&self, body: impl Into<Bytes>) -> Publish<'_> {
        Publish::new(self, Ok(body.into()))
    }

    pub(super) async fn enqueue(
        &self,
        body: Bytes,
        conditions: Conditions,
    ) -> Result<(), TopicError> {
        self.0.shared.enqueue(self.0.queue.clone(), body, conditions).await
    }

    pub(super) fn next_ticket(&self) -> u64 {
        self.0.shared.ticket.fetch_add(1, Ordering::Relaxed)
    }

    /// The messages of ours whose receipts are wanted and not all there: those of before a restart
    /// too, where there is an [outbox](crate::Topic::outbox).
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn unconfirmed(&self) -> Result<Vec<Unconfirmed>, TopicError> {
        self.call(|bus| bus.unconfirmed()).await
    }

    /// How many messages wait in the [outbox](crate::Topic::outbox) to be sent, whether their
    /// receipts are wanted or not.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn unsent(&self) -> Result<usize, TopicError> {
        self.call(|bus| bus.unsent()).await
    }

    /// Waits no longer for receipts of a message, by its [ticket](crate::Receipts::ticket): it is
    /// not sent again, nor kept.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where there is no such message; otherwise why the topic has stopped.
    pub async fn give_up(&self, ticket: u64) -> Result<(), TopicError> {
        self.command(Command::GiveUp(ticket)).await?;
        // Whoever waits for the receipts learns it.
        self.call(move |bus| bus.given_up(vec![ticket], &[])).await
    }

    /// A stream of payloads that are stored until they are [acknowledged](crate::Kept::ack), on a
    /// topic with an [inbox](crate::Topic::inbox). What is not of this type is told as
    /// [`ReceiveError::Undecodable`](crate::ReceiveError::Undecodable), and acknowledged.
    ///
    /// # Errors
    ///
    /// [`TopicError::NoInbox`] where the topic has none, [`TopicError::InboxTaken`] while there is
    /// another such stream; otherwise why the topic has stopped.
    pub async fn inbox<T: Payload>(&self) -> Result<Inbox<T>, TopicError> {
        let messages = self.call(Bus::inbox).await??;
        Ok(Inbox::new(messages, |bytes| T::decode(&bytes)))
    }

    /// The same, of bytes as they are.
    ///
    /// # Errors
    ///
    /// As [`inbox`](Self::inbox).
    pub async fn inbox_raw(&self) -> Result<Inbox, TopicError> {
        let messages = self.call(Bus::inbox).await??;
        Ok(Inbox::new(messages, Ok))
    }

    /// A stream of payloads from trusted participants.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn subscribe<T: Payload>(&self) -> Result<Subscription<T>, TopicError> {
        let reader = self.call(Bus::subscribe).await?;
        Ok(Subscription::new(reader, |bytes| T::decode(&bytes)))
    }

    /// A stream of messages from trusted participants, as bytes.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn subscribe_raw(&self) -> Result<Subscription, TopicError> {
        let reader = self.call(Bus::subscribe).await?;
        Ok(Subscription::new(reader, Ok))
    }

    /// Sends payloads from trusted participants to an actix actor, one after the other: each once
    /// the last one was handled. An actor that is too slow loses the oldest and is told so, like
    /// any subscriber, by [`ReceiveError::Lagged`](crate::ReceiveError::Lagged).
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn subscribe_recipient<T: Payload>(
        &self,
        recipient: Recipient<Delivery<T>>,
    ) -> Result<(), TopicError> {
        let mut subscription = self.subscribe::<T>().await?;
        // It ends with the topic, or with the actor.
        self.0.arbiter.spawn(async move {
            while let Some(received) = subscription.next().await {
                if recipient.send(Delivery(received)).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// A stream of messages whose senders nobody checked, on a topic that was opened with
    /// [`Reading::DangerouslyUnverified`](crate::Reading::DangerouslyUnverified). On any other it
    /// stays empty.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn dangerous_unverified(&self) -> Result<UnverifiedMessages, TopicError> {
        self.call(Bus::subscribe_unverified).await.map(UnverifiedMessages)
    }
}

/// Links.
impl TopicHandle {
    /// Attaches the topic to a transport of its own, or to a [`Channel`] of a shared carrier.
    ///
    /// Returns at once; the link comes up, goes down and comes back by itself, and
    /// [`Event`](crate::Event) tells. A topic may have several links: it publishes on all, and
    /// takes each frame once.
    ///
    /// # Errors
    ///
    /// [`TopicError::ChannelTaken`] where another topic has that channel.
    pub async fn attach(&self, link: impl Into<Attach>) -> Result<LinkId, TopicError> {
        let channel = match link.into().0 {
            Source::Channel(channel) => channel,
            Source::Transport(transport) => {
                Carrier::start_on(&self.0.arbiter, transport, CarrierSettings::default())
                    .channel(self.name())?
            }
        };
        let id = LinkId::new();
        let (sender, inbox) = mpsc::channel(INBOX);
        let channel = channel.open(id, sender).await?;
        self.call(move |bus| bus.attach(Attachment::new(id, channel, inbox))).await?;
        Ok(id)
    }

    /// Detaches a link. A transport that no other topic uses is disconnected.
    ///
    /// # Errors
    ///
    /// [`TopicError::NoSuchLink`] where it is not attached.
    pub async fn detach(&self, link: LinkId) -> Result<(), TopicError> {
        self.call(move |bus| bus.detach(link)).await?
    }
}

/// What a topic can be attached to: any [`Transport`], or a [`Channel`].
pub struct Attach(Source);

enum Source {
    Channel(Channel),
    Transport(Box<dyn Transport>),
}

impl<T: Transport> From<T> for Attach {
    fn from(transport: T) -> Self {
        Self(Source::Transport(Box::new(transport)))
    }
}

impl From<Channel> for Attach {
    fn from(channel: Channel) -> Self {
        Self(Source::Channel(channel))
    }
}

/// The topic itself.
impl TopicHandle {
    /// The topic's name, which is also its channel's by default.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.shared.name.as_str()
    }

    /// Who we are in this topic.
    #[must_use]
    pub fn participant(&self) -> Participant {
        self.0.shared.participant
    }

    /// What happens around the topic.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn events(&self) -> Result<Events, TopicError> {
        self.call(Bus::subscribe_events).await.map(Events)
    }

    /// Counters since the topic started.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn stats(&self) -> Result<Stats, TopicError> {
        self.call(|bus| bus.stats.clone()).await
    }

    /// The address of the topic's actor, for actix users: see
    /// [`PublishMessage`](crate::PublishMessage).
    #[must_use]
    pub fn addr(&self) -> &Addr<TopicActor> {
        &self.0.addr
    }

    /// Stops the topic in order: what was published is sealed and handed to the links, which are
    /// given two seconds for it; then subscriptions end and links close. When this returns, they
    /// are closed.
    ///
    /// # Errors
    ///
    /// [`TopicError::Unsent`] where the links did not take everything in time. Otherwise why the
    /// topic had stopped before, if it was not stopped by its users.
    pub async fn stop(&self) -> Result<(), TopicError> {
        // An actor that is gone has stopped already.
        let _ = self.call(Bus::stop).await;
        match self.status(|status| matches!(status, Status::Stopped(_))).await {
            Status::Stopped(TopicError::Stopped) => Ok(()),
            Status::Stopped(error) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.0.shared.status.subscribe();
        // The sender is in this very handle.
        status.wait_for(wanted).await.map_or(Status::Stopped(TopicError::Stopped), |s| s.clone())
    }

    pub(super) fn why_stopped(&self) -> TopicError {
        self.0.shared.why_stopped()
    }

    pub(super) async fn command(&self, command: Command<'static>) -> Result<(), TopicError> {
        let (outcome, done) = oneshot::channel();
        self.call(|bus| bus.command(command, outcome)).await?;
        done.await.map_err(|_| self.0.shared.why_stopped())?
    }

    /// Has the actor do something, and waits for what it returns.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Bus) -> R + Send + 'static,
    ) -> Result<R, TopicError> {
        let (answer, answered) = oneshot::channel();
        let call = Call(Box::new(move |bus| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(work(bus));
        }));
        let sent = self.0.addr.send(call).await;
        let stopped = || self.0.shared.why_stopped();
        sent.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())
    }
}

impl fmt::Debug for TopicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicHandle({} as {})", self.name(), self.participant().id())
    }
}
