//! The frames that wait for one peer of a room.
//! Not a `tokio::sync::mpsc`: what is bounded here is bytes, and nobody waits for long.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::DropReason;
use crate::Frame;

/// What a frame costs besides its bytes, so that tiny ones do not slip through the bound.
pub(crate) const OVERHEAD: usize = 64;

/// How long others wait for a peer that has fallen behind, until it has caught up.
///
/// With this, whoever reads a quarter of its bound in that time is never put out for a burst.
const PATIENCE: Duration = Duration::from_millis(100);

/// Nobody waits again for so long for a peer that was given up, lest it makes a habit of it.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// Waits until these peers have caught up, or have been behind for too long to be waited for. Side
/// by side, so that many of them take no longer than one.
pub(crate) async fn caught_up(behind: Vec<Arc<Outbox>>) {
    join_all(behind.iter().map(|outbox| outbox.caught_up())).await;
}

pub(crate) struct Outbox {
    id: u64,
    /// In bytes.
    limit: usize,
    state: Mutex<State>,
    /// There are frames for the peer's task to write.
    filled: Notify,
    /// The peer has caught up, or all that waited is written.
    drained: Notify,
    /// The peer has to go, for this reason.
    put_out: Notify,
    reason: OnceLock<DropReason>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// From above one half of the limit to below one quarter.
    behind_since: Option<Instant>,
    /// When it was waited for in vain.
    given_up: Option<Instant>,
    /// Frames that left the queue may still be on their way into the socket.
    writing: bool,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(id: u64, limit: usize) -> Self {
        Self {
            id,
            limit,
            state: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            put_out: Notify::new(),
            reason: OnceLock::new(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Hands over a copy of the frame; true if the peer has fallen behind. Never waits.
    pub(crate) fn push(&self, frame: &Frame) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        state.bytes += frame.bytes.len() + OVERHEAD;
        if state.bytes > self.limit {
            drop(state);
            self.put_out(DropReason::Unread);
            return false;
        }
        state.frames.push_back(frame.clone());
        if state.bytes > self.limit / 2 {
            state.behind_since.get_or_insert_with(Instant::now);
        }
        let behind = state.behind_since.is_some();
        drop(state);
        self.filled.notify_one();
        behind
    }

    /// The next frame, if one waits.
    pub(crate) fn pop(&self) -> Option<Frame> {
        let mut state = self.state();
        let Some(frame) = state.frames.pop_front() else {
            state.frames = VecDeque::new(); // an idle peer keeps no room for a burst
            return None;
        };
        state.writing = true;
        state.bytes = state.bytes.saturating_sub(frame.bytes.len() + OVERHEAD);
        if state.behind_since.is_some() && state.bytes <= self.limit / 4 {
            state.behind_since = None;
            drop(state);
            self.drained.notify_waiters();
        }
        Some(frame)
    }

    /// All that was taken from here is in the socket; waits for more.
    pub(crate) async fn filled(&self) {
        self.state().writing = false;
        self.drained.notify_waiters();
        self.filled.notified().await;
    }

    /// Waits until the peer has caught up, or has been behind for too long to be waited for.
    async fn caught_up(&self) {
        let (since, given_up) = {
            let state = self.state();
            (state.behind_since, state.given_up)
        };
        let Some(since) = since else {
            return;
        };
        if given_up.is_some_and(|given_up| given_up.elapsed() < IMPATIENCE) {
            return;
        }
        let caught_up = self.wait_until(|state| state.behind_since.is_none());
        if timeout_at(since + PATIENCE, caught_up).await.is_err() {
            self.state().given_up = Some(Instant::now());
        }
    }

    /// Waits until all is in the socket.
    pub(crate) async fn written(&self) {
        self.wait_until(|state| state.frames.is_empty() && !state.writing).await;
    }

    /// The peer has to go.
    pub(crate) fn put_out(&self, reason: DropReason) {
        self.close();
        self.reason.get_or_init(|| reason);
        self.put_out.notify_one();
    }

    /// Waits until the peer has to go.
    pub(crate) async fn is_put_out(&self) -> DropReason {
        loop {
            if let Some(reason) = self.reason.get() {
                return *reason;
            }
            self.put_out.notified().await;
        }
    }

    /// The peer is gone: what waits is dropped, and nobody waits for it.
    pub(crate) fn close(&self) {
        *self.state() = State { closed: true, ..State::default() };
        self.drained.notify_waiters();
    }

    async fn wait_until(&self, done: impl Fn(&State) -> bool) {
        loop {
            let drained = self.drained.notified();
            if done(&self.state()) {
                return;
            }
            drained.await;
        }
    }

    /// No code panics while it holds the lock, so a poisoned outbox is a sound one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that has fallen behind.
    fn behind() -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(1, 1000));
        assert!(outbox.push(&frame()));
        outbox
    }

    fn frame() -> Frame {
        Frame::bare(vec![7; 600])
    }

    async fn waited(outboxes: &[Arc<Outbox>]) -> Duration {
        let start = Instant::now();
        caught_up(outboxes.to_vec()).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn many_peers_that_lag_are_waited_for_no_longer_than_one() {
        let outboxes: Vec<_> = (0..100).map(|_| behind()).collect();
        let waited = waited(&outboxes).await;
        assert!((PATIENCE..PATIENCE * 2).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_was_waited_for_in_vain_is_not_waited_for_again_at_once() {
        let outboxes = [behind()];
        assert!(waited(&outboxes).await >= PATIENCE);
        for impatient in [true, false] {
            // It catches up too late, and falls behind again.
            assert!(outboxes.iter().all(|outbox| outbox.pop().is_some()));
            assert!(outboxes.iter().all(|outbox| outbox.push(&frame())));
            assert_eq!(waited(&outboxes).await < PATIENCE, impatient);
            tokio::time::advance(IMPATIENCE).await;
        }
    }
}
