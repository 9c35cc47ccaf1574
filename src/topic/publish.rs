//! What `publish` returns: a message on its way to the queue. Not here: sealing.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use stringphone_protocol::ParticipantId;
use tokio::sync::mpsc;

use super::handle::TopicHandle;
use crate::error::TopicError;
use crate::payload::PayloadError;

/// A message about to be published; `.await` it.
///
/// It resolves when the topic's bounded queue has taken the message. The queue is drained while
/// the links have room, so a publisher that is faster than its slowest link waits here. Links that
/// are down hold nobody up: they keep a bounded number of frames, and tell what they lose as
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

    /// Asks the members for receipts. Classic knows nothing like it.
    pub fn confirm(self) -> PublishConfirmed<'a> {
        PublishConfirmed(self)
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<(), TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let outgoing = Outgoing::new(self.body?, self.expires, None);
            self.topic.enqueue(outgoing).await
        })
    }
}

/// A message about to be published, whose receipts are wanted; `.await` it to get them.
#[must_use = "nothing is published until this is awaited"]
pub struct PublishConfirmed<'a>(Publish<'a>);

impl PublishConfirmed<'_> {
    /// As [`Publish::expires`].
    pub fn expires(mut self, after: Duration) -> Self {
        self.0.expires = Some(after);
        self
    }
}

impl<'a> IntoFuture for PublishConfirmed<'a> {
    type Output = Result<Receipts, TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (news, receipts) = mpsc::unbounded_channel();
            let outgoing = Outgoing::new(self.0.body?, self.0.expires, Some(news));
            self.0.topic.enqueue(outgoing).await?;
            Ok(Receipts { news: receipts, outcome: None })
        })
    }
}

/// Who has received a message, and stored that it did.
///
/// Waited for is every participant that was a member when the message was sealed; who is evicted
/// meanwhile is waited for no longer.
#[derive(Debug)]
pub struct Receipts {
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
    /// [`TopicError::Unconfirmed`] where some did not say so within ten minutes;
    /// [`TopicError::Command`] where the message could not be published; otherwise why the topic
    /// has stopped.
    pub async fn all(mut self) -> Result<BTreeSet<ParticipantId>, TopicError> {
        let mut all = BTreeSet::new();
        while let Some(id) = self.next().await {
            all.insert(id);
        }
        self.outcome.unwrap_or(Err(TopicError::Stopped)).map(|()| all)
    }
}

/// A message in the queue. Most have no conditions, and the queue is no larger for those that do.
pub(super) enum Outgoing {
    Plain(Bytes),
    With(Box<(Bytes, Conditions)>),
}

#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) expires: Option<Duration>,
    pub(super) receipts: Option<mpsc::UnboundedSender<Receipt>>,
}

impl Outgoing {
    fn new(
        body: Bytes,
        expires: Option<Duration>,
        receipts: Option<mpsc::UnboundedSender<Receipt>>,
    ) -> Self {
        if expires.is_none() && receipts.is_none() {
            return Self::Plain(body);
        }
        Self::With(Box::new((body, Conditions { expires, receipts })))
    }

    pub(super) fn body(&self) -> &Bytes {
        match self {
            Self::Plain(body) => body,
            Self::With(both) => &both.0,
        }
    }
}
