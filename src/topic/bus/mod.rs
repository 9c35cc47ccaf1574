//! What a topic does, turn by turn: frames, messages and time go into its session, and what comes
//! out goes where it belongs. Not here: actix, cryptography, connections.

mod door;
mod frames;
mod inbox;
mod newcomers;
mod outgoing;
mod outputs;
mod storing;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use stringphone_protocol::{
    Command, CommandError, Epoch, FrameLimit, Input, Moment, ParticipantId, Refusal, Session,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::STOPPING;
use super::admission::{Introduction, Outcome, Policy};
use super::attachment::Attachment;
use super::open::{Entropy, Opened, Time};
use super::people::Member;
use super::publish::Outgoing;
use super::shared::{Shared, Status};
use crate::error::TopicError;
use crate::event::{Event, LinkId, Participant, Stats};
use crate::feed::Writer;
use crate::subscription::{Received, Unverified};
use inbox::Inbox;
use newcomers::Newcomer;
use outgoing::Waiters;
use storing::Storing;

/// Rounds of one turn, before other actors of the arbiter get theirs.
const TURN: usize = 8;

/// The answer to a question: whom it is about, its number, and an approval or `None`.
type Decision = BoxFuture<'static, (ParticipantId, u64, Option<Outcome>)>;

/// A living topic.
pub(super) struct Bus {
    session: Box<dyn Session>,
    entropy: Entropy,
    time: Time,
    timer: Option<(u64, Pin<Box<Sleep>>)>,

    storing: Storing,
    /// Commands that are answered once everything that they caused is stored.
    outcomes: Vec<Outcome>,

    links: Vec<Attachment>,
    max_frame: usize,
    queue: mpsc::Receiver<Outgoing>,
    /// A message that waits for room on the links, or in a frame.
    waiting: Option<Outgoing>,
    /// Who waits for receipts, or for something that the session makes. Most topics have none.
    waiters: Option<Box<Waiters>>,
    /// Until a link has what was sent.
    handing: FuturesUnordered<BoxFuture<'static, ()>>,
    inbox: Option<Box<Inbox>>,
    /// Whether any link is up, as the session knows.
    connected: bool,

    policy: Policy,
    introductions: Option<mpsc::Sender<Introduction>>,
    /// Newcomers that wait for a decision, as many as the session lets wait.
    newcomers: BTreeMap<ParticipantId, Newcomer>,
    questions: u64,
    decisions: FuturesUnordered<Decision>,

    capacity: usize,
    subscribers: Vec<Writer<Received>>,
    unverified: Vec<Writer<Unverified>>,
    events: Vec<Writer<Event>>,
    pub(super) stats: Stats,
    /// When each reason to refuse frames was last told.
    refused: BTreeMap<Refusal, Instant>,

    /// When the topic ends, whatever is left, once somebody stopped it.
    stopping: Option<Pin<Box<Sleep>>>,
    /// The last flush of all links, once nothing is left to publish.
    flushing: Option<BoxFuture<'static, ()>>,
    /// Why the topic can't go on.
    failed: Option<TopicError>,
    shared: Arc<Shared>,
}

impl Bus {
    pub(super) fn new(
        opened: Opened,
        policy: Policy,
        queue: mpsc::Receiver<Outgoing>,
        capacity: usize,
        shared: Arc<Shared>,
    ) -> Self {
        let mut bus = Self {
            session: opened.session,
            entropy: opened.entropy,
            time: opened.time,
            timer: None,
            storing: Storing::new(opened.store),
            outcomes: Vec::new(),
            links: Vec::new(),
            max_frame: opened.max_frame,
            queue,
            waiting: None,
            waiters: None,
            handing: FuturesUnordered::new(),
            inbox: opened.inbox.then(|| Box::new(Inbox::new())),
            connected: true,
            policy,
            introductions: None,
            newcomers: BTreeMap::new(),
            questions: 0,
            decisions: FuturesUnordered::new(),
            capacity,
            subscribers: Vec::new(),
            unverified: Vec::new(),
            events: Vec::new(),
            stats: Stats::default(),
            refused: BTreeMap::new(),
            stopping: None,
            flushing: None,
            failed: None,
            shared,
        };
        bus.measure();
        bus.look_at_links();
        let tickets = bus.session.unconfirmed().into_iter().map(|message| message.ticket);
        let next = tickets.max().map_or(1, |last| last.saturating_add(1));
        bus.shared.ticket.store(next, Ordering::Relaxed);
        if bus.session.is_ready() {
            bus.shared.set(Status::Ready);
        }
        // A session that was restored has something to say.
        bus.drain();
        // It is said again as soon as somebody can hear it.
        bus.stats.unsent = 0;
        bus
    }

