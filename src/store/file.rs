//! A store in one file, written whole at each commit. Not for many or busy records.
//!
//! Layout: the line `stringphone store 1`, a CRC-32C of the rest (4 bytes, little-endian), and the
//! records as bincode. The file is replaced, never changed: a crash leaves the old one or the new.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stringphone_protocol::Record;
use zeroize::{Zeroize, Zeroizing};

use super::{MemoryStore, Store, StoreError, off_the_actor, shred};
use crate::codec;

pub(super) const MAGIC: &[u8] = b"stringphone store 1\n";
/// The largest file: some 100,000 participants, and the bound on what a wrong file makes us read.
const LIMIT: usize = 16 << 20;
/// The bytes of a number in the file, at most.
const NUMBER: usize = 9;
/// Others may neither read nor write.
const OTHERS: u32 = 0o077;

/// Records in a file of mode 0600, replaced atomically at each commit: for a few records that
/// seldom change, and for those who want no database.
///
/// They are not encrypted. What was overwritten or deleted stays on the disk in blocks that are
/// free, until something else is written there: `erase` can do nothing about it. Where that matters,
/// use a `DatabaseStore`, or a disk that is encrypted.
///
/// ```
/// use stringphone::store::{FileStore, Record, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("greenhouse.topic");
/// FileStore::new(&path).commit(vec![Record::put("colour", 1, b"green")]).await?;
/// assert_eq!(FileStore::new(&path).load().await?, [Record::put("colour", 1, b"green")]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    /// What the file holds; `None` until it was read.
    held: Option<MemoryStore>,
}

impl FileStore {
    /// A store in this file, which need not exist yet. Its folder must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), held: None }
    }

    pub(crate) fn load_now(&mut self) -> Result<Vec<Record>, StoreError> {
        let held = MemoryStore::with(read(&self.path)?);
        let records = held.records();
        self.held = Some(held);
        Ok(records)
    }

    pub(crate) fn commit_now(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        if self.held.is_none() {
            self.load_now()?;
        }
        let mut next = self.held.clone().unwrap_or_default();
        next.apply(batch);
        write(&self.path, &next.records(), Place::Any)?;
        self.held = Some(next);
        Ok(())
    }

    /// Makes the file, with these records; false if there is one already.
    pub(crate) fn create_now(&mut self, records: &[Record]) -> Result<bool, StoreError> {
        match write(&self.path, records, Place::Free) {
            Err(StoreError::Io { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    fn take(&mut self) -> Self {
        Self { path: self.path.clone(), held: self.held.take() }
    }
}

#[async_trait]
impl Store for FileStore {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        let taken = self.take();
        off_the_actor(self, taken, |store| {
            tidy(&store.path)
                .map_err(|error| StoreError::Io { path: store.path.clone(), error })?;
            store.load_now()
        })
        .await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        let taken = self.take();
        off_the_actor(self, taken, |store| store.commit_now(batch)).await
    }
}

/// A record as it stands in the file. The layout of releases to come starts from here, so it is
/// apart from the live type.
#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    version: u16,
    value: Vec<u8>,
}

impl Stored {
    /// The bytes that it takes in the file, at most.
    fn room(&self) -> usize {
        self.key.len().saturating_add(self.value.len()).saturating_add(3 * NUMBER)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// The records of the file, none if there is no file.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, StoreError> {
    let io = |error| StoreError::Io { path: path.into(), error };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let metadata = file.metadata().map_err(io)?;
    refuse_shared(path, &metadata)?;
    let len = within_limit(path, metadata.len())?;
    // With room for all of it from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len.saturating_add(1)));
    file.take(metadata.len()).read_to_end(&mut bytes).map_err(io)?;
    let body = bytes.strip_prefix(MAGIC).ok_or(StoreError::NotAStore { path: path.into() })?;
    let damaged = |reason: String| StoreError::Damaged { path: path.into(), reason };
    let (sum, body) =
        body.split_first_chunk().ok_or_else(|| damaged("it ends too early".into()))?;
    if u32::from_le_bytes(*sum) != checksum(body) {
        return Err(damaged("its checksum is wrong".into()));
    }
    let stored: Vec<Stored> =
        codec::decode::<_, LIMIT>(body).map_err(|error| damaged(error.to_string()))?;
    Ok(stored.iter().map(|s| Record::put(s.key.as_str(), s.version, &s.value)).collect())
}

/// Refuses a file that others can read or write.
pub(super) fn refuse_shared(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    let mode = found.permissions().mode() & 0o777;
    if mode & OTHERS == 0 {
        Ok(())
    } else {
        Err(StoreError::Permissions { path: path.into(), mode })
    }
}

fn within_limit(path: &Path, len: u64) -> Result<usize, StoreError> {
    let max = LIMIT as u64;
    match usize::try_from(len) {
        Ok(fits) if len <= max => Ok(fits),
        _ => Err(StoreError::TooLarge { path: path.into(), len, max }),
    }
}

/// Whether a file may take the place of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Any,
    /// Only one that nobody has: a second process that makes the same file at the same time fails.
    Free,
}

/// Writes a file: first a new one beside it, safe on disk, then its name.
fn write(path: &Path, records: &[Record], place: Place) -> Result<(), StoreError> {
    let stored: Vec<Stored> = records
        .iter()
        .filter_map(|record| {
            let value = record.value.as_ref()?.to_vec();
            Some(Stored { key: record.key.clone(), version: record.version, value })
        })
        .collect();
    let room = stored.iter().map(Stored::room).sum::<usize>().saturating_add(NUMBER);
    let body =
        codec::encode_secret(&stored, room).map_err(|error| StoreError::Other(error.into()))?;
    let sum = checksum(&body).to_le_bytes();
    within_limit(path, (MAGIC.len() + sum.len() + body.len()) as u64)?;
    replace(path, &[MAGIC, &sum, &body], place)
        .map_err(|error| StoreError::Io { path: path.into(), error })
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes)
}

fn replace(path: &Path, parts: &[&[u8]], place: Place) -> io::Result<()> {
    let path = &shred::target(path);
    let beside = shred::beside(path, &suffix(&std::process::id().to_string()));
    // What an earlier try left there is nobody's, and may have another mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    let placed = written.and_then(|()| file.sync_all()).and_then(|()| match place {
        Place::Any => fs::rename(&beside, path),
        Place::Free => fs::hard_link(&beside, path),
    });
    if placed.is_err() || place == Place::Free {
        // It holds secrets, and is of no use under this name. The first error is the one to tell.
        let removed = fs::remove_file(&beside);
        placed.and(removed)?;
    }
    sync_folder(path)
}

/// What a process writes ends so, until it takes its place.
fn suffix(process: &str) -> String {
    format!(".{process}.new")
}

/// The new name of a file is safe only once its folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what killed processes left half written: it holds secrets. A store has one process; what
/// has its number, the next write replaces.
fn tidy(path: &Path) -> io::Result<()> {
    let path = &shred::target(path);
    let entries = match fs::read_dir(folder(path)) {
        Ok(entries) => entries,
        // Without a folder there is nothing to tidy.
        Err(_) => return Ok(()),
    };
    for entry in entries {
        let left = entry?.file_name();
        let process = left.to_str().and_then(|name| name.strip_suffix(".new")?.rsplit('.').next());
        let another = |id: &u32| *id != std::process::id();
        let numbered = process.filter(|id| id.parse().ok().filter(another).is_some());
        let ours = numbered.map(|id| shred::beside(path, &suffix(id)));
        if let Some(left_by_one) = ours.filter(|ours| ours.file_name() == Some(&left)) {
            fs::remove_file(left_by_one)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
