//! The file beside a database: two slots for wrapping keys, written in place. Not here: what is
//! wrapped.
//!
//! Layout: a block of 4,096 bytes with the line `stringphone keyring 1`, the store's id 16, a check
//! of the storage key 32, and a CRC-32C of these; two blocks more, each empty (zeros) or the number
//! of a wrapping key 8 ‖ nonce 24 ‖ sealed key 48. Integers are little-endian. The database says
//! which number counts. Who has the store open holds the lock of this file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand_core::Rng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::sealing::{Lasting, StoreId, Wrapping};
use crate::entropy;
use crate::keyfile::StorageKey;
use crate::seal::{self, NONCE, TAG};
use crate::store::file::{checksum, refuse_shared, sync_folder};
use crate::store::{StoreError, shred};

/// Larger than what a disk writes at once, so that no slot suffers from what is written to the other.
const BLOCK: u64 = 4096;
const FAMILY: &[u8] = b"stringphone keyring ";
const MAGIC: &[u8; 22] = b"stringphone keyring 1\n";
const HEAD: usize = MAGIC.len() + 16 + 32 + 4;
const SLOT: usize = 8 + NONCE + 32 + TAG;

/// The file of keys, for this process alone.
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Makes the file, empty, where there is none.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = shred::beside(database, ".keys");
        let io = |error| StoreError::Io { path: path.clone(), error };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(io)?;
        refuse_shared(&path, &file.metadata().map_err(io)?)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: database.into() }),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing was ever written to it, or all was destroyed.
    pub(super) fn is_blank(&self) -> Result<bool, StoreError> {
        Ok(self.file.metadata().map_err(|error| self.io(error))?.len() == 0)
    }

    /// Leaves nothing of the keys.
    pub(super) fn destroy(self) -> Result<(), StoreError> {
        let destroyed = shred::overwrite(&self.file).and_then(|()| self.file.set_len(0));
        destroyed.and_then(|()| self.file.sync_all()).map_err(|error| self.io(error))
    }

    fn io(&self, error: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), error }
    }

    fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), reason: reason.into() }
    }

    /// What stands there; where it ends too early, zeros.
    fn read<const N: usize>(&self, at: u64) -> Result<Zeroizing<[u8; N]>, StoreError> {
        let mut bytes = Zeroizing::new([0; N]);
        match self.file.read_exact_at(bytes.as_mut_slice(), at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Zeroizing::new([0; N]))
            }
            read => read.map(|()| bytes).map_err(|error| self.io(error)),
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.file.write_all_at(bytes, at).and_then(|()| self.file.sync_all());
        written.map_err(|error| self.io(error))
    }
}

/// An open file of keys, with the one that counts.
pub(super) struct Keyring {
    lock: Lock,
    pub(super) store: Lasting,
    pub(super) wrapping: Wrapping,
    /// In which slot it stands.
    at: Slot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    First,
    Second,
}

