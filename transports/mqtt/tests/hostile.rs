//! What others can do who are allowed into the same topics: nothing but be refused and counted.
//! Not what the broker itself does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::{fs, io::Write, process::Stdio};

use stringphone_mqtt::{Encoding, Refusal, Version};
use stringphone_servers::mosquitto::Mosquitto;
use stringphone_transport::TransportError;

use support::{End, mqtt, settle};

const VERSIONS: [Version; 2] = [Version::V5, Version::V3_1_1];

/// Two ends that hear each other on `x`.
async fn pair(broker: &Mosquitto, version: Version, encoding: Encoding) -> [End; 2] {
    let client = || mqtt(broker).version(version).encoding(encoding);
    let mut first = End::up(client(), &["x"]).await;
    let mut second = End::up(client(), &["x"]).await;
    settle(&mut first, &mut second, "x").await;
    settle(&mut second, &mut first, "x").await;
    [first, second]
}

fn is_report(item: Result<stringphone_transport::Frame, TransportError>) -> bool {
    matches!(item, Err(TransportError::Malformed { dropped: 1, .. }))
}

#[tokio::test]
async fn retained_messages_are_refused_and_counted() {
    for version in VERSIONS {
        let broker = Mosquitto::start();
        broker.publish(&["-r", "-q", "1", "-t", "x", "-m", "of some day"]);
        let mut end = End::up(mqtt(&broker).version(version), &["x"]).await;
        assert!(is_report(end.item().await));
        assert_eq!(end.stats.refused(Refusal::Retained), 1);
        // What somebody retains now arrives as what it is: a message of now.
        broker.publish(&["-r", "-q", "1", "-t", "x", "-m", "of today"]);
        assert_eq!(end.hear("x").await, "of today");
    }
}

#[tokio::test]
async fn giant_messages_are_skipped_and_the_link_goes_on() {
    const MORE: u64 = 30;
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let [mut first, mut second] = pair(&broker, version, Encoding::Raw).await;
        let giant = tempfile::NamedTempFile::new().unwrap();
        fs::write(giant.path(), vec![7; 20 * 1024 * 1024]).unwrap();
        let path = giant.path().display().to_string();
        for qos in ["0", "1"] {
            broker.publish(&["-q", qos, "-t", "x", "-f", &path]);
        }
        // More than the broker sends without an acknowledgement.
        fs::write(giant.path(), vec![7; 100_000]).unwrap();
        for _ in 0..MORE {
            broker.publish(&["-q", "1", "-t", "x", "-f", &path]);
        }
        second.send("x", "after that").await.unwrap();
        for _ in 0..2 + MORE {
            assert!(is_report(first.item().await));
        }
        assert_eq!(first.stats.refused(Refusal::TooLarge), 2 + MORE);
        assert_eq!(first.hear("x").await, "after that");
    }
}

#[tokio::test]
async fn a_message_a_little_larger_than_any_frame_is_refused() {
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let [mut first, _second] = pair(&broker, version, Encoding::Raw).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), vec![7; 64 * 1024 + 1]).unwrap();
        broker.publish(&["-q", "1", "-t", "x", "-f", &file.path().display().to_string()]);
        assert!(is_report(first.item().await));
        assert_eq!(first.stats.refused(Refusal::TooLarge), 1);
    }
}

#[tokio::test]
async fn what_is_not_hexadecimal_is_refused_and_the_empty_is_nothing() {
    let broker = Mosquitto::start();
    let [mut first, mut second] = pair(&broker, Version::V5, Encoding::Hex).await;
    for payload in ["hello", "abc", "0x00", ""] {
        broker.publish(&["-q", "1", "-t", "x", "-m", payload]);
    }
    second.send("x", "after that").await.unwrap();
    for _ in 0..3 {
        assert!(is_report(first.item().await));
    }
    assert_eq!(first.hear("x").await, "after that");
    assert_eq!(first.stats.refused(Refusal::NotHex), 3);
}

/// 200 MB come from another client while nobody reads the link, and then somebody does.
#[tokio::test]
async fn a_flood_costs_no_memory_and_the_link_goes_on() {
    const LINE: usize = 20_000;
    const LINES: usize = 10_000;
    for version in VERSIONS {
        let broker = Mosquitto::start();
        let mut first = End::up(mqtt(&broker).version(version), &["x"]).await;
        let mut second = End::up(mqtt(&broker).version(version), &[]).await;
        settle(&mut second, &mut first, "x").await;
        let before = memory();
        let flooding = {
            let mut command = broker.client("mosquitto_pub");
            command.args(["-l", "-t", "x"]).stdin(Stdio::piped());
            tokio::task::spawn_blocking(move || {
                let mut child = command.spawn().unwrap();
                let mut input = child.stdin.take().unwrap();
                let line = [&vec![b'7'; LINE][..], b"\n"].concat();
                for _ in 0..LINES {
                    input.write_all(&line).unwrap();
                }
                drop(input);
                child.wait().unwrap();
            })
        };
        support::soon(flooding).await.unwrap();
        let more = memory().saturating_sub(before);
        assert!(more < 32 * 1024 * 1024, "{more} bytes more");
        settle(&mut second, &mut first, "x").await;
    }
}

/// What this process has in memory.
fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
