//! Keeps track of a topic: its links, its questions, and what is told of them. Not here: answers.

use futures::StreamExt;
use futures::future::OptionFuture;
use stringphone::{
    Event, Events, Introduction, Introductions, Participant, ParticipantId, TopicHandle,
};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::Node;
use super::tally::Tally;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::report::{About, Report, Who};

/// What a topic tells its keeper.
pub(super) struct Sources {
    events: Events,
    /// Where the policy is to ask.
    introductions: Option<Introductions>,
}

impl Sources {
    pub(super) async fn of(topic: &TopicHandle, asks: bool) -> Result<Self, Failure> {
        let events = topic.events().await?;
        let introductions = if asks { Some(topic.introductions().await?) } else { None };
        Ok(Self { events, introductions })
    }
}

/// What others can cause in any number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Recurring {
    Refused(String),
    Lost(String),
    Lagged,
    Expired(String),
    Unverifiable(String),
    Gap(String),
    Dropped,
    CaughtUp(String),
    Cloned(String),
    InsiderAlarm,
}

impl Recurring {
    /// What recurs, and how often this time.
    fn of(report: &Report) -> Option<(Self, u64)> {
        match report {
            Report::Refused { reason } => Some((Self::Refused(reason.clone()), 1)),
            Report::Lost { link, frames } => Some((Self::Lost(link.clone()), *frames)),
            Report::Lagged { missed } => Some((Self::Lagged, *missed)),
            Report::Expired { from, messages } => Some((Self::Expired(from.clone()), *messages)),
            Report::Unverifiable { from, messages } => {
                Some((Self::Unverifiable(from.clone()), *messages))
            }
            Report::Gap { from, frames } => Some((Self::Gap(from.clone()), *frames)),
            Report::Dropped { messages } => Some((Self::Dropped, *messages)),
            Report::CaughtUp { id } => Some((Self::CaughtUp(id.clone()), 1)),
            Report::Cloned { id } => Some((Self::Cloned(id.clone()), 1)),
            Report::InsiderAlarm => Some((Self::InsiderAlarm, 1)),
            _ => None,
        }
    }

    fn report(self, number: u64) -> Report {
        match self {
            Self::Refused(reason) => Report::Refused { reason },
            Self::Lost(link) => Report::Lost { link, frames: number },
            Self::Lagged => Report::Lagged { missed: number },
            Self::Expired(from) => Report::Expired { from, messages: number },
            Self::Unverifiable(from) => Report::Unverifiable { from, messages: number },
            Self::Gap(from) => Report::Gap { from, frames: number },
            Self::Dropped => Report::Dropped { messages: number },
            Self::CaughtUp(id) => Report::CaughtUp { id },
            Self::Cloned(id) => Report::Cloned { id },
            Self::InsiderAlarm => Report::InsiderAlarm,
        }
    }
}

/// Runs until the topic stops.
pub(super) async fn keep(node: Node, mut sources: Sources, reports: broadcast::Sender<Report>) {
    let asks = sources.introductions.is_some();
    let mut tally = Tally::new();
    // Nobody may be listening.
    let tell = |report| drop(reports.send(report));
    loop {
        let introduction: OptionFuture<_> =
            sources.introductions.as_mut().map(StreamExt::next).into();
        let report = tokio::select! {
            // In this order: a question that has lapsed goes before the same one comes again.
            biased;
            event = sources.events.next() => match event {
                None => break,
                Some(Err(lagged)) => Some(Report::Lagged { missed: lagged.0 }),
                // The question itself is told, once it can be answered.
                Some(Ok(Event::Introduced(_))) if asks => None,
                Some(Ok(Event::Answered(who))) => Some(answered(&node, who)),
                Some(Ok(Event::Joined(who))) => {
                    learn_name(&node, who.id()).await;
                    Some(Report::Joined { who: called(&node, &who) })
                }
                Some(Ok(event)) => happened(&node, &event),
            },
            Some(Some(introduction)) = introduction => introduced(&node, introduction).await,
            () = tally.due() => None,
        };
        let now = Instant::now();
        if let Some(report) = report {
            let told = match Recurring::of(&report) {
                None => Some(report),
                Some((what, number)) => {
                    let number = tally.count(what.clone(), number, now);
                    number.map(|number| what.report(number))
                }
            };
            told.into_iter().for_each(tell);
        }
        // A flood may leave the timer no turn.
        tally.take(now).into_iter().for_each(|(what, number)| tell(what.report(number)));
    }
    tally.rest().for_each(|(what, number)| tell(what.report(number)));
}

fn happened(node: &Node, event: &Event) -> Option<Report> {
    let state = &node.0.state;
    let us = node.participant().id();
    state.send_modify(|state| state.recovery.hear(event, &us));
    match event {
        Event::Ready => {
            node.questions().admitted();
            state.send_modify(|state| state.ready = true);
        }
        Event::Lapsed(id) => drop(node.questions().take(*id)),
        Event::LinkUp { link, name } => {
            state.send_modify(|state| drop(state.links.insert(*link, (name.clone(), true))));
            // Of the relay's own links it says nothing.
            if node.is_behind_relay() {
                return None;
            }
        }
        Event::LinkDown { link, name, reason, .. } => state.send_modify(|state| {
            state.links.insert(*link, (name.clone(), false));
            state.broken = Some(reason.clone());
        }),
        // It is told once, as what it is.
        Event::Removed(id) if *id == us => return None,
        Event::Removed(id) => {
            let name = node.name_of(*id);
            state.send_modify(|state| drop(state.names.remove(id)));
            let evicted = node.0.protocol == Protocol::V2;
            return Some(Report::Removed { id: id.to_string(), name, evicted });
        }
        Event::Epoch(epoch) => {
            let generation = epoch.generation;
            let before = state.borrow().generation;
            state.send_modify(|state| state.generation = Some(generation));
            // Steps are nobody's business, and neither are the first keys.
            let new = before.is_some_and(|before| before != generation);
            return new.then_some(Report::Rekeyed { generation });
        }
        Event::Lost { link, frames } => {
            // People know links by their names.
            if let Some((name, _)) = state.borrow().links.get(link) {
                let (link, frames) = (name.clone(), *frames);
                return Some(Report::Lost { link, frames });
            }
        }
        _ => {}
    }
    Report::of_event(event)
}

async fn introduced(node: &Node, introduction: Introduction) -> Option<Report> {
    let who = introduction.participant();
    learn_name(node, who.id()).await;
    let new = node.questions().newcomer(introduction);
    new.then(|| question(node, About::Newcomer, who))
}

/// Somebody answered our introduction, and has to be confirmed.
fn answered(node: &Node, who: Participant) -> Report {
    node.questions().admitter(who);
    question(node, About::Admitter, who)
}

fn question(node: &Node, about: About, who: Participant) -> Report {
    let answer = format!("{} admit {}", node.home().command(), who.fingerprint());
    Report::Question { about, who: called(node, &who), answer }
}

/// A member, or a newcomer, may say what it calls itself.
async fn learn_name(node: &Node, id: ParticipantId) {
    // A topic that has stopped knows no names.
    let name = node.0.topic.name_of(id).await.ok().flatten();
    node.0.state.send_modify(|state| {
        match name {
            Some(name) => state.names.insert(id, name),
            None => state.names.remove(&id),
        };
    });
}

fn called(node: &Node, who: &Participant) -> Who {
    Who::from(who).called(node.name_of(who.id()))
}
