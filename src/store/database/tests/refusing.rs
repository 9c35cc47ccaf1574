//! What is refused, and that nothing of it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::super::opening::sealer;
use super::super::tables::Tables;
use super::*;

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
    let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).step_by(401).collect();
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
