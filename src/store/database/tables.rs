//! The database's tables, and what may go wrong with them. Not here: keys that open anything.

use std::fs::File;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend,
    StorageError, TableDefinition,
};
use stringphone_protocol::Record;

use super::keyring::generator;
use super::sealing::{self, Index, Lasting, StoreId, Wrapped, Wrapping};
use crate::store::StoreError;

/// What the store is: layout, id, the number of its wrapping key.
const ABOUT: TableDefinition<&str, u128> = TableDefinition::new("about");
/// Sealed records.
const RECORDS: TableDefinition<&Index, &[u8]> = TableDefinition::new("records");
/// Their keys, wrapped: apart from them, so that all can be wrapped anew without moving a record.
const KEYS: TableDefinition<&Index, &Wrapped> = TableDefinition::new("keys");

const LAYOUT: u128 = 1;
/// All that a gateway of a thousand topics can spare for each.
const CACHE: usize = 2 << 20;
/// The largest record: the bound of a store in a file.
const LARGEST: usize = 16 << 20;

pub(super) struct Tables {
    path: PathBuf,
    database: Database,
}

/// What a database says of itself.
pub(super) struct About {
    pub(super) id: StoreId,
    pub(super) wrapping: u64,
}

/// What reading or writing needs.
#[derive(Clone, Copy)]
pub(super) struct Sealer<'a> {
    pub(super) store: &'a Lasting,
    pub(super) wrapping: &'a Wrapping,
}

impl Tables {
    /// A database in this file; a new one, if the file is empty. `path` is for the errors.
    pub(super) fn open(path: &Path, file: File) -> Result<Self, StoreError> {
        let backend = FileBackend::new(file).map_err(|error| typed(path, error))?;
        Self::over(path, backend)
    }

