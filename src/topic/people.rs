//! Who is in a topic, who gets in, and who goes. Not here: what is said in it.

use stringphone_protocol::v2::{Invitation, InviteOptions, Pin, Role};
use stringphone_protocol::{Command, Epoch, ParticipantId, PublicKey};
use tokio::sync::oneshot;

use super::admission::{Admission, Introductions};
use super::bus::Bus;
use super::handle::TopicHandle;
use super::shared::Status;
use crate::error::TopicError;
use crate::event::Participant;

/// Keys and participants.
impl TopicHandle {
    /// Waits until the topic key is held.
    ///
    /// # Errors
    ///
    /// [`TopicError::NeedsConfirmation`] where somebody answered our introduction who was not
    /// pinned: [`confirm`](Self::confirm) or [`reject`](Self::reject) it and wait again. Otherwise
    /// why the topic has stopped.
    pub async fn ready(&self) -> Result<(), TopicError> {
        match self.status(|status| status.answer().is_some() || status.is_settled()).await {
            Status::Stopped(error) => Err(error),
            Status::Ready => Ok(()),
            Status::Joining(answers) => match answers.first() {
                Some(who) => Err(TopicError::NeedsConfirmation(*who)),
                None => Err(TopicError::NotReady),
            },
        }
    }

    /// Waits for somebody to answer our introduction, to be confirmed or rejected.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped. Where the key is held already there is no answer to wait for,
    /// and this waits until the topic stops.
    pub async fn answer(&self) -> Result<Participant, TopicError> {
        let wanted =
            |status: &Status| status.answer().is_some() || matches!(status, Status::Stopped(_));
        let status = self.status(wanted).await;
        status.answer().ok_or_else(|| self.why_stopped())
    }

    /// Believes that this participant's answer to our introduction is the right one: takes its
    /// topic key into use, and trusts it. Returns once we are in the topic.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where nobody of this id has answered, or where different keys were
    /// offered in its name.
    pub async fn confirm(&self, admitter: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Confirm(admitter)).await?;
        // In V2 the admitter has a last word to say.
        match self.status(Status::is_settled).await {
            Status::Stopped(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Throws this participant's answer to our introduction away.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where nobody of this id has answered.
    pub async fn reject(&self, admitter: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Reject(admitter)).await
    }

    /// Trusts a participant: its messages are delivered from now on. Returns once that is stored.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where the bytes are no key that anybody could sign with.
    pub async fn trust(&self, key: PublicKey) -> Result<(), TopicError> {
        self.command(Command::Trust(key)).await
    }

    /// Ends the trust in a participant. Returns once that is stored.
    ///
    /// In Classic it keeps the topic key and goes on reading; only its own messages are refused.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it was not trusted.
    pub async fn remove(&self, participant: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Remove(participant)).await
    }

    /// The trusted participants, ordered by id.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn participants(&self) -> Result<Vec<Participant>, TopicError> {
        self.call(|bus| bus.participants()).await
    }

    /// Locks a participant out for good: everybody else gets new keys, and refuses what it says.
    /// Returns once that is stored and on its way; who is away now gets the keys later.
    ///
    /// Only a keeper can do that, and only to those who stand behind it: see `docs/PROTOCOL.md`
    /// §3.7. In Classic there is no such thing, only [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it is no member, or where we may not.
    pub async fn evict(&self, participant: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Evict(participant)).await
    }

    /// Makes a member a keeper, which admits, evicts, rekeys and names keepers as we do. V2.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where it is no member, or we are no keeper.
    pub async fn appoint(&self, participant: ParticipantId) -> Result<(), TopicError> {
        self.command(Command::Appoint(participant)).await
    }

    /// Gives everybody new keys now; it happens once a day by itself. V2.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no keeper.
    pub async fn rotate(&self) -> Result<(), TopicError> {
        self.command(Command::Rotate).await
    }

    /// Leaves the topic for good; it stops with [`TopicError::Evicted`]. V2.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no member yet.
    pub async fn leave(&self) -> Result<(), TopicError> {
        match self.command(Command::Leave).await {
            Ok(()) | Err(TopicError::Evicted) => Ok(()),
            // It was over before the answer was here; why, is known once the links are closed.
            Err(TopicError::Stopped) => {
                match self.status(|status| matches!(status, Status::Stopped(_))).await {
                    Status::Stopped(TopicError::Evicted) => Ok(()),
                    Status::Stopped(error) => Err(error),
                    _ => Err(TopicError::Stopped),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Writes an invitation, with which one device can join: no question is asked on either side.
    /// V2, keepers only.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no keeper, or too many invitations are out.
    pub async fn invite(&self, options: InviteOptions) -> Result<Invitation, TopicError> {
        let (answer, answered) = oneshot::channel();
        self.call(move |bus| bus.invite(options, answer)).await?;
        answered.await.map_err(|_| self.why_stopped())?
    }

    /// Makes a PIN of six digits, with which one device can join within five minutes. V2, keepers
    /// only.
    ///
    /// # Errors
    ///
    /// [`TopicError::Command`] where we are no keeper.
    pub async fn offer_pin(&self) -> Result<Pin, TopicError> {
        let (answer, answered) = oneshot::channel();
        self.call(move |bus| bus.offer_pin(answer)).await?;
        answered.await.map_err(|_| self.why_stopped())?
    }

    /// The members of a V2 topic with their roles and names, ordered by id, ourselves included.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn members(&self) -> Result<Vec<Member>, TopicError> {
        self.call(|bus| bus.members()).await
    }

    /// What a member, or a newcomer that waits, calls itself, if it said so. V2.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn name_of(&self, participant: ParticipantId) -> Result<Option<String>, TopicError> {
        self.call(move |bus| bus.name_of(participant)).await
    }

    /// The keys in use, once we have joined. V2.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn epoch(&self) -> Result<Option<Epoch>, TopicError> {
        self.call(|bus| bus.epoch()).await
    }

    /// Newcomers to decide about, where the policy is [`Admission::Ask`], those included that wait
    /// already. A question has one addressee: the stream that was asked for before ends.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn introductions(&self) -> Result<Introductions, TopicError> {
        self.call(Bus::introductions).await.map(Introductions)
    }

    /// What becomes of newcomers from now on.
    ///
    /// # Errors
    ///
    /// Why the topic has stopped.
    pub async fn set_admission(&self, admission: Admission) -> Result<(), TopicError> {
        self.call(|bus| bus.set_policy(admission.into())).await
    }
}

/// A member of a V2 topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub participant: Participant,
    /// What it may do.
    pub role: Role,
    /// What it called itself when it was admitted, if anything.
    pub name: Option<String>,
}
