//! What `publish` returns: a message on its way to the queue. Not here: sealing.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;

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
}

impl<'a> Publish<'a> {
    pub(super) fn new(topic: &'a TopicHandle, body: Result<Bytes, PayloadError>) -> Self {
        Self { topic, body }
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<(), TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.topic.enqueue(self.body?).await })
    }
}
