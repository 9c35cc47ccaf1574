//! One peer of a room: its task, which reads, forwards and writes until the peer has to go.
//! Not the decision who may come: the room accepts.

use std::{io, net::SocketAddr, sync::Arc};

use futures::{SinkExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    DropReason, Opening,
    members::{Place, Seat},
    outbox::{OVERHEAD, Outbox, caught_up},
};
use crate::{Channels, Frame, Incoming, Outgoing, TransportError};

/// A frame for the carrier, with the room that it takes from its sender's bounds.
pub(crate) type Unhandled = (Frame, OwnedSemaphorePermit, Place);

/// The way to the carrier. Unbounded as a queue; its bound is what each peer may have in it, so
/// that a flood from one leaves the way open for the others.
pub(crate) struct ToCarrier {
    pub(crate) queue: mpsc::UnboundedSender<Unhandled>,
    pub(crate) channels: Channels,
}

/// Opens the connection and serves it until the peer has to go, also in the middle of its handshake.
pub(crate) async fn serve(opening: Opening, peer: SocketAddr, seat: Seat, carrier: ToCarrier) {
    let stats = seat.members().stats().clone();
    let outbox = Arc::clone(seat.outbox());
    // Once it is open, the socket outlives the count, so whoever sees it closed finds it counted.
    let mut halves = None;
    let serving = async {
        let (reader, writer) = match opening.await {
            Ok(opened) => halves.insert(opened),
            Err(error) => return reason(&error),
        };
        tokio::select! {
            biased;
            reason = write(writer, &outbox) => reason,
            reason = read(reader, seat, carrier) => reason,
        }
    };
    let reason = tokio::select! {
        biased;
        reason = outbox.is_put_out() => reason,
        reason = serving => reason,
    };
    stats.count(reason);
    tracing::debug!(%peer, %reason, "a peer left the room");
}

/// Reads, forwards and hands to the carrier, in this order of patience: the peer itself waits while
/// the carrier is busy with its frames, and a moment for others who have fallen behind.
async fn read(reader: &mut Incoming, mut seat: Seat, carrier: ToCarrier) -> DropReason {
    let bound = seat.members().limits().unhandled.clamp(1, MOST_PERMITS);
    let unhandled = Arc::new(Semaphore::new(bound));
    while let Some(frame) = reader.next().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return reason(&error),
        };
        let Some(channel) = &frame.channel else {
            return DropReason::Garbage;
        };
        if let Err(reason) = seat.listen(channel) {
            return reason;
        }
        if frame.bytes.is_empty() {
            continue;
        }
        if carrier.channels.contains(channel) {
            let cost = u32::try_from((frame.bytes.len() + OVERHEAD).min(bound)).unwrap_or(u32::MAX);
            let permit = Arc::clone(&unhandled).acquire_many_owned(cost).await;
            let Ok(permit) = permit else {
                return DropReason::Left;
            };
            if carrier.queue.send((frame.clone(), permit, seat.place())).is_err() {
                return DropReason::Left;
            }
        }
        caught_up(seat.members().deliver(&frame, Some(seat.outbox().id()))).await;
    }
    DropReason::Left
}

/// What one acquisition of permits can ask for, and a semaphore can hold.
const MOST_PERMITS: usize = (u32::MAX >> 3) as usize;

/// Writes as many frames in one go as there are.
async fn write(writer: &mut Outgoing, outbox: &Outbox) -> DropReason {
    loop {
        let result = match outbox.pop() {
            Some(frame) => writer.feed(frame).await,
            None => {
                let result = writer.flush().await;
                if result.is_ok() {
                    outbox.filled().await;
                }
                result
            }
        };
        if let Err(error) = result {
            return reason(&error);
        }
    }
}

fn reason(error: &TransportError) -> DropReason {
    match error {
        TransportError::Framing(_) | TransportError::Malformed { .. } => DropReason::Garbage,
        TransportError::Timeout { .. } => DropReason::HalfFrame,
        TransportError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            DropReason::WriteStall
        }
        _ => DropReason::Left,
    }
}
