//! The two halves of a client's link.
//! Not the task that writes: see `writing`.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, Sink, Stream, StreamExt, stream::SplitStream};
use stringphone_transport::{ChannelCount, Channels, Frame, Link, TransportError, framing};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Sleep, sleep},
};
use tokio_tungstenite::WebSocketStream;
use tokio_util::{sync::PollSender, task::AbortOnDropHandle};

use crate::{client::MAX_FRAME, messages::Messages, writing::write};

/// How many frames may wait for the task that writes.
const QUEUE: usize = 64;

/// How long closing may take to write what waits: it is not to wait for a peer that does not read.
const CLOSING: Duration = Duration::from_secs(2);

/// TCP, or TLS on it.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Bytes>>;

/// A link over a connection that is open, and the task that writes to it.
pub(crate) fn link(socket: Socket, channels: Channels) -> Link {
    let (writer, messages) = socket.split();
    let (queue, frames) = mpsc::channel(QUEUE);
    let (report, failure) = oneshot::channel();
    let writing = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = write(writer, frames, channels).await {
            let _ = report.send(error); // nobody asks once the link is dropped
        }
    }));
    let messages = Messages::new(messages, MAX_FRAME);
    let reading = Reading { messages, failure, writing: writing.abort_handle() };
    let outgoing = Outgoing { queue: PollSender::new(queue), writing, closing: None };
    Link::new(framing::incoming(reading, ChannelCount::Many), outgoing)
}

/// What the other side says, frames and garbage.
struct Reading {
    messages: Messages<SplitStream<Socket>>,
    /// Why the task that writes has failed, once it has.
    failure: oneshot::Receiver<TransportError>,
    writing: AbortHandle,
}

impl Reading {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<Frame, TransportError>, TransportError>> {
        if !self.failure.is_terminated()
            && let Poll::Ready(Ok(error)) = self.failure.poll_unpin(cx)
        {
            return Poll::Ready(Err(error));
        }
        self.messages.poll_frame(cx)
    }
}

impl Stream for Reading {
    type Item = Result<Result<Frame, TransportError>, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_frame(cx));
        if item.is_err() {
            // The other half has to learn of it, even if it only ever writes.
            self.writing.abort();
        }
        Poll::Ready(Some(item))
    }
}

struct Outgoing {
    queue: PollSender<Frame>,
    writing: AbortOnDropHandle<()>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.queue.poll_reserve(cx).map_err(|_| TransportError::Closed)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        frame.check(MAX_FRAME, ChannelCount::Many)?;
        self.queue.send_item(frame).map_err(|_| TransportError::Closed)
    }

    /// What the queue has taken is on its way: the task that writes does so without being asked.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let failed = self.writing.is_finished();
        Poll::Ready(if failed { Err(TransportError::Closed) } else { Ok(()) })
    }

    /// Waits until all is written and the other side is told, but not for long.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // A place that is held for another frame would keep the queue open.
        self.queue.abort_send();
        self.queue.close();
        if self.writing.is_finished() {
            return Poll::Ready(Ok(())); // if it failed, the other half tells why
        }
        if let Poll::Ready(ended) = self.writing.poll_unpin(cx) {
            return Poll::Ready(ended.map_err(|_| TransportError::Closed));
        }
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
        ready!(closing.as_mut().poll(cx));
        self.writing.abort();
        Poll::Ready(Err(TransportError::Timeout { what: "closing", after: CLOSING }))
    }
}
