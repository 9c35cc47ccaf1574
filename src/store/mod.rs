//! Where a topic's lasting records are kept. Not here: what the records say, which is the
//! protocol's business.

pub mod conformance;
#[cfg(feature = "redb")]
mod database;
mod file;
mod memory;
pub(crate) mod shred;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
pub use stringphone_protocol::{Record, RestoreError};
use tokio::time::timeout;

#[cfg(feature = "redb")]
pub use database::DatabaseStore;
pub use file::FileStore;
pub use memory::MemoryStore;

/// A place for records: values by key, with a version of the value's layout each.
///
/// A topic loads everything when it starts, and from then on only commits. It sends nothing that
/// depends on a record before [`commit`](Self::commit) has returned.
///
/// Implementations of your own are held against [`conformance`].
#[async_trait]
pub trait Store: Send + 'static {
    /// All records, ordered by key. An empty store is a new topic.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where there is something that can't be read.
    async fn load(&mut self) -> Result<Vec<Record>, StoreError>;

    /// Writes a batch, whole or not at all. When this returns, the batch outlives a crash. Of
    /// several records of one key the last one counts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where nothing of the batch was written.
    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError>;

    /// Makes what was overwritten or deleted unreadable, as far as this store can: what a thief of
    /// the storage must not find. A topic calls it now and then after commits. Stores that can't do
    /// anything about it do nothing, and say so.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where it may still be readable. The records are as they were.
    async fn erase(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How long a topic waits for its store, before it stops: what hangs in a store holds up whatever
/// depends on it.
pub(crate) const COMMIT: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, work).await.unwrap_or(Err(StoreError::Timeout { after: limit }))
}

/// Runs file work where it may block, on what was taken out of the store, which is put back.
async fn off_the_actor<S: Send + 'static, T: Send + 'static>(
    store: &mut S,
    mut taken: S,
    work: impl FnOnce(&mut S) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let worked = tokio::task::spawn_blocking(move || {
        let result = work(&mut taken);
        (taken, result)
    });
    let (taken, result) = worked.await.map_err(|error| StoreError::Other(error.into()))?;
    *store = taken;
    result
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file can't be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// Others can read or write the file, and it holds secrets.
    #[error(
        "{path} can be read by others (mode {mode:o}); it holds secrets: chmod 600 '{path}' mends \
         it, if nobody has read it yet"
    )]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its mode bits.
        mode: u32,
    },
    /// Somebody else has the store open: another process, or another topic of this one.
    #[error(
        "{path} is in use, by another process or another topic of this one: stop that one first, \
         or give this one a file of its own"
    )]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// The store was written under another key.
    #[error("{path} was written under another key: open it with the key file that belongs to it")]
    WrongKey {
        /// Which file.
        path: PathBuf,
    },
    /// Of several files that belong together, one is not there.
    #[error(
        "{path} is missing, and {beside} is nothing without it: restore both from one backup, or \
         remove that one as well to begin anew"
    )]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The file that needs it.
        beside: PathBuf,
    },
    /// The file was written by a later release.
    #[error("{path} was written by a later release; upgrade to read it")]
    Newer {
        /// Which file.
        path: PathBuf,
    },
    /// The key file is sealed, and no passphrase was given.
    #[error("{path} is sealed with a passphrase, and none was given")]
    PassphraseNeeded {
        /// Which file.
        path: PathBuf,
    },
    /// The key file is sealed with another passphrase.
    #[error("this is not the passphrase of {path}")]
    WrongPassphrase {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not a store of this project.
    #[error("{path} is no store of String phone")]
    NotAStore {
        /// Which file.
        path: PathBuf,
    },
    /// The file was damaged after it was written.
    #[error("{path} is damaged: {reason}; restore it from a backup")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store hangs.
    #[error("the store did not answer within {after:?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The records need more room than a store of this kind has.
    #[error("{path} would have {len} bytes, at most {max} fit; remove participants")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Bytes needed.
        len: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// What a store of the user's own reports.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
