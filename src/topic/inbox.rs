//! The durable subscription: messages that are kept until they are acknowledged. Not here: storing
//! them, which is the session's.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use stringphone_protocol::{MessageId, ParticipantId};
use tokio::sync::{mpsc, oneshot};

use super::admission::Outcome;
use crate::error::TopicError;
use crate::payload::PayloadError;
use crate::subscription::ReceiveError;

/// A stream of messages, each of which is stored, and comes again after a restart, until it is
/// [acknowledged](Kept::ack). It ends when the topic stops.
///
/// Nothing is dropped because it is read slowly: an inbox that is full refuses frames, and whoever
/// wants them confirmed sends them again.
pub struct Inbox<T = Bytes> {
    messages: mpsc::Receiver<Kept>,
    decode: fn(Bytes) -> Result<T, PayloadError>,
}

/// A message that is kept until it is acknowledged.
///
/// Sender and [id](Self::id) are its name, which never comes twice but for this message: an
/// application that writes them down together with what it does acts exactly once, whatever
/// crashes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kept<T = Bytes> {
    /// Who made it, and nobody else can have.
    pub from: ParticipantId,
    /// What it says.
    pub body: T,
    /// Its name, together with its sender's.
    pub id: MessageId,
    /// It was perhaps handed out before, and not acknowledged: by the topic before a restart, or to
    /// another reader.
    pub redelivered: bool,
    acks: mpsc::Sender<Ack>,
}

/// A message is dealt with.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) from: ParticipantId,
    pub(super) id: MessageId,
    pub(super) done: Outcome,
}

impl<T> Kept<T> {
    /// The message is dealt with: it does not come again. When this returns, that is stored.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it was acknowledged before; otherwise why the topic has
    /// stopped.
    pub async fn ack(&self) -> Result<(), TopicError> {
        let (done, outcome) = oneshot::channel();
        let ack = Ack { from: self.from, id: self.id, done };
        self.acks.send(ack).await.map_err(|_| TopicError::Stopped)?;
        outcome.await.map_err(|_| TopicError::Stopped)?
    }
}

impl Kept {
    pub(super) fn new(
        from: ParticipantId,
        body: Bytes,
        id: MessageId,
        redelivered: bool,
        acks: mpsc::Sender<Ack>,
    ) -> Self {
        Self { from, body, id, redelivered, acks }
    }

    /// The same message, to be handed out again.
    pub(super) fn again(&self) -> Self {
        let Self { from, ref body, id, ref acks, .. } = *self;
        Self { from, body: body.clone(), id, redelivered: true, acks: acks.clone() }
    }

    fn decode<T>(
        self,
        decode: fn(Bytes) -> Result<T, PayloadError>,
    ) -> Result<Kept<T>, ReceiveError> {
        let Self { from, body, id, redelivered, acks } = self;
        match decode(body) {
            Ok(body) => Ok(Kept { from, body, id, redelivered, acks }),
            Err(error) => {
                // Nobody could ever acknowledge it. Where there is no room for that now, it comes
                // again after a restart, and is told again.
                let _ = acks.try_send(Ack { from, id, done: oneshot::channel().0 });
                Err(ReceiveError::Undecodable { from, error })
            }
        }
    }
}

impl<T> Inbox<T> {
    pub(super) fn new(
        messages: mpsc::Receiver<Kept>,
        decode: fn(Bytes) -> Result<T, PayloadError>,
    ) -> Self {
        Self { messages, decode }
    }
}

impl<T> Stream for Inbox<T> {
    type Item = Result<Kept<T>, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.messages.poll_recv(cx).map(|next| next.map(|kept| kept.decode(this.decode)))
    }
}

// Whatever `T` is: only a function of it is held.
impl<T> Unpin for Inbox<T> where PhantomData<fn() -> T>: Unpin {}
