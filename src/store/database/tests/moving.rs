//! From a file store to a database, and crashes on the way.

use super::*;

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
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