impl Slot {
    fn offset(self) -> u64 {
        match self {
            Self::First => BLOCK,
            Self::Second => 2 * BLOCK,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl Keyring {
    /// A new one, in memory as yet.
    pub(super) fn new(lock: Lock, storage: &StorageKey) -> Result<Self, StoreError> {
        let mut entropy = generator()?;
        let mut id = StoreId::default();
        entropy.fill_bytes(&mut id);
        let store = Lasting::new(storage, id);
        Ok(Self { lock, store, wrapping: Wrapping::new(1, &mut entropy), at: Slot::First })
    }

    /// Writes a new one, in place of whatever was there.
    pub(super) fn write(&self) -> Result<(), StoreError> {
        let lock = &self.lock;
        let head = [MAGIC.as_slice(), &self.store.id, self.store.check.as_slice()].concat();
        let sum = checksum(&head).to_le_bytes();
        // What a process left that had no time to end may have sealed something.
        let cleared = shred::overwrite(&lock.file).and_then(|()| lock.file.set_len(3 * BLOCK));
        cleared.map_err(|error| lock.io(error))?;
        self.put(self.at, &self.wrapping)?;
        lock.write(0, &[head.as_slice(), &sum].concat())?;
        sync_folder(&lock.path).map_err(|error| lock.io(error))
    }

    /// The one that belongs to this store, with the key of this number. A replacement that was begun
    /// or not ended is cleared away.
    pub(super) fn open(
        lock: Lock,
        storage: &StorageKey,
        id: StoreId,
        number: u64,
    ) -> Result<Self, StoreError> {
        let head = lock.read::<HEAD>(0)?;
        if !head.starts_with(MAGIC) {
            let path = lock.path.clone();
            let newer = head.starts_with(FAMILY);
            return Err(if newer {
                StoreError::Newer { path }
            } else {
                StoreError::NotAStore { path }
            });
        }
        let (body, sum) = head.split_last_chunk().unwrap_or((&[], &[0; 4]));
        if u32::from_le_bytes(*sum) != checksum(body) {
            return Err(lock.damaged("its checksum is wrong"));
        }
        let said = body.strip_prefix(MAGIC.as_slice()).unwrap_or_default();
        let check = said.strip_prefix(id.as_slice());
        let check = check.ok_or_else(|| lock.damaged("it belongs to another database"))?;
        let store = Lasting::new(storage, id);
        if !bool::from(check.ct_eq(store.check.as_slice())) {
            return Err(StoreError::WrongKey { path: lock.path.clone() });
        }
        for at in [Slot::First, Slot::Second] {
            if let Some(wrapping) = found(&lock, &store, at, number)? {
                let keyring = Self { lock, store, wrapping, at };
                keyring.wipe(at.other())?;
                return Ok(keyring);
            }
        }
        Err(lock.damaged("it and the database beside it are not of the same time"))
    }

    /// First step of a replacement: the next key stands beside the present one.
    pub(super) fn prepare(&self) -> Result<Wrapping, StoreError> {
        let number = self.wrapping.number.wrapping_add(1);
        let next = Wrapping::new(number, &mut generator()?);
        self.put(self.at.other(), &next)?;
        Ok(next)
    }

    /// Last step, once nothing that lives is under the present key: it goes.
    pub(super) fn settle(&mut self, next: Wrapping) -> Result<(), StoreError> {
        let old = self.at;
        (self.wrapping, self.at) = (next, old.other());
        self.wipe(old)
    }

    fn put(&self, at: Slot, wrapping: &Wrapping) -> Result<(), StoreError> {
        let mut nonce = [0; NONCE];
        generator()?.fill_bytes(&mut nonce);
        let number = wrapping.number.to_le_bytes();
        let about = [self.store.id.as_slice(), &number].concat();
        let sealed = seal::seal(&self.store.slots, &nonce, &about, wrapping.key.as_slice());
        let sealed = sealed.ok_or_else(|| self.lock.damaged("no key can be sealed for it"))?;
        self.lock.write(at.offset(), &[number.as_slice(), &nonce, &sealed].concat())
    }

    fn wipe(&self, at: Slot) -> Result<(), StoreError> {
        if *self.lock.read::<SLOT>(at.offset())? == [0; SLOT] {
            return Ok(());
        }
        self.lock.write(at.offset(), &[0; SLOT])
    }
}

/// The key in this slot, if it is the one of this number.
fn found(
    lock: &Lock,
    store: &Lasting,
    at: Slot,
    number: u64,
) -> Result<Option<Wrapping>, StoreError> {
    let slot = lock.read::<SLOT>(at.offset())?;
    let opened = || {
        let (said, rest) = slot.split_first_chunk()?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let about = [store.id.as_slice(), said].concat();
        let key = seal::open(&store.slots, nonce, &about, sealed)?;
        let key = Zeroizing::new(*key.as_array()?);
        (u64::from_le_bytes(*said) == number).then_some(Wrapping { number, key })
    };
    Ok(opened())
}

pub(super) fn generator() -> Result<impl Rng, StoreError> {
    entropy::generator().map_err(|error| StoreError::Other(error.into()))
}
