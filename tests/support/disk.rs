//! A disk that outlives the process that writes to it, and fails as disks do.
//! Not one that keeps half a batch: the contract of a store leaves that to the layer below.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use stringphone::store::{MemoryStore, Record, Store, StoreError};
use tokio::sync::watch;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error is told, and nothing is written.
    Fails,
    /// The process dies, and the batch was still in a cache.
    DiesBefore,
    /// The process dies before it learns that the batch is safe.
    DiesAfter,
}

/// Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Inner>);

struct Inner {
    records: tokio::sync::Mutex<MemoryStore>,
    commits: Mutex<u32>,
    /// At which commit, once.
    fault: Option<(u32, Fault)>,
    dead: watch::Sender<bool>,
}

impl Disk {
    pub(crate) fn new(fault: Option<(u32, Fault)>) -> Self {
        let (records, commits) = Default::default();
        Self(Arc::new(Inner { records, commits, fault, dead: watch::Sender::new(false) }))
    }

    /// How many batches came, those that were lost included.
    pub(crate) fn commits(&self) -> u32 {
        *self.0.commits.lock().unwrap()
    }

    /// Whether the process that uses it has died. Nothing may leave it any more.
    pub(crate) fn is_dead(&self) -> bool {
        *self.0.dead.borrow()
    }

    pub(crate) async fn dies(&self) {
        // The sender is ours.
        let _ = self.0.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// A new process begins.
    pub(crate) fn revive(&self) {
        self.0.dead.send_replace(false);
    }
}

#[async_trait]
impl Store for Disk {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        self.0.records.lock().await.load().await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        let number = {
            let mut commits = self.0.commits.lock().unwrap();
            *commits += 1;
            *commits
        };
        let fault = self.0.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if fault == Some(Fault::Fails) {
            return Err(StoreError::Other("the disk is full".into()));
        }
        if fault != Some(Fault::DiesBefore) {
            self.0.records.lock().await.commit(batch).await?;
        }
        if fault.is_some() {
            self.0.dead.send_replace(true);
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
