//! Where a participant's keys are kept: its identity, and the key of its stores. Not here: anything
//! of a topic.

mod passphrase;

use std::fmt;
use std::fs::File;
use std::path::Path;

use rand_core::Rng;
use stringphone_protocol::{Identity, Record, RestoreError, scrub_stack};
use zeroize::Zeroizing;

use crate::entropy;
use crate::error::TopicError;
use crate::seal::Key;
use crate::store::{FileStore, StoreError, shred};

pub use passphrase::Passphrase;

const SEED: &str = "identity-seed";
const STORAGE: &str = "storage-key";
/// Both of them, under a passphrase.
const SEALED: &str = "sealed-keys";
const VERSION: u16 = 1;

/// What a key file holds.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Who this participant is.
    pub identity: Identity,
    /// The key of its stores.
    pub storage: StorageKey,
}

impl Keys {
    /// This identity, with a new storage key.
    ///
    /// # Errors
    ///
    /// [`TopicError::Entropy`] where the operating system gives no random numbers.
    pub fn new(identity: Identity) -> Result<Self, TopicError> {
        Ok(Self { identity, storage: StorageKey::generate()? })
    }
}

/// The key of a participant's stores: random, and independent of its identity. Redacted in output,
/// wiped on drop.
#[derive(Clone)]
pub struct StorageKey(Key);

impl StorageKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`TopicError::Entropy`] where the operating system gives no random numbers.
    pub fn generate() -> Result<Self, TopicError> {
        Ok(Self(random()?))
    }

    /// A key that is kept elsewhere, such as in a keyring of the system. The caller wipes its own
    /// copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    #[cfg(feature = "redb")]
    pub(crate) fn key(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageKey([redacted])")
    }
}

/// The keys in this file, which is made, with mode 0600, where it does not exist; sealed, if there
/// is a passphrase. A file that an earlier release made gains a storage key.
///
/// It takes a good part of a second, and 64 MiB of memory, where the file is sealed.
///
/// ```
/// use stringphone::keyfile::{self, Passphrase};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("me.key");
/// let keys = keyfile::open(&path, None)?;
///
/// // Sealed from now on …
/// let passphrase = Passphrase::new("correct horse battery staple");
/// keyfile::save(&path, &keys, Some(&passphrase))?;
/// assert!(keyfile::open(&path, None).is_err());
/// assert_eq!(keyfile::open(&path, Some(&passphrase))?.identity.id(), keys.identity.id());
/// // … until now.
/// keyfile::save(&path, &keys, None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`TopicError::Store`] where the file can't be read or written, or where others can read it; the
/// message has the command that mends it. Of these, [`StoreError::PassphraseNeeded`] and
/// [`StoreError::WrongPassphrase`] where the file is sealed. A passphrase that is not needed is not
/// used. [`TopicError::Restore`] where the file is damaged or of a later release.
pub fn open(path: impl AsRef<Path>, passphrase: Option<&Passphrase>) -> Result<Keys, TopicError> {
    let path = path.as_ref();
    if let Some(keys) = whole(path, passphrase)? {
        return Ok(keys);
    }
    let keys = Keys::new(ephemeral()?)?;
    if FileStore::new(path).create_now(&records(&keys, passphrase)?)? {
        return Ok(keys);
    }
    // Somebody else made it just now: theirs are the keys of this file.
    Ok(whole(path, passphrase)?.ok_or(RestoreError::Missing(SEED))?)
}

/// The identity in this file, which is made, with mode 0600, where it does not exist: [`open`], for
/// those who keep no encrypted store.
///
/// ```
/// use stringphone::keyfile;
///
/// let folder = tempfile::tempdir()?;
/// let me = keyfile::load_or_create(folder.path().join("me.key"))?;
/// assert_eq!(keyfile::load_or_create(folder.path().join("me.key"))?.id(), me.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`open`].
pub fn load_or_create(path: impl AsRef<Path>) -> Result<Identity, TopicError> {
    let path = path.as_ref();
    load(path)?.map_or_else(|| Ok(open(path, None)?.identity), Ok)
}

/// The identity in this file, which is only read; `None` if there is no such file.
///
/// # Errors
///
/// As [`open`].
pub fn load(path: impl AsRef<Path>) -> Result<Option<Identity>, TopicError> {
    Ok(read(path.as_ref(), None)?.map(|(identity, _)| identity))
}

/// Keeps these keys in this file, with mode 0600, in place of any that were there; sealed, if there
/// is a passphrase. What the file held is overwritten, as far as a file system allows: copies in
/// backups, in snapshots and in worn blocks of flash stay as they were.
///
/// # Errors
///
/// [`TopicError::Store`] where the file can't be written.
pub fn save(
    path: impl AsRef<Path>,
    keys: &Keys,
    passphrase: Option<&Passphrase>,
) -> Result<(), TopicError> {
    let path = path.as_ref();
    let records = records(keys, passphrase)?;
    shred::keep_old(path)?;
    let saved = FileStore::new(path).commit_now(records);
    scrub_stack();
    let shredded = shred::shred_old(path);
    Ok(saved.and(shredded)?)
}

