//! What subscribers hold: streams of messages and events. Not here: who feeds them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use stringphone_protocol::{MessageId, ParticipantId};

use crate::event::Event;
use crate::feed::{Lagged, Reader};
use crate::payload::PayloadError;

/// A message whose sender is authenticated and trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<T = Bytes> {
    /// Who made it, and nobody else can have.
    pub from: ParticipantId,
    /// What it says.
    pub body: T,
    /// Its name, which with its sender's never comes twice; Classic's messages have none.
    pub id: Option<MessageId>,
}

/// A message that anybody who holds the topic key can have made, in anybody's name.
///
/// Only a topic that was opened with
/// [`Reading::DangerouslyUnverified`](crate::Reading::DangerouslyUnverified) has such messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unverified {
    /// Whom the message claims to be from. Nobody checked.
    pub claimed: ParticipantId,
    /// What it says.
    pub body: Bytes,
}

/// Why a subscription yields no message this time. It goes on after all of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The subscriber was too slow, and the oldest messages were dropped.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// An authenticated message that is not of the type subscribed to.
    #[error("a message from {from} is of another type: {error}")]
    Undecodable {
        /// Who made it.
        from: ParticipantId,
        /// What is wrong with it.
        error: PayloadError,
    },
}

/// A stream of messages. It ends when the topic stops.
///
/// Who reads too slowly loses the oldest messages and is told so by
/// [`ReceiveError::Lagged`]; nobody else is slowed down.
pub struct Subscription<T = Bytes> {
    reader: Reader<Received>,
    decode: fn(Bytes) -> Result<T, PayloadError>,
}

impl<T> Subscription<T> {
    pub(crate) fn new(
        reader: Reader<Received>,
        decode: fn(Bytes) -> Result<T, PayloadError>,
    ) -> Self {
        Self { reader, decode }
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Received<T>, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.reader.poll_next(cx).map(|next| {
            next.map(|item| match item {
                Ok(received) => decode_received(received, this.decode),
                Err(lagged) => Err(lagged.into()),
            })
        })
    }
}

pub(crate) fn decode_received<T>(
    received: Received,
    decode: fn(Bytes) -> Result<T, PayloadError>,
) -> Result<Received<T>, ReceiveError> {
    let Received { from, body, id } = received;
    match decode(body) {
        Ok(body) => Ok(Received { from, body, id }),
        Err(error) => Err(ReceiveError::Undecodable { from, error }),
    }
}

/// What an actix subscriber is sent: see
/// [`TopicHandle::subscribe_recipient`](crate::TopicHandle::subscribe_recipient).
#[derive(Debug)]
pub struct Delivery<T>(pub Result<Received<T>, ReceiveError>);

impl<T: 'static> actix::Message for Delivery<T> {
    type Result = ();
}

macro_rules! stream_of {
    ($(#[$doc:meta])* $name:ident, $item:ty) => {
        $(#[$doc])*
        pub struct $name(pub(crate) Reader<$item>);

        impl Stream for $name {
            type Item = Result<$item, Lagged>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.get_mut().0.poll_next(cx)
            }
        }
    };
}

stream_of! {
    /// A stream of what happens around a topic. It ends when the topic stops.
    Events, Event
}

stream_of! {
    /// A stream of messages whose senders nobody checked. It ends when the topic stops.
    UnverifiedMessages, Unverified
}
