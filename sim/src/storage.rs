//! What a simulated device has stored, and copies of it as it was. Not when it is stored.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stringphone_protocol::Record;

/// So long lies between two copies at least.
const COPY_EVERY: Duration = Duration::from_secs(30);
const COPIES: usize = 64;

type Records = BTreeMap<String, Arc<Record>>;

/// The storage of one device, which outlives its crashes. Clones are the same storage.
#[derive(Clone, Default)]
pub(crate) struct Storage(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    records: Records,
    /// None, where nobody will ask for them: they cost as much as the rest of a simulation.
    copies: Option<VecDeque<(Duration, Records)>>,
    /// Batches of a life before this one are thrown away.
    life: u32,
}

impl Storage {
    pub(crate) fn with(records: &[Record]) -> Self {
        let storage = Self::default();
        storage.replace(records);
        storage
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is locked, and a map is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps copies from now on.
    pub(crate) fn keep_copies(&self) {
        self.inner().copies.get_or_insert_default();
    }

    /// Another life begins: what an earlier one still wants to store comes too late.
    pub(crate) fn begin(&self, life: u32) {
        self.inner().life = life;
    }

    /// Stores a batch. Whether it was in time.
    pub(crate) fn commit(&self, now: Duration, life: u32, batch: Vec<Record>) -> bool {
        let mut inner = self.inner();
        if inner.life != life {
            return false;
        }
        inner.copy(now);
        for record in batch {
            if record.value.is_some() {
                inner.records.insert(record.key.clone(), Arc::new(record));
            } else {
                inner.records.remove(&record.key);
            }
        }
        true
    }

    /// Nothing but these records, and no copies.
    pub(crate) fn replace(&self, records: &[Record]) {
        let mut inner = self.inner();
        inner.copies.iter_mut().for_each(VecDeque::clear);
        inner.records =
            records.iter().map(|record| (record.key.clone(), Arc::new(record.clone()))).collect();
    }

    /// Goes back to the latest copy that is as old as this, or older; tells of when it is.
    pub(crate) fn roll_back(&self, now: Duration, by: Duration) -> Option<Duration> {
        let mut inner = self.inner();
        let until = now.saturating_sub(by);
        let copies = inner.copies.as_ref()?;
        let (at, records) = copies.iter().rev().find(|(at, _)| *at <= until)?.clone();
        inner.records = records;
        Some(at)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.inner().records.values().map(|record| (**record).clone()).collect()
    }

    /// How many records there are whose names begin like this.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.inner().records.keys().filter(|key| key.starts_with(prefix)).count()
    }

    /// How many records there are, and bytes in them.
    pub(crate) fn size(&self) -> (usize, usize) {
        let inner = self.inner();
        let bytes = |record: &Arc<Record>| {
            record.key.len() + record.value.as_ref().map_or(0, |value| value.len())
        };
        (inner.records.len(), inner.records.values().map(bytes).sum())
    }
}

impl Inner {
    /// Takes a copy, if it is time for one.
    fn copy(&mut self, now: Duration) {
        let Some(copies) = &mut self.copies else { return };
        let last = copies.back().map_or(Duration::ZERO, |(at, _)| *at);
        // Before it has joined, there is nothing worth a copy.
        if now.saturating_sub(last) >= COPY_EVERY && self.records.contains_key("membership") {
            copies.push_back((now, self.records.clone()));
            if copies.len() > COPIES {
                copies.pop_front();
            }
        }
    }
}
