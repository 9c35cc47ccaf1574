//! A bounded queue with one reader that never makes its writer wait: who reads too slowly loses
//! the oldest items and is told how many. Not here: what the items are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A reader was too slow: this many items, the oldest ones, were dropped to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} items were lost because they were not read in time")]
pub struct Lagged(pub u64);

/// Makes a feed that holds at most `capacity` items. An idle feed holds no memory for items.
pub(crate) fn feed<T>(capacity: usize) -> (Writer<T>, Reader<T>) {
    let state = State { items: VecDeque::new(), lost: 0, waker: None, closed: false };
    let shared = Arc::new(Mutex::new(state));
    (Writer { shared: shared.clone(), capacity: capacity.max(1) }, Reader { shared })
}

struct State<T> {
    items: VecDeque<T>,
    /// Dropped since the reader was last told.
    lost: u64,
    waker: Option<Waker>,
    /// One of the two sides is gone.
    closed: bool,
}

pub(crate) struct Writer<T> {
    shared: Arc<Mutex<State<T>>>,
    capacity: usize,
}

pub(crate) struct Reader<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// A panic elsewhere can't leave the state half changed, so a poisoned lock is still good.
fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Writer<T> {
    /// Hands an item over; false if nobody will ever read it.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut state = lock(&self.shared);
        if state.closed {
            return false;
        }
        if state.items.len() >= self.capacity {
            state.items.pop_front();
            state.lost += 1;
        }
        state.items.push_back(item);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.shared).closed
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Reader<T> {
    /// The next item, or how many were lost before it; `None` once the writer is gone and all is
    /// read.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let mut state = lock(&self.shared);
        if state.lost > 0 {
            return Poll::Ready(Some(Err(Lagged(std::mem::take(&mut state.lost)))));
        }
        if let Some(item) = state.items.pop_front() {
            return Poll::Ready(Some(Ok(item)));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.closed = true;
        state.items = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_lost_and_goes_on_with_the_newest() {
        let (writer, mut reader) = feed(3);
        for item in 0..10 {
            assert!(writer.push(item));
        }
        let mut read = async || poll_fn(|cx| reader.poll_next(cx)).await;
        assert_eq!(read().await, Some(Err(Lagged(7))));
        assert_eq!(read().await, Some(Ok(7)));
        assert!(writer.push(10));
        assert_eq!(read().await, Some(Ok(8)));
        drop(writer);
        assert_eq!(read().await, Some(Ok(9)));
        assert_eq!(read().await, Some(Ok(10)));
        assert_eq!(read().await, None);
    }

    #[test]
    fn a_feed_whose_reader_is_gone_says_so_and_holds_nothing() {
        let (writer, reader) = feed(3);
        assert!(writer.push(1));
        drop(reader);
        assert!(!writer.push(2));
        assert!(writer.is_closed());
        assert!(lock(&writer.shared).items.is_empty());
    }
}
