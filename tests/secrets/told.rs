//! What is told of a conversation: the logs of all crates at every level, and the files that it
//! leaves. Not what goes over its links.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use stringphone::Attach;
use stringphone::tcp::Tcp;
use stringphone_servers::free_port;

use crate::conversation::House;
use crate::memory::Needle;
use crate::support::Test;

/// Collects whatever is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_logs_nor_files_hold_what_they_must_not() -> Test {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Actors and links have threads of their own.
    tracing::subscriber::set_global_default(subscriber)?;
    let room = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut house = House::new()?;
    let (phone, lamp) = house
        .converse(|name| match name {
            "phone" => Attach::from(Tcp::listen(room)),
            _ => Attach::from(Tcp::connect(room)),
        })
        .await?;
    tracing::info!(?phone, ?lamp, stats = ?lamp.stats().await?, "handles");
    // What the lamp has to say last, the room takes.
    lamp.stop().await?;
    phone.stop().await?;

    let (stored, seeds, bodies) = (house.stored(), &house.seeds, &house.bodies);
    assert!(!stored.is_empty() && !bodies.is_empty());
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("handles") && log.contains("came into the room"), "the log is on");
    for needle in stored.iter().chain(seeds).chain(bodies) {
        assert!(!tells(&log, needle), "{} is in the log", needle.name);
    }
    for path in files(house.folder()) {
        let (bytes, name) = (fs::read(&path)?, path.display());
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o077, 0, "{name} is ours alone");
        let is = |extension: &str| path.extension().is_some_and(|found| found == extension);
        let shown = |needles: &[Needle]| needles.iter().any(|needle| holds(&bytes, needle));
        assert!(!shown(bodies), "{name} holds a message");
        assert_eq!(shown(seeds), is("key"), "a seed in {name}");
        assert_eq!(shown(&stored), is("topic"), "a topic's secret in {name}");
    }
    Ok(())
}

/// All files below, whatever their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whether a text shows a secret: in hex, or as Rust prints bytes.
fn tells(text: &str, needle: &Needle) -> bool {
    let secret = needle.expose();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{:?}", &secret[..8]);
    let bytes = format!("{:?}", Bytes::copy_from_slice(&secret[..8]));
    let inner = |text: &str| text.trim_matches(['[', ']', 'b', '"']).to_owned();
    let forms = [hex.to_uppercase(), inner(&list), inner(&bytes), hex];
    forms.iter().any(|form| text.contains(form))
}

/// Whether a file holds one as it is, or as text.
fn holds(bytes: &[u8], needle: &Needle) -> bool {
    let secret = needle.expose();
    let as_it_is = bytes.windows(secret.len()).any(|window| window == secret);
    as_it_is || tells(&String::from_utf8_lossy(bytes), needle)
}
