//! How a record is sealed: the name as a keyed hash, the value under a key of its own, that key under
//! a wrapping key. Not here: where they are kept.

use rand_core::Rng;
use stringphone_protocol::Record;
use zeroize::Zeroizing;

use crate::keyfile::StorageKey;
use crate::seal::{self, Key, NONCE, TAG};

/// Which database and which file of keys belong together.
pub(super) type StoreId = [u8; 16];
/// What a record is found by.
pub(super) type Index = [u8; 16];
/// A key under a wrapping key: nonce ‖ sealed key.
pub(super) type Wrapped = [u8; NONCE + 32 + TAG];

/// Version of the value's layout 2 ‖ length of the name 2 ‖ name ‖ value.
const HEAD: usize = 4;

/// The keys of one store that last as long as its key file.
pub(super) struct Lasting {
    pub(super) id: StoreId,
    index: Key,
    /// Seals wrapping keys.
    pub(super) slots: Key,
    /// Tells the key file that belongs to the store from others.
    pub(super) check: Key,
}

impl Lasting {
    pub(super) fn new(storage: &StorageKey, id: StoreId) -> Self {
        let key = |label| seal::derive(storage.key(), label, &id);
        Self { id, index: key("store index"), slots: key("store slots"), check: key("store check") }
    }

    pub(super) fn index(&self, name: &str) -> Index {
        let hash = seal::derive(&self.index, "record", name.as_bytes());
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// What is sealed for one record of one store opens for no other.
    fn about(&self, index: &Index) -> [u8; 32] {
        let mut about = [0; 32];
        let (id, place) = about.split_at_mut(16);
        id.copy_from_slice(&self.id);
        place.copy_from_slice(index);
        about
    }
}

/// The key that record keys are under for the time being, and which one it is.
pub(super) struct Wrapping {
    pub(super) number: u64,
    pub(super) key: Key,
}

impl Wrapping {
    pub(super) fn new(number: u64, entropy: &mut impl Rng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill_bytes(key.as_mut_slice());
        Self { number, key }
    }

    pub(super) fn wrap(
        &self,
        store: &Lasting,
        index: &Index,
        key: &Key,
        entropy: &mut impl Rng,
    ) -> Option<Wrapped> {
        let mut nonce = [0; NONCE];
        entropy.fill_bytes(&mut nonce);
        let sealed = seal::seal(&self.key, &nonce, &store.about(index), key.as_slice())?;
        let mut wrapped = [0; NONCE + 32 + TAG];
        let (front, back) = wrapped.split_at_mut(NONCE);
        front.copy_from_slice(&nonce);
        back.copy_from_slice(&sealed);
        Some(wrapped)
    }

    pub(super) fn unwrap(&self, store: &Lasting, index: &Index, wrapped: &Wrapped) -> Option<Key> {
        let (nonce, sealed) = wrapped.split_first_chunk()?;
        let key = seal::open(&self.key, nonce, &store.about(index), sealed)?;
        Some(Zeroizing::new(*key.as_array()?))
    }
}

/// Seals a record that has a value: its key, and the rest. `None` for names and values that are too
/// long to be any.
pub(super) fn seal(
    store: &Lasting,
    index: &Index,
    record: &Record,
    value: &[u8],
    entropy: &mut impl Rng,
) -> Option<(Key, Vec<u8>)> {
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill_bytes(key.as_mut_slice());
    let length = u16::try_from(record.key.len()).ok()?;
    let room = HEAD.checked_add(record.key.len())?.checked_add(value.len())?;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    text.extend_from_slice(&record.version.to_le_bytes());
    text.extend_from_slice(&length.to_le_bytes());
    text.extend_from_slice(record.key.as_bytes());
    text.extend_from_slice(value);
    // The key seals nothing else, so there is no need for a nonce.
    let sealed = seal::seal(&key, &[0; NONCE], &store.about(index), &text)?;
    Some((key, sealed))
}

/// The record that was sealed.
pub(super) fn open(store: &Lasting, index: &Index, key: &Key, sealed: &[u8]) -> Option<Record> {
    let text = seal::open(key, &[0; NONCE], &store.about(index), sealed)?;
    let (version, rest) = text.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (name, value) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some(Record::put(str::from_utf8(name).ok()?, u16::from_le_bytes(*version), value))
}
