//! Frames from the links, on their way into the session. Not here: what a frame is.

use std::task::{Context, Poll};

use bytes::Bytes;
use rayon::prelude::*;
use stringphone_protocol::{Checked, Input, Session};

use super::Bus;
use crate::carrier::Inbound;
use crate::event::Event;

/// Frames taken from one link in a round, before the others are looked at.
const FRAMES: usize = 64;
/// From so many on they are checked on all cores: handing over costs a good part of a check.
const BURST: usize = 4;

impl Bus {
    pub(super) fn poll_links(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        let mut burst = Vec::new();
        for at in 0..self.links.len() {
            for _ in 0..FRAMES {
                // While records are on their way to the store, frames are better left with the
                // link: what they cause would have to wait in the session.
                if self.storing.is_busy() || self.queue.is_closed() {
                    return moved;
                }
                let Some(link) = self.links.get_mut(at) else { break };
                let Poll::Ready(Some(inbound)) = link.poll_inbound(cx) else { break };
                moved = true;
                self.take(at, inbound, &mut burst);
            }
            self.read(&mut burst);
        }
        moved
    }

    /// Reads frames in their order; what is costly about them, on all cores. What comes out is
    /// looked at once for all.
    fn read(&mut self, burst: &mut Vec<Bytes>) {
        let session: &dyn Session = &*self.session;
        let checked: Vec<Checked<'_>> = if burst.len() < BURST {
            burst.iter().map(|frame| session.check(frame)).collect()
        } else {
            burst.par_iter().map(|frame| session.check(frame)).collect()
        };
        if checked.is_empty() {
            return;
        }
        for checked in checked {
            // Frames never fail.
            let _ = self.put(Input::Checked(checked));
        }
        burst.clear();
        self.drain();
    }

    fn take(&mut self, at: usize, inbound: Inbound, burst: &mut Vec<Bytes>) {
        if !matches!(inbound, Inbound::Frame(_)) {
            // What came before it is read before it.
            self.read(burst);
        }
        match inbound {
            Inbound::Frame(frame) => burst.push(frame),
            Inbound::Up => self.link_changed(at, true, |link, name| Event::LinkUp { link, name }),
            Inbound::Down(down) => self.link_changed(at, false, |link, name| Event::LinkDown {
                link,
                name,
                reason: down.reason,
                retry_in: down.retry_in,
            }),
            Inbound::Lost(frames) => {
                if let Some(link) = self.links.get(at).map(|link| link.id) {
                    self.lost(link, frames);
                }
            }
        }
    }
}
