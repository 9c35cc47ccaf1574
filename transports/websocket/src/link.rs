//! The two halves of a link: messages as frames.
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
    time::{Instant, Sleep, sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, error::ProtocolError},
};
use tokio_util::{sync::PollSender, task::AbortOnDropHandle};

use crate::{client::MAX_FRAME, writing::write};

/// How many frames may wait for the task that writes.
const QUEUE: usize = 64;

/// Two pings without an answer.
const SILENCE: Duration = Duration::from_secs(60);

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
    let reading = Reading {
        messages,
        silence: Box::pin(sleep(SILENCE)),
        failure,
        writing: writing.abort_handle(),
    };
    let outgoing = Outgoing { queue: PollSender::new(queue), writing, closing: None };
    Link::new(framing::incoming(reading, ChannelCount::Many), outgoing)
}

/// What the other side says, frames and garbage.
struct Reading {
    messages: SplitStream<Socket>,
    /// Runs since something came.
    silence: Pin<Box<Sleep>>,
    /// Why the task that writes has failed, once it has.
    failure: oneshot::Receiver<TransportError>,
    writing: AbortHandle,
}

impl Reading {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, TransportError>> {
        if !self.failure.is_terminated()
            && let Poll::Ready(Ok(error)) = self.failure.poll_unpin(cx)
        {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(message) = self.messages.poll_next_unpin(cx) {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
            let message = message.ok_or(TransportError::Closed)?.map_err(down)?;
            if message.is_close() {
                // The library answers it when it is asked for more.
                let _ = self.messages.poll_next_unpin(cx);
                return Poll::Ready(Err(TransportError::Closed));
            }
            return Poll::Ready(Ok(message));
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(TransportError::Timeout { what: "an answer to a ping", after: SILENCE }))
    }
}

impl Stream for Reading {
    type Item = Result<Result<Frame, TransportError>, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let item = match ready!(self.poll_message(cx)) {
                Ok(message) => match read(&message) {
                    Some(item) => Ok(item),
                    None => continue,
                },
                Err(error) => {
                    // The other half has to learn of it, even if it only ever writes.
                    self.writing.abort();
                    Err(error)
                }
            };
            return Poll::Ready(Some(item));
        }
    }
}

/// A frame or garbage; nothing where the message only keeps the connection.
fn read(message: &Message) -> Option<Result<Frame, TransportError>> {
    let garbage = |reason| TransportError::Malformed { dropped: 1, reason };
    match message {
        Message::Binary(body) => Some(framing::take_body(body, MAX_FRAME).map_err(garbage)),
        Message::Text(_) => Some(Err(garbage("a text message"))),
        // The library answers pings.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

/// Why the library can't go on.
pub(crate) fn down(error: tungstenite::Error) -> TransportError {
    use tungstenite::Error;
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing,
        ) => TransportError::Closed,
        Error::Io(error) => TransportError::Io(error),
        Error::Capacity(_) => TransportError::Framing("a message is longer than any frame"),
        Error::Protocol(_) => TransportError::Framing("that is no WebSocket"),
        Error::Utf8(_) => TransportError::Framing("a text message is not UTF-8"),
        error => TransportError::other(error),
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
