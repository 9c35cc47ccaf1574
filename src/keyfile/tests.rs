//! What becomes of keys, with a passphrase and without.

use std::fs;
use std::path::PathBuf;

use super::*;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("me.key");
    (folder, path)
}

/// As earlier releases wrote it.
fn old_file(path: &Path) {
    FileStore::new(path).commit_now(vec![Record::put(SEED, 1, &[7; 32])]).unwrap();
}

fn same(a: &Keys, b: &Keys) -> bool {
    a.identity.id() == b.identity.id() && a.storage.0 == b.storage.0
}

fn refused(opened: Result<Keys, TopicError>) -> StoreError {
    match opened.map(|_| ()) {
        Err(TopicError::Store(error)) => match std::sync::Arc::into_inner(error) {
            Some(error) => error,
            None => panic!("somebody else holds the error"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_file_of_an_earlier_release_keeps_its_identity_and_gains_a_storage_key() {
    let (_folder, path) = place();
    old_file(&path);
    assert_eq!(load(&path).unwrap().unwrap().id(), Identity::from_seed(&[7; 32]).id());
    let keys = open(&path, None).unwrap();
    assert_eq!(keys.identity.id(), Identity::from_seed(&[7; 32]).id());
    assert!(same(&open(&path, None).unwrap(), &keys));
    assert_ne!(keys.storage.0, keys.identity.expose_seed());
}

#[test]
fn a_key_file_of_an_earlier_release_that_can_not_be_written_still_gives_its_identity() {
    let (folder, path) = place();
    old_file(&path);
    // Where a new file would have to be made, a folder is in the way.
    fs::create_dir(folder.path().join(format!("me.key.{}.new", std::process::id()))).unwrap();
    assert!(open(&path, None).is_err());
    assert_eq!(load_or_create(&path).unwrap().id(), Identity::from_seed(&[7; 32]).id());
}

#[test]
fn of_many_that_open_an_old_key_file_at_once_all_get_the_same_storage_key() {
    let (_folder, path) = place();
    old_file(&path);
    let start = std::sync::Barrier::new(8);
    let opened: Vec<Keys> = std::thread::scope(|scope| {
        let open = || {
            start.wait();
            open(&path, None).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let last = open(&path, None).unwrap();
    assert!(opened.iter().all(|keys| same(keys, &last)));
}

#[test]
fn a_passphrase_is_set_changed_and_removed_and_no_other_opens_the_file() {
    let (folder, path) = place();
    let (first, second) = (Passphrase::new("first"), Passphrase::new("second"));
    let keys = open(&path, Some(&first)).unwrap();
    assert!(same(&open(&path, Some(&first)).unwrap(), &keys));
    for reads in [open(&path, None), load(&path).map(|_| keys.clone())] {
        assert!(matches!(refused(reads), StoreError::PassphraseNeeded { .. }));
    }
    let wrong = refused(open(&path, Some(&second)));
    assert!(matches!(wrong, StoreError::WrongPassphrase { .. }), "{wrong}");

    save(&path, &keys, Some(&second)).unwrap();
    assert!(same(&open(&path, Some(&second)).unwrap(), &keys));
    assert!(open(&path, Some(&first)).is_err());

    save(&path, &keys, None).unwrap();
    assert!(same(&open(&path, None).unwrap(), &keys));
    assert!(same(&open(&path, Some(&first)).unwrap(), &keys), "one that is not needed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_sealed_file_shows_no_key_and_what_it_replaced_is_overwritten() {
    let (folder, path) = place();
    let keys = open(&path, None).unwrap();
    let (seed, storage) = (keys.identity.expose_seed(), keys.storage.0.clone());
    let shows = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        [&seed, &storage].map(|key| bytes.windows(32).any(|window| window == key.as_slice()))
    };
    let before = folder.path().join("what was there before");
    fs::hard_link(&path, &before).unwrap();
    assert_eq!(shows(&before), [true, true]);
    save(&path, &keys, Some(&Passphrase::new("x"))).unwrap();
    assert_eq!(shows(&path), [false, false]);
    assert_eq!(shows(&before), [false, false]);
}

#[test]
fn what_a_process_left_that_ended_while_it_saved_is_overwritten_by_the_next() {
    let (folder, path) = place();
    let keys = open(&path, None).unwrap();
    let (old, before) = (folder.path().join("me.key.old"), folder.path().join("before"));
    let count = || fs::read_dir(folder.path()).unwrap().count();

    // It ended before the file was replaced: the other name is of the file itself.
    fs::hard_link(&path, &old).unwrap();
    assert!(same(&open(&path, None).unwrap(), &keys));
    save(&path, &keys, None).unwrap();
    assert!(same(&open(&path, None).unwrap(), &keys));
    assert_eq!(count(), 1);

    // It ended after that.
    fs::hard_link(&path, &old).unwrap();
    fs::hard_link(&path, &before).unwrap();
    FileStore::new(&path).commit_now(records(&keys, Some(&Passphrase::new("x"))).unwrap()).unwrap();
    open(&path, Some(&Passphrase::new("x"))).unwrap();
    assert_eq!(count(), 2);
    assert!(fs::read(&before).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn damage_to_a_sealed_file_is_never_taken_for_keys() {
    let (_folder, path) = place();
    let passphrase = Passphrase::new("x");
    let keys = open(&path, Some(&passphrase)).unwrap();
    let sealed = FileStore::new(&path).load_now().unwrap().remove(0);
    let value = sealed.value.unwrap();
    for (at, cut) in [(0, 40), (12, 200), (30, 200), (60, 200), (131, 200), (0, 0), (0, 131)] {
        let mut bad = value.to_vec();
        bad[at] ^= 1;
        bad.truncate(cut);
        FileStore::new(&path).commit_now(vec![Record::put(SEALED, 1, &bad)]).unwrap();
        assert!(open(&path, Some(&passphrase)).is_err(), "{at} {cut}");
    }
    FileStore::new(&path).commit_now(vec![Record::put(SEALED, 1, &value)]).unwrap();
    assert!(same(&open(&path, Some(&passphrase)).unwrap(), &keys));
    FileStore::new(&path).commit_now(vec![Record::put(SEALED, 2, &value)]).unwrap();
    let newer = open(&path, Some(&passphrase)).unwrap_err();
    assert!(matches!(newer, TopicError::Restore(RestoreError::Newer { .. })), "{newer}");
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let keys =
        Keys { identity: Identity::from_seed(&[7; 32]), storage: StorageKey::from_bytes(&[9; 32]) };
    let shown = format!("{keys:?} {:?}", Passphrase::new("hunter2"));
    assert!(shown.contains("[redacted]") && !shown.contains("9, 9") && !shown.contains("hunter"));
}
