//! A store in an encrypted database, and a small file of keys beside it. Not here: the records'
//! meaning.
//!
//! The database is redb's, which never writes in place: it leaves what was overwritten or deleted in
//! its free pages. So each value is sealed under a key of its own, and those keys under a *wrapping
//! key* that stands in the file beside it. [`erase`](DatabaseStore::erase) replaces that one, wraps
//! the keys of the records that still live anew, and overwrites the old one in place.

mod keyring;
mod opening;
mod sealing;
mod tables;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use stringphone_protocol::Record;

use super::{Store, StoreError, off_the_actor};
use crate::keyfile::StorageKey;
use opening::Open;

/// Records in a database of mode 0600, encrypted under a key of the [key file](crate::keyfile): the
/// store for hosts, and for records that are many or change often.
///
/// The database is the file that is named, and `NAME.keys` beside it holds its wrapping key: one is
/// nothing without the other. To back a store up, copy both, and the key file, while nobody has it
/// open. One store at a time has them open, until it is dropped; each of some hundred that a process
/// has open takes two file descriptors and some 70 KiB of memory.
///
/// What the disk shows is how many records there are, how large they are, and when which of them
/// change; not their names, nor their values. Once [`erase`](Store::erase) has returned, what was
/// overwritten or deleted before can't be read any more, not even with the key file: as far as a
/// disk overwrites what it is told to. Flash that wears out blocks of its own choice, file systems
/// that copy on write, snapshots and backups keep old wrapping keys.
///
/// Where the file is a [`FileStore`](super::FileStore)'s, it becomes a database the first time it is
/// opened.
///
/// ```
/// use stringphone::keyfile;
/// use stringphone::store::{DatabaseStore, Record, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let keys = keyfile::open(folder.path().join("me.key"), None)?;
///
/// let mut store = DatabaseStore::new(folder.path().join("greenhouse.topic"), &keys.storage);
/// store.commit(vec![Record::put("colour", 1, b"green")]).await?;
/// assert_eq!(store.load().await?, [Record::put("colour", 1, b"green")]);
///
/// store.commit(vec![Record::delete("colour")]).await?;
/// store.erase().await?; // and now it is gone
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DatabaseStore {
    path: PathBuf,
    key: StorageKey,
    /// Until it was opened, and after an error: what then is true, only the disk knows.
    open: Option<Open>,
}

impl DatabaseStore {
    /// A store in this file, which need not exist yet. Its folder must.
    pub fn new(path: impl Into<PathBuf>, key: &StorageKey) -> Self {
        Self { path: path.into(), key: key.clone(), open: None }
    }

    /// Destroys the store in this file, if there is one: first its wrapping key, then the rest. It
    /// works on files, and blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while somebody has it open; [`StoreError::Io`] where a file can't be
    /// overwritten or removed.
    pub fn destroy(path: impl AsRef<Path>) -> Result<(), StoreError> {
        opening::destroy(path.as_ref())
    }

    fn take(&mut self) -> Self {
        Self { path: self.path.clone(), key: self.key.clone(), open: self.open.take() }
    }

    fn work<T>(
        &mut self,
        work: impl FnOnce(&mut Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.path, &self.key)?,
        };
        let worked = work(&mut open)?;
        self.open = Some(open);
        Ok(worked)
    }
}

#[async_trait]
impl Store for DatabaseStore {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        let taken = self.take();
        off_the_actor(self, taken, |store| store.work(|open| open.load())).await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        let taken = self.take();
        off_the_actor(self, taken, |store| store.work(|open| open.commit(batch))).await
    }

    /// Two small writes in place and a transaction over the keys of all records: some 150 bytes for
    /// each of them. Nothing is done where nothing was committed since the last time.
    async fn erase(&mut self) -> Result<(), StoreError> {
        let taken = self.take();
        off_the_actor(self, taken, |store| store.work(Open::erase)).await
    }
}

#[cfg(test)]
mod tests;
