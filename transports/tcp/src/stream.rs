//! Frames on one TCP stream, with a watch over stalls in both directions.
//! Not what the frames mean to a room or a client.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{Stream, StreamExt};
use socket2::{SockRef, TcpKeepalive};
use stringphone_transport::{Frame, TransportError, framing::LengthPrefixed, room::Stalling};
use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Sleep, sleep},
};
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::Limits;

/// A peer that vanished without a word is noticed after four of these at the latest: one of
/// silence, and three probes without an answer. Some systems probe more often before they give up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;

/// Frames are gathered up to this many bytes for one write.
const BATCH: usize = 64 * 1024;

pub(crate) type Writer = FramedWrite<Stalling<OwnedWriteHalf>, LengthPrefixed>;

/// Sets the socket's options and splits it into frames that come and frames that go.
pub(crate) fn split(stream: TcpStream, limits: &Limits) -> io::Result<(Reader, Writer)> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
    let keep_alive = keep_alive.with_retries(PROBES);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&keep_alive)?;
    // What is in the socket already is out of reach of `Stalling`, and no probes are sent while it
    // waits: without this, the system repeats it for a quarter of an hour.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(limits.write_stall))?;

    let codec = LengthPrefixed::new(limits.max_frame);
    let (read, write) = stream.into_split();
    let reader = Reader {
        frames: FramedRead::new(read, codec.clone()),
        limit: limits.partial_frame,
        deadline: None,
    };
    let mut writer = FramedWrite::new(Stalling::new(write, limits.write_stall), codec);
    writer.set_backpressure_boundary(BATCH);
    Ok((reader, writer))
}

/// The frames that arrive. A frame that takes too long is a [`TransportError::Timeout`].
pub(crate) struct Reader {
    frames: FramedRead<OwnedReadHalf, LengthPrefixed>,
    limit: Duration,
    /// Runs while part of a frame is there.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stream for Reader {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(item) = this.frames.poll_next_unpin(cx) {
            this.deadline = None;
            return Poll::Ready(item);
        }
        if this.frames.read_buffer().is_empty() {
            return Poll::Pending;
        }
        let after = this.limit;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(after)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(TransportError::Timeout { what: "the rest of a frame", after })))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_gives_up_on_a_vanished_peer_as_soon_as_the_limits_say() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut limits = Limits::default();
        limits.write_stall = Duration::from_secs(7);
        let (reader, _writer) = split(stream, &limits).unwrap();
        let socket = SockRef::from(reader.frames.get_ref().as_ref());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(limits.write_stall));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
    }
}
