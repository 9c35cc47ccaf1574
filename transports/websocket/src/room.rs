//! The side that listens: a room of WebSockets.
//! Not who is in it and what becomes of them: that is [`stringphone_transport::room`]. Nor TLS: a
//! proxy in front of the room has that.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use stringphone_transport::{
    Frame, Incoming, Outgoing, TransportError,
    address::Scheme,
    room::{Limits, Opening, Room, Stalling, Wire},
};
use tokio::{
    net::TcpStream,
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{self, Message, error::ProtocolError},
};

use crate::{
    WebSocket,
    messages::{Messages, PING, config, down, message},
};

/// A transport that is a room: reliable, with many channels, at every path of its port.
///
/// The link is up as long as it is held; peers come and go within. Frames to and from peers are
/// taken as long as the link's incoming half is polled now and then, which also lets peers in. A
/// client gets no answer to its handshake before.
///
/// Of its [`Limits`], `connect` bounds the handshake, and `partial_frame` only the time that a peer
/// has to say something in a full room: a peer of which no whole message has come for 60 seconds is
/// put out as one that has vanished.
pub type WebSocketRoom = Room<WebSocket>;

impl WebSocket {
    /// A transport that is the room at `address`, as in `0.0.0.0:7780`, without TLS.
    ///
    /// Port 0 means any; [`bind`](Room::bind) tells which.
    ///
    /// ```
    /// use stringphone_websocket::{Limits, WebSocket};
    ///
    /// let mut limits = Limits::default();
    /// limits.peers = 8;
    /// let room = WebSocket::listen("127.0.0.1:0").limits(limits);
    /// ```
    pub fn listen(address: impl ToString) -> WebSocketRoom {
        Room::new(address.to_string())
    }
}

impl Wire for WebSocket {
    const NAME: &'static str = "ws";
    const LISTEN: Scheme = Scheme {
        name: "ws-listen",
        usage: "ws-listen://ADDRESS:PORT, a room for others, without TLS",
    };

    fn open(stream: TcpStream, limits: Limits) -> Opening {
        async move {
            let after = limits.connect;
            let opened = timeout(after, open(stream, limits)).await;
            opened.map_err(|_| TransportError::Timeout { what: "the handshake", after })?
        }
        .boxed()
    }
}

async fn open(stream: TcpStream, limits: Limits) -> Result<(Incoming, Outgoing), TransportError> {
    stream.set_nodelay(true)?;
    let stream = Stalling::new(stream, limits.write_stall);
    let socket = accept_async_with_config(stream, Some(config(limits.max_frame))).await;
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let messages = Messages::new(socket.map_err(no_handshake)?, limits.max_frame);
    let (writer, reader) = Peer { messages, ping, asking: Asking::Later }.split();
    Ok((reader.boxed(), Box::pin(writer)))
}

/// Why nothing came of the handshake.
fn no_handshake(error: tungstenite::Error) -> TransportError {
    use tungstenite::Error;
    match error {
        Error::Io(error) => TransportError::Io(error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => TransportError::Closed,
        _ => TransportError::Framing("that is no handshake of WebSocket"),
    }
}

/// The connection to a peer. Whoever reads also sends the pings.
struct Peer {
    messages: Messages<WebSocketStream<Stalling<TcpStream>>>,
    ping: Interval,
    asking: Asking,
}

/// How far the next ping is.
enum Asking {
    Later,
    Now,
    OnItsWay,
}

impl Peer {
    /// Ready only with an error.
    fn poll_asking(&mut self, cx: &mut Context<'_>) -> Poll<tungstenite::Result<()>> {
        let socket = &mut self.messages.socket;
        loop {
            self.asking = match self.asking {
                Asking::Later => {
                    ready!(self.ping.poll_tick(cx));
                    Asking::Now
                }
                Asking::Now => {
                    ready!(socket.poll_ready_unpin(cx))?;
                    socket.start_send_unpin(Message::Ping(vec![].into()))?;
                    Asking::OnItsWay
                }
                Asking::OnItsWay => {
                    ready!(socket.poll_flush_unpin(cx))?;
                    Asking::Later
                }
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, TransportError>> {
        if let Poll::Ready(Err(error)) = self.poll_asking(cx) {
            return Poll::Ready(Err(down(error)));
        }
        let item = ready!(self.messages.poll_frame(cx));
        Poll::Ready(item.flatten().map_err(|error| match error {
            // No ping was answered, so it is not there.
            TransportError::Timeout { .. } => io::Error::from(io::ErrorKind::TimedOut).into(),
            error => error,
        }))
    }
}

impl Stream for Peer {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_frame(cx).map(Some)
    }
}

impl Sink<Frame> for Peer {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.messages.socket.poll_ready_unpin(cx).map_err(down)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        self.messages.socket.start_send_unpin(message(&frame)).map_err(down)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.messages.socket.poll_flush_unpin(cx).map_err(down)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.messages.socket.poll_close_unpin(cx).map_err(down)
    }
}
