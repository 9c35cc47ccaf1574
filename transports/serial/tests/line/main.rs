//! What a line does to frames: noise, slowness, plugs that are pulled, and others on the same wire.
//! Not the claims of every transport: see `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod noise;
mod plugging;
mod shared;
mod slow;

use std::{path::Path, time::Duration};

use futures::StreamExt;
use stringphone_serial::Serial;
use stringphone_transport::{ChannelName, Channels, Frame, Incoming, Link, Transport};
use tokio::time::timeout;
use tokio_serial::SerialStream;

/// Nothing here takes so long, on any machine.
const LONG: Duration = Duration::from_secs(60);

fn name(name: &str) -> ChannelName {
    name.try_into().unwrap()
}

/// A frame of so many bytes, the first of which is its number.
fn numbered(number: u8, len: usize) -> Frame {
    let mut bytes = vec![0x5a; len];
    bytes[0] = number;
    Frame::on(name("x"), bytes)
}

fn at(port: &Path) -> Serial {
    Serial::at(port.display().to_string())
}

async fn connected(serial: &mut Serial) -> Link {
    serial.connect(Channels::new([]).1).await.unwrap()
}

/// The bytes of a port as they are.
fn raw(port: &Path) -> SerialStream {
    SerialStream::open(&tokio_serial::new(port.display().to_string(), 115_200)).unwrap()
}

/// The next frame, and how much was reported as garbage before it.
async fn next(incoming: &mut Incoming) -> (Frame, u64) {
    let mut garbage = 0;
    loop {
        match timeout(LONG, incoming.next()).await.unwrap().unwrap() {
            Ok(frame) => return (frame, garbage),
            Err(stringphone_transport::TransportError::Malformed { dropped, .. }) => {
                garbage += dropped;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
