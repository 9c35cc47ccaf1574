//! Old devices, with their keys.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use futures::SinkExt;
use serde_json::{Value, json};
use stringphone::Transport;
use stringphone::tcp::Tcp;
use stringphone::transport::{Channels, Frame};

use crate::support::{Home, text};

/// A message that the original made, and the device that could read it.
fn recorded() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/data/classic.json");
    let vectors: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let messages = vectors["positive"]["s"].as_array().unwrap();
    let readable = |m: &&Value| {
        let known = m["receiver"]["participants"].as_object();
        let text = m["plaintext"].as_str().is_some_and(|hex| !hex.is_empty());
        text && known.is_some_and(|known| !known.is_empty())
    };
    messages.iter().find(readable).unwrap_or_else(|| panic!("{}", messages[0])).clone()
}

fn old(device: &Value) -> Value {
    json!({
        "topic": "old house",
        "seed": device["sign_seed"],
        "topic_key": device["topic_key"],
        "participants": device["participants"],
    })
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn an_imported_device_reads_what_the_original_writes() {
    let recorded = recorded();
    let home = Home::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, old(&recorded["receiver"]).to_string()).unwrap();
    let imported = home.told(&["import", file.path().to_str().unwrap()]).remove(0);
    assert_eq!(imported["id"], recorded["receiver"]["id"]);

    let (mut up, told) = home.up(&[]);
    assert_eq!(told["topic"], "old house");
    up.json("link_up");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = "old house".parse().unwrap();
        let mut device = Tcp::connect(text(&told, "address"));
        let mut link = device.connect(Channels::new([]).1).await.unwrap();
        link.outgoing.send(Frame::on(channel, bytes(&recorded["frame"]))).await.unwrap();
        link.outgoing.close().await.unwrap();
    });
    let message = up.json("message");
    let said = match message.get("text") {
        Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
        None => bytes(&message["hex"]),
    };
    assert_eq!(said, bytes(&recorded["plaintext"]));
    assert!(recorded["receiver"]["participants"].get(text(&message, "from")).is_some());
}

#[test]
fn an_import_never_overwrites_and_a_failed_one_leaves_nothing() {
    let (home, device) = (Home::new(), recorded()["receiver"].clone());
    let mut broken = old(&device);
    broken["participants"] = json!(["00".repeat(32)]);
    let failed = home.run_with(&["import", "-"], broken.to_string().as_bytes());
    assert_eq!(failed.code, 1, "nobody can sign with that key: {failed:?}");

    let good = old(&device).to_string();
    let imported = home.run_with(&["import", "-"], good.as_bytes());
    assert_eq!(imported.code, 0, "{}", imported.err);
    let refused = home.run_with(&["import", "-"], good.as_bytes());
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("empty home"), "{}", refused.err);
    assert_eq!(home.told(&["whoami"])[0]["id"], device["id"]);
}

#[test]
fn a_failed_import_leaves_no_config_and_no_key() {
    let home = Home::new();
    // Nothing can be renamed to a folder.
    fs::create_dir_all(home.file("config.new")).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let good = old(&recorded()["receiver"]).to_string();
    let failed = home.run_with(&["import", "-"], good.as_bytes());
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(!home.file("config.json").exists() && !home.file("identity.key").exists());
    assert_eq!(fs::read_dir(home.file("topics")).unwrap().count(), 0);

    fs::remove_dir(home.file("config.new")).unwrap();
    fs::create_dir(home.file("identity.key")).unwrap();
    let failed = home.run_with(&["import", "-"], good.as_bytes());
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(!home.file("config.json").exists());
    fs::remove_dir(home.file("identity.key")).unwrap();
    assert_eq!(home.run_with(&["import", "-"], good.as_bytes()).code, 0);
}

#[test]
fn an_imported_topic_is_never_founded_anew() {
    let home = Home::new();
    let good = old(&recorded()["receiver"]).to_string();
    assert_eq!(home.run_with(&["import", "-"], good.as_bytes()).code, 0);
    let topics = || fs::read_dir(home.file("topics")).unwrap();
    for topic in topics() {
        fs::remove_file(topic.unwrap().path()).unwrap();
    }
    for command in [&["up", "--classic", "--listen", "127.0.0.1:0"][..], &["participants"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("is missing"), "{}", refused.err);
    }
    assert_eq!(topics().count(), 0);
}

#[test]
fn an_import_never_tells_a_secret() {
    let device = recorded()["receiver"].clone();
    let (seed, key) = (text(&device, "sign_seed"), text(&device, "topic_key"));
    let good = old(&device);
    let with = |field: &str, value: Value| {
        let mut old = good.clone();
        old[field] = value;
        old.to_string()
    };
    let inputs = [
        good.to_string(),
        with("seed", json!(format!("{seed}00"))),
        with("topic_key", json!([key])),
        with("participants", json!(seed)),
        with("participants", json!([key, seed])),
        with("participants", json!([format!("{seed}00")])),
        with("participants", json!({ seed: key })),
        with("participants", json!({ text(&device, "id"): seed })),
        with("participants", json!({ text(&device, "id"): format!("{key}00") })),
        with("topic", json!({ "wrong": seed })),
        good.to_string().replace("\"topic_key\"", "\"topic_key\" nonsense"),
        seed.to_owned(),
    ];
    for input in inputs {
        let ended = Home::new().run_with(&["import", "-", "--verbose"], input.as_bytes());
        for secret in [seed, key] {
            assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{ended:?}");
        }
    }
}

#[test]
fn a_file_that_others_can_read_is_warned_about() {
    let home = Home::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, old(&recorded()["receiver"]).to_string()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let imported = home.run(&["import", file.path().to_str().unwrap()]);
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert!(imported.err.contains("others can read that file"), "{}", imported.err);
}