/// A new identity that is kept nowhere: it goes with the process.
///
/// # Errors
///
/// [`TopicError::Entropy`] where the operating system gives no random numbers.
pub fn ephemeral() -> Result<Identity, TopicError> {
    Ok(Identity::from_seed(&*random()?))
}

fn random() -> Result<Key, TopicError> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy::generator()?.fill_bytes(bytes.as_mut_slice());
    Ok(bytes)
}

fn records(keys: &Keys, passphrase: Option<&Passphrase>) -> Result<Vec<Record>, TopicError> {
    let (seed, storage) = (keys.identity.expose_seed(), &keys.storage.0);
    let Some(passphrase) = passphrase else {
        return Ok(vec![
            Record::put(SEED, VERSION, seed.as_slice()),
            Record::put(STORAGE, VERSION, storage.as_slice()),
            Record::delete(SEALED),
        ]);
    };
    let mut both = Zeroizing::new([0; 64]);
    let (first, second) = both.split_at_mut(32);
    first.copy_from_slice(seed.as_slice());
    second.copy_from_slice(storage.as_slice());
    let sealed = passphrase.seal(&both)?;
    let deleted = [Record::delete(SEED), Record::delete(STORAGE)];
    Ok([Record::put(SEALED, VERSION, &sealed)].into_iter().chain(deleted).collect())
}

/// The keys of this file, both of them.
fn whole(path: &Path, passphrase: Option<&Passphrase>) -> Result<Option<Keys>, TopicError> {
    // A process that saved it may have had no time to end.
    shred::shred_old(path)?;
    match read(path, passphrase)? {
        None => Ok(None),
        Some((identity, Some(storage))) => Ok(Some(Keys { identity, storage })),
        Some((identity, None)) => gain(path, identity).map(Some),
    }
}

/// Gives a file of an earlier release its storage key.
fn gain(path: &Path, identity: Identity) -> Result<Keys, TopicError> {
    let io = |error| StoreError::Io { path: path.into(), error };
    // Whoever does the same at the same time waits here, and then finds the key of the first.
    let file = File::open(path).map_err(io)?;
    file.lock().map_err(io)?;
    if let Some((identity, Some(storage))) = read(path, None)? {
        return Ok(Keys { identity, storage });
    }
    let keys = Keys::new(identity)?;
    FileStore::new(path).commit_now(vec![Record::put(
        STORAGE,
        VERSION,
        keys.storage.0.as_slice(),
    )])?;
    Ok(keys)
}

type Found = (Identity, Option<StorageKey>);

fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<Option<Found>, TopicError> {
    let found = find(path, passphrase);
    scrub_stack();
    found
}

fn find(path: &Path, passphrase: Option<&Passphrase>) -> Result<Option<Found>, TopicError> {
    let records = FileStore::new(path).load_now()?;
    if let Some(sealed) = value(&records, SEALED)? {
        let path = || path.into();
        let passphrase = passphrase.ok_or_else(|| StoreError::PassphraseNeeded { path: path() })?;
        let both = passphrase.open(sealed)?;
        let both = both.ok_or_else(|| StoreError::WrongPassphrase { path: path() })?;
        let (seed, storage) = both.split_at_checked(32).unwrap_or_default();
        let storage = StorageKey::from_bytes(&*key(storage, SEALED)?);
        return Ok(Some((Identity::from_seed(&*key(seed, SEALED)?), Some(storage))));
    }
    let Some(seed) = value(&records, SEED)? else {
        return if records.is_empty() { Ok(None) } else { Err(RestoreError::Missing(SEED).into()) };
    };
    let identity = Identity::from_seed(&*key(seed, SEED)?);
    let storage = value(&records, STORAGE)?.map(|storage| key(storage, STORAGE)).transpose()?;
    Ok(Some((identity, storage.map(StorageKey))))
}

fn value<'a>(records: &'a [Record], name: &str) -> Result<Option<&'a [u8]>, RestoreError> {
    let Some(record) = records.iter().find(|record| record.key == name) else {
        return Ok(None);
    };
    if record.version > VERSION {
        let (key, version) = (record.key.clone(), record.version);
        return Err(RestoreError::Newer { key, version });
    }
    Ok(record.value.as_ref().map(|value| value.as_slice()))
}

fn key(value: &[u8], name: &str) -> Result<Key, RestoreError> {
    let bytes = value.as_array().ok_or_else(|| RestoreError::Damaged(name.into()))?;
    Ok(Zeroizing::new(*bytes))
}

#[cfg(test)]
mod tests;
