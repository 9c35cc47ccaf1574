//! The frames that wait for one port.
//! Not `tokio::sync::mpsc`: that allocates 32 places for every port that idles, ten times of what
//! an empty queue needs here.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use stringphone_transport::Frame;

/// A burst leaves no more room behind than this many frames, once it is read.
const KEPT_WHEN_EMPTY: usize = 32;

#[derive(Debug)]
pub(crate) struct Queue {
    id: u64,
    name: Box<str>,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    closed: bool,
    reader: Option<Waker>,
    /// Those who wait for room, and the port's own sender while it waits for others. Each task is
    /// here once, so there are at most as many as senders.
    waiting: Vec<Waker>,
}

impl Queue {
    pub(crate) fn new(id: u64, name: Box<str>, capacity: usize) -> Self {
        Self { id, name, capacity, state: Mutex::default() }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Hands over a copy of the frame where there is room; false where there is none. A closed
    /// queue swallows: its port is no longer there to hear.
    pub(crate) fn push(&self, frame: &Frame) -> bool {
        self.push_or(frame, |_| ())
    }

    /// [`push`](Self::push) that wakes the task once there is room.
    pub(crate) fn poll_push(&self, frame: &Frame, cx: &mut Context<'_>) -> Poll<()> {
        if self.push_or(frame, |state| state.wait(cx)) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The next frame; `None` once the queue is closed.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(None);
        }
        let Some(frame) = state.frames.pop_front() else {
            match &mut state.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        };
        if state.frames.is_empty() && state.frames.capacity() > KEPT_WHEN_EMPTY {
            state.frames = VecDeque::new();
        }
        // Half a queue of room is worth waking the senders for, one place is not.
        if state.frames.len() <= self.capacity / 2 && !state.waiting.is_empty() {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
        Poll::Ready(Some(frame))
    }

    /// Whether the port is disconnected; wakes the task when it becomes so.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        let ended = std::mem::replace(&mut *state, State { closed: true, ..State::default() });
        drop(state);
        ended.waiting.into_iter().chain(ended.reader).for_each(Waker::wake);
    }

    fn push_or(&self, frame: &Frame, full: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state();
        if state.closed {
            return true;
        }
        if state.frames.len() >= self.capacity {
            full(&mut state);
            return false;
        }
        state.frames.push_back(frame.clone());
        if let Some(reader) = state.reader.take() {
            drop(state);
            reader.wake();
        }
        true
    }

    /// No code panics while it holds the lock, so a poisoned queue is a sound one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, cx: &mut Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}
