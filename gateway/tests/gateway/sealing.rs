//! What the disk shows of a home: homes of earlier releases, passphrases, copies.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use stringphone::keyfile;
use stringphone::store::{DatabaseStore, FileStore, Store};

use crate::support::{Home, Terminal, text};

/// A file with a secret, beside the home.
fn secret(home: &Home, name: &str, secret: &str) -> PathBuf {
    let path = home.path().with_file_name(name);
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// Puts the home's topic back into the file that earlier releases kept it in.
fn as_earlier_releases_had_it(home: &Home) {
    let keys = keyfile::open(home.file("identity.key"), None).unwrap();
    let (topic, file) = (home.file("topics/home.topic"), home.file("topics/file"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let records = DatabaseStore::new(&topic, &keys.storage).load().await.unwrap();
        FileStore::new(&file).commit(records).await.unwrap();
    });
    DatabaseStore::destroy(&topic).unwrap();
    fs::rename(file, topic).unwrap();
    fs::remove_file(home.file("identity.key")).unwrap();
    let seed = stringphone::store::Record::put("identity-seed", 1, &*keys.identity.expose_seed());
    let mut key_file = FileStore::new(home.file("identity.key"));
    runtime.block_on(key_file.commit(vec![seed])).unwrap();
}

#[test]
fn a_home_of_an_earlier_release_goes_on_where_it_stopped() {
    let (home, lamp) = (Home::new(), Home::new());
    let (up, told) = home.up(&[]);
    lamp.joins(&home, &[text(&told, "address")]);
    let before = home.told(&["whoami"]);
    let members = home.told(&["members"]);
    assert_eq!(up.terminate(), 0);
    for home in [&home, &lamp] {
        as_earlier_releases_had_it(home);
    }
    // Whatever is run first.
    assert_eq!(home.told(&["whoami"]), before);
    assert_eq!(home.told(&["members"]), members);
    let topic = fs::read(home.file("topics/home.topic")).unwrap();
    assert!(!topic.starts_with(b"stringphone store"));
    let (mut up, told) = home.up(&[]);
    let mut lamp_runs = lamp.stay(&["join", text(&told, "address")]);
    lamp_runs.json("link_up");
    assert_eq!(lamp.run(&["send", "still here"]).code, 0);
    up.message("still here");
}

#[test]
fn a_passphrase_from_a_file_is_needed_wherever_the_home_is_opened() {
    let home = Home::new();
    home.told(&["init", "--topic", "house"]);
    let (first, second) = (secret(&home, "first", "one\n"), secret(&home, "second", "two"));
    let [first, second] = [&first, &second].map(|path| path.to_str().unwrap());
    let set = home.told(&["passphrase", "--new-file", first]);
    assert_eq!(set[0]["set"], true);
    for command in [&["whoami"][..], &["members"], &["up", "--listen", "127.0.0.1:0"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("--passphrase-file PATH"), "{}", refused.err);
    }
    let wrong = home.run(&["whoami", "--passphrase-file", second]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("not the passphrase"), "{}", wrong.err);
    let (up, _) = home.up(&["--passphrase-file", first]);
    // Whoever speaks to the process that owns the home needs none.
    assert_eq!(home.told(&["members"]).len(), 1);
    assert_eq!(up.terminate(), 0);

    home.told(&["passphrase", "--passphrase-file", first, "--new-file", second]);
    assert_eq!(home.told(&["members", "--passphrase-file", second]).len(), 1);
    home.told(&["passphrase", "--passphrase-file", second, "--remove"]);
    assert_eq!(home.told(&["members"]).len(), 1);
}

#[test]
fn a_home_that_is_made_with_a_passphrase_is_sealed_from_the_beginning() {
    let home = Home::new();
    let file = secret(&home, "secret", "correct horse");
    let file = file.to_str().unwrap();
    let made = home.told(&["init", "--passphrase-file", file]);
    assert_eq!(home.run(&["whoami"]).code, 1);
    assert_eq!(home.told(&["whoami", "--passphrase-file", file]), made);
}

/// Waits until the screen shows this, and forgets it, so that it can be waited for again.
fn passes(screen: &mut Terminal, wanted: &str) {
    let end = screen.answering(wanted, "");
    assert!(!screen.shown.contains("correct"), "{}", screen.shown);
    screen.shown.drain(..end);
}

#[test]
fn a_passphrase_is_typed_unseen_and_a_mistyped_one_is_asked_for_again() {
    let home = Home::new();
    let made = home.told(&["init"]);
    let mut setting = Terminal::start(&home, &["passphrase"]);
    passes(&mut setting, "New passphrase (what you type is not shown): ");
    assert!(!setting.echoes());
    setting.types("correct horse");
    passes(&mut setting, "The same again: ");
    setting.types("correct house");
    passes(&mut setting, "this is not the same");
    passes(&mut setting, "The same again: ");
    setting.types("correct horse");
    setting.shows("are sealed with the passphrase");
    assert_eq!(setting.ends(), Some(0));
    assert!(!setting.shown.contains("correct"), "{}", setting.shown);

    let mut asking = Terminal::start(&home, &["whoami"]);
    passes(&mut asking, "Passphrase of this home (what you type is not shown): ");
    asking.types("wrong");
    passes(&mut asking, "not the passphrase");
    passes(&mut asking, "Passphrase of this home");
    asking.types("correct horse");
    asking.shows(text(&made[0], "fingerprint"));
    assert_eq!(asking.ends(), Some(0));
}

#[test]
fn a_home_that_is_copied_while_nothing_runs_is_the_same_home() {
    let (home, copy) = (Home::new(), Home::new());
    let (up, _) = home.up(&[]);
    assert_eq!(up.terminate(), 0);
    let members = home.told(&["members"]);
    let copied = std::process::Command::new("cp")
        .args(["-a", home.path().to_str().unwrap(), copy.path().to_str().unwrap()])
        .status();
    assert!(copied.unwrap().success());
    assert_eq!(copy.told(&["members"]), members);
    // Half of a store is told apart from none.
    fs::remove_file(copy.file("topics/home.topic.keys")).unwrap();
    let refused = copy.run(&["members"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("restore both"), "{}", refused.err);
}
