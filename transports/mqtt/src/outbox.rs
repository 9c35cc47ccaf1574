//! The frames that were accepted and are not through yet. Those of QoS 1 outlive their link.
//! Not the writing.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use stringphone_transport::TransportError;
use tokio::{sync::Notify, time::Instant};

use crate::wire::Qos;

/// How many frames may wait to be written.
const QUEUE: usize = 64;

/// A frame that is older is not sent again on the next link.
const STALE: Duration = Duration::from_secs(30);

/// Ids of frames are at most this; those above belong to subscriptions.
const LAST_ID: u16 = 0x7fff;

/// A frame on its way to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    /// Once it was written with QoS 1, and for as long as the broker may know it.
    pub(crate) id: Option<u16>,
    /// Whether it was written to an earlier connection under this id.
    pub(crate) again: bool,
    /// When it was accepted.
    pub(crate) since: Instant,
}

/// What is on its way: to be written, being written, and not acknowledged.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// The half of the link that sends.
    sender: AtomicWaker,
    /// The task that writes.
    work: Notify,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Message>,
    /// Of QoS 0, on their way into the socket.
    writing: usize,
    /// Of QoS 1, in the order in which they were written.
    unacked: VecDeque<Message>,
    last_id: u16,
    closing: bool,
    end: Option<End>,
}

/// How a link ended.
enum End {
    Closed,
    Failed(TransportError),
}

impl Outbox {
    /// What a former link leaves to the next: frames of QoS 1 that are not acknowledged. A broker
    /// that lost the session is not told that it may know them.
    ///
    /// Whoever still works on the former link finds it empty.
    pub(crate) fn resume(former: &Self, session_present: bool) -> Self {
        let mut left = former.waiting();
        let (unacked, queue) = (std::mem::take(&mut left.unacked), std::mem::take(&mut left.queue));
        let last_id = left.last_id;
        drop(left);
        // Whoever waits for them was told that they are lost, and what they ask for may not be wanted
        // any more.
        let fresh = |message: &Message| message.since.elapsed() < STALE;
        let known = |message: Message| match session_present {
            true => Message { again: message.id.is_some(), ..message },
            false => Message { id: None, again: false, ..message },
        };
        let queue = queue.into_iter().filter(|message| message.qos == Qos::AtLeastOnce);
        let queue = unacked.into_iter().chain(queue).filter(fresh).map(known).collect();
        let waiting = Mutex::new(Waiting { queue, last_id, ..Waiting::default() });
        Self { waiting, ..Self::default() }
    }

    /// Waits for room for one more frame.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.poll(cx, |waiting| waiting.queue.len() < QUEUE)
    }

    /// Waits until everything is written, and acknowledged where the broker does that.
    pub(crate) fn poll_through(&self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.poll(cx, Waiting::is_empty)
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        done: impl Fn(&Waiting) -> bool,
    ) -> Poll<Result<(), TransportError>> {
        // Registered first: what changes in between wakes.
        self.sender.register(cx.waker());
        let waiting = self.waiting();
        match &waiting.end {
            Some(end) => Poll::Ready(Err(end.error())),
            None if done(&waiting) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    /// Waits for the end of the link after [`close`](Self::close).
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.sender.register(cx.waker());
        match &self.waiting().end {
            None => Poll::Pending,
            Some(End::Closed) => Poll::Ready(Ok(())),
            Some(End::Failed(error)) => Poll::Ready(Err(copy(error))),
        }
    }

    pub(crate) fn push(&self, message: Message) {
        self.waiting().queue.push_back(message);
        self.work.notify_one();
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        self.waiting().closing = true;
        self.work.notify_one();
    }

    /// Whether nothing more comes and everything is through.
    pub(crate) fn is_closed(&self) -> bool {
        let waiting = self.waiting();
        waiting.closing && waiting.is_empty()
    }

    /// Waits for a message that may be written now, or for the end of all. No more than `window` of
    /// QoS 1 are under way at a time. Cancel-safe.
    pub(crate) async fn work(&self, window: usize) {
        loop {
            let work = self.work.notified();
            if self.waiting().has_work(window) {
                return;
            }
            work.await;
        }
    }

    /// The next message to write, with QoS 1 under its id. Whoever writes tells when it is
    /// [`written`](Self::written).
    pub(crate) fn next(&self, window: usize, best: Qos) -> Option<Message> {
        let mut waiting = self.waiting();
        if !waiting.is_ready(window) {
            return None;
        }
        let mut message = waiting.queue.pop_front()?;
        match message.qos.min(best) {
            Qos::AtMostOnce => {
                waiting.writing += 1;
                (message.id, message.again) = (None, false);
            }
            Qos::AtLeastOnce => {
                message.id = message.id.or_else(|| Some(waiting.fresh_id()));
                waiting.unacked.push_back(message.clone());
            }
        }
        drop(waiting);
        self.sender.wake();
        Some(message)
    }

    pub(crate) fn written(&self) {
        self.waiting().writing = 0;
        self.sender.wake();
    }

    pub(crate) fn acked(&self, id: u16) {
        let mut waiting = self.waiting();
        // Brokers acknowledge in order, so it is the first.
        let at = waiting.unacked.iter().position(|message| message.id == Some(id));
        let acked = at.and_then(|at| waiting.unacked.remove(at));
        drop(waiting);
        if acked.is_some() {
            self.sender.wake();
            self.work.notify_one();
        }
    }

    /// The link is down; `None` if it was closed here.
    pub(crate) fn end(&self, error: Option<TransportError>) {
        let end = error.map_or(End::Closed, End::Failed);
        self.waiting().end.get_or_insert(end);
        self.sender.wake();
    }

    /// Why the link is down.
    pub(crate) fn error(&self) -> TransportError {
        self.waiting().end.as_ref().map_or(TransportError::Closed, End::error)
    }

    /// No code panics while it holds the lock, so a poisoned outbox is a sound one.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.writing == 0 && self.unacked.is_empty()
    }

    /// Whether the first message may be written now. Those behind it wait with it, in order.
    fn is_ready(&self, window: usize) -> bool {
        self.queue
            .front()
            .is_some_and(|message| message.qos == Qos::AtMostOnce || self.unacked.len() < window)
    }

    fn has_work(&self, window: usize) -> bool {
        self.is_ready(window) || (self.closing && self.is_empty())
    }

    fn fresh_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id % LAST_ID + 1;
            let id = Some(self.last_id);
            let taken = |message: &Message| message.id == id;
            // Of the few that wait, only those of a former link have an id.
            if !self.unacked.iter().chain(&self.queue).any(taken) {
                return self.last_id;
            }
        }
    }
}

impl End {
    fn error(&self) -> TransportError {
        match self {
            Self::Closed => TransportError::Closed,
            Self::Failed(error) => copy(error),
        }
    }
}

/// The same error for the other half of the link.
fn copy(error: &TransportError) -> TransportError {
    match error {
        TransportError::Closed => TransportError::Closed,
        TransportError::Timeout { what, after } => TransportError::Timeout { what, after: *after },
        TransportError::Framing(why) => TransportError::Framing(why),
        TransportError::Io(error) => std::io::Error::new(error.kind(), error.to_string()).into(),
        TransportError::Other(error) => TransportError::other(error.to_string()),
        error => TransportError::other(error.to_string()),
    }
}
