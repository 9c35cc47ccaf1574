//! The frames that wait for one peer of a room.
//! Not a `tokio::sync::mpsc`: what is bounded here is bytes, and nobody waits for long.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use stringphone_transport::Frame;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// What a frame costs besides its bytes, so that tiny ones do not slip through the bound.
pub(crate) const OVERHEAD: usize = 64;

/// How long others wait for a peer that has fallen behind, until it has caught up.
///
/// With this, whoever reads a quarter of its bound in that time is never put out for a burst.
const PATIENCE: Duration = Duration::from_millis(100);

pub(crate) struct Outbox {
    id: u64,
    /// In bytes.
    limit: usize,
    state: Mutex<State>,
    /// There are frames for the peer's task to write.
    filled: Notify,
    /// The peer has caught up, or all that waited is written.
    drained: Notify,
    /// The peer has to go.
    overrun: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// From above one half of the limit to below one quarter.
    behind_since: Option<Instant>,
    /// Frames that left the queue may still be on their way into the socket.
    writing: bool,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(id: u64, limit: usize) -> Self {
        let (filled, drained, overrun) = (Notify::new(), Notify::new(), Notify::new());
        Self { id, limit, state: Mutex::default(), filled, drained, overrun }
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
            self.close();
            self.overrun.notify_one();
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
    pub(crate) async fn caught_up(&self) {
        let Some(since) = self.state().behind_since else {
            return;
        };
        let caught_up = self.wait_until(|state| state.behind_since.is_none());
        let _ = timeout_at(since + PATIENCE, caught_up).await; // either is fine
    }

    /// Waits until all is in the socket.
    pub(crate) async fn written(&self) {
        self.wait_until(|state| state.frames.is_empty() && !state.writing).await;
    }

    /// Waits until more waited for the peer than may.
    pub(crate) async fn overrun(&self) {
        self.overrun.notified().await;
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
