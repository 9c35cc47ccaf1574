//! The way from a link to one topic. Not here: the link.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::{Inbound, State};
use crate::event::LinkId;

/// How long everybody on a link waits for a topic that does not take its frames. From then on,
/// until it is back, what arrives for it is lost, and it is told how much.
const PATIENCE: Duration = Duration::from_secs(1);

/// A topic's inbox, and what the topic was not told yet because the inbox was full.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) id: LinkId,
    inbox: Sender<Inbound>,
    lost: u64,
    state: Option<State>,
}

impl Route {
    pub(super) fn new(id: LinkId, inbox: Sender<Inbound>, state: Option<State>) -> Self {
        let mut route = Self { id, inbox, lost: 0, state };
        route.catch_up();
        route
    }

    /// The topic is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }

    /// The link changed its state, which the topic learns as soon as it takes anything.
    pub(super) fn tell(&mut self, state: State) {
        self.state = Some(state);
        self.catch_up();
    }

    pub(super) fn lose(&mut self, frames: u64) {
        self.lost = self.lost.saturating_add(frames);
        self.catch_up();
    }

    /// Hands over a frame. Where the inbox is full, gives back what to wait for.
    pub(super) fn offer(&mut self, frame: Bytes) -> Result<(), Waiting> {
        let behind = !self.catch_up();
        match self.inbox.try_reserve() {
            Ok(permit) => permit.send(Inbound::Frame(frame)),
            Err(TrySendError::Full(())) if !behind => {
                return Err(Waiting { inbox: self.inbox.clone(), frame });
            }
            // It is behind already, and nobody waits for it again.
            Err(TrySendError::Full(())) => self.lost = self.lost.saturating_add(1),
            Err(TrySendError::Closed(())) => {}
        }
        Ok(())
    }

    /// Tells what the topic was not told; false if there is no room for it yet.
    fn catch_up(&mut self) -> bool {
        if let Some(state) = &self.state {
            if self.inbox.try_send(state.clone().into()).is_err() {
                return false;
            }
            self.state = None;
        }
        if self.lost > 0 {
            if self.inbox.try_send(Inbound::Lost(self.lost)).is_err() {
                return false;
            }
            self.lost = 0;
        }
        true
    }
}

/// A frame that waits for a topic to make room.
pub(super) struct Waiting {
    inbox: Sender<Inbound>,
    frame: Bytes,
}

impl Waiting {
    /// False if the topic made no room in time, and the frame is lost.
    pub(super) async fn deliver(self) -> bool {
        let sent = self.inbox.send(Inbound::Frame(self.frame));
        tokio::time::timeout(PATIENCE, sent).await.is_ok()
    }
}
