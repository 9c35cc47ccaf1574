//! Messages of a connection, until it is down.
//! Not the tasks that read and write them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use futures::{Stream, StreamExt};
use stringphone_transport::{Frame, TransportError, framing};
use tokio::time::{Instant, Sleep, sleep};
use tokio_tungstenite::tungstenite::{
    self, Message, error::ProtocolError, protocol::WebSocketConfig,
};

/// How often each side asks whether the other one is there.
pub(crate) const PING: Duration = Duration::from_secs(30);

/// Two pings without an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// What is read and written in one go, in bytes.
const BUFFER: usize = 16 * 1024;

/// A message that is longer than any frame is refused by the length in front of it.
pub(crate) fn config(max_frame: usize) -> WebSocketConfig {
    let longest = framing::max_body(max_frame);
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(longest.saturating_mul(2).saturating_add(BUFFER))
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest))
}

/// What the other side says, with a watch over its silence.
pub(crate) struct Messages<S> {
    pub(crate) socket: S,
    max_frame: usize,
    /// Runs since something came.
    silence: Pin<Box<Sleep>>,
}

impl<S: Stream<Item = tungstenite::Result<Message>> + Unpin> Messages<S> {
    pub(crate) fn new(socket: S, max_frame: usize) -> Self {
        Self { socket, max_frame, silence: Box::pin(sleep(SILENCE)) }
    }

    /// The next frame or report of garbage; an error means that the connection is down.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<Frame, TransportError>, TransportError>> {
        loop {
            let message = ready!(self.poll_message(cx))?;
            if let Some(item) = read(&message, self.max_frame) {
                return Poll::Ready(Ok(item));
            }
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, TransportError>> {
        if let Poll::Ready(message) = self.socket.poll_next_unpin(cx) {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
            let message = message.ok_or(TransportError::Closed)?.map_err(down)?;
            if message.is_close() {
                // The library answers it when it is asked for more.
                let _ = self.socket.poll_next_unpin(cx);
                return Poll::Ready(Err(TransportError::Closed));
            }
            return Poll::Ready(Ok(message));
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(TransportError::Timeout { what: "an answer to a ping", after: SILENCE }))
    }
}

/// A frame or garbage; nothing where the message only keeps the connection.
fn read(message: &Message, max_frame: usize) -> Option<Result<Frame, TransportError>> {
    let garbage = |reason| TransportError::Malformed { dropped: 1, reason };
    match message {
        Message::Binary(body) => Some(framing::take_body(body, max_frame).map_err(garbage)),
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

pub(crate) fn message(frame: &Frame) -> Message {
    let mut body = BytesMut::new();
    framing::put_body(frame, &mut body);
    Message::Binary(body.freeze())
}
