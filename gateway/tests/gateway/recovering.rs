//! Old copies of a home that are put back: who notices, and what comes back by itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Home, Pair, Running, text};

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// A copy of a home in which nothing runs.
struct Backup(Home);

impl Backup {
    fn of(home: &Home) -> Self {
        let backup = Home::new();
        copy(&home.path(), &backup.path());
        Self(backup)
    }

    fn put_back(&self, home: &Home) {
        fs::remove_dir_all(home.path()).unwrap();
        copy(&self.0.path(), &home.path());
    }
}

/// How often each message was told.
fn messages(running: &Running) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for line in running.seen().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["type"] == "message" {
            *told.entry(line["text"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    told
}

/// Both speak, and hear each other.
fn talk(pair: &mut Pair, device: &mut Running, topic: &str) {
    let (ours, theirs) = (format!("{topic}, by the lamp"), format!("{topic}, by the gateway"));
    let gateway = pair.gateway.id();
    assert_eq!(pair.lamp.run(&["send", "--confirm", "--to", &gateway, &ours]).code, 0);
    pair.up.message(&ours);
    assert_eq!(pair.gateway.run(&["send", "--confirm", "--to", "lamp", &theirs]).code, 0);
    device.message(&theirs);
}

#[test]
fn an_old_copy_that_is_put_back_alarms_everybody_and_comes_back_by_itself() {
    let mut pair = Pair::joined();
    let cam = Home::new();
    cam.joins(&pair.gateway, &[&pair.address, "--name", "cam"]);
    let backup = Backup::of(&pair.lamp);

    let mut device = pair.lamp.stay(&["join"]);
    device.json("link_up");
    talk(&mut pair, &mut device, "then");
    for _ in 0..3 {
        assert_eq!(pair.gateway.run(&["rotate"]).code, 0);
    }
    assert_eq!(pair.gateway.run(&["evict", "cam"]).code, 0);
    talk(&mut pair, &mut device, "later");
    assert_eq!(device.terminate(), 0);

    backup.put_back(&pair.lamp);
    let mut device = pair.lamp.stay(&["join"]);
    device.json("rolled_back");
    assert_eq!(pair.up.json("cloned")["id"], *pair.lamp_id);
    let back = pair.lamp.told(&["recover"]).remove(0);
    assert_eq!((&back["rolled_back"], &back["caught_up"]), (&true.into(), &true.into()), "{back}");
    let keys = pair.gateway.told(&["status"]).remove(0);
    assert_eq!(back["generation"], keys["generation"]);
    assert_eq!(pair.lamp.told(&["members"]).len(), 2, "that one is out is known as well");
    talk(&mut pair, &mut device, "now");
    let told = messages(&pair.up);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
}

#[test]
fn the_owner_of_an_old_copy_is_told_in_words_what_happened_and_what_to_do() {
    let mut pair = Pair::joined();
    let backup = Backup::of(&pair.lamp);
    let mut device = pair.lamp.stay(&["join"]);
    device.json("link_up");
    talk(&mut pair, &mut device, "then");
    assert_eq!(device.terminate(), 0);
    backup.put_back(&pair.lamp);

    // Nothing runs there: one command does it all.
    let back = pair.lamp.run(&["recover"]);
    assert_eq!(back.code, 0, "{}", back.err);
    for words in ["gone back to an old state", "nothing was encrypted twice", "no. 0"] {
        assert!(back.out.contains(words), "{}", back.out);
    }
    assert_eq!(pair.lamp.run(&["send", "--confirm", "on"]).code, 0);
}

#[test]
fn a_home_that_nothing_happened_to_lacks_nothing() {
    let pair = Pair::joined();
    let sound = pair.lamp.told(&["recover"]).remove(0);
    assert_eq!((&sound["rolled_back"], &sound["caught_up"]), (&false.into(), &false.into()));
}

#[test]
fn where_nobody_is_up_there_is_nobody_to_come_back_to() {
    let Pair { gateway: _kept, up, lamp, .. } = Pair::joined();
    assert_eq!(up.terminate(), 0);
    let alone = lamp.run(&["recover", "--timeout", "1"]);
    assert_eq!(alone.code, 3, "{}", alone.err);
    assert!(alone.err.contains("no link is up"), "{}", alone.err);
}

#[test]
fn an_old_copy_of_a_device_that_was_evicted_needs_an_invitation_and_says_so() {
    let mut pair = Pair::joined();
    let backup = Backup::of(&pair.lamp);
    assert_eq!(pair.gateway.run(&["evict", "lamp"]).code, 0);
    backup.put_back(&pair.lamp);
    let evicted = pair.lamp.run(&["recover", "--timeout", "15"]);
    assert!(evicted.code != 0 && evicted.err.contains("invitation"), "{evicted:?}");

    let join = ["join", "--again", "--once", "--name", "lamp", &pair.address];
    let invitation = pair.gateway.invitation(&[]);
    let joined = pair.lamp.run_with(&join, invitation.as_bytes());
    assert_eq!(joined.code, 0, "{}", joined.err);
    let mut device = pair.lamp.stay(&["join"]);
    device.json("link_up");
    talk(&mut pair, &mut device, "back");
}

#[test]
fn a_home_that_is_in_a_topic_can_join_it_again() {
    let mut pair = Pair::joined();
    let mut device = pair.lamp.stay(&["join"]);
    device.json("link_up");
    talk(&mut pair, &mut device, "before");
    assert_eq!(device.terminate(), 0);
    // A copy that is too old for anybody to remember its keys.
    fs::remove_file(pair.lamp.file("topics/home.topic")).unwrap();
    fs::remove_file(pair.lamp.file("topics/home.topic.keys")).unwrap();
    let join = ["join", "--again", "--once", "--name", "lamp"];
    let invitation = pair.gateway.invitation(&[]);
    let joined = pair.lamp.run_with(&join, invitation.as_bytes());
    assert_eq!(joined.code, 0, "{}", joined.err);
    let mut device = pair.lamp.stay(&["join"]);
    device.json("link_up");
    talk(&mut pair, &mut device, "after");
    assert_eq!(pair.gateway.told(&["members"]).len(), 2);
}

#[test]
fn a_founder_can_come_back_into_its_own_topic() {
    let mut pair = Pair::joined();
    let device = pair.device();
    assert_eq!(pair.gateway.run(&["appoint", "lamp"]).code, 0);
    let begun = Instant::now();
    while pair.lamp.told(&["members"]).iter().any(|member| member["role"] != "keeper") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is told");
    }
    assert_eq!(device.terminate(), 0);
    let Pair { gateway, up, lamp, .. } = pair;
    assert_eq!(up.terminate(), 0);
    for file in ["topics/home.topic", "topics/home.topic.keys"] {
        fs::remove_file(gateway.file(file)).unwrap();
    }

    let (mut up, told) = lamp.up(&[]);
    let join = ["join", "--again", "--once", text(&told, "address")];
    let joined = gateway.run_with(&join, lamp.invitation(&[]).as_bytes());
    assert_eq!(joined.code, 0, "{}", joined.err);
    assert_eq!(gateway.run(&["send", "--confirm", "here I am again"]).code, 0);
    up.message("here I am again");
    let members = lamp.told(&["members"]);
    assert!(members.len() == 2 && members.iter().all(|member| member["role"] == "keeper"));
}
