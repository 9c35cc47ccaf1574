//! Messages on their way to the durable subscriber, and what it acknowledges. Not here: what is
//! stored, which the session says.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};

use bytes::Bytes;
use stringphone_protocol::{Command, Input, MessageId, ParticipantId};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::Bus;
use crate::error::TopicError;
use crate::topic::inbox::{Ack, Kept};

/// Messages that wait at the subscriber, besides those that wait here.
const HANDED: usize = 64;
/// Acknowledgements that are stored together, at most.
const ACKS: usize = 1_024;

/// What the session keeps, in the order in which it came. The session bounds it.
pub(super) struct Inbox {
    waiting: VecDeque<Kept>,
    /// Handed out, and not acknowledged.
    out: BTreeMap<(ParticipantId, MessageId), Kept>,
    reader: Option<PollSender<Kept>>,
    acks: mpsc::Receiver<Ack>,
    /// For the messages.
    door: mpsc::Sender<Ack>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (door, acks) = mpsc::channel(ACKS);
        Self { waiting: VecDeque::new(), out: BTreeMap::new(), reader: None, acks, door }
    }

    pub(super) fn push(
        &mut self,
        from: ParticipantId,
        body: Bytes,
        id: MessageId,
        redelivered: bool,
    ) {
        self.waiting.push_back(Kept::new(from, body, id, redelivered, self.door.clone()));
    }

    /// Another subscriber: it gets what the last one had, and did not acknowledge.
    fn begin(&mut self) -> mpsc::Receiver<Kept> {
        let mut again: VecDeque<Kept> = std::mem::take(&mut self.out).into_values().collect();
        again.append(&mut self.waiting);
        self.waiting = again;
        let (sender, messages) = mpsc::channel(HANDED);
        self.reader = Some(PollSender::new(sender));
        messages
    }

    fn hand_out(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        let mut moved = false;
        while let Some(first) = self.waiting.front() {
            match reader.poll_reserve(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.reader = None;
                    return moved;
                }
                Poll::Pending => return moved,
            }
            self.out.insert((first.from, first.id), first.again());
            let Some(kept) = self.waiting.pop_front() else { return moved };
            if reader.send_item(kept).is_err() {
                self.reader = None;
                return moved;
            }
            moved = true;
        }
        moved
    }
}

impl Bus {
    /// The messages of the inbox, for one subscriber at a time.
    pub(in crate::topic) fn inbox(&mut self) -> Result<mpsc::Receiver<Kept>, TopicError> {
        let inbox = self.inbox.as_mut().ok_or(TopicError::NoInbox)?;
        let taken = inbox.reader.as_ref().and_then(PollSender::get_ref);
        if taken.is_some_and(|reader| !reader.is_closed()) {
            return Err(TopicError::InboxTaken);
        }
        Ok(inbox.begin())
    }

    pub(super) fn poll_inbox(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(inbox) = &mut self.inbox else { return false };
        let moved = inbox.hand_out(cx);
        // What is acknowledged while records are being stored is stored together, afterwards.
        if self.storing.is_busy() {
            return moved;
        }
        let mut acks = Vec::new();
        while acks.len() < ACKS
            && let Poll::Ready(Some(ack)) = inbox.acks.poll_recv(cx)
        {
            let name = (ack.from, ack.id);
            if inbox.out.remove(&name).is_none() {
                // It was about to be handed to another reader.
                inbox.waiting.retain(|kept| (kept.from, kept.id) != name);
            }
            acks.push(ack);
        }
        if acks.is_empty() {
            return moved;
        }
        for Ack { from, id, done } in acks {
            match self.put(Input::Command(Command::Acknowledge(from, id))) {
                Ok(()) => self.outcomes.push(done),
                // Whoever asked may have stopped waiting.
                Err(error) => drop(done.send(Err(error.into()))),
            }
        }
        self.drain();
        self.answer_outcomes();
        true
    }
}
