//! Who decides about newcomers. Not here: what an introduction is.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use stringphone_protocol::{Fingerprint, ParticipantId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::TopicError;
use crate::event::Participant;

/// What becomes of newcomers that introduce themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Somebody is asked, through [`introductions`](crate::TopicHandle::introductions). A question
    /// that is dropped, or that nobody answers in time, is answered with no.
    #[default]
    Ask,
    /// Everybody is admitted for this long, then nobody: the original's pairing period.
    Window(Duration),
    /// These are admitted, nobody else.
    AllowList(BTreeSet<ParticipantId>),
    /// Nobody is admitted.
    Nobody,
}

/// A policy in force.
pub(super) enum Policy {
    Ask,
    /// Until then; for ever, where the clock does not reach that far.
    Window(Option<Instant>),
    AllowList(BTreeSet<ParticipantId>),
    Nobody,
}

/// What a policy says of one newcomer.
pub(super) enum Verdict {
    Admit,
    Deny,
    Ask,
}

impl From<Admission> for Policy {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Ask => Self::Ask,
            Admission::Window(open) => Self::Window(Instant::now().checked_add(open)),
            Admission::AllowList(allowed) => Self::AllowList(allowed),
            Admission::Nobody => Self::Nobody,
        }
    }
}

impl Policy {
    pub(super) fn verdict(&self, newcomer: ParticipantId) -> Verdict {
        let admit = match self {
            Self::Ask => return Verdict::Ask,
            Self::Window(until) => until.is_none_or(|until| Instant::now() < until),
            Self::AllowList(allowed) => allowed.contains(&newcomer),
            Self::Nobody => false,
        };
        if admit { Verdict::Admit } else { Verdict::Deny }
    }
}

/// How an approved introduction ended.
pub(super) type Outcome = oneshot::Sender<Result<(), TopicError>>;

/// A newcomer who asks for the topic key. Dropping it denies.
#[must_use = "dropping an introduction denies it"]
pub struct Introduction {
    participant: Participant,
    approval: oneshot::Sender<Outcome>,
}

impl Introduction {
    /// The question, and the future that yields an approval, or an error for a denial.
    pub(super) fn ask(participant: Participant) -> (Self, oneshot::Receiver<Outcome>) {
        let (approval, answer) = oneshot::channel();
        (Self { participant, approval }, answer)
    }

    /// Who asks.
    #[must_use]
    pub fn participant(&self) -> Participant {
        self.participant
    }

    /// What to compare with what the newcomer shows.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.participant.fingerprint()
    }

    /// Trusts the newcomer and sends it the topic key. Returns once both are stored.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where the newcomer waited too long for this answer;
    /// [`TopicError::Stopped`] where the topic has stopped.
    pub async fn approve(self) -> Result<(), TopicError> {
        let (outcome, done) = oneshot::channel();
        self.approval.send(outcome).map_err(|_| TopicError::Stopped)?;
        done.await.map_err(|_| TopicError::Stopped)?
    }

    /// Turns the newcomer down; it is not asked about again for a while.
    pub async fn deny(self) -> Result<(), TopicError> {
        Ok(())
    }
}

impl fmt::Debug for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Introduction({})", self.participant.id())
    }
}

/// A stream of newcomers to decide about. It ends when the topic stops, or when somebody else asks
/// for the stream: a question has one addressee.
pub struct Introductions(pub(super) mpsc::Receiver<Introduction>);

impl Stream for Introductions {
    type Item = Introduction;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Introduction>> {
        self.0.poll_recv(cx)
    }
}
