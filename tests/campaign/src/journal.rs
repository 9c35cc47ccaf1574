//! What a device remembers of its own, apart from what the library stores: one line for each thing,
//! safe on disk before anything else happens. Not read while its device runs.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use stringphone::{MessageId, ParticipantId};

use crate::Failure;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// It is about to publish this number: whether it did, only what follows tells.
    Says(u64),
    /// The library has taken it, and answers for it from now on.
    Said(u64),
    /// Every member has it.
    Confirmed(u64),
    /// So many of its messages are not confirmed by everybody; told once nobody says anything new.
    Unconfirmed(usize),
    /// An alarm, or a message given up: there must be none.
    Alarm(String),
    /// The application has taken this message.
    Took(Message),
}

/// A message as its receiver's application knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Message {
    /// The sender's id.
    pub from: String,
    /// The sender's incarnation.
    pub incarnation: u32,
    /// The frame's counter.
    pub counter: u64,
    /// The place in the frame.
    pub place: u32,
    /// Its number, as the sender said it.
    pub number: u64,
}

impl Message {
    pub(crate) fn new(from: ParticipantId, id: MessageId, number: u64) -> Self {
        let MessageId { incarnation, counter, place } = id;
        Self { from: from.to_string(), incarnation, counter, place, number }
    }
}

/// A journal that is written to.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens the journal, or begins it, and returns what it holds. A line that was not finished is cut
    /// off: it never happened.
    ///
    /// # Errors
    /// Where the file can't be read or written, or holds something else.
    pub fn open(path: &Path) -> Result<(Self, Vec<Entry>), Failure> {
        let (entries, whole) = read(path)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(whole)?;
        Ok((Self(file), entries))
    }

    /// Adds a line; when this returns, it outlives a kill.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn add(&mut self, entry: &Entry) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        Ok(self.0.sync_data()?)
    }
}

/// The entries of a journal, none where there is no file, and the bytes that they take.
///
/// # Errors
/// Where the file can't be read, or holds something else.
pub fn read(path: &Path) -> Result<(Vec<Entry>, u64), Failure> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let lines = text.get(..whole).unwrap_or_default().lines();
    let entries = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok((entries, u64::try_from(whole)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_not_finished_never_happened() -> Result<(), Failure> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("journal");
        let (mut journal, none) = Journal::open(&path)?;
        assert!(none.is_empty());
        journal.add(&Entry::Says(1))?;
        drop(journal);
        OpenOptions::new().append(true).open(&path)?.write_all(b"{\"Sa")?;
        let (mut journal, entries) = Journal::open(&path)?;
        assert_eq!(entries, [Entry::Says(1)]);
        journal.add(&Entry::Said(1))?;
        assert_eq!(read(&path)?.0, [Entry::Says(1), Entry::Said(1)]);
        Ok(())
    }
}
