//! Unix sockets as a transport: all that an adapter has to do.

use std::task::{Context, Poll};
use std::{path::PathBuf, pin::Pin, sync::Arc};

use async_trait::async_trait;
use futures::{Sink, SinkExt, TryStreamExt};
use stringphone::transport::framing::LengthPrefixed;
use stringphone::transport::{Channels, Facts, Frame, Link, Transport, TransportError};
use tokio::net::{UnixListener, UnixStream, unix::OwnedWriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite};

const MAX_FRAME: usize = 64 * 1024;

#[derive(Clone)]
pub(crate) enum UnixSocket {
    Listens(Arc<UnixListener>),
    Connects(PathBuf),
}

#[async_trait]
impl Transport for UnixSocket {
    fn facts(&self) -> Facts {
        Facts::new("unix socket", MAX_FRAME).reliable()
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let stream = match self {
            Self::Listens(socket) => socket.accept().await.map(|(stream, _)| stream),
            Self::Connects(path) => UnixStream::connect(path).await,
        };
        let (reader, writer) = stream.map_err(TransportError::Connect)?.into_split();
        let incoming = FramedRead::new(reader, LengthPrefixed::new(MAX_FRAME));
        let outgoing = FramedWrite::new(writer, LengthPrefixed::new(MAX_FRAME));
        // This link is one channel: what arrives on it need not say on which.
        Ok(Link::new(incoming.map_ok(|frame| Frame::bare(frame.bytes)), Outgoing(outgoing)))
    }
}

/// As the sink within, but closing does not wait for a peer that does not read.
struct Outgoing(FramedWrite<OwnedWriteHalf, LengthPrefixed>);

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        self.0.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(match self.0.poll_flush_unpin(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        })
    }
}
