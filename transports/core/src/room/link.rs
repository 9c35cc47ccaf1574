//! The two halves of a room's link.
//! Not the peers' own traffic: each has a task for that, and it dies with the link.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, Sink, Stream, future::BoxFuture};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};

use super::{
    DropReason, Limits, Opening,
    members::Members,
    outbox::caught_up,
    peer::{self, ToCarrier, Unhandled},
};
use crate::{ChannelCount, Channels, Frame, Link, TransportError};

/// A failed `accept` (no file descriptors left, most likely) is tried again after this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long closing may take to write what still waits.
const CLOSING: Duration = Duration::from_secs(1);

/// So many peers come in between two frames, and no flood of them holds the frames up.
const ACCEPTS: usize = 16;

/// The link of a room with these members, who come by this listener.
pub(crate) fn link(
    listener: TcpListener,
    open: fn(TcpStream, Limits) -> Opening,
    members: Members,
    channels: Channels,
) -> Link {
    let members = Arc::new(members);
    let (queue, frames) = mpsc::unbounded_channel();
    let incoming = RoomIncoming {
        listener,
        open,
        pause: None,
        peers: JoinSet::new(),
        members: Arc::clone(&members),
        queue,
        frames,
        channels,
    };
    Link::new(incoming, RoomOutgoing { members, waiting: None, closing: None })
}

/// Owns the listener and the tasks of the peers: dropping it frees the port at once and ends them.
struct RoomIncoming {
    listener: TcpListener,
    open: fn(TcpStream, Limits) -> Opening,
    pause: Option<Pin<Box<Sleep>>>,
    peers: JoinSet<()>,
    members: Arc<Members>,
    queue: mpsc::UnboundedSender<Unhandled>,
    frames: mpsc::UnboundedReceiver<Unhandled>,
    channels: Channels,
}

impl Stream for RoomIncoming {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_accept(cx);
        while let Poll::Ready(Some(_)) = self.peers.poll_join_next(cx) {}
        let frame = ready!(self.frames.poll_recv(cx));
        // Its permit goes here, and the peer may send on.
        Poll::Ready(frame.map(|(frame, ..)| Ok(frame)))
    }
}

impl RoomIncoming {
    fn poll_accept(&mut self, cx: &mut Context<'_>) {
        for _ in 0..ACCEPTS {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return;
                }
                self.pause = None;
            }
            match self.listener.poll_accept(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok((stream, peer))) => self.let_in(stream, peer),
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "cannot accept");
                    self.pause = Some(Box::pin(sleep(ACCEPT_PAUSE)));
                }
            }
        }
        cx.waker().wake_by_ref();
    }

    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr) {
        let Some(seat) = self.members.join() else {
            self.members.stats().count(DropReason::Full);
            tracing::info!(%peer, "turned away: the room is full");
            return;
        };
        tracing::debug!(%peer, "a peer came into the room");
        let carrier = ToCarrier { queue: self.queue.clone(), channels: self.channels.clone() };
        let opening = (self.open)(stream, *self.members.limits());
        self.peers.spawn(peer::serve(opening, peer, seat, carrier));
    }
}

impl Drop for RoomIncoming {
    fn drop(&mut self) {
        self.members.close();
    }
}

struct RoomOutgoing {
    members: Arc<Members>,
    /// For peers that have fallen behind.
    waiting: Option<BoxFuture<'static, ()>>,
    /// For all, until everything is written.
    closing: Option<BoxFuture<'static, ()>>,
}

impl RoomOutgoing {
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.members.is_closed() {
            return Poll::Ready(Err(TransportError::Closed));
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.poll_unpin(cx));
            self.waiting = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Frame> for RoomOutgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_waiting(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        frame.check(self.members.limits().max_frame, ChannelCount::Many)?;
        let behind = self.members.deliver(&frame, None);
        if !behind.is_empty() {
            self.waiting = Some(Box::pin(caught_up(behind)));
        }
        Ok(())
    }

    /// What the peers' queues have taken is on its way: their tasks write without being asked.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_waiting(cx)
    }

    /// Waits a second at most for what still waits in the peers' queues.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let members = Arc::clone(&self.members);
        let closing = self.closing.get_or_insert_with(|| {
            Box::pin(async move {
                let written = async {
                    for outbox in members.outboxes() {
                        outbox.written().await;
                    }
                };
                let _ = timeout(CLOSING, written).await; // those who do not read lose the rest
            })
        });
        ready!(closing.poll_unpin(cx));
        self.closing = None;
        Poll::Ready(Ok(()))
    }
}
