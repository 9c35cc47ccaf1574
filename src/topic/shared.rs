//! What a topic's actor and its handles both see. Not here: anything secret.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use stringphone_protocol::ParticipantId;
use tokio::sync::{mpsc, oneshot, watch};

use super::publish::{Conditions, Outgoing};
use crate::error::TopicError;
use crate::event::Participant;
use crate::transport::ChannelName;

/// What the actor and its handles both see.
pub(super) struct Shared {
    pub(super) name: ChannelName,
    pub(super) participant: Participant,
    pub(super) status: watch::Sender<Status>,
    /// The largest body that every attached link can carry.
    pub(super) max_body: AtomicUsize,
    /// Bytes of body that a frame is filled with, of several messages.
    pub(super) fill: AtomicUsize,
    /// How many links are attached.
    pub(super) links: AtomicUsize,
    /// Why the topic is about to stop, once its links are closed.
    ending: OnceLock<TopicError>,
    /// What can't be sent now is kept.
    outbox: bool,
    /// The next message whose receipts are wanted.
    pub(super) ticket: AtomicU64,
}

#[derive(Clone)]
pub(super) enum Status {
    /// No key yet; these have answered our introduction.
    Joining(Vec<Participant>),
    Ready,
    Stopped(TopicError),
}

impl Status {
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Self::Ready | Self::Stopped(_))
    }

    /// The first of those who answered our introduction.
    pub(super) fn answer(&self) -> Option<Participant> {
        match self {
            Self::Joining(answers) => answers.first().copied(),
            _ => None,
        }
    }
}

impl Shared {
    pub(super) fn new(name: ChannelName, participant: Participant, outbox: bool) -> Self {
        let status = watch::Sender::new(Status::Joining(Vec::new()));
        Self {
            name,
            participant,
            status,
            max_body: AtomicUsize::new(usize::MAX),
            fill: AtomicUsize::new(usize::MAX),
            links: AtomicUsize::new(0),
            ending: OnceLock::new(),
            outbox,
            ticket: AtomicU64::new(1),
        }
    }

    /// Whether what can't be sent now is kept.
    pub(super) const fn has_outbox(&self) -> bool {
        self.outbox
    }

    pub(super) fn set(&self, status: Status) {
        self.status.send_replace(status);
    }

    pub(super) fn answered(&self, who: Participant) {
        self.status.send_if_modified(|status| match status {
            Status::Joining(answers) if !answers.contains(&who) => {
                answers.push(who);
                true
            }
            _ => false,
        });
    }

    pub(super) fn rejected(&self, id: ParticipantId) {
        self.status.send_if_modified(|status| {
            if let Status::Joining(answers) = status {
                answers.retain(|who| who.id() != id);
            }
            true
        });
    }

    /// Nothing more is taken; the links are closing.
    pub(super) fn ends(&self, why: TopicError) {
        // The first reason stands.
        let _ = self.ending.set(why);
    }

    /// The topic has stopped; the first reason stands.
    pub(super) fn stopped(&self, why: TopicError) {
        self.status.send_if_modified(|status| {
            let first = !matches!(status, Status::Stopped(_));
            if first {
                *status = Status::Stopped(why);
            }
            first
        });
    }

    /// Puts a message into the topic's queue, if there is any use in that.
    pub(super) async fn enqueue(
        &self,
        queue: mpsc::Sender<Outgoing>,
        body: Bytes,
        mut conditions: Conditions,
    ) -> Result<(), TopicError> {
        match &*self.status.borrow() {
            Status::Ready => {}
            Status::Stopped(error) => return Err(error.clone()),
            Status::Joining(_) => return Err(TopicError::NotReady),
        }
        let (len, max) = (body.len(), self.max_body.load(Ordering::Relaxed));
        if len > max {
            return Err(TopicError::TooLarge { len, max });
        }
        if self.outbox {
            let (taken, outcome) = oneshot::channel();
            conditions.taken = Some(taken);
            let outgoing = Outgoing::new(body, conditions);
            queue.send(outgoing).await.map_err(|_| self.why_stopped())?;
            return outcome.await.map_err(|_| self.why_stopped())?;
        }
        if self.links.load(Ordering::Relaxed) == 0 {
            return Err(TopicError::NoLink);
        }
        let outgoing = Outgoing::new(body, conditions);
        queue.send(outgoing).await.map_err(|_| self.why_stopped())
    }

    pub(super) fn why_stopped(&self) -> TopicError {
        match &*self.status.borrow() {
            Status::Stopped(error) => error.clone(),
            _ => self.ending.get().cloned().unwrap_or(TopicError::Stopped),
        }
    }
}

/// Goes with the topic's actor: however that ends, nobody waits for it in vain.
pub(super) struct Alive(pub(super) Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        // An actor that ends in order has said so before.
        self.0.stopped(TopicError::Crashed);
    }
}
