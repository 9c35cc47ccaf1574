//! What a running topic does when it is asked. Not here: the socket, and who reads the reply.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use stringphone::tcp::RoomStats;
use stringphone::{CommandError, ParticipantId, TopicError};

use super::questions::Matter;
use super::{Node, Question};
use crate::control::Request;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::report::{About, LinkStatus, Report, Status, Who};

impl Node {
    /// Does what is asked. The stream ends with the reply.
    pub(crate) async fn answer(
        &self,
        request: Request,
    ) -> Result<BoxStream<'static, Report>, Failure> {
        let reports = match request {
            Request::Listen { events } => return self.watch(events).await,
            Request::Confirm { body, to, timeout_ms } => {
                return self.publish_confirmed(body, &to, timeout_ms).await;
            }
            Request::Publish { body } => vec![self.publish(body).await?],
            Request::Recover { timeout_ms } => {
                return self.recovered(Duration::from_millis(timeout_ms));
            }
            Request::Outbox => self.outbox().await?,
            Request::GiveUp { number } => vec![self.give_up(number).await?],
            Request::Inbox | Request::Ack { .. } => return Err(out_of_place()),
            Request::Members => self.members().await?,
            Request::Trust { key } => self.trust(&key).await?,
            Request::Remove { who } => self.remove(&who).await?,
            Request::Invite { keeper, lifetime_ms } => self.invite(keeper, lifetime_ms).await?,
            Request::Pin => self.offer_pin().await?,
            Request::Evict { who } => self.evict(&who).await?,
            Request::Appoint { who } => self.appoint(&who).await?,
            Request::Rotate => self.rotate().await?,
            Request::Leave { anyway } => self.leave(anyway).await?,
            Request::Admit { who } => vec![self.decide(self.question(&who)?, true).await?],
            Request::Deny { who } => vec![self.decide(self.question(&who)?, false).await?],
            Request::Status => vec![Report::Status(self.status().await?)],
        };
        Ok(stream::iter(reports).boxed())
    }

    fn question(&self, who: &str) -> Result<Question, Failure> {
        self.questions().find(who).ok_or_else(|| unasked(who))
    }

    /// Answers a question, wherever the answer comes from.
    pub(crate) async fn decide(&self, question: Question, yes: bool) -> Result<Report, Failure> {
        let id = question.who.id();
        let matter = self.questions().take(id).ok_or_else(|| unasked(&id.to_string()))?;
        match matter {
            Matter::Newcomer(introductions) if yes => {
                let mut introductions = introductions.into_iter();
                if let Some(introduction) = introductions.next_back() {
                    introduction.approve().await.map_err(|error| match error {
                        TopicError::Command(CommandError::Unknown(_)) => unasked(&id.to_string()),
                        TopicError::Command(CommandError::NotAllowed) => self.no_keeper("admit"),
                        other => other.into(),
                    })?;
                }
                // The others go now: they can't deny who is admitted.
            }
            Matter::Admitter(_) if yes => self.confirm(id).await?,
            Matter::Newcomer(introductions) => drop(introductions),
            Matter::Admitter(_) => self.0.topic.reject(id).await?,
        }
        let who = Who::from(&question.who).called(self.name_of(id));
        // In V2 a newcomer is a member once its side has said yes as well.
        let pending = self.0.protocol == Protocol::V2 && question.about == About::Newcomer;
        Ok(match (yes, pending) {
            (true, true) => Report::Admitted { who },
            (true, false) => Report::Joined { who },
            (false, _) => Report::Denied { id: who.id },
        })
    }

    async fn confirm(&self, id: ParticipantId) -> Result<(), Failure> {
        let confirmed = self.0.topic.confirm(id).await;
        if let Err(TopicError::Command(CommandError::Contested(_))) = &confirmed {
            // Thrown away, or no honest answer would ever be heard again.
            let _ = self.0.topic.reject(id).await;
            return Err(Failure::failed(format!(
                "different topic keys were offered in the name of {id}: somebody forges answers. \
                 All of them are thrown away; wait for the next, or join over another network"
            )));
        }
        Ok(confirmed?)
    }

    async fn status(&self) -> Result<Status, Failure> {
        let stats = self.0.topic.stats().await?;
        let relay = self.relayed().await?;
        let refused = stats.refused.iter();
        let state = self.0.state.borrow();
        // The one to the relay says nothing of its links.
        let links = state.links.values().filter(|_| relay.is_none());
        let links = links.map(|(name, up)| LinkStatus { name: name.clone(), up: *up });
        Ok(Status {
            topic: self.name().to_owned(),
            ready: state.ready,
            generation: state.generation,
            links: links.collect(),
            relay,
            peers: self.0.room.get().map(RoomStats::peers),
            published: stats.published,
            received: stats.received,
            lost: stats.lost,
            unsent: stats.unsent,
            refused: refused.map(|(why, frames)| (why.to_string(), *frames)).collect(),
        })
    }
}

impl Question {
    /// The question as it is put at a terminal.
    pub(crate) fn text(&self, node: &Node) -> String {
        let (id, fingerprint) = (self.who.id(), self.who.fingerprint());
        let topic = node.name();
        match self.about {
            About::Newcomer => {
                let name = node.name_of(id);
                let name =
                    name.map(|name| format!(" It calls itself {name:?}.")).unwrap_or_default();
                format!(
                    "\n{id} wants to join {topic:?}.{name}\nIts fingerprint: {fingerprint}\nIs that \
                     what it shows? Admit it? [y/N] "
                )
            }
            About::Admitter => format!(
                "\n{id} admits us to {topic:?}.\nIts fingerprint: {fingerprint}\nIs that what it \
                 shows? Trust it, and use its key? [y/N] "
            ),
        }
    }
}

fn out_of_place() -> Failure {
    Failure::Usage("an inbox is a conversation of its own, and not part of another".into())
}

fn unasked(who: &str) -> Failure {
    Failure::failed(format!(
        "no question about {who} waits: it may have lapsed or been answered. Give a whole id or \
         fingerprint; who still wants to join asks again within a minute or so"
    ))
}
