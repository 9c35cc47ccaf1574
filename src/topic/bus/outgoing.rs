//! Messages from the queue, on their way into the session, and those who wait for what becomes of
//! them. Not here: sealing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::select_all;
use futures::{FutureExt, StreamExt};
use stringphone_protocol::v2::{Invitation, InviteOptions, Pin};
use stringphone_protocol::{
    Command, CommandError, Input, ParticipantId, PublishOptions, Unconfirmed,
};
use tokio::sync::{mpsc, oneshot};

use super::Bus;
use crate::error::TopicError;
use crate::topic::admission::Outcome;
use crate::topic::attachment::Attachment;
use crate::topic::publish::{Conditions, Confirm, Outgoing, Receipt};

/// Less of what is to be confirmed fits into a frame: it may have to be sealed to one member alone.
const CONFIRMED: usize = 1_300;

/// Who waits for receipts, or for something that the session makes.
#[derive(Default)]
pub(super) struct Waiters {
    receipts: BTreeMap<u64, mpsc::UnboundedSender<Receipt>>,
    handed: BTreeMap<u64, Outcome>,
    invitations: VecDeque<Answer<Invitation>>,
    pins: VecDeque<Answer<Pin>>,
}

type Answer<T> = oneshot::Sender<Result<T, TopicError>>;

impl Bus {
    /// Takes messages from the queue while the links have room. Those that are there already share
    /// a frame: while one is signed the next fills. What waits in the outbox goes first.
    pub(super) fn poll_queue(&mut self, cx: &mut Context<'_>) -> bool {
        if self.storing.is_busy() || self.flushing.is_some() {
            return false;
        }
        if self.session.waits() && !self.queue.is_closed() {
            return self.has_link_room(cx) && self.send_on();
        }
        let keeps = self.shared.has_outbox();
        let closed = self.queue.is_closed();
        let stuck = self.session.is_ready() && !self.session.has_room() && !closed;
        if stuck && !keeps {
            return false;
        }
        let Some(first) = self.poll_outgoing(cx) else { return self.flushing.is_some() };
        // What is not sealed now needs no room on the links.
        if (self.connected || !keeps) && !self.has_link_room(cx) {
            self.waiting = Some(first);
            return false;
        }
        self.publish_frame(first, cx);
        self.drain();
        self.answer_outcomes();
        true
    }

    fn has_link_room(&mut self, cx: &mut Context<'_>) -> bool {
        // All are asked, so that each wakes us; and a place that one of them holds for us is given
        // back while another has none: other topics may need it.
        let ask = |room: bool, link: &mut Attachment| link.poll_room(cx).is_ready() && room;
        let room = self.links.iter_mut().fold(true, ask);
        if !room {
            self.links.iter_mut().for_each(Attachment::give_up_room);
        }
        room
    }

    fn send_on(&mut self) -> bool {
        let sent = self.input(Input::Command(Command::SendOn)).is_ok();
        self.answer_outcomes();
        sent
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
        if matches!(&first, Outgoing::With(both) if both.1.confirm.is_some()) {
            room = room.saturating_sub(CONFIRMED);
        }
        let mut next = Some(first);
        while let Some(outgoing) = next.take() {
            // Its length takes up to three bytes, and when it expires six.
            let size = outgoing.body().len() + 9;
            room = room.saturating_sub(size);
            let follows = match self.queue.poll_recv(cx) {
                Poll::Ready(follows) => follows,
                // The next turn looks again.
                Poll::Pending => None,
            };
            let fits = follows.as_ref().is_some_and(|follows| {
                let fits = follows.body().len() + 9 <= room && self.session.gathers();
                fits && outgoing.shares_frame(follows)
            });
            self.publish(outgoing);
            if fits {
                next = follows;
            } else {
                self.waiting = follows;
            }
        }
    }

    fn publish(&mut self, outgoing: Outgoing) {
        let (published, taken) = match outgoing {
            Outgoing::Plain(body) => (self.put(Input::Command(Command::Publish(&body))), None),
            Outgoing::With(both) => self.publish_with(*both),
        };
        match (published, taken) {
            (Ok(()), taken) => {
                self.stats.published += 1;
                self.outcomes.extend(taken);
            }
            (Err(error), taken) => {
                tracing::debug!(%error, "not published");
                self.stats.unsent += 1;
                if let Some(taken) = taken {
                    let _ = taken.send(Err(error.into()));
                }
            }
        }
    }

    fn publish_with(
        &mut self,
        (body, conditions): (Bytes, Conditions),
    ) -> (Result<(), CommandError>, Option<Outcome>) {
        let Conditions { expires, confirm, handed, taken } = conditions;
        let expires_in_ms =
            expires.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let mut options = PublishOptions { expires_in_ms, ..PublishOptions::default() };
        if let Some(Confirm { ticket, by, news }) = confirm {
            (options.ticket, options.by) = (Some(ticket), by);
            self.waiters().receipts.insert(ticket, news);
        }
        if let Some(handed) = handed {
            let ticket = self.shared.ticket.fetch_add(1, Ordering::Relaxed);
            options.sent_ticket = Some(ticket);
            self.waiters().handed.insert(ticket, handed);
        }
        let (ticket, sent_ticket) = (options.ticket, options.sent_ticket);
        let done = if options == PublishOptions::default() {
            self.put(Input::Command(Command::Publish(&body)))
        } else {
            self.put(Input::Command(Command::PublishWith(&body, options)))
        };
        if let Err(error) = done {
            for ticket in ticket.into_iter().chain(sent_ticket) {
                self.done(ticket, Err(error.into()));
            }
        }
        (done, taken)
    }

    /// Those messages were sealed, and their frames are on their way to the links.
    pub(super) fn sent(&mut self, tickets: &[u64]) {
        for ticket in tickets {
            let Some(handed) = self.waiters().handed.remove(ticket) else { continue };
            let up: Vec<_> = self.links.iter().filter(|link| link.up).collect();
            if up.is_empty() {
                // Whoever asked may have stopped waiting; so below.
                let _ = handed.send(Err(TopicError::NotHanded));
                continue;
            }
            let flushes = select_all(up.into_iter().map(|link| link.flush().boxed()));
            self.handing.push(
                async move {
                    flushes.await;
                    let _ = handed.send(Ok(()));
                }
                .boxed(),
            );
        }
    }

    pub(super) fn poll_handing(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(self.handing.poll_next_unpin(cx), Poll::Ready(Some(())))
    }

    pub(super) fn dropped(&mut self, tickets: &[u64]) {
        for ticket in tickets {
            self.done(*ticket, Err(TopicError::Dropped));
        }
    }

    pub(in crate::topic) fn unconfirmed(&self) -> Vec<Unconfirmed> {
        self.session.unconfirmed()
    }

    pub(in crate::topic) fn unsent(&self) -> usize {
        self.session.unsent()
    }

    fn waiters(&mut self) -> &mut Waiters {
        self.waiters.get_or_insert_default()
    }

    fn done(&mut self, ticket: u64, outcome: Result<(), TopicError>) {
        if let Some(handed) = self.waiters().handed.remove(&ticket) {
            // Whoever asked may have stopped waiting; so below.
            let _ = handed.send(outcome);
        } else if let Some(news) = self.waiters().receipts.remove(&ticket) {
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

    pub(in crate::topic) fn given_up(&mut self, tickets: Vec<u64>, missing: &[ParticipantId]) {
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
