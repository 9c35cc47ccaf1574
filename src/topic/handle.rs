//! What users hold of a topic. Not here: the actor behind it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{Actor, Addr, Recipient};
use bytes::Bytes;
use futures::StreamExt;
use stringphone_protocol::v2::{Invitation, InviteOptions, Pin, Role};
use stringphone_protocol::{Command, Epoch, ParticipantId, PublicKey};
use tokio::sync::{mpsc, oneshot};

use super::actor::{Call, Seed, TopicActor};
use super::admission::{Admission, Introductions};
use super::attachment::{Attachment, INBOX};
use super::bus::Bus;
use super::open::Opening;
use super::publish::{Outgoing, Publish};
use super::shared::{Alive, Shared, Status};
use crate::carrier::{Carrier, CarrierSettings, Channel};
use crate::error::TopicError;
use crate::event::{LinkId, Participant, Stats};
use crate::payload::Payload;
use crate::runtime::{self, ArbiterHandle};
use crate::subscription::{Delivery, Events, Subscription, UnverifiedMessages};
use crate::transport::{ChannelName, Transport};

static NEXT_LINK: AtomicU64 = AtomicU64::new(0);

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
    let shared = Arc::new(Shared::new(name, participant));
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

    pub(super) async fn enqueue(&self, outgoing: Outgoing) -> Result<(), TopicError> {
        self.0.shared.enqueue(self.0.queue.clone(), outgoing).await
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
        let id = LinkId(NEXT_LINK.fetch_add(1, Ordering::Relaxed));
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

/// Keys and participants.
impl TopicHandle {
    /// Waits until the topic key is held.
    ///
    /// # Errors
    ///
    /// [`TopicError::NeedsConfirmation`] where somebody answered our introduction who was not
    /// pinned: [`confirm`](Self::confirm) or [`reject`](Self::reject) it and wait again. Otherwise
    /// why the topic has stopped.
    pub async fn ready(&self) -> Result<(), TopicError> {
        match self.status(|status| status.answer().is_some() || status.is_settled()).await {
            Status::Stopped(error) => Err(error),
            Status::Ready => Ok(()),
            Status::Joining(answers) => match answers.first() {
                Some(who) => Err(TopicError::NeedsConfirmation(*who)),
                None => Err(TopicError::NotReady),
            },
        }
    }

    /// Waits for somebody to answer our introduction, to be confirmed or rejected.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped. Where the key is held already there is no answer to wait for,
    /// and this waits until the topic stops.
    pub async fn answer(&self) -> Result<Participant, TopicError> {
        let wanted =
            |status: &Status| status.answer().is_some() || matches!(status, Status::Stopped(_));
        let status = self.status(wanted).await;
        status.answer().ok_or_else(|| self.0.shared.why_stopped())
    }

    async fn status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.0.shared.status.subscribe();
        // The sender is in this very handle.
        status.wait_for(wanted).await.map_or(Status::Stopped(TopicError::Stopped), |s| s.clone())
    }

    /// Believes that this participant's answer to our introduction is the right one: takes its
    /// topic key into use, and trusts it. Returns once we are in the topic.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where nobody of this id has answered, or where different keys were
    /// offered in its name.
    pub async fn confirm(&self, admitter: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Confirm(admitter)).await?;
        // In V2 the admitter has a last word to say.
        match self.status(Status::is_settled).await {
            Status::Stopped(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Throws this participant's answer to our introduction away.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where nobody of this id has answered.
    pub async fn reject(&self, admitter: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Reject(admitter)).await
    }

    /// Trusts a participant: its messages are delivered from now on. Returns once that is stored.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where the bytes are no key that anybody could sign with.
    pub async fn trust(&self, key: PublicKey) -> Result<(), TopicError> {
        self.command(Command::Trust(key)).await
    }

    /// Ends the trust in a participant. Returns once that is stored.
    ///
    /// In Classic it keeps the topic key and goes on reading; only its own messages are refused.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it was not trusted.
    pub async fn remove(&self, participant: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Remove(participant)).await
    }

    /// The trusted participants, ordered by id.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn participants(&self) -> Result<Vec<Participant>, TopicError> {
        self.call(|bus| bus.participants()).await
    }

    /// Locks a participant out for good: everybody else gets new keys, and refuses what it says.
    /// Returns once that is stored and on its way; who is away now gets the keys later.
    ///
    /// Only a keeper can do that, and only to those who stand behind it: see `docs/PROTOCOL.md`
    /// §3.7. In Classic there is no such thing, only [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it is no member, or where we may not.
    pub async fn evict(&self, participant: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Evict(participant)).await
    }

    /// Makes a member a keeper, which admits, evicts, rekeys and names keepers as we do. V2.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it is no member, or we are no keeper.
    pub async fn appoint(&self, participant: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Appoint(participant)).await
    }

    /// Gives everybody new keys now; it happens once a day by itself. V2.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no keeper.
    pub async fn rotate(&self) -> Result<(), TopicError> {
        self.command(Command::Rotate).await
    }

    /// Leaves the topic for good; it stops with [`TopicError::Evicted`]. V2.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no member yet.
    pub async fn leave(&self) -> Result<(), TopicError> {
        match self.command(Command::Leave).await {
            Ok(()) | Err(TopicError::Evicted) => Ok(()),
            // It was over before the answer was here; why, is known once the links are closed.
            Err(TopicError::Stopped) => {
                match self.status(|status| matches!(status, Status::Stopped(_))).await {
                    Status::Stopped(TopicError::Evicted) => Ok(()),
                    Status::Stopped(error) => Err(error),
                    _ => Err(TopicError::Stopped),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Writes an invitation, with which one device can join: no question is asked on either side.
    /// V2, keepers only.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no keeper, or too many invitations are out.
    pub async fn invite(&self, options: InviteOptions) -> Result<Invitation, TopicError> {
        let (answer, answered) = oneshot::channel();
        self.call(move |bus| bus.invite(options, answer)).await?;
        answered.await.map_err(|_| self.0.shared.why_stopped())?
    }

    /// Makes a PIN of six digits, with which one device can join within five minutes. V2, keepers
    /// only.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no keeper.
    pub async fn offer_pin(&self) -> Result<Pin, TopicError> {
        let (answer, answered) = oneshot::channel();
        self.call(move |bus| bus.offer_pin(answer)).await?;
        answered.await.map_err(|_| self.0.shared.why_stopped())?
    }

    /// The members of a V2 topic with their roles and names, ordered by id, ourselves included.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn members(&self) -> Result<Vec<Member>, TopicError> {
        self.call(|bus| bus.members()).await
    }

    /// What a member, or a newcomer that waits, calls itself, if it said so. V2.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn name_of(&self, participant: ParticipantId) -> Result<Option<String>, TopicError> {
        self.call(move |bus| bus.name_of(participant)).await
    }

    /// The keys in use, once we have joined. V2.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn epoch(&self) -> Result<Option<Epoch>, TopicError> {
        self.call(|bus| bus.epoch()).await
    }

    /// Newcomers to decide about, where the policy is [`Admission::Ask`], those included that wait
    /// already. A question has one addressee: the stream that was asked for before ends.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn introductions(&self) -> Result<Introductions, TopicError> {
        self.call(Bus::introductions).await.map(Introductions)
    }

    /// What becomes of newcomers from now on.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn set_admission(&self, admission: Admission) -> Result<(), TopicError> {
        self.call(|bus| bus.set_policy(admission.into())).await
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

    async fn command(&self, command: Command<'static>) -> Result<(), TopicError> {
        let (outcome, done) = oneshot::channel();
        self.call(|bus| bus.command(command, outcome)).await?;
        done.await.map_err(|_| self.0.shared.why_stopped())?
    }

    /// Has the actor do something, and waits for what it returns.
    async fn call<R: Send + 'static>(
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

/// A member of a V2 topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub participant: Participant,
    /// What it may do.
    pub role: Role,
    /// What it called itself when it was admitted, if anything.
    pub name: Option<String>,
}

impl fmt::Debug for TopicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicHandle({} as {})", self.name(), self.participant().id())
    }
}
