//! A topic's end of a link. Not here: the link, which the carrier keeps up.

use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, PollSender};

use crate::carrier::{Inbound, OpenChannel, Outbound, pieces};
use crate::event::LinkId;

/// Frames from the link that wait for the topic. Beyond them the link's own flow control works.
pub(super) const INBOX: usize = 64;

pub(super) struct Attachment {
    pub(super) id: LinkId,
    pub(super) up: bool,
    channel: OpenChannel,
    inbox: mpsc::Receiver<Inbound>,
    outbound: PollSender<Outbound>,
    /// A place in the queue is held for the next frame.
    reserved: bool,
}

impl Attachment {
    pub(super) fn new(id: LinkId, channel: OpenChannel, inbox: mpsc::Receiver<Inbound>) -> Self {
        let outbound = PollSender::new(channel.outbound());
        Self { id, up: false, channel, inbox, outbound, reserved: false }
    }

    pub(super) fn name(&self) -> &str {
        &self.channel.facts().name
    }

    pub(super) fn max_frame(&self) -> usize {
        self.channel.facts().max_frame
    }

    /// The largest frame that the link carries, in pieces if need be.
    pub(super) fn largest(&self) -> usize {
        pieces::largest(self.max_frame())
    }

    /// The next thing from the link; `None` once its carrier is gone.
    pub(super) fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        self.inbox.poll_recv(cx)
    }

    /// Ready once a message may be sealed: a link that is up has room for its frame; one that is
    /// down holds nobody up.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.up && !self.reserved {
            match self.outbound.poll_reserve(cx) {
                Poll::Ready(reserved) => self.reserved = reserved.is_ok(),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Gives the place back that is held for the next frame.
    pub(super) fn give_up_room(&mut self) {
        if std::mem::take(&mut self.reserved) {
            self.outbound.abort_send();
        }
    }

    /// Frames that wait for the link, of all topics on it.
    pub(super) fn unsent(&self) -> usize {
        let queue = self.outbound.get_ref();
        queue.map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Whether there is anything to flush: a link that is up may hold frames of its own.
    pub(super) fn has_unsent(&self) -> bool {
        self.up || self.unsent() > 0
    }

    /// What tells, after this was dropped, that the connection is closed.
    pub(super) fn closed(&self) -> Option<CancellationToken> {
        self.channel.closed()
    }

    /// Queues a frame; false if there is no room for it, or it is too large for the link.
    pub(super) fn send(&mut self, frame: Bytes) -> bool {
        if frame.len() > self.largest() {
            return false;
        }
        let outbound = self.channel.frame(frame);
        if std::mem::take(&mut self.reserved) {
            return self.outbound.send_item(outbound).is_ok();
        }
        self.outbound.get_ref().is_some_and(|queue| queue.try_send(outbound).is_ok())
    }

    /// Completes once everything queued so far was handed to the link; never, where the link stays
    /// down.
    pub(super) fn flush(&self) -> impl Future<Output = ()> + use<> {
        let queue = self.outbound.get_ref().cloned();
        async move {
            let (done, flushed) = oneshot::channel();
            if let Some(queue) = queue
                && queue.send(Outbound::Flush(done)).await.is_ok()
            {
                let _ = flushed.await;
            }
        }
    }
}
