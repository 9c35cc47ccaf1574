//! Who is in a room, and who uses which channel.
//! Not the sockets: each peer's task has its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{DropReason, Limits, RoomStats, outbox::Outbox};
use crate::{ChannelName, Frame};

pub(crate) struct Members {
    limits: Limits,
    stats: RoomStats,
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

/// One of the places in the room. Frames for the carrier hold that of their sender, so that nobody
/// gets around the bounds by leaving and coming again.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

#[derive(Default)]
struct State {
    last_id: u64,
    /// In the order in which they came.
    peers: BTreeMap<u64, Arc<Outbox>>,
    /// Those who have not sent a frame yet, and since when they are there.
    mute: BTreeMap<u64, (Instant, Place)>,
    /// A frame costs what those who hear it cost, however many are in the room.
    index: BTreeMap<ChannelName, Arc<Vec<Arc<Outbox>>>>,
    closed: bool,
}

impl Members {
    pub(crate) fn new(limits: Limits, stats: RoomStats) -> Self {
        let places = Arc::new(Semaphore::new(limits.peers.min(Semaphore::MAX_PERMITS)));
        Self { limits, stats, places, state: Mutex::default() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn stats(&self) -> &RoomStats {
        &self.stats
    }

    /// A seat for a new peer, or `None` if the room is full of peers that have sent something.
    pub(crate) fn join(self: &Arc<Self>) -> Option<Seat> {
        let free = Arc::clone(&self.places).try_acquire_owned();
        let mut state = self.state();
        let place = match free {
            Ok(place) => Arc::new(place),
            Err(_) => state.put_out_mute(self.limits.partial_frame)?,
        };
        state.last_id += 1;
        let outbox = Arc::new(Outbox::new(state.last_id, self.limits.unread));
        state.peers.insert(outbox.id(), Arc::clone(&outbox));
        state.mute.insert(outbox.id(), (Instant::now(), Arc::clone(&place)));
        self.stats.set_peers(state.peers.len());
        Some(Seat { members: Arc::clone(self), outbox, place, used: BTreeSet::new() })
    }

    /// Hands the frame to all who use its channel but the one who sent it. Never waits; returns
    /// those who have fallen behind.
    pub(crate) fn deliver(&self, frame: &Frame, from: Option<u64>) -> Vec<Arc<Outbox>> {
        let Some(channel) = &frame.channel else {
            return vec![];
        };
        let Some(listeners) = self.state().index.get(channel).cloned() else {
            return vec![];
        };
        let others = listeners.iter().filter(|outbox| Some(outbox.id()) != from);
        others.filter(|outbox| outbox.push(frame)).cloned().collect()
    }

    /// Everybody, to wait for.
    pub(crate) fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.state().peers.values().cloned().collect()
    }

    /// Whether the link is down.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The link is down.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    /// No code panics while it holds the lock, so a poisoned list is a sound one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts out the peer that has been there for the longest time without sending a frame, if that
    /// is longer than this, and hands over its place. Silent connections cost nothing to make: they
    /// must not lock out everybody else.
    fn put_out_mute(&mut self, after: Duration) -> Option<Place> {
        let longest = self.mute.first_entry()?;
        if longest.get().0.elapsed() < after {
            return None;
        }
        let (id, (_, place)) = longest.remove_entry();
        let outbox = self.peers.remove(&id)?;
        outbox.put_out(DropReason::Mute);
        Some(place)
    }
}

/// One peer's place in the room, until dropped.
pub(crate) struct Seat {
    members: Arc<Members>,
    outbox: Arc<Outbox>,
    place: Place,
    used: BTreeSet<ChannelName>,
}

impl Seat {
    pub(crate) fn members(&self) -> &Arc<Members> {
        &self.members
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub(crate) fn place(&self) -> Place {
        Arc::clone(&self.place)
    }

    /// From now on the peer hears the channel.
    pub(crate) fn listen(&mut self, channel: &ChannelName) -> Result<(), DropReason> {
        if self.used.contains(channel) {
            return Ok(());
        }
        if self.used.len() >= self.members.limits.channels {
            return Err(DropReason::Channels);
        }
        self.used.insert(channel.clone());
        let mut state = self.members.state();
        state.mute.remove(&self.outbox.id());
        let listeners = state.index.entry(channel.clone()).or_default();
        Arc::make_mut(listeners).push(Arc::clone(&self.outbox));
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let id = self.outbox.id();
        let mut state = self.members.state();
        state.peers.remove(&id);
        state.mute.remove(&id);
        for channel in &self.used {
            let Some(listeners) = state.index.get_mut(channel) else {
                continue;
            };
            Arc::make_mut(listeners).retain(|outbox| outbox.id() != id);
            if listeners.is_empty() {
                state.index.remove(channel);
            }
        }
        self.members.stats.set_peers(state.peers.len());
        drop(state);
        self.outbox.close();
    }
}
