//! What writes to a connection: frames, the announcement of channels, and pings.
//! Not the queue that frames wait in.

use std::{future::Future, time::Duration};

use futures::{SinkExt, stream::SplitSink};
use stringphone_transport::{ChannelChanges, Channels, Frame, TransportError};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    link::Socket,
    messages::{PING, down, message},
};

type Writer = SplitSink<Socket, Message>;

/// How long the other side may take to accept what is written in one go.
const STALL: Duration = Duration::from_secs(30);

/// Frames are gathered up to this many bytes.
const BATCH: usize = 64 * 1024;

/// Writes until the queue closes.
pub(crate) async fn write(
    mut writer: Writer,
    mut frames: mpsc::Receiver<Frame>,
    mut channels: Channels,
) -> Result<(), TransportError> {
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            changes = channels.changed() => in_time(announce(&mut writer, changes)).await?,
            _ = ping.tick() => in_time(writer.send(Message::Ping(vec![].into()))).await?,
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                in_time(write_all(&mut writer, frame, &mut frames)).await?;
            }
        }
    }
    in_time(writer.close()).await
}

/// An empty frame on a channel makes the room forward it.
async fn announce(writer: &mut Writer, changes: ChannelChanges) -> tungstenite::Result<()> {
    for channel in changes.opened {
        writer.feed(message(&Frame::on(channel, vec![]))).await?;
    }
    writer.flush().await
}

/// This frame, and as many that wait as make a batch.
async fn write_all(
    writer: &mut Writer,
    first: Frame,
    frames: &mut mpsc::Receiver<Frame>,
) -> tungstenite::Result<()> {
    let (mut next, mut written) = (Some(first), 0);
    while let Some(frame) = next {
        written += frame.bytes.len();
        writer.feed(message(&frame)).await?;
        next = if written < BATCH { frames.try_recv().ok() } else { None };
    }
    writer.flush().await
}

async fn in_time(
    writing: impl Future<Output = tungstenite::Result<()>>,
) -> Result<(), TransportError> {
    match timeout(STALL, writing).await {
        Ok(written) => written.map_err(down),
        Err(_) => Err(TransportError::Timeout { what: "writing", after: STALL }),
    }
}
