//! What a link carries in pieces, both ways, while it is up: PROTOCOL §1.5. Not here: the link.

mod reassembly;
mod resend;
#[cfg(test)]
mod tests;
mod wire;

use std::cell::RefCell;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use reassembly::{Reassembly, Taken};
use resend::Resend;
use wire::Read;

pub(super) use wire::Split;
pub(crate) use wire::{is_reserved, largest};

use crate::transport::{ChannelName, Facts, Frame};

/// Shared by the half that reads and the half that writes, which take turns.
#[derive(Debug)]
pub(super) struct Pieces {
    incoming: RefCell<Reassembly>,
    outgoing: RefCell<Resend>,
    answers: mpsc::Sender<Frame>,
}

/// What a frame from the link amounts to.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) whole: Option<Frame>,
    /// The channels of frames that are lost.
    pub(super) lost: Vec<Option<ChannelName>>,
}

impl Pieces {
    pub(super) fn new(facts: &Facts, salt: u32, answers: mpsc::Sender<Frame>) -> Self {
        // On a link that carries every frame whole, pieces are somebody else's idea.
        let asks = !facts.reliable && facts.max_frame < wire::FRAME;
        Self {
            incoming: RefCell::new(Reassembly::new(asks, salt)),
            outgoing: RefCell::default(),
            answers,
        }
    }

    /// A frame from the link: the topic's, or a part of one.
    pub(super) fn read(&self, frame: Frame) -> Arrived {
        let Frame { channel, bytes } = frame;
        let now = Instant::now();
        match wire::read(bytes) {
            Read::Whole(bytes) => {
                Arrived { whole: Some(Frame { channel, bytes }), lost: Vec::new() }
            }
            Read::Piece { name, number, bytes } => {
                let piece = (name, number, bytes);
                let (taken, mut lost) =
                    self.incoming.borrow_mut().take(channel.clone(), piece, now);
                let whole = match taken {
                    Taken::Waits => None,
                    Taken::Whole(bytes) => Some(Frame { channel, bytes }),
                    Taken::Garbled => {
                        lost.push(channel);
                        None
                    }
                };
                Arrived { whole, lost }
            }
            Read::Request { name, wanted } => {
                let pieces =
                    self.outgoing.borrow_mut().answer(channel.as_ref(), name, &wanted, now);
                pieces.into_iter().for_each(|piece| self.say(channel.clone(), piece));
                self.incoming.borrow_mut().overhear(channel, name, &wanted, now);
                Arrived::default()
            }
            Read::Malformed => Arrived { whole: None, lost: vec![channel] },
        }
    }

    fn say(&self, channel: Option<ChannelName>, bytes: Bytes) {
        // Whoever misses it asks again.
        let _ = self.answers.try_send(Frame { channel, bytes });
    }

    /// A frame left in pieces.
    pub(super) fn keep(&self, channel: Option<ChannelName>, split: Split) {
        self.outgoing.borrow_mut().keep(channel, split, Instant::now());
    }

    /// Waits until [`expire`](Self::expire) has something to do: for ever, if nothing is on its way.
    pub(super) async fn due(&self) {
        let deadline = self.incoming.borrow().deadline();
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// Asks for what is missing; the channels of frames that are given up.
    pub(super) fn expire(&self) -> Vec<Option<ChannelName>> {
        let due = self.incoming.borrow_mut().expire(Instant::now());
        due.requests.into_iter().for_each(|(channel, request)| self.say(channel, request));
        due.lost
    }
}
