//! Everything that devices send, kept in files, and what is checked of it without any key. Not what
//! was heard: a room or a broker that is killed loses frames, and with them what is to be found.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::Path;

use async_trait::async_trait;
use futures::SinkExt;
use futures::future::ready;
use stringphone::transport::{Channels, Facts, Frame, Link, Transport, TransportError};

use crate::Failure;

/// The first byte of a V2 message frame, and where its nonce is.
const MESSAGE: u8 = 0x20;
const NONCE: std::ops::Range<usize> = 3..27;
/// No frame is larger.
const MAX_FRAME: u32 = 1 << 20;

/// A transport whose frames are written down before they leave: a kill takes none of them away.
#[derive(Debug)]
pub struct Recorded<T> {
    inner: T,
    file: File,
}

impl<T> Recorded<T> {
    /// Records what is sent over this transport into a file.
    ///
    /// # Errors
    /// Where the file exists, or can't be made.
    pub fn new(inner: T, path: &Path) -> io::Result<Self> {
        Ok(Self { inner, file: File::create_new(path)? })
    }
}

#[async_trait]
impl<T: Transport> Transport for Recorded<T> {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let mut file = self.file.try_clone()?;
        let link = self.inner.connect(channels).await?;
        let outgoing = link.outgoing.with(move |frame: Frame| {
            ready(write(&mut file, &frame.bytes).map(|()| frame).map_err(TransportError::from))
        });
        Ok(Link::new(link.incoming, outgoing))
    }
}

/// Writes a frame at once: what the system has taken outlives the process.
fn write(file: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
    file.write_all(&[&len.to_be_bytes(), frame].concat())
}

/// What was on the wire.
#[derive(Debug, Default)]
pub struct Wire {
    /// Frames of all kinds.
    pub frames: u64,
    /// Nonces that stand in two different frames: there must be none.
    pub reused: u64,
    /// A hash of the message frame of each nonce. That two have the same is no more likely than that
    /// nobody is caught by it.
    seen: HashMap<[u8; 24], u64>,
}

impl Wire {
    /// Message frames that differ.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.seen.len()
    }

    /// Adds a recording.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn add(&mut self, path: &Path) -> Result<(), Failure> {
        let mut file = BufReader::new(File::open(path)?);
        while let Some(frame) = read(&mut file)? {
            self.frames += 1;
            let nonce = frame.get(NONCE).and_then(|nonce| <[u8; 24]>::try_from(nonce).ok());
            let (Some(&MESSAGE), Some(nonce)) = (frame.first(), nonce) else { continue };
            let mut hasher = DefaultHasher::new();
            frame.hash(&mut hasher);
            let hash = hasher.finish();
            self.reused += u64::from(*self.seen.entry(nonce).or_insert(hash) != hash);
        }
        Ok(())
    }
}

/// The next frame; `None` at the end, or where a kill has cut it off: it never left.
fn read(file: &mut impl Read) -> Result<Option<Vec<u8>>, Failure> {
    let mut len = [0; 4];
    let mut whole = |bytes: &mut [u8]| match file.read_exact(bytes) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    };
    if !whole(&mut len)? {
        return Ok(None);
    }
    let len = u32::from_be_bytes(len);
    if len > MAX_FRAME {
        return Err("this is no recording".into());
    }
    let mut frame = vec![0; usize::try_from(len)?];
    Ok(whole(&mut frame)?.then_some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_of_two_frames_is_found_and_a_frame_that_comes_again_is_not() -> Result<(), Failure> {
        let folder = tempfile::tempdir()?;
        let frame = |nonce: u8, body: u8| [&[0x20, 0, 0][..], &[nonce; 24], &[body; 70]].concat();
        let (path, mut wire) = (folder.path().join("one life"), Wire::default());
        let mut file = File::create(&path)?;
        for bytes in [frame(1, 1), frame(2, 1), frame(1, 1), vec![0x21; 100], vec![0x20; 5]] {
            write(&mut file, &bytes)?;
        }
        // Killed while it wrote.
        file.write_all(&[0, 0, 0, 9, 1])?;
        wire.add(&path)?;
        assert_eq!((wire.frames, wire.messages(), wire.reused), (5, 2, 0));
        let path = folder.path().join("the next");
        write(&mut File::create(&path)?, &frame(2, 2))?;
        wire.add(&path)?;
        assert_eq!((wire.messages(), wire.reused), (2, 1));
        Ok(())
    }
}
