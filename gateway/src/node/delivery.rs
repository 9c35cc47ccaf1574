//! What becomes of messages on their way out, and who is handed those that are kept. Not here: how
//! either is stored.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::{self, BoxStream};
use stringphone::{
    CommandError, HistoryLimits, Inbox, InboxLimits, Kept, OutboxLimits, ParticipantId, Receipts,
    Topic, TopicError,
};
use tokio::time::timeout;

use super::Node;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::report::{Body, Named, Report};

/// Messages that are handed out before the first of them is acknowledged, which is one commit for
/// all.
const HANDED: usize = 64;

/// What is said while no link is up is kept, and what is said at all is kept for those who are
/// away.
pub(super) fn keeping(topic: Topic, inbox: bool) -> Topic {
    let topic = topic.outbox(OutboxLimits::default()).history(HistoryLimits::default());
    if inbox { topic.inbox(InboxLimits::default()) } else { topic }
}

/// On the way out.
impl Node {
    pub(super) async fn publish(&self, body: Body) -> Result<Report, Failure> {
        self.0.topic.publish_raw(bytes(body)?).await?;
        let (links_up, alone) = (self.links_up(), self.is_alone());
        let kept = self.0.protocol == Protocol::V2 && (links_up == 0 || alone);
        Ok(Report::Sent { messages: 1, links_up, alone, kept })
    }

    /// Publishes; the one report is there once these have it, or everybody, or the time is over.
    pub(super) async fn publish_confirmed(
        &self,
        body: Body,
        to: &[String],
        timeout_ms: u64,
    ) -> Result<BoxStream<'static, Report>, Failure> {
        if self.0.protocol == Protocol::Classic {
            return Err(self.classic("confirm anything"));
        }
        let body = bytes(body)?;
        let mut waited = BTreeSet::new();
        for who in to {
            let id = self.find(who, "confirm anything").await?.participant.id();
            if id == self.participant().id() {
                return Err(Failure::failed("that is this very device, which has it"));
            }
            waited.insert(id);
        }
        let receipts = self.0.topic.publish_raw(body).confirm_by(waited.clone()).await?;
        if waited.is_empty() {
            waited = self.others().await?;
        }
        let node = self.clone();
        let limit = Duration::from_millis(timeout_ms);
        let report = async move { node.confirmed(receipts, waited, limit).await };
        Ok(stream::once(report).boxed())
    }

    async fn confirmed(
        &self,
        mut receipts: Receipts,
        waited: BTreeSet<ParticipantId>,
        limit: Duration,
    ) -> Report {
        let number = receipts.ticket();
        let mut by = BTreeSet::new();
        let hearing = async {
            while let Some(id) = receipts.next().await {
                by.insert(id);
            }
        };
        let complete = timeout(limit, hearing).await.is_ok() && receipts.all().await.is_ok();
        // A topic that has stopped has no members; it may be any of them.
        let members = self.others().await.unwrap_or_else(|_| waited.clone());
        let missing = waited.difference(&by).filter(|id| !complete && members.contains(id));
        let missing = missing.map(|id| self.named(*id)).collect();
        Report::Confirmed { number, by: by.iter().map(|id| self.named(*id)).collect(), missing }
    }

    pub(super) async fn outbox(&self) -> Result<Vec<Report>, Failure> {
        let unsent = self.0.topic.unsent().await?;
        let mut reports = vec![Report::Outbox { topic: self.name().into(), unsent }];
        let mut unconfirmed = self.0.topic.unconfirmed().await?;
        unconfirmed.sort_unstable_by_key(|message| message.ticket);
        reports.extend(unconfirmed.into_iter().map(|message| {
            let (number, sent) = (message.ticket, message.missing.is_some());
            let missing = message.missing.into_iter().flatten().map(|id| self.named(id)).collect();
            Report::Unconfirmed { number, sent, missing }
        }));
        Ok(reports)
    }

    pub(super) async fn give_up(&self, number: u64) -> Result<Report, Failure> {
        let given_up = self.0.topic.give_up(number).await;
        given_up.map_err(|error| match error {
            TopicError::Command(CommandError::Unsupported) => Failure::failed(format!(
                "no message waits by the number {number}: `stringphone outbox` tells which do"
            )),
            other => other.into(),
        })?;
        Ok(Report::GivenUp { number })
    }

    async fn others(&self) -> Result<BTreeSet<ParticipantId>, TopicError> {
        let us = self.participant().id();
        let members = self.0.topic.members().await?.into_iter();
        Ok(members.map(|member| member.participant.id()).filter(|id| *id != us).collect())
    }

    fn named(&self, id: ParticipantId) -> Named {
        Named { id: id.to_string(), name: self.name_of(id) }
    }
}

/// Messages that are kept until they are acknowledged.
pub(crate) struct Handing {
    node: Node,
    inbox: stream::ReadyChunks<Inbox>,
}

/// One of them.
pub(crate) struct Handed {
    kept: Kept,
    pub(crate) id: String,
    pub(crate) report: Report,
}

impl Node {
    /// What is kept, for one reader at a time.
    pub(crate) async fn hand_out(&self) -> Result<Handing, Failure> {
        let inbox = self.0.topic.inbox_raw().await.map_err(|error| match error {
            TopicError::NoInbox if self.0.protocol == Protocol::Classic => {
                self.classic("have messages kept")
            }
            TopicError::NoInbox => Failure::failed(format!(
                "the process that runs this home keeps no messages: stop it, say `{} inbox on`, and \
                 start it again",
                self.home().command()
            )),
            TopicError::InboxTaken => Failure::failed(
                "another `listen --keep` is at work in this home already: what is kept is told to \
                 one at a time",
            ),
            other => other.into(),
        })?;
        Ok(Handing { node: self.clone(), inbox: inbox.ready_chunks(HANDED) })
    }
}

impl Handing {
    /// The next ones, in their order; `None` once the topic has stopped.
    pub(crate) async fn next(&mut self) -> Option<Vec<Handed>> {
        let kept = self.inbox.next().await?;
        // Bytes always decode.
        Some(kept.into_iter().flatten().map(|kept| Handed::new(kept, &self.node)).collect())
    }
}

impl Handed {
    fn new(kept: Kept, node: &Node) -> Self {
        let at = kept.id;
        let id = format!("{}.{}.{}.{}", kept.from, at.incarnation, at.counter, at.place);
        let report = Report::Message {
            from: kept.from.to_string(),
            name: node.name_of(kept.from),
            id: Some(id.clone()),
            redelivered: Some(kept.redelivered),
            body: Body::of(&kept.body),
        };
        Self { kept, id, report }
    }
}

/// They are dealt with, and don't come again.
pub(crate) async fn acknowledge(handed: &[Handed]) -> Result<(), TopicError> {
    try_join_all(handed.iter().map(|handed| handed.kept.ack())).await.map(drop)
}

fn bytes(body: Body) -> Result<Vec<u8>, Failure> {
    let usage = || Failure::Usage("`hex` has to be hexadecimal digits".into());
    body.into_bytes().ok_or_else(usage)
}
