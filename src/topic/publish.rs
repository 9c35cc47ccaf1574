//! What `publish` returns: a message on its way to the queue. Not here: sealing.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use stringphone_protocol::ParticipantId;
use tokio::sync::{mpsc, oneshot};

use super::admission::Outcome;
use super::handle::TopicHandle;
use crate::error::TopicError;
use crate::payload::PayloadError;

/// A message about to be published; `.await` it.
///
/// It resolves when the topic's bounded queue has taken the message, or, on a topic with an
/// [outbox](crate::Topic::outbox), when it is sealed for the links or stored. The queue is drained
/// while the links have room, so a publisher that is faster than its slowest link waits here. Links
/// that are down hold nobody up: they keep a bounded number of frames, and tell what they lose as
/// [`Event::Lost`](crate::Event::Lost).
#[must_use = "nothing is published until this is awaited"]
pub struct Publish<'a> {
    topic: &'a TopicHandle,
    body: Result<Bytes, PayloadError>,
    expires: Option<Duration>,
}

impl<'a> Publish<'a> {
    pub(super) fn new(topic: &'a TopicHandle, body: Result<Bytes, PayloadError>) -> Self {
        Self { topic, body, expires: None }
    }

    /// The message is good for this long: whoever gets it later is told
    /// [`Event::Expired`](crate::Event::Expired), and no message. For commands that must not be
    /// carried out late. Classic knows nothing like it.
    pub fn expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// Waits until a link has taken the message. Classic knows nothing like it.
    pub fn handed(self) -> PublishHanded<'a> {
        PublishHanded(self)
    }

    /// Asks the members for receipts. The message is stored before it is sent, and sent again to
    /// those who do not confirm it; on a topic with an [outbox](crate::Topic::outbox) after a
    /// restart as well. Classic knows nothing like it.
    pub fn confirm(self) -> PublishConfirmed<'a> {
        self.confirm_by([])
    }

    /// The same, but only these members' receipts are waited for.
    pub fn confirm_by(
        self,
        members: impl IntoIterator<Item = ParticipantId>,
    ) -> PublishConfirmed<'a> {
        PublishConfirmed { publish: self, by: members.into_iter().collect() }
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<(), TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let conditions = Conditions { expires: self.expires, ..Conditions::default() };
            self.topic.enqueue(self.body?, conditions).await
        })
    }
}

/// A message about to be published, until a link has taken it; `.await` it.
#[must_use = "nothing is published until this is awaited"]
pub struct PublishHanded<'a>(Publish<'a>);

impl<'a> IntoFuture for PublishHanded<'a> {
    type Output = Result<(), TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Publish { topic, body, expires } = self.0;
            let (handed, done) = oneshot::channel();
            let conditions = Conditions { expires, handed: Some(handed), ..Conditions::default() };
            topic.enqueue(body?, conditions).await?;
            done.await.map_err(|_| topic.why_stopped())?
        })
    }
}

/// A message about to be published, whose receipts are wanted; `.await` it to get them.
#[must_use = "nothing is published until this is awaited"]
pub struct PublishConfirmed<'a> {
    publish: Publish<'a>,
    by: Vec<ParticipantId>,
}

impl PublishConfirmed<'_> {
    /// As [`Publish::expires`].
    pub fn expires(mut self, after: Duration) -> Self {
        self.publish.expires = Some(after);
        self
    }
}

impl<'a> IntoFuture for PublishConfirmed<'a> {
    type Output = Result<Receipts, TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Publish { topic, body, expires } = self.publish;
            let ticket = topic.next_ticket();
            let (news, receipts) = mpsc::unbounded_channel();
            let confirm = Some(Confirm { ticket, by: self.by, news });
            let conditions = Conditions { expires, confirm, ..Conditions::default() };
            topic.enqueue(body?, conditions).await?;
            Ok(Receipts { topic: topic.clone(), ticket, news: receipts, outcome: None })
        })
    }
}

