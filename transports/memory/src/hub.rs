//! Who is connected, and who listens to which channel.
//! Not the moving of frames: ports push into each other's queues themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stringphone_transport::{ChannelChanges, ChannelName};

use crate::{port::MemoryPort, queue::Queue};

/// A hub for any number of ports; a clone is the same hub.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    limits: Limits,
    registry: Arc<Mutex<Registry>>,
}

/// The bounds of a [`Hub`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame in bytes; 64 KiB.
    pub max_frame: usize,
    /// How many frames may wait for one port before those who send to it have to wait; 1,024.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_frame: 64 * 1024, queue: 1024 }
    }
}

impl Limits {
    /// The same limits with another largest frame, in bytes.
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// The same limits with another length of the queues, in frames, at least one.
    #[must_use]
    pub fn queue(mut self, frames: usize) -> Self {
        self.queue = frames.max(1);
        self
    }
}

impl Hub {
    /// A hub with the default [`Limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A hub with limits of your own.
    ///
    /// ```
    /// use stringphone_memory::{Hub, Limits};
    ///
    /// let hub = Hub::with(Limits::default().max_frame(256));
    /// ```
    pub fn with(limits: Limits) -> Self {
        Self { limits, registry: Arc::default() }
    }

    /// A new port. The name is for events, logs and [`disconnect`](Self::disconnect).
    pub fn port(&self, name: impl Into<String>) -> MemoryPort {
        MemoryPort::new(self.clone(), name.into())
    }

    /// Takes the links of all ports down, as a failing network would; they may connect again at
    /// once. What waited in their queues is gone.
    pub fn disconnect_all(&self) {
        self.disconnect_where(|_| true);
    }

    /// Takes down the link of every port of this name.
    pub fn disconnect(&self, name: &str) {
        self.disconnect_where(|port| port.name() == name);
    }

    /// How many ports are connected.
    pub fn connected(&self) -> usize {
        self.registry().ports.len()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Connects a port that listens to nothing yet.
    pub(crate) fn connect(&self, name: &str) -> Arc<Queue> {
        let mut registry = self.registry();
        registry.last_id += 1;
        let queue = Arc::new(Queue::new(registry.last_id, name.into(), self.limits.queue));
        let port = Port { queue: Arc::clone(&queue), open: BTreeSet::new() };
        registry.ports.insert(queue.id(), port);
        queue
    }

    /// From now on the port listens to some channels more, and to some no more.
    pub(crate) fn listen(&self, port: &Queue, changes: ChannelChanges) {
        self.registry().listen(port.id(), changes);
    }

    /// Forgets the port and wakes whoever waits for it.
    pub(crate) fn remove(&self, port: &Queue) {
        self.registry().remove(port.id());
        port.close();
    }

    /// Those who listen to the channel; a cheap snapshot, so that nobody delivers under the lock.
    pub(crate) fn listeners(&self, channel: &ChannelName) -> Option<Listeners> {
        self.registry().index.get(channel).cloned()
    }

    fn disconnect_where(&self, affected: impl Fn(&Queue) -> bool) {
        let queues: Vec<_> = {
            let registry = self.registry();
            let queues = registry.ports.values().map(|port| Arc::clone(&port.queue));
            queues.filter(|queue| affected(queue)).collect()
        };
        for queue in queues {
            self.remove(&queue);
        }
    }

    /// No code panics while it holds the lock, so a poisoned registry is a sound one.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) type Listeners = Arc<Vec<Arc<Queue>>>;

/// Both maps are ordered, so that a simulation repeats from its seed.
#[derive(Debug, Default)]
struct Registry {
    last_id: u64,
    ports: BTreeMap<u64, Port>,
    /// A frame costs what its listeners cost, however many ports and channels there are.
    index: BTreeMap<ChannelName, Listeners>,
}

#[derive(Debug)]
struct Port {
    queue: Arc<Queue>,
    open: BTreeSet<ChannelName>,
}

impl Registry {
    /// A port that was disconnected meanwhile stays disconnected.
    fn listen(&mut self, id: u64, changes: ChannelChanges) {
        let Some(port) = self.ports.get_mut(&id) else {
            return;
        };
        for opened in changes.opened {
            let listeners = self.index.entry(opened.clone()).or_default();
            Arc::make_mut(listeners).push(Arc::clone(&port.queue));
            port.open.insert(opened);
        }
        for closed in &changes.closed {
            forget(&mut self.index, closed, id);
            port.open.remove(closed);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(port) = self.ports.remove(&id) else {
            return;
        };
        for closed in &port.open {
            forget(&mut self.index, closed, id);
        }
    }
}

fn forget(index: &mut BTreeMap<ChannelName, Listeners>, channel: &ChannelName, id: u64) {
    let Some(listeners) = index.get_mut(channel) else {
        return;
    };
    Arc::make_mut(listeners).retain(|listener| listener.id() != id);
    if listeners.is_empty() {
        index.remove(channel);
    }
}
