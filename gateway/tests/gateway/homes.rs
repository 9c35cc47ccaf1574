//! The folder: who may look into it, who owns it, what it is called.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::support::{Home, text};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn only_its_owner_can_look_into_a_home() {
    let home = Home::new();
    let (_up, _) = home.up(&[]);
    assert_eq!(mode(home.path()), 0o700);
    assert_eq!(mode(home.file("topics")), 0o700);
    home.told(&["status"]);
    let topic = ["topics/home.topic", "topics/home.topic.keys"];
    for file in ["control.sock", "identity.key", "config.json", "lock"].into_iter().chain(topic) {
        assert_eq!(mode(home.file(file)), 0o600, "{file}");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let home = Home::new();
    home.told(&["init"]);
    fs::set_permissions(home.file("identity.key"), Permissions::from_mode(0o644)).unwrap();
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, 1);
    let mend = format!("chmod 600 '{}'", home.file("identity.key").display());
    assert!(refused.err.contains(&mend), "{}", refused.err);
}

#[test]
fn a_home_that_others_can_look_into_is_refused_with_the_command_that_mends_it() {
    let home = Home::new();
    home.told(&["init"]);
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let refused = home.run(&["whoami"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("chmod 700"), "{}", refused.err);
}

#[test]
fn a_second_process_is_told_who_owns_the_home() {
    let home = Home::new();
    let (_up, _) = home.up(&[]);
    for second in [&["up"][..], &["join", "127.0.0.1:1"]] {
        let refused = home.run(second);
        assert_eq!(refused.code, 1);
        for word in ["`stringphone up`", "one process owns a home", "--home"] {
            assert!(refused.err.contains(word), "{}", refused.err);
        }
    }
}

#[test]
fn what_a_killed_process_left_behind_is_in_nobodys_way() {
    let home = Home::new();
    let (up, _) = home.up(&[]);
    home.told(&["status"]);
    up.signal(Signal::KILL);
    up.end();
    assert!(home.file("control.sock").exists(), "it had no time to clean up");
    assert_eq!(home.told(&["members"]).len(), 1);
    let (_up, _) = home.up(&[]);
    home.told(&["status"]);
}

#[test]
fn commands_work_without_a_process_and_the_next_one_knows() {
    let (home, other) = (Home::new(), Home::new());
    let (up, _) = home.up_classic(&[]);
    let other = other.told(&["init"]).remove(0);
    assert_eq!(up.terminate(), 0);

    home.told(&["trust", text(&other, "public_key")]);
    let participants = home.told(&["participants"]);
    assert_eq!(participants.len(), 1);
    assert_eq!(participants[0]["fingerprint"], other["fingerprint"]);
    let (_up, _) = home.up(&[]);
    assert_eq!(home.told(&["participants"]), participants);
    home.told(&["remove", text(&other, "fingerprint")]);
    assert!(home.told(&["participants"]).is_empty());
}

#[test]
fn questions_need_a_process() {
    let home = Home::new();
    home.told(&["init"]);
    for command in [&["status"][..], &["admit", "x"], &["deny", "x"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("neither `up` nor `join` runs"), "{}", refused.err);
    }
}

#[test]
fn an_identity_is_made_once() {
    let home = Home::new();
    let first = home.told(&["init"]);
    assert_eq!(home.told(&["init"]), first);
    assert_eq!(home.told(&["whoami"]), first);
    let (_up, told) = home.up(&[]);
    assert_eq!(told["fingerprint"], first[0]["fingerprint"]);
    assert_eq!(home.told(&["init"]), first, "beside the running process, too");
}

#[test]
fn no_topic_name_leaves_the_folder() {
    let home = Home::new();
    for name in ["../../escaped", "..", "a/b", "%2f", " ", "Home"] {
        let (up, told) = home.up(&["--topic", name]);
        assert_eq!(told["topic"], name);
        assert_eq!(up.terminate(), 0);
    }
    let files = fs::read_dir(home.file("topics")).unwrap();
    assert_eq!(files.count(), 12, "a database and its keys, for each");
    assert_eq!(fs::read_dir(home.path().parent().unwrap()).unwrap().count(), 1);
    let long = "x".repeat(65);
    let refused = home.run(&["up", "--listen", "127.0.0.1:0", "--topic", &long]);
    assert_eq!(refused.code, 1);
}

#[test]
fn an_empty_home_says_how_to_begin() {
    let home = Home::new();
    for command in [&["whoami"][..], &["send", "x"], &["listen"], &["participants"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("begin with `stringphone"), "{}", refused.err);
    }
    assert!(!home.path().exists(), "and nothing was made");
}

#[test]
fn a_wrong_command_line_ends_with_exit_code_2() {
    let home = Home::new();
    for wrong in [
        &[][..],
        &["join", "127.0.0.1:1", "127.0.0.1:2"],
        &["join", "127.0.0.1"],
        &["join", "--classic", "--pin"],
        &["up", "--admission", "everybody"],
        &["invite", "--for", "10"],
        &["trust", "12"],
        &["fly"],
    ] {
        assert_eq!(home.run(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(home.run(&["--help"]).code, 0);
}

#[test]
fn a_topic_keeps_its_protocol() {
    let home = Home::new();
    let (up, _) = home.up_classic(&[]);
    assert_eq!(up.terminate(), 0);
    // What it was founded as need not be said again.
    let (up, told) = home.up(&[]);
    assert!(text(&told, "join").contains("--classic"), "{told}");
    assert_eq!(up.terminate(), 0);
    let refused = home.run(&["invite"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("speaks Classic"), "{}", refused.err);

    let (up, _) = home.up(&["--topic", "new"]);
    assert_eq!(up.terminate(), 0);
    let refused = home.run(&["up", "--classic"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("keeps its protocol"), "{}", refused.err);
}

#[test]
fn commands_can_name_the_topic_that_they_mean() {
    let home = Home::new();
    home.told(&["init", "--topic", "garage"]);
    home.told(&["init", "--topic", "house"]);
    for topic in ["garage", "house"] {
        assert_eq!(home.told(&["invite", topic])[0]["topic"], topic);
    }
    let (_up, _) = home.up(&["--topic", "garage"]);
    assert_eq!(home.run(&["send", "--topic", "garage", "on"]).code, 0);
    let refused = home.run(&["send", "--topic", "house", "on"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("in topic \"garage\", not in \"house\""), "{}", refused.err);
}
