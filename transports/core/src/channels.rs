//! The channels that somebody listens to on a link, and what changes about them.
//! Not the routing of frames: carriers and hubs do that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::ChannelName;

/// The channels that somebody listens to on a link, told change by change.
///
/// Whoever asks hears first of all channels that are open, and from then on of the differences. So
/// an adapter that subscribes has one loop, on a fresh link as on one that is up for days:
///
/// ```
/// use stringphone_transport::{ChannelChanges, ChannelName, Channels};
///
/// # async fn subscribe(_: &ChannelName) {}
/// # async fn unsubscribe(_: &ChannelName) {}
/// async fn keep_subscribed(mut channels: Channels) {
///     loop {
///         let ChannelChanges { opened, closed } = channels.changed().await;
///         for channel in &opened {
///             subscribe(channel).await;
///         }
///         for channel in &closed {
///             unsubscribe(channel).await;
///         }
///     }
/// }
/// ```
///
/// Each [`connect`](crate::Transport::connect) is handed one that has told nothing yet. An adapter
/// whose library reconnects beneath it calls [`start_over`](Self::start_over), and the same loop
/// subscribes to everything again. A clone has told nothing yet either.
pub struct Channels {
    shared: Shared,
    /// Its entry among the watchers; none until it is asked for the first time.
    watcher: Option<u64>,
}

/// How a set of [`Channels`] differs from what was told of it before. No name stands in both lists,
/// nor twice in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelChanges {
    /// Somebody listens to these now.
    pub opened: Vec<ChannelName>,
    /// Nobody listens to these any more.
    pub closed: Vec<ChannelName>,
}

impl Channels {
    /// Channels that are open, and the half that changes them.
    ///
    /// ```
    /// use stringphone_transport::{ChannelName, Channels};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let greenhouse = ChannelName::try_from("greenhouse")?;
    /// let (owner, mut channels) = Channels::new([]);
    ///
    /// owner.open(greenhouse.clone());
    /// assert_eq!(channels.changed().await.opened, [greenhouse.clone()]);
    /// owner.close(&greenhouse);
    /// assert_eq!(channels.changed().await.closed, [greenhouse]);
    /// # Ok::<(), stringphone_transport::TransportError>(()) }).unwrap();
    /// ```
    pub fn new(open: impl IntoIterator<Item = ChannelName>) -> (ChannelsOwner, Self) {
        let state = State { open: open.into_iter().collect(), ..State::default() };
        let owner = ChannelsOwner(Shared(Arc::new(Mutex::new(state))));
        let channels = owner.watch();
        (owner, channels)
    }

    /// Waits for differences from what this value has told before, and tells them.
    ///
    /// What is undone before it is told is not told. Waits for ever once the owner is gone and all
    /// is told, for nothing changes any more. Cancel-safe.
    pub async fn changed(&mut self) -> ChannelChanges {
        poll_fn(|cx| self.poll_changed(cx)).await
    }

    /// [`changed`](Self::changed), for those who write a `poll` function themselves.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<ChannelChanges> {
        let mut state = self.shared.state();
        let watcher = *self.watcher.get_or_insert_with(|| state.new_watcher());
        let Some(untold) = state.watchers.get_mut(&watcher) else {
            return Poll::Pending;
        };
        if !untold.changes.is_empty() {
            let changes = std::mem::take(&mut untold.changes);
            drop(state);
            return Poll::Ready(in_lists(changes));
        }
        let former = untold.wake_later(cx.waker());
        // With a waker may go a task, and come here at once.
        drop(state);
        drop(former);
        Poll::Pending
    }

    /// Forgets what was told: all channels that are open are told again, as on a fresh link.
    pub fn start_over(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            let untold = self.shared.state().watchers.remove(&watcher);
            drop(untold); // after the lock
        }
    }

    /// Whether somebody listens to `channel` now, told or not.
    pub fn contains(&self, channel: &ChannelName) -> bool {
        self.shared.state().open.contains(channel)
    }
}

/// The clone watches the same channels, and has told nothing yet.
impl Clone for Channels {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), watcher: None }
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.start_over();
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// The half that changes [`Channels`].
pub struct ChannelsOwner(Shared);

impl ChannelsOwner {
    /// Somebody listens to `channel` now; false if somebody did already.
    pub fn open(&self, channel: ChannelName) -> bool {
        let mut state = self.0.state();
        let opened = state.open.insert(channel.clone());
        opened && tell(state, &channel, Change::Opened)
    }

    /// Nobody listens to `channel` any more; false if nobody did.
    pub fn close(&self, channel: &ChannelName) -> bool {
        let mut state = self.0.state();
        let closed = state.open.remove(channel);
        closed && tell(state, channel, Change::Closed)
    }

    /// The channels, of which nothing is told yet: one for each
    /// [`connect`](crate::Transport::connect).
    pub fn watch(&self) -> Channels {
        Channels { shared: self.0.clone(), watcher: None }
    }
}

impl fmt::Debug for ChannelsOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    /// No code panics while it holds the lock, so a poisoned state is a sound one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.state().open.iter()).finish()
    }
}

