//! What the binary tells and keeps, with every word of its log: no seed, no invitation and no message
//! where it must not be. Not the library's own logs and memory, which its tests look through.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stringphone::keyfile;

use crate::support::{Home, text};

const MESSAGE: &str = "the plaintext of a message";

#[test]
fn neither_the_log_nor_the_home_shows_a_seed_an_invitation_or_a_message() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up(&["--verbose"]);
    let invitation = gateway.invitation(&["--verbose"]);
    let join = ["join", text(&told, "address"), "--once", "--verbose"];
    let joined = lamp.run_with(&join, invitation.as_bytes());
    assert_eq!(joined.code, 0, "{}", joined.err);
    let sent = lamp.run(&["send", MESSAGE, "--verbose"]);
    assert_eq!(sent.code, 0, "{}", sent.err);
    up.message(MESSAGE);
    let log = [up.terminated(), joined.err, sent.err].concat();
    assert!(log.contains("DEBUG"), "the log is on: {log}");

    let secret = invitation.trim().rsplit('/').next().unwrap().to_owned();
    for home in [&gateway, &lamp] {
        let files = files(&home.path());
        let key = files.iter().find(|path| path.extension().is_some_and(|name| name == "key"));
        let seed = keyfile::load(key.unwrap()).unwrap().unwrap().expose_seed();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        for shown in [hex.as_str(), secret.as_str(), MESSAGE] {
            assert!(!log.contains(shown), "{shown} is in the log:\n{log}");
        }
        for path in &files {
            let (bytes, name) = (fs::read(path).unwrap(), path.display());
            let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "{name}");
            assert_eq!(holds(seed.as_slice()), Some(path) == key, "the seed in {name}");
            assert!(!holds(hex.as_bytes()) && !holds(secret.as_bytes()), "{name}");
            assert!(!holds(MESSAGE.as_bytes()), "a message in {name}");
        }
    }
}

/// All files below, whatever their names; no sockets.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path()),
            kind if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}
