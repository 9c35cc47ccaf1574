//! From files to an open store: making, moving in, coming back. Not here: what is in the files.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use stringphone_protocol::Record;

use super::keyring::{Keyring, Lock};
use super::tables::{Sealer, Tables};
use crate::keyfile::StorageKey;
use crate::store::file::{self, refuse_shared, sync_folder};
use crate::store::{StoreError, shred};

/// A store that this process has for itself.
pub(super) struct Open {
    pub(super) tables: Tables,
    pub(super) keyring: Keyring,
    /// Whether something may have been overwritten or deleted that could still be read.
    stale: bool,
}

/// What stands where a database should.
enum Found {
    Nothing,
    /// A store of another kind, with these records.
    Records(Vec<Record>),
    Database(File),
}

impl Open {
    pub(super) fn at(path: &Path, storage: &StorageKey) -> Result<Self, StoreError> {
        let path = &shred::target(path);
        let lock = Lock::take(path)?;
        let blank = lock.is_blank()?;
        match found(path)? {
            Found::Database(_) if blank => {
                Err(StoreError::Missing { path: lock.path().into(), beside: path.into() })
            }
            Found::Database(file) => Self::again(path, file, lock, storage),
            Found::Records(records) => Self::anew(path, &records, lock, storage),
            // Without the half-made database of a process that had no time to end, keys were left
            // alone by somebody who moved or lost the rest.
            Found::Nothing if !blank && !new(path).exists() => {
                Err(StoreError::Missing { path: path.into(), beside: lock.path().into() })
            }
            Found::Nothing => Self::anew(path, &[], lock, storage),
        }
    }

    fn again(
        path: &Path,
        file: File,
        lock: Lock,
        storage: &StorageKey,
    ) -> Result<Self, StoreError> {
        let tables = Tables::open(path, file)?;
        let about = tables.about()?;
        let keyring = Keyring::open(lock, storage, about.id, about.wrapping)?;
        shred::shred_old(path)?;
        Ok(Self { tables, keyring, stale: true })
    }

    /// The database is whole under another name before its keys are written, and these before it
    /// has its own name: whenever this ends, it is done, or it is as if it had not begun.
    fn anew(
        path: &Path,
        records: &[Record],
        lock: Lock,
        storage: &StorageKey,
    ) -> Result<Self, StoreError> {
        let io = |error| StoreError::Io { path: path.into(), error };
        let keyring = Keyring::new(lock, storage)?;
        let tables = Tables::open(path, create(&new(path)).map_err(io)?)?;
        tables.begin(sealer(&keyring), records)?;
        sync_folder(path).map_err(io)?;
        keyring.write()?;
        shred::keep_old(path)?;
        fs::rename(new(path), path).and_then(|()| sync_folder(path)).map_err(io)?;
        shred::shred_old(path)?;
        Ok(Self { tables, keyring, stale: false })
    }

    pub(super) fn load(&self) -> Result<Vec<Record>, StoreError> {
        self.tables.load(sealer(&self.keyring))
    }

    pub(super) fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.stale = true;
        self.tables.commit(sealer(&self.keyring), &batch)
    }

    /// Replaces the wrapping key. Wherever this ends, one of the two keys opens all records: the one
    /// that the database names.
    pub(super) fn erase(&mut self) -> Result<(), StoreError> {
        if !self.stale {
            return Ok(());
        }
        let next = self.keyring.prepare()?;
        self.tables.rewrap(sealer(&self.keyring), &next)?;
        self.keyring.settle(next)?;
        self.stale = false;
        Ok(())
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Open([redacted])")
    }
}

pub(super) fn sealer(keyring: &Keyring) -> Sealer<'_> {
    Sealer { store: &keyring.store, wrapping: &keyring.wrapping }
}

fn new(path: &Path) -> std::path::PathBuf {
    shred::beside(path, ".new")
}

fn found(path: &Path) -> Result<Found, StoreError> {
    let io = |error| StoreError::Io { path: path.into(), error };
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        file => file.map_err(io)?,
    };
    let metadata = file.metadata().map_err(io)?;
    refuse_shared(path, &metadata)?;
    let mut magic = Vec::new();
    let length = file::MAGIC.len() as u64;
    file.by_ref().take(length).read_to_end(&mut magic).map_err(io)?;
    if magic == file::MAGIC {
        return file::read(path).map(Found::Records);
    }
    if magic.is_empty() {
        // redb would make a database of it.
        return Err(StoreError::NotAStore { path: path.into() });
    }
    Ok(Found::Database(file))
}

fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn destroy(path: &Path) -> Result<(), StoreError> {
    let path = &shred::target(path);
    if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        return Ok(());
    }
    let lock = Lock::take(path)?;
    let keys = lock.path().to_owned();
    shred::shred_old(path)?;
    lock.destroy()?;
    // The empty file of keys last: as long as it is there, it can be tried again.
    for file in [path, &new(path), &keys] {
        match shred::shred(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Io { path: file.into(), error });
            }
            _ => {}
        }
    }
    sync_folder(path).map_err(|error| StoreError::Io { path: path.into(), error })
}