#[derive(Default)]
struct State {
    open: BTreeSet<ChannelName>,
    last_watcher: u64,
    /// Those who were asked at least once, and are there still.
    watchers: BTreeMap<u64, Untold>,
}

impl State {
    /// Somebody who has told nothing yet.
    fn new_watcher(&mut self) -> u64 {
        let changes = self.open.iter().map(|channel| (channel.clone(), Change::Opened)).collect();
        self.last_watcher += 1;
        self.watchers.insert(self.last_watcher, Untold { changes, waker: None });
        self.last_watcher
    }
}

/// Notes the change for all watchers and wakes those who wait; true.
fn tell(mut state: MutexGuard<'_, State>, channel: &ChannelName, change: Change) -> bool {
    let noted = state.watchers.values_mut().map(|untold| untold.note(channel, change));
    let wakers: Vec<Waker> = noted.flatten().collect();
    // Whom it wakes may come here at once.
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
    true
}

/// What a watcher has still to tell: at most the channels that it told as open, and those that are.
struct Untold {
    changes: BTreeMap<ChannelName, Change>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Change {
    Opened,
    Closed,
}

impl Untold {
    /// A change undoes the one that is there already, for a channel only opens and closes in turns.
    fn note(&mut self, channel: &ChannelName, change: Change) -> Option<Waker> {
        if self.changes.remove(channel).is_some() {
            return None;
        }
        self.changes.insert(channel.clone(), change);
        self.waker.take()
    }

    /// Wakes this one at the next change, and not the former, which is handed back.
    fn wake_later(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(former) if former.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }
}

fn in_lists(changes: BTreeMap<ChannelName, Change>) -> ChannelChanges {
    let mut lists = ChannelChanges::default();
    for (channel, change) in changes {
        match change {
            Change::Opened => lists.opened.push(channel),
            Change::Closed => lists.closed.push(channel),
        }
    }
    lists
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn names(numbers: std::ops::Range<u32>) -> Vec<ChannelName> {
        // In the order in which they are told.
        let name = |number| ChannelName::try_from(format!("{number:05}").as_str()).unwrap();
        numbers.map(name).collect()
    }

    /// What is told at once.
    fn told(channels: &mut Channels) -> Option<ChannelChanges> {
        channels.changed().now_or_never()
    }

    fn opened(names: Vec<ChannelName>) -> Option<ChannelChanges> {
        Some(ChannelChanges { opened: names, closed: vec![] })
    }

    fn closed(names: Vec<ChannelName>) -> Option<ChannelChanges> {
        Some(ChannelChanges { opened: vec![], closed: names })
    }

    #[test]
    fn each_of_many_channels_is_told_once() {
        let (owner, mut channels) = Channels::new(names(0..5_000));
        assert_eq!(told(&mut channels), opened(names(0..5_000)));
        for name in names(5_000..10_000) {
            assert!(owner.open(name.clone()));
            assert_eq!(told(&mut channels), opened(vec![name]));
        }
        assert!(!owner.open(names(0..1).remove(0)), "it is open already");
        assert_eq!(told(&mut channels), None);
        names(0..9_999).iter().for_each(|name| assert!(owner.close(name)));
        assert_eq!(told(&mut channels), closed(names(0..9_999)));
    }

    #[test]
    fn what_is_undone_before_it_is_told_is_not_told() {
        let (owner, mut channels) = Channels::new(names(0..1));
        assert_eq!(told(&mut channels), opened(names(0..1)));
        for name in names(0..2) {
            for _ in 0..3 {
                owner.close(&name);
                owner.open(name.clone());
            }
        }
        assert_eq!(told(&mut channels), opened(names(1..2)));
        assert_eq!(channels.shared.state().watchers.len(), 1);
    }

    #[test]
    fn whoever_starts_over_is_told_all_again() {
        let (owner, mut channels) = Channels::new(names(0..3));
        assert_eq!(told(&mut channels), opened(names(0..3)));
        owner.close(&names(0..1).remove(0));
        for mut fresh in [channels.clone(), owner.watch()] {
            assert_eq!(told(&mut fresh), opened(names(1..3)));
        }
        channels.start_over();
        assert_eq!(told(&mut channels), opened(names(1..3)));
    }

    #[test]
    fn whoever_is_gone_costs_nothing() {
        let (owner, channels) = Channels::new(names(0..3));
        for _ in 0..10 {
            let _ = told(&mut channels.clone());
        }
        assert!(owner.0.state().watchers.is_empty());
        assert!(channels.contains(&names(0..1).remove(0)), "it may still be asked");
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_even_if_it_waited_elsewhere_before() {
        let (owner, mut channels) = Channels::new([]);
        assert_eq!(told(&mut channels), None);
        let waiting = tokio::spawn(async move { channels.changed().await });
        tokio::task::yield_now().await;
        owner.open(names(0..1).remove(0));
        assert_eq!(Some(waiting.await.unwrap()), opened(names(0..1)));
    }
}