/// Who has received a message, and stored that it did.
///
/// Waited for is every participant that was a member when the message was sealed, or those that
/// were named; who is evicted meanwhile is waited for no longer. Dropping this changes nothing
/// about the message: see [`TopicHandle::unconfirmed`].
#[derive(Debug)]
pub struct Receipts {
    topic: TopicHandle,
    ticket: u64,
    // At most one item for each member, and one more.
    news: mpsc::UnboundedReceiver<Receipt>,
    outcome: Option<Result<(), TopicError>>,
}

/// News of a message whose receipts are wanted.
#[derive(Debug)]
pub(super) enum Receipt {
    From(ParticipantId),
    Done(Result<(), TopicError>),
}

impl Receipts {
    /// The number of the message, as in [`TopicHandle::unconfirmed`].
    #[must_use]
    pub const fn ticket(&self) -> u64 {
        self.ticket
    }

    /// The next participant that has the message; `None` once no more is to come.
    pub async fn next(&mut self) -> Option<ParticipantId> {
        if self.outcome.is_some() {
            return None;
        }
        match self.news.recv().await {
            Some(Receipt::From(id)) => Some(id),
            Some(Receipt::Done(outcome)) => {
                self.outcome = Some(outcome);
                None
            }
            None => {
                self.outcome = Some(Err(TopicError::Stopped));
                None
            }
        }
    }

    /// Waits until all have it.
    ///
    /// # Errors
    ///
    /// [`TopicError::Unconfirmed`] where some did not say so within ten minutes, or the age of the
    /// outbox; [`TopicError::Dropped`] where the outbox gave the message up unsent;
    /// [`TopicError::Command`] where it could not be published; otherwise why the topic has
    /// stopped.
    pub async fn all(mut self) -> Result<BTreeSet<ParticipantId>, TopicError> {
        let mut all = BTreeSet::new();
        while let Some(id) = self.next().await {
            all.insert(id);
        }
        self.outcome.unwrap_or(Err(TopicError::Stopped)).map(|()| all)
    }

    /// Who does not have it yet; everybody else waited for does. `None` while it is not sent.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn missing(&self) -> Result<Option<Vec<ParticipantId>>, TopicError> {
        let unconfirmed = self.topic.unconfirmed().await?;
        let ours = unconfirmed.into_iter().find(|message| message.ticket == self.ticket);
        Ok(ours.map_or(Some(Vec::new()), |message| message.missing))
    }

    /// Waits no longer: the message is not sent again, nor kept.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn give_up(self) -> Result<(), TopicError> {
        self.topic.give_up(self.ticket).await
    }
}

/// A message in the queue. Most have no conditions, and the queue is no larger for those that do.
pub(super) enum Outgoing {
    Plain(Bytes),
    With(Box<(Bytes, Conditions)>),
}

/// What is wanted of a message, besides that it is sent.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) expires: Option<Duration>,
    pub(super) confirm: Option<Confirm>,
    /// Whoever waits until a link has it.
    pub(super) handed: Option<Outcome>,
    /// Whoever waits until it is sealed or stored.
    pub(super) taken: Option<Outcome>,
}

#[derive(Debug)]
pub(super) struct Confirm {
    pub(super) ticket: u64,
    pub(super) by: Vec<ParticipantId>,
    pub(super) news: mpsc::UnboundedSender<Receipt>,
}

impl Outgoing {
    pub(super) fn new(body: Bytes, conditions: Conditions) -> Self {
        let Conditions { expires: None, confirm: None, handed: None, taken: None } = conditions
        else {
            return Self::With(Box::new((body, conditions)));
        };
        Self::Plain(body)
    }

    pub(super) fn body(&self) -> &Bytes {
        match self {
            Self::Plain(body) => body,
            Self::With(both) => &both.0,
        }
    }

    /// Whether both can go in one frame, where there is room.
    pub(super) fn shares_frame(&self, other: &Self) -> bool {
        let shared = |message: &Self| match message {
            Self::Plain(_) => (None, None),
            Self::With(both) => {
                let by = both.1.confirm.as_ref().map(|confirm| confirm.by.clone());
                (both.1.expires, by)
            }
        };
        // What expires does so at a time of its own.
        let (expires, confirm) = shared(self);
        expires.is_none() && (expires, confirm) == shared(other)
    }
}