    /// Does what there is to do. Ready once the topic has stopped, with the reason.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Poll<TopicError> {
        for _ in 0..TURN {
            // The order is fixed, so that a simulation repeats. Nothing is short-circuited, so
            // that a flood of one kind can't keep another out.
            let moved = self.poll_store(cx)
                | self.poll_timer(cx)
                | self.poll_decisions(cx)
                | self.poll_inbox(cx)
                | self.poll_handing(cx)
                | self.poll_queue(cx)
                | self.poll_links(cx);
            if let Some(error) = self.failed.take() {
                return Poll::Ready(error);
            }
            if let Poll::Ready(stopped) = self.poll_stopped(cx) {
                return Poll::Ready(stopped);
            }
            if !moved {
                return Poll::Pending;
            }
        }
        // More may be waiting: after the others had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Puts something into the session, and acts on what comes out.
    fn input(&mut self, input: Input<'_>) -> Result<(), CommandError> {
        let handled = self.put(input);
        self.drain();
        handled
    }

    /// Puts something into the session; more follows before anything is taken out.
    fn put(&mut self, input: Input<'_>) -> Result<(), CommandError> {
        let (now, wall) = self.time.now();
        let mut moment = Moment::new(now, &mut *self.entropy);
        moment.wall = wall;
        self.session.handle(input, &mut moment)
    }

    /// Carries out a command, and answers once everything that it caused is stored.
    pub(super) fn command(&mut self, command: Command<'_>, outcome: Outcome) {
        let rejected = if let Command::Reject(id) = command { Some(id) } else { None };
        match self.input(Input::Command(command)) {
            Ok(()) => {
                if let Some(id) = rejected {
                    self.shared.rejected(id);
                }
                self.outcomes.push(outcome);
            }
            // Whoever asked may have stopped waiting; so below.
            Err(error) => drop(outcome.send(Err(error.into()))),
        }
        self.answer_outcomes();
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.session.deadline() else {
            self.timer = None;
            return false;
        };
        if self.timer.as_ref().is_none_or(|(armed, _)| *armed != deadline) {
            let until = self.time.zero + Duration::from_millis(deadline);
            self.timer = Some((deadline, Box::pin(tokio::time::sleep_until(until))));
        }
        let due = self.timer.as_mut().is_some_and(|(_, sleep)| sleep.poll_unpin(cx).is_ready());
        if due {
            self.timer = None;
            let _ = self.input(Input::Timer);
        }
        due
    }

    /// No more messages are taken; those in the queue are still published.
    pub(super) fn stop(&mut self) {
        self.queue.close();
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let unsent = self.links.iter().filter(|link| link.has_unsent());
        join_all(unsent.map(Attachment::flush)).map(drop).boxed()
    }

