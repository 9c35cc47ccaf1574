//! What comes out of the session goes where it belongs. Not here: what goes in.

use std::time::Duration;

use bytes::Bytes;
use stringphone_protocol as protocol;
use stringphone_protocol::Output;
use tokio::time::Instant;

use super::Bus;
use crate::error::TopicError;
use crate::event::{Event, LinkId, Participant};
use crate::subscription::{Received, Unverified};
use crate::topic::shared::Status;

/// How often one reason to refuse frames is told.
const REFUSED: Duration = Duration::from_secs(1);

impl Bus {
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                // Nothing more comes out of the session until this is done.
                Output::Store(records) => self.storing.commit(records),
                Output::Send(frame) => self.send(&Bytes::from(frame)),
                Output::Event(event) => self.happened(event),
                _ => {}
            }
        }
    }

    fn send(&mut self, frame: &Bytes) {
        let ready = self.session.is_ready();
        if ready && self.links.is_empty() {
            self.stats.unsent += 1;
        }
        let mut lost: Vec<LinkId> = Vec::new();
        for link in &mut self.links {
            // Messages wait for a link that is down; introductions would only grow stale there.
            if (link.up || ready) && !link.send(frame.clone()) {
                lost.push(link.id);
            }
        }
        for link in lost {
            self.lost(link, 1);
        }
    }

    fn happened(&mut self, event: protocol::Event) {
        match event {
            protocol::Event::Message { from, body, id, redelivered, .. } => {
                let body = Bytes::from(body);
                if let (Some(inbox), Some(id)) = (&mut self.inbox, id) {
                    inbox.push(from, body.clone(), id, redelivered);
                }
                if !redelivered {
                    self.stats.received += 1;
                    self.deliver(Received { from, body, id });
                }
            }
            protocol::Event::Unverified { claimed, body, .. } => {
                let message = Unverified { claimed, body: body.into() };
                self.unverified.retain(|reader| reader.push(message.clone()));
            }
            protocol::Event::Introduced(key) => self.introduced(Participant::new(key)),
            protocol::Event::Answered(key) => {
                let who = Participant::new(key);
                self.shared.answered(who);
                self.tell(Event::Answered(who));
            }
            protocol::Event::Ready => {
                self.shared.set(Status::Ready);
                self.tell(Event::Ready);
            }
            protocol::Event::Lapsed(id) => self.lapsed(id),
            protocol::Event::Joined(key) => self.tell(Event::Joined(Participant::new(key))),
            protocol::Event::Removed(id) => self.tell(Event::Removed(id)),
            protocol::Event::Refused(refusal) => {
                *self.stats.refused.entry(refusal).or_default() += 1;
                if !refusal.is_ordinary() {
                    self.tell_refused(refusal);
                }
            }
            other => self.happened_in_v2(other),
        }
    }

    fn happened_in_v2(&mut self, event: protocol::Event) {
        match event {
            protocol::Event::Confirmed { tickets, by, missing } => {
                self.confirmed(tickets, by, missing);
            }
            protocol::Event::Unconfirmed { tickets, by } => self.given_up(tickets, &by),
            protocol::Event::Dropped { tickets, messages } => {
                self.dropped(&tickets);
                self.stats.unsent += u64::try_from(messages).unwrap_or(u64::MAX);
                self.tell(Event::Dropped { messages });
            }
            protocol::Event::Sent(tickets) => self.sent(&tickets),
            protocol::Event::Gap { from, first, last } => {
                let frames = last.saturating_sub(first).saturating_add(1);
                self.tell(Event::Gap { from, frames });
            }
            protocol::Event::Invited(invitation) => self.invited(invitation),
            protocol::Event::PinOffered(pin) => self.pin_offered(pin),
            protocol::Event::Uncertain { from, body, id, .. } => {
                self.tell(Event::Uncertain(Received { from, body: body.into(), id }));
            }
            protocol::Event::Expired(from) => self.tell(Event::Expired(from)),
            protocol::Event::Unverifiable(from) => self.tell(Event::Unverifiable(from)),
            protocol::Event::Epoch(epoch) => self.tell(Event::Epoch(epoch)),
            protocol::Event::PinBurnt => self.tell(Event::PinBurnt),
            protocol::Event::Behind => self.tell(Event::Behind),
            protocol::Event::CaughtUp(id) => self.tell(Event::CaughtUp(id)),
            protocol::Event::Cloned(id) => self.tell(Event::Cloned(id)),
            protocol::Event::RolledBack => self.tell(Event::RolledBack),
            protocol::Event::InsiderAlarm => self.tell(Event::InsiderAlarm),
            protocol::Event::PinRejected => self.failed = Some(TopicError::PinRejected),
            protocol::Event::Evicted => {
                self.tell(Event::Evicted);
                self.failed = Some(TopicError::Evicted);
            }
            _ => {}
        }
    }

    fn deliver(&mut self, message: Received) {
        // One subscriber is the usual case, and needs no copy.
        if let [subscriber] = self.subscribers.as_slice() {
            if !subscriber.push(message) {
                self.subscribers.clear();
            }
            return;
        }
        self.subscribers.retain(|subscriber| subscriber.push(message.clone()));
    }

    /// Anybody can have frames refused, as many as they like: each reason is told now and then, or
    /// they would push what else happens out of the readers' queues.
    fn tell_refused(&mut self, refusal: protocol::Refusal) {
        let now = Instant::now();
        let due = self.refused.get(&refusal).is_none_or(|told| now - *told >= REFUSED);
        if due {
            self.refused.insert(refusal, now);
            self.tell(Event::Refused(refusal));
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.retain(|reader| reader.push(event.clone()));
    }
}
