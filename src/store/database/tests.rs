//! What is left on the disk, and what a store survives.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::opening::sealer;
use super::sealing::Wrapped;
use super::tables::Tables;
use super::*;
use crate::store::FileStore;

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
fn a_bare_database_keeps_what_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bare");
    let database = redb::Database::create(&path).unwrap();
    let table = redb::TableDefinition::<u32, &[u8]>::new("records");
    let write = database.begin_write().unwrap();
    write.open_table(table).unwrap().insert(1, SECRET).unwrap();
    write.commit().unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(table).unwrap().remove(1).unwrap();
    write.commit().unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.windows(SECRET.len()).any(|window| window == SECRET));
}

/// The keys of this record that open under the present wrapping key, at any place of any file.
fn found_keys(place: &Place, open: &Open, name: &str) -> Vec<[u8; 32]> {
    let (store, wrapping) = (&open.keyring.store, &open.keyring.wrapping);
    let index = store.index(name);
    let files = place.bytes();
    let windows = files.iter().flat_map(|bytes| bytes.windows(size_of::<Wrapped>()));
    // Zeros are most of every file, and open under nothing.
    let windows = windows.filter(|window| window[..8] != [0; 8]);
    let keys =
        windows.filter_map(|window| wrapping.unwrap(store, &index, window.try_into().unwrap()));
    let mut keys: Vec<_> = keys.map(|key| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn after_an_erasure_nothing_overwritten_or_deleted_can_be_read_with_all_files_and_keys() {
    let place = Place::new();
    let mut open = place.open();
    open.commit(records(50)).unwrap();
    open.commit(vec![Record::put("gone", 1, SECRET), Record::put("changed", 1, SECRET)]).unwrap();
    open.commit(vec![Record::delete("gone"), Record::put("changed", 1, b"public")]).unwrap();
    assert_eq!(found_keys(&place, &open, "gone").len(), 1, "else there was nothing to erase");
    assert_eq!(found_keys(&place, &open, "changed").len(), 2);
    let old = Place::bytes(&place)[1][4096..][..88].to_vec();

    open.erase().unwrap();
    assert_eq!(found_keys(&place, &open, "gone").len(), 0);
    assert_eq!(found_keys(&place, &open, "changed").len(), 1, "the present one");
    assert!(!place.shows(&old), "the wrapping key that was");
    assert!(!place.shows(&old[32..]), "nor a part of it");
    assert_eq!(open.load().unwrap().len(), 51);
    assert!(!place.shows(SECRET) && !place.shows(b"record/0007") && !place.shows(b"changed"));
}

#[test]
fn an_erasure_with_nothing_to_erase_writes_nothing() {
    let place = Place::new();
    let mut open = place.open();
    open.commit(records(3)).unwrap();
    open.erase().unwrap();
    let before = place.bytes();
    open.erase().unwrap();
    assert!(place.bytes() == before);
}

#[test]
fn a_crash_at_any_step_of_an_erasure_leaves_every_record() {
    let place = Place::new();
    let mut open = place.open();
    open.commit(records(200)).unwrap();
    let mut crashed = vec![place.copy()];

    let next = open.keyring.prepare().unwrap();
    crashed.push(place.copy());
    let torn = place.copy();
    tear(&torn, 2 * 4096);
    crashed.push(torn);
    open.tables.rewrap(sealer(&open.keyring), &next).unwrap();
    crashed.push(place.copy());
    let torn = place.copy();
    tear(&torn, 4096);
    crashed.push(torn);
    open.keyring.settle(next).unwrap();
    crashed.push(place.copy());

    for (step, crashed) in crashed.iter().enumerate() {
        let mut again = crashed.open();
        assert_eq!(again.load().unwrap(), records(200), "step {step}");
        let slots = &crashed.bytes()[1][4096..];
        let slots = [&slots[..88], &slots[4096..][..88]].map(|slot| *slot == [0; 88]);
        assert!(slots[0] != slots[1], "step {step}: one wrapping key is left, and no other");
        again.erase().unwrap();
        drop(again);
        assert_eq!(crashed.open().load().unwrap(), records(200), "step {step}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

/// As if only the first half of a slot had reached the disk.
fn tear(place: &Place, slot: u64) {
    let file = fs::File::options().write(true).open(place.keys()).unwrap();
    file.write_all_at(&[0; 44], slot + 44).unwrap();
}

#[test]
fn a_crash_between_a_commit_and_its_erasure_is_made_up_for_by_the_next_erasure() {
    let place = Place::new();
    let mut open = place.open();
    open.commit(records(50)).unwrap();
    open.commit(vec![Record::put("gone", 1, SECRET)]).unwrap();
    open.commit(vec![Record::delete("gone")]).unwrap();
    let crashed = place.copy();
    assert_eq!(found_keys(&crashed, &open, "gone").len(), 1);
    let mut again = crashed.open();
    again.erase().unwrap();
    assert_eq!(found_keys(&crashed, &again, "gone").len(), 0);
    let lost = open.keyring.wrapping.key.as_slice() != again.keyring.wrapping.key.as_slice();
    assert!(lost);
    let slot = &place.bytes()[1][4096..][..88];
    assert!(place.shows(slot) && !crashed.shows(slot), "the key that was is gone");
}

#[test]
fn a_file_store_becomes_a_database_and_what_it_was_is_overwritten() {
    let place = Place::new();
    let mut batch = records(20);
    batch.push(Record::put("secret", 3, SECRET));
    FileStore::new(place.path()).commit_now(batch.clone()).unwrap();
    let old = place.0.path().join("old");
    fs::hard_link(place.path(), &old).unwrap();
    assert_eq!(place.open().load().unwrap(), batch);
    assert_eq!(place.open().load().unwrap(), batch, "and stays one");
    assert!(fs::read(&old).unwrap().iter().all(|byte| *byte == 0));
    fs::remove_file(old).unwrap();
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 2);
    for path in [place.path(), place.keys()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_crash_at_any_step_of_the_move_leaves_the_file_or_the_database() {
    let file = Place::new();
    FileStore::new(file.path()).commit_now(records(20)).unwrap();
    let moved = file.copy();
    moved.open().load().unwrap();
    let bytes = |place: &Place| fs::read(place.path()).unwrap();
    let name = |place: &Place, ending: &str| place.0.path().join(format!("a.topic{ending}"));
    // Files that hold the same things as those that a crash leaves, step by step.
    type Step = fn(&Place, &Place);
    let steps: [Step; 5] = [
        |at, _| fs::write(at.0.path().join("a.topic.keys"), "").unwrap(),
        |at, _| fs::write(at.0.path().join("a.topic.new"), "half a databa").unwrap(),
        |at, moved| copy(&moved.path(), &at.0.path().join("a.topic.new")),
        |at, moved| copy(&moved.keys(), &at.keys()),
        |at, _| fs::hard_link(at.path(), at.0.path().join("a.topic.old")).unwrap(),
    ];
    let at = file.copy();
    let restrict = |place: &Place| {
        for file in fs::read_dir(place.0.path()).unwrap() {
            fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o600)).unwrap();
        }
    };
    for (number, step) in steps.iter().enumerate() {
        step(&at, &moved);
        let crashed = at.copy();
        restrict(&crashed);
        assert_eq!(crashed.open().load().unwrap(), records(20), "step {number}");
        assert!(!crashed.shows(&bytes(&file)[40..]), "step {number}");
    }
    // The last one: the database has its name, and the file another one.
    fs::rename(name(&at, ".new"), at.path()).unwrap();
    restrict(&at);
    assert_eq!(at.open().load().unwrap(), records(20));
    assert!(!name(&at, ".old").exists());
}

#[test]
fn a_second_one_is_told_that_the_store_is_in_use() {
    let place = Place::new();
    let open = place.open();
    let refused = place.try_open(1).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    let refused = DatabaseStore::destroy(place.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    drop(open);
    place.open();
}

#[test]
fn another_key_opens_nothing_and_changes_nothing() {
    let place = Place::new();
    place.open().commit(records(3)).unwrap();
    let refused = place.try_open(2).unwrap_err();
    assert!(matches!(refused, StoreError::WrongKey { .. }), "{refused}");
    assert_eq!(place.open().load().unwrap(), records(3));
}

#[test]
fn one_file_without_the_other_is_told_apart_from_a_new_store() {
    for lost in [Place::path, Place::keys] {
        let place = Place::new();
        place.open().commit(records(3)).unwrap();
        let kept = place.copy();
        fs::remove_file(lost(&place)).unwrap();
        for _ in 0..2 {
            let refused = place.try_open(1).unwrap_err();
            assert!(matches!(&refused, StoreError::Missing { path, .. } if *path == lost(&place)));
        }
        fs::copy(lost(&kept), lost(&place)).unwrap();
        assert_eq!(place.open().load().unwrap(), records(3));
    }
}

#[test]
fn files_of_different_backups_are_told_apart() {
    let (place, other) = (Place::new(), Place::new());
    let mut open = place.open();
    open.commit(records(3)).unwrap();
    let early = place.copy();
    open.erase().unwrap();
    drop(open);
    other.open().commit(records(3)).unwrap();
    for keys in [early.keys(), other.keys()] {
        let mixed = place.copy();
        fs::copy(keys, mixed.keys()).unwrap();
        let refused = mixed.try_open(1).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    }
}

#[test]
fn what_is_no_store_of_ours_or_of_a_later_release_is_left_as_it_is() {
    let place = Place::new();
    place.open().commit(records(3)).unwrap();
    let kept = place.copy();
    fs::write(place.keys(), [b"stringphone keyring 2\n".as_slice(), &[7; 9000]].concat()).unwrap();
    let newer = place.try_open(1).unwrap_err();
    assert!(matches!(newer, StoreError::Newer { .. }), "{newer}");
    fs::copy(kept.keys(), place.keys()).unwrap();
    for wrong in [&b""[..], b"hello", &[7; 9000]] {
        fs::write(place.path(), wrong).unwrap();
        let refused = place.try_open(1).unwrap_err();
        assert!(matches!(refused, StoreError::NotAStore { .. }), "{refused}");
        assert_eq!(fs::read(place.path()).unwrap(), wrong);
    }
    fs::set_permissions(place.path(), Permissions::from_mode(0o640)).unwrap();
    let refused = place.try_open(1).unwrap_err();
    assert!(matches!(refused, StoreError::Permissions { mode: 0o640, .. }), "{refused}");
}

#[test]
fn damage_to_the_database_is_noticed_or_harmless() {
    let place = Place::new();
    place.open().commit(records(100)).unwrap();
    let good = fs::read(place.path()).unwrap();
    let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).step_by(151).collect();
    assert!(used.len() > 50);
    let mut noticed = 0;
    for at in used {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(place.path(), &bad).unwrap();
        match place.try_open(1).and_then(|open| open.load()) {
            Ok(loaded) => assert!(loaded == records(100), "byte {at}"),
            Err(StoreError::Damaged { .. } | StoreError::NotAStore { .. }) => noticed += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
        fs::write(place.path(), &good).unwrap();
    }
    assert!(noticed > 20, "{noticed}");
}

/// A disk that is full when it is told to be.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> Result<(), std::io::Error> {
        let full = self.full.load(Ordering::SeqCst);
        if full { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.room()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.room()?;
        self.file.write(offset, data)
    }

    fn try_lock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
}

#[test]
fn a_full_disk_is_an_ordinary_error_and_nothing_of_the_batch_is_written() {
    let place = Place::new();
    let mut open = place.open();
    open.commit(records(3)).unwrap();
    let Open { tables, keyring, .. } = open;
    drop(tables);

    let full = Arc::new(AtomicBool::new(false));
    let file = fs::File::options().read(true).write(true).open(place.path()).unwrap();
    let disk = Disk { file: FileBackend::new(file).unwrap(), full: full.clone() };
    let tables = Tables::over(&place.path(), disk).unwrap();
    full.store(true, Ordering::SeqCst);
    let large = vec![Record::put("large", 1, &vec![7; 8 << 20]), Record::delete("record/0000")];
    let failed = tables.commit(sealer(&keyring), &large).unwrap_err();
    assert!(
        matches!(&failed, StoreError::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull),
        "{failed}"
    );
    drop((tables, keyring));
    // The disk has room again.
    let mut open = place.open();
    assert_eq!(open.load().unwrap(), records(3));
    open.commit(large).unwrap();
    assert_eq!(open.load().unwrap().len(), 3);
}

#[test]
fn a_record_that_is_too_large_is_refused_with_the_rest_of_its_batch() {
    let place = Place::new();
    let mut open = place.open();
    open.commit(records(1)).unwrap();
    let batch =
        vec![Record::delete("record/0000"), Record::put("huge", 1, &vec![0; (16 << 20) + 1])];
    let refused = open.commit(batch).unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    assert_eq!(open.load().unwrap(), records(1));
}

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
        (place.path(), include_bytes!("first-release.topic").as_slice()),
        (place.keys(), include_bytes!("first-release.topic.keys").as_slice()),
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
