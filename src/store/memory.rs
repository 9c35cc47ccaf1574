//! A store that forgets everything with the process. Not for anything that should last.

use async_trait::async_trait;
use stringphone_protocol::Record;

use super::{Store, StoreError};

/// Records in memory: for tests, simulations and topics that need not last.
///
/// A clone is a copy of what is stored at that moment, as a backup would be. What is overwritten or
/// deleted is wiped at once.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    // Ordered by key. No map: most topics have five records or so, and a map's smallest node is
    // several times larger.
    records: Vec<Record>,
}

impl MemoryStore {
    /// A store that starts with these records.
    pub fn with(records: impl IntoIterator<Item = Record>) -> Self {
        let mut store = Self::default();
        store.apply(records);
        store
    }

    /// The records, ordered by key.
    pub(super) fn records(&self) -> Vec<Record> {
        self.records.clone()
    }

    pub(super) fn apply(&mut self, batch: impl IntoIterator<Item = Record>) {
        for record in batch {
            let at = self.records.partition_point(|known| known.key < record.key);
            if self.records.get(at).is_some_and(|known| known.key == record.key) {
                self.records.remove(at);
            }
            if record.value.is_some() {
                self.records.insert(at, record);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        Ok(self.records())
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        self.apply(batch);
        Ok(())
    }
}
