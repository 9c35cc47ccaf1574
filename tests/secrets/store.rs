//! A store that knows every secret it was ever given, and holds none of them in clear.
//! Not a place of its own: records go into a file.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use stringphone::store::{FileStore, Record, Store, StoreError};

use crate::memory::Needle;

/// Clones are the same store, each with what it has read of the file.
pub(crate) struct Known {
    file: FileStore,
    secrets: Secrets,
}

pub(crate) type Secrets = Arc<Mutex<BTreeSet<Needle>>>;

impl Known {
    pub(crate) fn new(path: impl Into<PathBuf>, secrets: &Secrets) -> Self {
        Self { file: FileStore::new(path), secrets: secrets.clone() }
    }
}

#[async_trait]
impl Store for Known {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        self.file.load().await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        for record in &batch {
            let value = record.value.as_deref().map(Vec::as_slice).unwrap_or_default();
            self.secrets.lock().unwrap().extend(secrets(&record.key, value));
        }
        self.file.commit(batch).await
    }
}

/// What of a record is secret: `docs/PROTOCOL.md` §3.16 has the layouts.
fn secrets(key: &str, value: &[u8]) -> Vec<Needle> {
    let each = |what: &str, from: usize, size: usize, secret: std::ops::Range<usize>| {
        let entries = value.get(from..).unwrap_or_default().chunks_exact(size);
        let secrets = entries.filter_map(|entry| entry.get(secret.clone()));
        secrets.map(|bytes| Needle::new(format!("{what} of {key}"), bytes)).collect::<Vec<_>>()
    };
    match key.split('/').next().unwrap_or_default() {
        "generation" => {
            let mut found = each("the catch-up key", 216, 32, 0..32);
            found.truncate(1);
            found.extend(each("an epoch's secret", 248, 36, 4..36));
            found
        }
        "catch-up" => each("a catch-up key", 0, 64, 32..64),
        "kem" => each("a KEM key", 0, 32, 0..32),
        "invitation" => {
            let mut found = each("the secret", 95, 16, 0..16);
            found.truncate(1);
            found
        }
        _ => Vec::new(),
    }
}
