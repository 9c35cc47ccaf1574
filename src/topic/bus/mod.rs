//! What a topic does, turn by turn: frames, messages and time go into its session, and what comes
//! out goes where it belongs. Not here: actix, cryptography, connections.

mod door;
mod newcomers;
mod outputs;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use stringphone_protocol::{Command, CommandError, Input, Moment, ParticipantId, Refusal, Session};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::STOPPING;
use super::admission::{Introduction, Outcome, Policy};
use super::attachment::Attachment;
use super::open::{Entropy, Opened};
use super::shared::{Shared, Status};
use crate::carrier::Inbound;
use crate::error::TopicError;
use crate::event::{Event, LinkId, Participant, Stats};
use crate::feed::Writer;
use crate::store::{Store, StoreError};
use crate::subscription::{Received, Unverified};
use newcomers::Newcomer;

/// Rounds of one turn, before other actors of the arbiter get theirs.
const TURN: usize = 8;
/// Frames taken from one link in a round, before the others are looked at.
const FRAMES: usize = 8;

/// A commit under way, which brings the store back.
type Commit = BoxFuture<'static, Result<Box<dyn Store>, StoreError>>;
/// The answer to a question: whom it is about, its number, and an approval or `None`.
type Decision = BoxFuture<'static, (ParticipantId, u64, Option<Outcome>)>;

/// A living topic.
pub(super) struct Bus {
    session: Box<dyn Session>,
    entropy: Entropy,
    /// The zero of the session's clock.
    epoch: Instant,
    timer: Option<(u64, Pin<Box<Sleep>>)>,

    store: Option<Box<dyn Store>>,
    commit: Option<Commit>,
    /// Commands that are answered once everything that they caused is stored.
    outcomes: Vec<Outcome>,

