//! Messages from the queue, on their way into the session, and those who wait for what becomes of
//! them. Not here: sealing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use stringphone_protocol::v2::{Invitation, InviteOptions, Pin};
use stringphone_protocol::{Command, CommandError, Input, ParticipantId, PublishOptions};
use tokio::sync::{mpsc, oneshot};

use super::Bus;
use crate::error::TopicError;
use crate::topic::attachment::Attachment;
use crate::topic::publish::{Outgoing, Receipt};

/// Who waits for receipts, or for something that the session makes.
#[derive(Default)]
pub(super) struct Waiters {
    receipts: BTreeMap<u64, mpsc::UnboundedSender<Receipt>>,
    tickets: u64,
    invitations: VecDeque<Answer<Invitation>>,
    pins: VecDeque<Answer<Pin>>,
}

type Answer<T> = oneshot::Sender<Result<T, TopicError>>;

impl Bus {
    /// Takes messages from the queue while the links have room. Those that are there already share
    /// a frame: while one is signed the next fills.
    pub(super) fn poll_queue(&mut self, cx: &mut Context<'_>) -> bool {
        let closed = self.queue.is_closed();
        let stuck = self.session.is_ready() && !self.session.has_room() && !closed;
        if self.commit.is_some() || self.flushing.is_some() || stuck {
            return false;
        }
        let Some(first) = self.poll_outgoing(cx) else { return self.flushing.is_some() };
        // All are asked, so that each wakes us; and a place that one of them holds for us is given
        // back while another has none: other topics may need it.
        let ask = |room: bool, link: &mut Attachment| link.poll_room(cx).is_ready() && room;
        if !self.links.iter_mut().fold(true, ask) {
            self.links.iter_mut().for_each(Attachment::give_up_room);
            self.waiting = Some(first);
            return false;
        }
        self.publish_frame(first, cx);
        self.drain();
        true
    }

    /// The next message; `None` where there is none now, or never will be.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Option<Outgoing> {
        if let Some(waiting) = self.waiting.take() {
            return Some(waiting);
        }
        match self.queue.poll_recv(cx) {
            Poll::Ready(Some(next)) => Some(next),
            // The last handle is gone, or somebody called `stop`.
            Poll::Ready(None) => {
                self.flushing = Some(self.flush());
                None
            }
            Poll::Pending => None,
        }
    }

    /// Publishes a message, and those behind it that fit into the same frame.
    fn publish_frame(&mut self, first: Outgoing, cx: &mut Context<'_>) {
        let mut room = self.shared.fill.load(Ordering::Relaxed);
        let mut next = Some(first);
        while let Some(outgoing) = next.take() {
            // Its length takes up to three bytes, and when it expires six.
            let size = outgoing.body().len() + 9;
            let plain = matches!(outgoing, Outgoing::Plain(_));
            room = room.saturating_sub(size);
            self.publish(outgoing);
            // What has conditions goes by itself: receipts are for frames.
            if !plain || !self.session.gathers() {
                return;
            }
            match self.queue.poll_recv(cx) {
                Poll::Ready(Some(more)) => {
                    let fits = matches!(&more, Outgoing::Plain(body) if body.len() + 9 <= room);
                    if fits {
                        next = Some(more);
                    } else {
                        self.waiting = Some(more);
                    }
                }
                // The next turn looks again.
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
    }

    fn publish(&mut self, outgoing: Outgoing) {
        let published = match outgoing {
            Outgoing::Plain(body) => self.put(Input::Command(Command::Publish(&body))),
            Outgoing::With(both) => {
                let (body, conditions) = *both;
                let expires_in_ms = conditions
                    .expires
                    .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                let receipts = conditions.receipts;
                let ticket = receipts.map(|news| self.waiters().ticket(news));
                let options = PublishOptions { expires_in_ms, ticket };
                let done = self.put(Input::Command(Command::PublishWith(&body, options)));
                if let (Err(error), Some(ticket)) = (&done, ticket) {
                    self.done(ticket, Err((*error).into()));
                }
                done
            }
        };
        match published {
            Ok(()) => self.stats.published += 1,
            Err(error) => {
                tracing::debug!(%error, "not published");
                self.stats.unsent += 1;
            }
        }
    }

    fn waiters(&mut self) -> &mut Waiters {
        self.waiters.get_or_insert_default()
    }

    fn done(&mut self, ticket: u64, outcome: Result<(), TopicError>) {
        if let Some(news) = self.waiters().receipts.remove(&ticket) {
            // Whoever asked may have stopped waiting; so below.
            let _ = news.send(Receipt::Done(outcome));
        }
    }

    /// Somebody has stored messages whose receipts are wanted.
    pub(super) fn confirmed(
        &mut self,
        tickets: Vec<u64>,
        by: Option<ParticipantId>,
        missing: usize,
    ) {
        for ticket in tickets {
            if let (Some(by), Some(news)) = (by, self.waiters().receipts.get(&ticket)) {
                let _ = news.send(Receipt::From(by));
            }
            if missing == 0 {
                self.done(ticket, Ok(()));
            }
        }
    }

    pub(super) fn unconfirmed(&mut self, tickets: Vec<u64>, missing: &[ParticipantId]) {
        for ticket in tickets {
            let missing = missing.to_vec();
            self.done(ticket, Err(TopicError::Unconfirmed { missing }));
        }
    }

    /// Has the session write an invitation.
    pub(in crate::topic) fn invite(&mut self, options: InviteOptions, answer: Answer<Invitation>) {
        self.waiters().invitations.push_back(answer);
        if let Err(error) = self.input(Input::Command(Command::Invite(options))) {
            refuse(self.waiters().invitations.pop_back(), error);
        }
    }

    pub(super) fn invited(&mut self, invitation: Invitation) {
        if let Some(answer) = self.waiters().invitations.pop_front() {
            let _ = answer.send(Ok(invitation));
        }
    }

    /// Has the session make a PIN.
    pub(in crate::topic) fn offer_pin(&mut self, answer: Answer<Pin>) {
        self.waiters().pins.push_back(answer);
        if let Err(error) = self.input(Input::Command(Command::OfferPin)) {
            refuse(self.waiters().pins.pop_back(), error);
        }
    }

    pub(super) fn pin_offered(&mut self, pin: Pin) {
        if let Some(answer) = self.waiters().pins.pop_front() {
            let _ = answer.send(Ok(pin));
        }
    }
}

fn refuse<T>(answer: Option<Answer<T>>, error: CommandError) {
    if let Some(answer) = answer {
        let _ = answer.send(Err(error.into()));
    }
}

impl Waiters {
    fn ticket(&mut self, news: mpsc::UnboundedSender<Receipt>) -> u64 {
        self.tickets += 1;
        self.receipts.insert(self.tickets, news);
        self.tickets
    }
}
