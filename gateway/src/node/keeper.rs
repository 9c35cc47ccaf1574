//! Keeps track of a topic: its links, its questions, and what is told of them. Not here: answers.

use futures::StreamExt;
use futures::future::OptionFuture;
use stringphone::{Event, Events, Introduction, Introductions, Participant, TopicHandle};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::Node;
use super::tally::Tally;
use crate::failure::Failure;
use crate::report::{About, Report};

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
}

impl Recurring {
    /// What recurs, and how often this time.
    fn of(report: &Report) -> Option<(Self, u64)> {
        match report {
            Report::Refused { reason } => Some((Self::Refused(reason.clone()), 1)),
            Report::Lost { link, frames } => Some((Self::Lost(link.clone()), *frames)),
            Report::Lagged { missed } => Some((Self::Lagged, *missed)),
            _ => None,
        }
    }

    fn report(self, number: u64) -> Report {
        match self {
            Self::Refused(reason) => Report::Refused { reason },
            Self::Lost(link) => Report::Lost { link, frames: number },
            Self::Lagged => Report::Lagged { missed: number },
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
                Some(Ok(event)) => happened(&node, &event),
            },
            Some(Some(introduction)) = introduction => introduced(&node, introduction),
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
    match event {
        Event::Ready => {
            node.questions().admitted();
            state.send_modify(|state| state.ready = true);
        }
        Event::Lapsed(id) => drop(node.questions().take(*id)),
        Event::LinkUp { link, name } => state.send_modify(|state| {
            state.links.insert(*link, (name.clone(), true));
        }),
        Event::LinkDown { link, name, .. } => state.send_modify(|state| {
            state.links.insert(*link, (name.clone(), false));
        }),
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

fn introduced(node: &Node, introduction: Introduction) -> Option<Report> {
    let who = introduction.participant();
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
    Report::Question { about, who: (&who).into(), answer }
}
