//! What the topic stores, and what it has made unreadable. Not here: where, and what the records
//! say.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use stringphone_protocol::{Input, Record};
use tokio::time::{Sleep, sleep};

use super::Bus;
use crate::error::TopicError;
use crate::store::{COMMIT, Store, StoreError, within};

/// What was overwritten or deleted is unreadable after so long. Stores rewrite much for that.
const ERASE: Duration = Duration::from_secs(60);

/// The topic's store, which is away while it works.
pub(super) struct Storing {
    store: Option<Box<dyn Store>>,
    work: Option<(Work, Done)>,
    /// What is stored next; the session waits for it.
    next: Option<Vec<Record>>,
    /// Until what was overwritten is made unreadable.
    erase: Option<Pin<Box<Sleep>>>,
}

/// What brings the store back.
type Done = BoxFuture<'static, Result<Box<dyn Store>, StoreError>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Commit,
    Erase,
}

impl Storing {
    pub(super) fn new(store: Box<dyn Store>) -> Self {
        Self { store: Some(store), work: None, next: None, erase: None }
    }

    /// Whether what is said now has to wait.
    pub(super) const fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    pub(super) fn commit(&mut self, records: Vec<Record>) {
        self.next = Some(records);
        self.begin();
    }

    fn begin(&mut self) {
        let Some(mut store) = self.store.take() else { return };
        let Some(records) = self.next.take() else {
            self.store = Some(store);
            return;
        };
        let committed = async move {
            within(COMMIT, store.commit(records)).await?;
            Ok(store)
        };
        self.work = Some((Work::Commit, committed.boxed()));
    }

    fn poll_erase(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.erase.as_mut().is_some_and(|erase| erase.poll_unpin(cx).is_ready());
        let Some(mut store) = self.store.take_if(|_| due) else { return false };
        self.erase = None;
        let erased = async move {
            if let Err(error) = within(COMMIT, store.erase()).await {
                // The next commit is followed by another try.
                tracing::warn!(%error, "what was overwritten may still be readable");
            }
            Ok(store)
        };
        self.work = Some((Work::Erase, erased.boxed()));
        true
    }

    /// What was done.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Work, StoreError>> {
        let Some((work, done)) = &mut self.work else { return Poll::Pending };
        let work = *work;
        let Poll::Ready(done) = done.poll_unpin(cx) else { return Poll::Pending };
        self.work = None;
        self.store = Some(done?);
        if work == Work::Commit {
            self.erase.get_or_insert_with(|| Box::pin(sleep(ERASE)));
        }
        self.begin();
        Poll::Ready(Ok(work))
    }
}

impl Bus {
    pub(super) fn poll_store(&mut self, cx: &mut Context<'_>) -> bool {
        let erasing = self.storing.poll_erase(cx);
        let Poll::Ready(done) = self.storing.poll(cx) else { return erasing };
        match done {
            Ok(Work::Commit) => {
                let _ = self.input(Input::Stored);
                self.answer_outcomes();
            }
            Ok(Work::Erase) => {}
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

    pub(super) fn answer_outcomes(&mut self) {
        // What failed to be stored is never answered with success.
        if !self.storing.is_busy() && self.failed.is_none() {
            for outcome in self.outcomes.drain(..) {
                drop(outcome.send(Ok(())));
            }
        }
    }
}
