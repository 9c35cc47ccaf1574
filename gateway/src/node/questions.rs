//! Questions that wait for a person. Not here: how the person is asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stringphone::{Fingerprint, Introduction, Participant, ParticipantId};
use tokio::sync::watch;

use crate::report::About;

/// Introductions of one newcomer that are held at the same time. An honest one has a new key
/// exchange after a restart, and asks again.
const EACH: usize = 4;

/// A question about a participant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) about: About,
    pub(crate) who: Participant,
}

/// What a question is answered with.
pub(crate) enum Matter {
    /// Any of them admits. Dropping one denies, so an earlier one is never dropped for a later.
    Newcomer(Vec<Introduction>),
    Admitter(Participant),
}

/// The questions that wait, whoever answers them. Their number is bounded by the topic's session.
#[derive(Default)]
pub(crate) struct Questions {
    waiting: Mutex<BTreeMap<ParticipantId, Matter>>,
    changed: watch::Sender<()>,
}

impl Questions {
    /// Whether the question is new.
    pub(super) fn newcomer(&self, introduction: Introduction) -> bool {
        let id = introduction.participant().id();
        let mut waiting = self.waiting();
        let new = match waiting.get_mut(&id) {
            Some(Matter::Newcomer(held)) => {
                if held.len() < EACH {
                    held.push(introduction);
                }
                false
            }
            _ => {
                waiting.insert(id, Matter::Newcomer(vec![introduction]));
                true
            }
        };
        drop(waiting);
        self.changed.send_replace(());
        new
    }

    pub(super) fn admitter(&self, who: Participant) {
        self.waiting().insert(who.id(), Matter::Admitter(who));
        self.changed.send_replace(());
    }

    /// Ends a question, to answer it or because it has lapsed.
    pub(super) fn take(&self, id: ParticipantId) -> Option<Matter> {
        let taken = self.waiting().remove(&id);
        self.changed.send_replace(());
        taken
    }

    /// Whether somebody who would admit us waits to be confirmed.
    pub(super) fn any_admitter(&self) -> bool {
        self.waiting().values().any(|matter| matches!(matter, Matter::Admitter(_)))
    }

    /// Ends all questions about who admits us.
    pub(super) fn admitted(&self) {
        self.waiting().retain(|_, matter| matches!(matter, Matter::Newcomer(_)));
        self.changed.send_replace(());
    }

    /// The question about the participant of this id or fingerprint.
    pub(crate) fn find(&self, who: &str) -> Option<Question> {
        self.all().into_iter().find(|question| is(who, &question.who))
    }

    /// Waits for a question.
    pub(crate) async fn next(&self) -> Question {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(question) = self.all().into_iter().next() {
                return question;
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this question has been answered, or has lapsed.
    pub(crate) async fn gone(&self, question: &Question) {
        let mut changed = self.changed.subscribe();
        while self.waiting().contains_key(&question.who.id()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn all(&self) -> Vec<Question> {
        let waiting = self.waiting();
        let questions = waiting.values().filter_map(|matter| {
            let (about, who) = match matter {
                Matter::Newcomer(held) => (About::Newcomer, held.first()?.participant()),
                Matter::Admitter(who) => (About::Admitter, *who),
            };
            Some(Question { about, who })
        });
        questions.collect()
    }

    /// No code panics while it holds the lock.
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<ParticipantId, Matter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this text is the participant's whole id, or its fingerprint. Never a part of either,
/// which others could have as well.
pub(super) fn is(text: &str, participant: &Participant) -> bool {
    let id = text.parse::<ParticipantId>();
    let fingerprint = text.parse::<Fingerprint>();
    id.is_ok_and(|id| id == participant.id())
        || fingerprint.is_ok_and(|fingerprint| fingerprint == participant.fingerprint())
}
