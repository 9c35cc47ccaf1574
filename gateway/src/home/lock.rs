//! One process owns a home. Not here: how others speak to it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process;

use super::Home;
use crate::failure::Failure;

/// The most that is believed of what a lock file says.
const WORDS: u64 = 200;

/// Held as long as this process owns the home; the operating system takes it back when it ends,
/// however it does.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(home: &Home, holder: &str) -> Result<Self, Failure> {
        let path = home.folder().join("lock");
        let failed = |error| Failure::file(&path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(home, &mut file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let said = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "`stringphone {holder}`, process {}", process::id()));
        said.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn taken(home: &Home, file: &mut File) -> Failure {
    let mut holder = String::new();
    // Only for the message.
    let read = file.take(WORDS).read_to_string(&mut holder);
    if read.is_err() || holder.is_empty() {
        holder = "another process".into();
    }
    Failure::failed(format!(
        "{} is in use by {holder}: one process owns a home. Wait for it \
         or stop it, or give this one a home of its own with --home DIR. Beside `up` and `join`, \
         commands such as `send` and `listen` work.",
        home.folder().display()
    ))
}
