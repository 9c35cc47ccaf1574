//! What a file can suffer.

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let folder = folder();
    let path = folder.path().join("it's mine.topic");
    FileStore::new(&path).commit_now(vec![Record::put("a", 1, b"1")]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = FileStore::new(&path).load_now().unwrap_err();
    assert!(matches!(refused, StoreError::Permissions { mode: 0o644, .. }));
    assert!(refused.to_string().contains("chmod 600 "), "{refused}");
}

#[test]
fn damage_anywhere_in_a_file_is_noticed_and_a_commit_does_not_hide_it() {
    let folder = folder();
    let path = folder.path().join("a.topic");
    let good = vec![Record::put("a", 1, b"12345"), Record::put("b", 7, b"")];
    FileStore::new(&path).commit_now(good.clone()).unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(FileStore::new(&path).load_now().is_err(), "byte {at}");
        assert!(FileStore::new(&path).commit_now(good.clone()).is_err(), "byte {at}");
        fs::write(&path, &bytes[..at]).unwrap();
        assert!(FileStore::new(&path).load_now().is_err(), "cut at {at}");
    }
}

#[test]
fn what_an_earlier_try_left_beside_a_file_is_no_obstacle() {
    let folder = folder();
    let path = folder.path().join("a.topic");
    let beside = folder.path().join(format!("a.topic.{}.new", std::process::id()));
    fs::write(beside, "half a fil").unwrap();
    FileStore::new(&path).commit_now(vec![Record::put("a", 1, b"1")]).unwrap();
    assert_eq!(FileStore::new(&path).load_now().unwrap(), [Record::put("a", 1, b"1")]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_killed_processes_left_half_written_goes_when_their_store_is_opened() {
    let folder = folder();
    let path = folder.path().join("a.topic");
    FileStore::new(&path).commit_now(vec![Record::put("a", 1, b"1")]).unwrap();
    let others = ["a.topic.new", "a.topic.x.new", "b.topic.7.new", "7.new"];
    for name in ["a.topic.7.new", "a.topic.4000000.new"].iter().chain(&others) {
        fs::write(folder.path().join(name), "half a fil").unwrap();
    }
    assert_eq!(FileStore::new(&path).load().await.unwrap(), [Record::put("a", 1, b"1")]);
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort();
    let mut wanted = [&["a.topic"], &others[..]].concat();
    wanted.sort();
    assert_eq!(left, wanted);
}

#[test]
fn a_commit_that_fails_leaves_the_old_records() {
    let folder = folder();
    let path = folder.path().join("a.topic");
    let mut store = FileStore::new(&path);
    store.commit_now(vec![Record::put("a", 1, b"1")]).unwrap();
    // A folder in the way of the new file.
    let beside = folder.path().join(format!("a.topic.{}.new", std::process::id()));
    fs::create_dir(&beside).unwrap();
    assert!(store.commit_now(vec![Record::put("a", 1, b"2")]).is_err());
    fs::remove_dir(beside).unwrap();
    assert_eq!(store.load_now().unwrap(), [Record::put("a", 1, b"1")]);
    store.commit_now(vec![Record::put("b", 1, b"3")]).unwrap();
    assert_eq!(store.load_now().unwrap().len(), 2);
}

#[test]
fn a_store_that_would_grow_too_large_to_be_read_is_not_written() {
    let folder = folder();
    let path = folder.path().join("a.topic");
    let mut store = FileStore::new(&path);
    store.commit_now(vec![Record::put("a", 1, b"1")]).unwrap();
    let huge = store.commit_now(vec![Record::put("b", 1, &vec![0; LIMIT])]);
    assert!(matches!(huge, Err(StoreError::TooLarge { .. })), "{huge:?}");
    store.commit_now(vec![Record::put("b", 1, &vec![0; LIMIT - 100])]).unwrap();
    assert_eq!(FileStore::new(&path).load_now().unwrap().len(), 2);
}

#[test]
fn behind_a_symbolic_link_the_target_is_replaced() {
    let folder = folder();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    FileStore::new(&target).commit_now(vec![Record::put("a", 1, b"1")]).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    FileStore::new(&link).commit_now(vec![Record::put("a", 1, b"2")]).unwrap();
    assert_eq!(FileStore::new(&target).load_now().unwrap(), [Record::put("a", 1, b"2")]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn of_two_that_make_one_key_file_the_first_one_counts() {
    let folder = folder();
    let path = folder.path().join("me.key");
    let ours = crate::keyfile::load_or_create(&path).unwrap();
    let mut late = FileStore::new(&path);
    assert!(!late.create_now(&[Record::put("identity-seed", 1, &[7; 32])]).unwrap());
    assert_eq!(crate::keyfile::load_or_create(&path).unwrap().id(), ours.id());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Written by the first release. It must open in every later one: never change this file.
#[test]
fn a_store_of_the_first_release_opens() {
    let folder = folder();
    let path = folder.path().join("first.topic");
    let bytes = include_bytes!("first-release.topic");
    replace(&path, &[bytes], Place::Any).unwrap();
    assert_eq!(
        FileStore::new(&path).load_now().unwrap(),
        [Record::put("a key", 1, b"a value"), Record::put("another", 300, &[0, 255, 10])]
    );
}
