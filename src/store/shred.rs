//! Files that held secrets, and have been replaced: overwritten before they go. Not more than a file
//! system allows: one that copies on write, a snapshot, or worn flash keeps what was there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Gives the file that is about to be replaced a second name, if there is one, so that it can still
/// be overwritten afterwards, whenever this process ends.
pub(crate) fn keep_old(path: &Path) -> Result<(), StoreError> {
    shred_old(path)?;
    let path = target(path);
    match fs::hard_link(&path, old(&path)) {
        // It has the name from an earlier try.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        kept => kept.map_err(|error| StoreError::Io { path, error }),
    }
}

/// Overwrites and removes what [`keep_old`] kept, if the file has been replaced. Otherwise it is but
/// another name of the file, and whoever gave it that may be about to replace it.
pub(crate) fn shred_old(path: &Path) -> Result<(), StoreError> {
    let path = target(path);
    let old = old(&path);
    let Ok(kept) = fs::metadata(&old) else { return Ok(()) };
    let io = |error| StoreError::Io { path: old.clone(), error };
    // The last copy of something is nobody's to destroy.
    let Ok(now) = fs::metadata(&path) else { return Ok(()) };
    if (now.dev(), now.ino()) == (kept.dev(), kept.ino()) {
        return Ok(());
    }
    match shred(&old) {
        // Somebody else did the same just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        shredded => shredded.map_err(io),
    }
}

/// Overwrites this file, and removes it.
pub(crate) fn shred(path: &Path) -> io::Result<()> {
    overwrite(&OpenOptions::new().write(true).open(path)?)?;
    fs::remove_file(path)
}

/// Overwrites all of this file, in place, and waits until that is on the disk.
pub(crate) fn overwrite(mut file: &File) -> io::Result<()> {
    file.rewind()?;
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

/// Behind a symbolic link it is the target that is replaced.
pub(super) fn target(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn old(path: &Path) -> PathBuf {
    beside(path, ".old")
}

/// The file of this name and ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
