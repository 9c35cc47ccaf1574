//! What a thief finds in the files, before an erasure and after it, and crashes in between.

use std::os::unix::fs::FileExt;

use super::super::opening::sealer;
use super::super::sealing::Wrapped;
use super::*;

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
