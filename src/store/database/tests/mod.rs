//! What a store in a database keeps, whatever happens to it. Not here: what every store keeps, which
//! is the conformance suite.

mod erasing;
mod moving;
mod refusing;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::store::{FileStore, MemoryStore};

/// A folder, and a store's place in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("a.topic")
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("a.topic.keys")
    }

    fn open(&self) -> Open {
        self.try_open(1).unwrap()
    }

    fn try_open(&self, key: u8) -> Result<Open, StoreError> {
        Open::at(&self.path(), &StorageKey::from_bytes(&[key; 32]))
    }

    /// What a thief would get, and what a crash would leave.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for file in fs::read_dir(self.0.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.0.path().join(file.file_name())).unwrap();
        }
        copy
    }

    fn bytes(&self) -> Vec<Vec<u8>> {
        [self.path(), self.keys()].map(|path| fs::read(path).unwrap()).to_vec()
    }

    fn shows(&self, what: &[u8]) -> bool {
        self.bytes().iter().any(|bytes| bytes.windows(what.len()).any(|window| window == what))
    }
}

fn records(count: u32) -> Vec<Record> {
    (0..count).map(|n| Record::put(format!("record/{n:04}"), 1, &n.to_le_bytes())).collect()
}

const SECRET: &[u8] = b"a secret that is long enough to be found and to be nothing else";

#[test]
fn a_store_that_is_destroyed_leaves_nothing() {
    let place = Place::new();
    place.open().commit(records(3)).unwrap();
    DatabaseStore::destroy(place.path()).unwrap();
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
    DatabaseStore::destroy(place.path()).unwrap();
    DatabaseStore::destroy(place.0.path().join("no folder").join("a.topic")).unwrap();
    assert_eq!(place.open().load().unwrap(), []);
}

/// Written by the first release with databases. It must open in every later one: never change
/// these files.
#[test]
fn a_database_of_the_first_release_opens() {
    let place = Place::new();
    let files = [
        (place.path(), include_bytes!("../first-release.topic").as_slice()),
        (place.keys(), include_bytes!("../first-release.topic.keys").as_slice()),
    ];
    for (path, bytes) in files {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    let wanted = [Record::put("a key", 1, b"a value"), Record::put("another", 300, &[0, 255, 10])];
    assert_eq!(place.open().load().unwrap(), wanted);
}

#[test]
fn behind_a_symbolic_link_the_target_is_the_store() {
    let (place, link) = (Place::new(), Place::new());
    FileStore::new(place.path()).commit_now(records(2)).unwrap();
    std::os::unix::fs::symlink(place.path(), link.path()).unwrap();
    link.open().commit(records(3)).unwrap();
    assert_eq!(place.open().load().unwrap(), records(3));
    assert!(fs::symlink_metadata(link.path()).unwrap().is_symlink());
}

#[test]
fn a_record_that_is_moved_to_another_name_or_another_store_does_not_open() {
    let (place, other) = (Place::new(), Place::new());
    let (open, other) = (place.open(), other.open());
    let (here, there) = (&open.keyring.store, &other.keyring.store);
    let record = Record::put("a", 1, b"value");
    let (a, b) = (here.index("a"), here.index("b"));
    let mut entropy = keyring::generator().unwrap();
    let (key, sealed) = sealing::seal(here, &a, &record, b"value", &mut entropy).unwrap();
    let wrapped = open.keyring.wrapping.wrap(here, &a, &key, &mut entropy).unwrap();
    assert_eq!(sealing::open(here, &a, &key, &sealed), Some(record));
    assert!(open.keyring.wrapping.unwrap(here, &a, &wrapped).is_some());
    for (store, index) in [(here, &b), (there, &a)] {
        assert_eq!(sealing::open(store, index, &key, &sealed), None);
        assert!(open.keyring.wrapping.unwrap(store, index, &wrapped).is_none());
    }
}

#[derive(Clone, Debug)]
enum Act {
    Commit(Vec<Record>),
    Erase,
    /// In order, or as after a crash.
    Reopen {
        crashed: bool,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let value = prop_oneof![Just(0_usize), 1..200_usize, Just(20_000)];
    let record = (0..12_u8, proptest::option::of((any::<u16>(), value, any::<u8>())));
    let record = record.prop_map(|(name, value)| match value {
        Some((version, length, fill)) => {
            Record::put(format!("record/{name}"), version, &vec![fill; length])
        }
        None => Record::delete(format!("record/{name}")),
    });
    let act = prop_oneof![
        4 => proptest::collection::vec(record, 0..8).prop_map(Act::Commit),
        2 => Just(Act::Erase),
        1 => any::<bool>().prop_map(|crashed| Act::Reopen { crashed }),
    ];
    proptest::collection::vec(act, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_done_to_a_database_it_holds_what_a_memory_store_would(acts in acts()) {
        let mut place = Place::new();
        let mut open = place.open();
        let mut model = MemoryStore::default();
        for act in acts {
            match act {
                Act::Commit(batch) => {
                    model.apply(batch.clone());
                    open.commit(batch).unwrap();
                }
                Act::Erase => open.erase().unwrap(),
                Act::Reopen { crashed } => {
                    let copy = place.copy();
                    drop(open);
                    place = if crashed { copy } else { place };
                    open = place.open();
                }
            }
            prop_assert_eq!(open.load().unwrap(), model.records());
        }
    }
}
