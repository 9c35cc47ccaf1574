//! Pairs of pseudo-terminals, joined by socat: a serial cable with a port at each end.
//! Not a serial line's speed: bytes go as fast as they are read.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Running, STARTING};

/// A cable between two ports, whose paths are the same for as long as this value lives.
///
/// It goes on when a program closes a port, as a cable does, and keeps what was sent by then for the
/// next one that opens the other port.
///
/// ```
/// # use std::io::{Read, Write};
/// use stringphone_servers::pty::Cable;
///
/// let cable = Cable::plug();
/// let open = |path| std::fs::File::options().read(true).write(true).open(path);
/// open(&cable.ports()[0])?.write_all(b"hello")?;
/// let mut heard = [0; 5];
/// open(&cable.ports()[1])?.read_exact(&mut heard)?;
/// assert_eq!(&heard, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Cable {
    ports: [PathBuf; 2],
    plugged: Option<Plugged>,
    /// Dropped last, for the ports stand in it.
    _folder: TempDir,
}

#[derive(Debug)]
struct Plugged {
    /// Without them, socat ends with the first program that closes a port.
    _held_open: [File; 2],
    _socat: Running,
}

impl Cable {
    /// A cable that is plugged in at both ends.
    ///
    /// # Panics
    /// Where socat is not installed or makes no ports.
    pub fn plug() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = ["left", "right"].map(|name| folder.path().join(name));
        let plugged = Some(plugged(&ports));
        Self { ports, plugged, _folder: folder }
    }

    /// The paths of the two ports.
    pub fn ports(&self) -> &[PathBuf; 2] {
        &self.ports
    }

    /// Takes both ports away, paths and all: programs that have one open find it gone.
    ///
    /// # Panics
    /// Where the paths cannot be removed.
    pub fn unplug(&mut self) {
        if self.plugged.is_some() {
            // First, for another pseudo-terminal may be where they point to once socat is gone.
            self.ports.iter().for_each(|port| fs::remove_file(port).expect("a port"));
        }
        self.plugged = None;
    }

    /// Brings both ports back, under the same paths, with nothing left of what was sent before.
    ///
    /// # Panics
    /// As [`plug`](Self::plug) does.
    pub fn replug(&mut self) {
        self.unplug();
        self.plugged = Some(plugged(&self.ports));
    }
}

fn plugged(ports: &[PathBuf; 2]) -> Plugged {
    let end = |port: &Path| format!("pty,raw,echo=0,link={}", port.display());
    let [left, right] = ports;
    let mut socat = Command::new("socat");
    socat.args([end(left), end(right)]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut socat = Running::start(&mut socat, "socat");
    let start = Instant::now();
    while !ports.iter().all(|port| port.exists()) {
        assert!(!socat.has_ended(), "socat ended before it made its ports");
        assert!(start.elapsed() < STARTING, "socat makes no ports");
        sleep(Duration::from_millis(1));
    }
    let open = |port| File::options().read(true).write(true).open(port).expect("a port");
    Plugged { _held_open: [open(left), open(right)], _socat: socat }
}