    pub(super) fn over(path: &Path, backend: impl StorageBackend) -> Result<Self, StoreError> {
        let mut builder = Builder::new();
        // All is read when a topic starts in any case, and what is damaged must not be trusted.
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        let database = builder.create_with_backend(backend).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: path.into() },
            DatabaseError::Storage(StorageError::Io(error))
                if error.kind() == std::io::ErrorKind::InvalidData =>
            {
                StoreError::NotAStore { path: path.into() }
            }
            error => typed(path, error),
        })?;
        Ok(Self { path: path.into(), database })
    }

    pub(super) fn about(&self) -> Result<About, StoreError> {
        let read = self.database.begin_read().map_err(|error| self.typed(error))?;
        let table = read.open_table(ABOUT).map_err(|error| self.typed(error))?;
        let get = |name| {
            let value = table.get(name).map_err(|error| self.typed(error))?;
            let value = value.ok_or_else(|| self.damaged("it does not say what it is"))?;
            Ok(value.value())
        };
        if get("layout")? > LAYOUT {
            return Err(StoreError::Newer { path: self.path.clone() });
        }
        let wrapping = u64::try_from(get("wrapping")?);
        let wrapping = wrapping.map_err(|_| self.damaged("it names an impossible key"))?;
        Ok(About { id: get("id")?.to_le_bytes(), wrapping })
    }

    /// All records, ordered by key.
    pub(super) fn load(&self, sealer: Sealer<'_>) -> Result<Vec<Record>, StoreError> {
        let Sealer { store, wrapping } = sealer;
        let read = self.database.begin_read().map_err(|error| self.typed(error))?;
        let sealed = read.open_table(RECORDS).map_err(|error| self.typed(error))?;
        let keys = read.open_table(KEYS).map_err(|error| self.typed(error))?;
        let mut records = Vec::new();
        for entry in sealed.iter().map_err(|error| self.typed(error))? {
            let (index, sealed) = entry.map_err(|error| self.typed(error))?;
            let index = index.value();
            let key = keys.get(index).map_err(|error| self.typed(error))?;
            let opened = || {
                let key = wrapping.unwrap(store, index, key?.value())?;
                let record = sealing::open(store, index, &key, sealed.value())?;
                (store.index(&record.key) == *index).then_some(record)
            };
            records.push(opened().ok_or_else(|| self.damaged("a record does not open"))?);
        }
        records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(records)
    }

    /// Writes a new database's first batch, and what it says of itself.
    pub(super) fn begin(&self, sealer: Sealer<'_>, batch: &[Record]) -> Result<(), StoreError> {
        self.transaction(|write| {
            about(write, "layout", LAYOUT)?;
            about(write, "id", u128::from_le_bytes(sealer.store.id))?;
            about(write, "wrapping", sealer.wrapping.number.into())?;
            self.put(write, sealer, batch)
        })
    }

    pub(super) fn commit(&self, sealer: Sealer<'_>, batch: &[Record]) -> Result<(), StoreError> {
        self.transaction(|write| self.put(write, sealer, batch))
    }

    fn put(
        &self,
        write: &redb::WriteTransaction,
        Sealer { store, wrapping }: Sealer<'_>,
        batch: &[Record],
    ) -> Result<(), Failed> {
        let mut entropy = generator()?;
        let mut records = write.open_table(RECORDS)?;
        let mut keys = write.open_table(KEYS)?;
        for record in batch {
            let index = store.index(&record.key);
            let Some(value) = &record.value else {
                records.remove(&index)?;
                keys.remove(&index)?;
                continue;
            };
            let sealed = (value.len() <= LARGEST)
                .then(|| sealing::seal(store, &index, record, value, &mut entropy))
                .flatten();
            let (key, sealed) = sealed.ok_or_else(|| self.too_large(value.len()))?;
            let wrapped = wrapping.wrap(store, &index, &key, &mut entropy);
            let wrapped = wrapped.ok_or_else(|| self.too_large(value.len()))?;
            records.insert(&index, sealed.as_slice())?;
            keys.insert(&index, &wrapped)?;
        }
        Ok(())
    }

    /// Puts the keys of all records under the next wrapping key, in one transaction.
    pub(super) fn rewrap(&self, now: Sealer<'_>, next: &Wrapping) -> Result<(), StoreError> {
        let mut entropy = generator()?;
        self.transaction(|write| {
            let mut keys = write.open_table(KEYS)?;
            let old: Vec<(Index, Wrapped)> = keys
                .iter()?
                .map(|entry| entry.map(|(index, wrapped)| (*index.value(), *wrapped.value())))
                .collect::<Result<_, _>>()?;
            for (index, wrapped) in old {
                let key = now.wrapping.unwrap(now.store, &index, &wrapped);
                let wrapped = key.and_then(|key| next.wrap(now.store, &index, &key, &mut entropy));
                let wrapped =
                    wrapped.ok_or_else(|| self.damaged("a record's key does not open"))?;
                keys.insert(&index, &wrapped)?;
            }
            about(write, "wrapping", next.number.into())
        })
    }

    /// Durable once it returns; nothing of it is, where it fails.
    fn transaction(
        &self,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<(), Failed>,
    ) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(|error| self.typed(error))?;
        work(&write).map_err(|failed| match failed {
            Failed::Store(error) => error,
            Failed::Database(error) => self.typed(error),
        })?;
        write.commit().map_err(|error| self.typed(error))
    }

    fn typed(&self, error: impl Into<redb::Error>) -> StoreError {
        typed(&self.path, error)
    }

    fn damaged(&self, reason: &str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), reason: reason.into() }
    }

    fn too_large(&self, len: usize) -> StoreError {
        let (path, max) = (self.path.clone(), LARGEST as u64);
        StoreError::TooLarge { path, len: len as u64, max }
    }
}

fn about(write: &redb::WriteTransaction, name: &str, value: u128) -> Result<(), Failed> {
    write.open_table(ABOUT)?.insert(name, value)?;
    Ok(())
}

/// Why a transaction is given up.
enum Failed {
    Store(StoreError),
    Database(redb::Error),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<redb::TableError> for Failed {
    fn from(error: redb::TableError) -> Self {
        Self::Database(error.into())
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Database(error.into())
    }
}

/// Only what the operating system says is not the database's own damage.
fn typed(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    let path = path.into();
    match error.into() {
        redb::Error::Io(error) => StoreError::Io { path, error },
        error => StoreError::Damaged { path, reason: error.to_string() },
    }
}