    /// Ready once a topic that was stopped has nothing left to do, or no time.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<TopicError> {
        if !self.queue.is_closed() {
            return Poll::Pending;
        }
        let stopping = self.stopping.get_or_insert_with(|| Box::pin(sleep(STOPPING)));
        let late = stopping.poll_unpin(cx).is_ready();
        if self.flushing.as_mut().is_some_and(|flushing| flushing.poll_unpin(cx).is_ready()) {
            return Poll::Ready(TopicError::Stopped);
        }
        if !late {
            return Poll::Pending;
        }
        let queued = self.queue.len() + usize::from(self.waiting.is_some());
        let handed: usize = self.links.iter().map(Attachment::unsent).sum();
        let messages = u64::try_from(queued + handed).unwrap_or(u64::MAX);
        if messages == 0 && self.flushing.is_none() {
            // A commit hangs; whoever waits for that learns it.
            return Poll::Ready(TopicError::Stopped);
        }
        tracing::warn!(messages, topic = %self.shared.name, "stopped with messages unsent");
        Poll::Ready(TopicError::Unsent { messages })
    }

    /// What closes when the bus is dropped, to be waited for.
    pub(super) fn closing(&self) -> Vec<CancellationToken> {
        self.links.iter().filter_map(Attachment::closed).collect()
    }
}

/// Links.
impl Bus {
    pub(super) fn attach(&mut self, link: Attachment) {
        // Most topics have one link for life, and an attachment is large.
        self.links.reserve_exact(1);
        self.links.push(link);
        self.measure();
        self.look_at_links();
    }

    pub(super) fn detach(&mut self, id: LinkId) -> Result<(), TopicError> {
        let before = self.links.len();
        self.links.retain(|link| link.id != id);
        self.measure();
        self.look_at_links();
        if self.links.len() < before { Ok(()) } else { Err(TopicError::NoSuchLink) }
    }

    /// Finds what fits into the smallest frame of all links, and what they carry in pieces.
    fn measure(&mut self) {
        self.shared.links.store(self.links.len(), Ordering::Relaxed);
        let fill = self.links.iter().map(Attachment::max_frame).min().unwrap_or(usize::MAX);
        let largest = self.links.iter().map(Attachment::largest).min().unwrap_or(usize::MAX);
        let (fill, largest) = (fill.min(self.max_frame), largest.min(self.max_frame));
        let overhead = self.session.overhead();
        self.shared.max_body.store(largest.saturating_sub(overhead), Ordering::Relaxed);
        self.shared.fill.store(fill.saturating_sub(overhead), Ordering::Relaxed);
        // It never fails.
        let _ = self.put(Input::FrameLimit(FrameLimit { fill, largest }));
    }

    fn link_changed(&mut self, at: usize, up: bool, event: impl FnOnce(LinkId, String) -> Event) {
        let Some(link) = self.links.get_mut(at) else {
            return;
        };
        link.up = up;
        let event = event(link.id, link.name().to_owned());
        self.tell(event);
        self.look_at_links();
        if up {
            // Whoever can admit us, or tell us what we missed, may be new on this link.
            let _ = self.input(Input::Command(Command::Introduce));
        }
    }

    /// Tells the session whether anybody can hear it.
    fn look_at_links(&mut self) {
        let connected = self.links.iter().any(|link| link.up);
        if connected != self.connected {
            self.connected = connected;
            // It never fails.
            let _ = self.input(Input::Connected(connected));
        }
    }

    fn lost(&mut self, link: LinkId, frames: u64) {
        self.stats.lost = self.stats.lost.saturating_add(frames);
        self.tell(Event::Lost { link, frames });
    }
}

/// The roster.
impl Bus {
    pub(super) fn participants(&self) -> Vec<Participant> {
        self.session.participants().into_iter().map(Participant::new).collect()
    }

    pub(super) fn members(&self) -> Vec<Member> {
        let members = self.session.members().into_iter();
        members
            .map(|(key, role)| {
                let participant = Participant::new(key);
                let name = self.session.name_of(participant.id()).map(String::from);
                Member { participant, role, name }
            })
            .collect()
    }

    pub(super) fn name_of(&self, id: ParticipantId) -> Option<String> {
        self.session.name_of(id).map(String::from)
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.session.epoch()
    }
}
