//! Every example runs, comes to the right end in time, and says so.
//! Not what the examples are about: they check that themselves.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The slowest example takes some seconds, on a busy machine several times that.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn hello_everybody_hears_everybody() {
    let said = run("hello", &[], "");
    assert!(said.contains("Clara hears Ben say: Hello from Ben!"), "{said}");
    assert!(said.ends_with("Everybody heard everybody.\n"), "{said}");
}

#[test]
fn living_room_the_lamp_obeys_the_phone_alone() {
    let said = run("living_room", &[], "");
    assert!(said.contains("The lamp obeyed the phone, three times, and nobody else."), "{said}");
    assert!(said.contains("× from a sender that is not trusted"), "{said}");
}

#[test]
fn approve_by_hand_two_yeses_let_the_sensor_in() {
    let said = run("approve_by_hand", &[], "y\ny\n");
    assert!(said.ends_with("The sensor is in, and says 21.5 °C.\n"), "{said}");
}

#[test]
fn approve_by_hand_a_no_of_either_side_keeps_the_sensor_out() {
    for answers in ["n\n", "y\nn\n", "y\n", ""] {
        let said = run("approve_by_hand", &[], answers);
        assert!(said.ends_with("The sensor stays out, without a key.\n"), "{answers:?}: {said}");
    }
}

#[test]
#[cfg(unix)]
fn custom_transport_keeps_the_claims_in_less_than_30_lines() {
    let said = run("custom_transport", &[], "");
    assert!(said.contains("   ok  closing finishes though the peer does not read"), "{said}");
    assert!(said.contains("the lamp heard it"), "{said}");

    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/custom_transport/unix.rs");
    let source = fs::read_to_string(source).unwrap();
    let code =
        source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(code.count() < 30);
}

#[test]
fn simulated_devices_repeat_from_their_seed() {
    let first = run("simulated_devices", &["7"], "");
    assert!(first.contains("none of them twice"), "{first}");
    assert_eq!(run("simulated_devices", &["7"], ""), first);
    assert_ne!(run("simulated_devices", &["8"], ""), first.replace("Seed 7", "Seed 8"));
}

/// Runs an example with this on its stdin; returns what it prints. It has to end well, and in time.
fn run(example: &str, arguments: &[&str], stdin: &str) -> String {
    let mut child = Command::new(binary(example))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // An example that asks nothing may be gone already; so much for its questions.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let mut stdout = child.stdout.take().unwrap();
    let reading = thread::spawn(move || {
        let mut said = String::new();
        stdout.read_to_string(&mut said).map(|_| said)
    });

    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{example} does not end: {:?}", reading.join().unwrap());
        }
        thread::sleep(Duration::from_millis(20));
    };
    let said = reading.join().unwrap().unwrap();
    assert!(status.success(), "{example} ends with {status}:\n{said}");
    said
}

/// The example's binary, which `cargo test` builds beside this test's own, except where it was asked
/// for this test alone.
fn binary(example: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX));
    if !path.exists() {
        build(example, profile);
    }
    path
}

fn build(example: &str, profile: &Path) {
    let name = match profile.file_name().and_then(|name| name.to_str()).unwrap() {
        "debug" => "dev",
        other => other,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--all-features", "--example", example, "--profile", name, "--target-dir"])
        .arg(profile.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "{example} does not build");
}
