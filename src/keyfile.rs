//! Where a participant's identity is kept. Not here: anything of a topic.

use std::path::Path;

use rand_core::Rng;
use stringphone_protocol::{Identity, Record, RestoreError};
use zeroize::Zeroizing;

use crate::entropy;
use crate::error::TopicError;
use crate::store::FileStore;

const SEED: &str = "identity-seed";
const VERSION: u16 = 1;

/// The identity in this file, which is made, with mode 0600, where it does not exist.
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
/// [`TopicError::Store`] where the file can't be read or written, or where others can read it;
/// the message has the command that mends it. [`TopicError::Restore`] where it is damaged or of a
/// later release.
pub fn load_or_create(path: impl AsRef<Path>) -> Result<Identity, TopicError> {
    let path = path.as_ref();
    if let Some(identity) = load(path)? {
        return Ok(identity);
    }
    let identity = ephemeral()?;
    if FileStore::new(path).create_now(&[record(&identity)])? {
        return Ok(identity);
    }
    // Somebody else made it just now: theirs is the identity of this file.
    Ok(load(path)?.ok_or(RestoreError::Missing(SEED))?)
}

/// The identity in this file; `None` if there is no such file.
///
/// # Errors
///
/// As [`load_or_create`].
pub fn load(path: impl AsRef<Path>) -> Result<Option<Identity>, TopicError> {
    let records = FileStore::new(path.as_ref()).load_now()?;
    let Some(record) = records.iter().find(|record| record.key == SEED) else {
        return if records.is_empty() { Ok(None) } else { Err(RestoreError::Missing(SEED).into()) };
    };
    if record.version > VERSION {
        let (key, version) = (record.key.clone(), record.version);
        return Err(RestoreError::Newer { key, version }.into());
    }
    let seed = record.value.as_ref().and_then(|value| value.as_array());
    let seed = seed.ok_or_else(|| RestoreError::Damaged(SEED.into()))?;
    Ok(Some(Identity::from_seed(seed)))
}

/// Keeps this identity in this file, with mode 0600, in place of any that was there.
///
/// # Errors
///
/// [`TopicError::Store`] where the file can't be written.
pub fn save(path: impl AsRef<Path>, identity: &Identity) -> Result<(), TopicError> {
    Ok(FileStore::new(path.as_ref()).commit_now(vec![record(identity)])?)
}

fn record(identity: &Identity) -> Record {
    Record::put(SEED, VERSION, identity.expose_seed().as_slice())
}

/// A new identity that is kept nowhere: it goes with the process.
///
/// # Errors
///
/// [`TopicError::Entropy`] where the operating system gives no random numbers.
pub fn ephemeral() -> Result<Identity, TopicError> {
    let mut seed = Zeroizing::new([0; 32]);
    entropy::generator()?.fill_bytes(seed.as_mut_slice());
    Ok(Identity::from_seed(&seed))
}
