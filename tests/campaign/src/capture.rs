//! Everything that passes a room or a broker, kept in a file, and what is checked of it without any
//! key. Not a proxy: who taps is one more peer, who only listens.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use stringphone::transport::{ChannelName, Channels, Transport};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::Failure;

/// The first byte of a V2 message frame, and where its nonce is.
const MESSAGE: u8 = 0x20;
const NONCE: std::ops::Range<usize> = 3..27;
/// No frame is larger.
const MAX_FRAME: u32 = 1 << 20;

/// A tap, which records until it is finished.
#[derive(Debug)]
pub struct Tap {
    path: PathBuf,
    end: CancellationToken,
    again: Arc<Notify>,
    recording: AbortOnDropHandle<Result<(), String>>,
    up: watch::Receiver<bool>,
}

impl Tap {
    /// Records what is heard over this link into a file; a link that goes down is brought up again.
    #[must_use]
    pub fn start(link: impl Transport, channel: ChannelName, path: impl Into<PathBuf>) -> Self {
        let (path, end) = (path.into(), CancellationToken::new());
        let (told, up) = watch::channel(false);
        let again = Arc::new(Notify::new());
        let signals = Signals { end: end.clone(), again: again.clone(), told };
        let record = record(link, channel, path.clone(), signals);
        let recording = async move { record.await.map_err(|error| error.to_string()) };
        Self { path, end, again, recording: AbortOnDropHandle::new(tokio::spawn(recording)), up }
    }

    /// Waits until it listens for the first time.
    pub async fn listening(&mut self) {
        // A tap that has ended says why when it is finished.
        let _ = self.up.wait_for(|up| *up).await;
    }

    /// Closes the link, as if it were lost, and opens it again: a room is gone for a moment.
    pub fn restart(&self) {
        self.again.notify_one();
    }

    /// Ends the recording, and checks it.
    ///
    /// # Errors
    /// Where it could not be written or read.
    pub async fn finish(self) -> Result<Wire, Failure> {
        self.end.cancel();
        self.recording.await??;
        check(&self.path)
    }
}

struct Signals {
    end: CancellationToken,
    again: Arc<Notify>,
    told: watch::Sender<bool>,
}

async fn record(
    mut transport: impl Transport,
    channel: ChannelName,
    path: PathBuf,
    signals: Signals,
) -> Result<(), Failure> {
    let Signals { end, again, told } = signals;
    let mut file = BufWriter::new(File::create(path)?);
    while !end.is_cancelled() {
        // Who owns the channels says when the link closes.
        let (_owner, channels) = Channels::new([channel.clone()]);
        let Ok(mut link) = transport.connect(channels).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        told.send_replace(true);
        loop {
            let heard = tokio::select! {
                heard = link.incoming.next() => heard,
                () = end.cancelled() => None,
                () = again.notified() => None,
            };
            match heard {
                Some(Ok(frame)) => write(&mut file, &frame.bytes)?,
                Some(Err(_)) => {}
                None => break,
            }
        }
    }
    Ok(file.flush()?)
}

fn write(file: &mut impl Write, frame: &[u8]) -> Result<(), Failure> {
    file.write_all(&u32::try_from(frame.len())?.to_be_bytes())?;
    Ok(file.write_all(frame)?)
}

/// What was on the wire.
#[derive(Debug, Default)]
pub struct Wire {
    /// Frames of all kinds.
    pub frames: u64,
    /// Message frames that differ.
    pub messages: usize,
    /// Nonces that stand in two different frames: there must be none.
    pub reused: u64,
}

/// Reads a recording.
///
/// # Errors
/// Where it can't be read.
pub fn check(path: &Path) -> Result<Wire, Failure> {
    let (mut file, mut wire) = (BufReader::new(File::open(path)?), Wire::default());
    // The whole frames would not fit; that two have the same hash is no more likely than that nobody
    // is caught by it.
    let mut seen: HashMap<[u8; 24], u64> = HashMap::new();
    while let Some(frame) = read(&mut file)? {
        wire.frames += 1;
        let nonce = frame.get(NONCE).and_then(|nonce| <[u8; 24]>::try_from(nonce).ok());
        let (Some(&MESSAGE), Some(nonce)) = (frame.first(), nonce) else { continue };
        let mut hasher = DefaultHasher::new();
        frame.hash(&mut hasher);
        let hash = hasher.finish();
        wire.reused += u64::from(*seen.entry(nonce).or_insert(hash) != hash);
    }
    wire.messages = seen.len();
    Ok(wire)
}

/// The next frame; `None` at the end.
fn read(file: &mut impl Read) -> Result<Option<Vec<u8>>, Failure> {
    let mut len = [0; 4];
    match file.read_exact(&mut len) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let len = u32::from_be_bytes(len);
    if len > MAX_FRAME {
        return Err("this is no recording".into());
    }
    let mut frame = vec![0; usize::try_from(len)?];
    file.read_exact(&mut frame)?;
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_of_two_frames_is_found_and_a_frame_that_comes_again_is_not() -> Result<(), Failure> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("wire");
        let frame = |nonce: u8, body: u8| [&[0x20, 0, 0][..], &[nonce; 24], &[body; 70]].concat();
        let mut file = File::create(&path)?;
        for bytes in [frame(1, 1), frame(2, 1), frame(1, 1), vec![0x21; 100], vec![0x20; 5]] {
            write(&mut file, &bytes)?;
        }
        let wire = check(&path)?;
        assert_eq!((wire.frames, wire.messages, wire.reused), (5, 2, 0));
        write(&mut file, &frame(2, 2))?;
        assert_eq!(check(&path)?.reused, 1);
        Ok(())
    }
}
