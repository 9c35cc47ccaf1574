//! What a line at 115,200 bits a second has left for payload, and how many frames a port can move.
//! Not the speed of a line: a pseudo-terminal has none.
//!
//! `cargo bench -p stringphone-serial`

#[path = "../../../benches/measure/mod.rs"]
mod measure;

use std::{
    error::Error,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Instant,
};

use futures::{SinkExt, StreamExt};
use measure::{median, pin, watch};
use stringphone_serial::{Serial, Settings};
use stringphone_servers::pty::Cable;
use stringphone_transport::{ChannelName, Channels, Frame, Link, Transport, TransportError};
use tokio::task::spawn_blocking;

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// What protocol V2 adds to a message.
const SEALED: usize = 97;
const CHANNEL: &str = "greenhouse";

/// A byte takes ten bits.
const BYTES_A_SECOND: f64 = 11_520.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    pin();
    for payload in [16, 1024] {
        share(payload).await?;
        frames_a_second(payload).await?;
    }
    Ok(())
}

/// How much of what is on the wire is payload: counted at the other end, byte by byte.
async fn share(payload: usize) -> Done {
    const FRAMES: usize = 400;

    let cable = Cable::plug();
    let [near, far] = cable.ports().each_ref().map(PathBuf::as_path);
    let mut wire = File::open(far)?;
    let Link { mut outgoing, .. } = connected(near).await?;
    let counting = spawn_blocking(move || {
        let (mut bytes, mut zeros, mut read) = (0, 0, [0; 4096]);
        // A frame stands between two of them, and holds none.
        while zeros < 2 * FRAMES {
            let len = wire.read(&mut read)?;
            bytes += len;
            zeros += read.iter().take(len).filter(|byte| **byte == 0).count();
        }
        Ok::<_, io::Error>(bytes)
    });
    for _ in 0..FRAMES {
        outgoing.send(sealed(payload)?).await?;
    }
    let bytes = counting.await??;
    let (part, each) = ((FRAMES * payload) as f64 / bytes as f64, bytes as f64 / FRAMES as f64);
    let figure = format!(
        "{:.0} % of the line, {:.0} payload bytes a second, {each:.1} bytes a frame",
        part * 100.0,
        part * BYTES_A_SECOND
    );
    watch(&format!("serial.payload_{payload}_at_115200"), &figure);
    Ok(())
}

/// From port to port over a pair of pseudo-terminals, one after the other.
async fn frames_a_second(payload: usize) -> Done {
    const FRAMES: u32 = 10_000;
    const ROUNDS: usize = 5;

    let cable = Cable::plug();
    let [near, far] = cable.ports().each_ref().map(PathBuf::as_path);
    let Link { mut outgoing, .. } = connected(near).await?;
    let Link { mut incoming, .. } = connected(far).await?;
    let frame = sealed(payload)?;
    let mut rates = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let sending = async {
            for _ in 0..FRAMES {
                outgoing.send(frame.clone()).await?;
            }
            Ok::<_, TransportError>(())
        };
        let receiving = async {
            for _ in 0..FRAMES {
                incoming.next().await.ok_or(TransportError::Closed)??;
            }
            Ok(())
        };
        tokio::try_join!(sending, receiving)?;
        rates.push(f64::from(FRAMES) / start.elapsed().as_secs_f64());
    }
    let figure = format!("{:.0} frames a second", median(rates.into_iter()));
    watch(&format!("serial.frames_{payload}_over_ptys"), &figure);
    Ok(())
}

async fn connected(port: &Path) -> Done<Link> {
    let mut settings = Settings::default();
    settings.max_frame = 1024 + SEALED;
    let mut serial = Serial::at(port.to_string_lossy()).settings(settings);
    Ok(serial.connect(Channels::new([]).1).await?)
}

/// Random, as sealed frames are.
fn sealed(payload: usize) -> Done<Frame> {
    let mut bytes = vec![0; payload + SEALED];
    getrandom::fill(&mut bytes)?;
    Ok(Frame::on(ChannelName::try_from(CHANNEL)?, bytes))
}