    links: Vec<Attachment>,
    max_frame: usize,
    queue: mpsc::Receiver<Bytes>,
    /// A message that waits for room on the links.
    waiting: Option<Bytes>,

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
        queue: mpsc::Receiver<Bytes>,
        capacity: usize,
        shared: Arc<Shared>,
    ) -> Self {
        let bus = Self {
            session: opened.session,
            entropy: opened.entropy,
            epoch: Instant::now(),
            timer: None,
            store: Some(opened.store),
            commit: None,
            outcomes: Vec::new(),
            links: Vec::new(),
            max_frame: opened.max_frame,
            queue,
            waiting: None,
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
        if bus.session.is_ready() {
            bus.shared.set(Status::Ready);
        }
        bus
    }

    /// Does what there is to do. Ready once the topic has stopped, with the reason.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Poll<TopicError> {
        for _ in 0..TURN {
            // The order is fixed, so that a simulation repeats. Nothing is short-circuited, so
            // that a flood of one kind can't keep another out.
            let moved = self.poll_commit(cx)
                | self.poll_timer(cx)
                | self.poll_decisions(cx)
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
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        let handled = self.session.handle(input, &mut Moment::new(now, &mut *self.entropy));
        self.drain();
        handled
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

    fn answer_outcomes(&mut self) {
        // What failed to be stored is never answered with success.
        if self.commit.is_none() && self.failed.is_none() {
            for outcome in self.outcomes.drain(..) {
                drop(outcome.send(Ok(())));
            }
        }
    }

    fn publish(&mut self, body: &[u8]) -> Result<(), CommandError> {
        self.input(Input::Command(Command::Publish(body)))?;
        self.stats.published += 1;
        Ok(())
    }

    fn poll_commit(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(commit) = &mut self.commit else {
            return false;
        };
        let Poll::Ready(committed) = commit.poll_unpin(cx) else { return false };
        self.commit = None;
        match committed {
            Ok(store) => {
                self.store = Some(store);
                let _ = self.input(Input::Stored);
                self.answer_outcomes();
            }
            // Going on would send what is not stored.
            Err(error) => {
                tracing::error!(%error, topic = %self.shared.name, "the topic stops");
                let error = TopicError::from(error);
                for outcome in self.outcomes.drain(..) {
                    drop(outcome.send(Err(error.clone())));
                }
                self.failed = Some(error);
            }
        }
        true
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.session.deadline() else {
            self.timer = None;
            return false;
        };
        if self.timer.as_ref().is_none_or(|(armed, _)| *armed != deadline) {
            let until = self.epoch + Duration::from_millis(deadline);
            self.timer = Some((deadline, Box::pin(tokio::time::sleep_until(until))));
        }
        let due = self.timer.as_mut().is_some_and(|(_, sleep)| sleep.poll_unpin(cx).is_ready());
        if due {
            self.timer = None;
            let _ = self.input(Input::Timer);
        }
        due
    }

    /// Takes messages from the queue while the links have room.
    fn poll_queue(&mut self, cx: &mut Context<'_>) -> bool {
        if self.commit.is_some() || self.flushing.is_some() {
            return false;
        }
        if self.waiting.is_none() {
            match self.queue.poll_recv(cx) {
                Poll::Ready(Some(body)) => self.waiting = Some(body),
                // The last handle is gone, or somebody called `stop`.
                Poll::Ready(None) => {
                    self.flushing = Some(self.flush());
                    return true;
                }
                Poll::Pending => return false,
            }
        }
        // All are asked, so that each wakes us; and a place that one of them holds for us is given
        // back while another has none: other topics may need it.
        let ask = |room: bool, link: &mut Attachment| link.poll_room(cx).is_ready() && room;
        if !self.links.iter_mut().fold(true, ask) {
            self.links.iter_mut().for_each(Attachment::give_up_room);
            return false;
        }
        if let Some(body) = self.waiting.take()
            && self.publish(&body).is_err()
        {
            self.stats.unsent += 1;
        }
        true
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
    }

    pub(super) fn detach(&mut self, id: LinkId) -> Result<(), TopicError> {
        let before = self.links.len();
        self.links.retain(|link| link.id != id);
        self.measure();
        if self.links.len() < before { Ok(()) } else { Err(TopicError::NoSuchLink) }
    }

    /// Finds what fits into the smallest frame of all links.
    fn measure(&self) {
        self.shared.links.store(self.links.len(), Ordering::Relaxed);
        let frame = self.links.iter().map(Attachment::max_frame).min().unwrap_or(usize::MAX);
        let body = frame.min(self.max_frame).saturating_sub(self.session.overhead());
        self.shared.max_body.store(body, Ordering::Relaxed);
    }

    fn poll_links(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for at in 0..self.links.len() {
            for _ in 0..FRAMES {
                // While records are on their way to the store, frames are better left with the
                // link: what they cause would have to wait in the session.
                if self.commit.is_some() || self.queue.is_closed() {
                    return moved;
                }
                let Some(link) = self.links.get_mut(at) else { break };
                let Poll::Ready(Some(inbound)) = link.poll_inbound(cx) else { break };
                moved = true;
                self.take(at, inbound);
            }
        }
        moved
    }

    fn take(&mut self, at: usize, inbound: Inbound) {
        match inbound {
            Inbound::Frame(frame) => drop(self.input(Input::Frame(&frame))),
            Inbound::Up => self.link_changed(at, true, |link, name| Event::LinkUp { link, name }),
            Inbound::Down(down) => self.link_changed(at, false, |link, name| Event::LinkDown {
                link,
                name,
                reason: down.reason,
                retry_in: down.retry_in,
            }),
            Inbound::Lost(frames) => {
                if let Some(link) = self.links.get(at).map(|link| link.id) {
                    self.lost(link, frames);
                }
            }
        }
    }

    fn link_changed(&mut self, at: usize, up: bool, event: impl FnOnce(LinkId, String) -> Event) {
        let Some(link) = self.links.get_mut(at) else {
            return;
        };
        link.up = up;
        let event = event(link.id, link.name().to_owned());
        self.tell(event);
        if up && !self.session.is_ready() {
            // Whoever can admit us may be new on this link.
            let _ = self.input(Input::Command(Command::Introduce));
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
}
