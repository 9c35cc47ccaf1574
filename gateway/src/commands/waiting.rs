//! Those who wait to be let in: what they are told meanwhile, and why it was in vain. Not here: how
//! they ask.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::App;
use crate::failure::Failure;
use crate::node::{Node, Obstacle};
use crate::report::By;

/// How often people are told that we still wait.
const PROGRESS: Duration = Duration::from_secs(60);

/// Somebody who wants to join.
pub(super) struct Waiting {
    pub(super) node: Node,
    pub(super) places: String,
    pub(super) by: By,
    pub(super) trusts_one: bool,
}

impl Waiting {
    /// Yields only where nobody has admitted us in time; tells meanwhile that we wait.
    pub(super) async fn unanswered(self, app: &App<'_>, timeout: Option<Duration>) -> Failure {
        let begun = Instant::now();
        let late = async {
            match timeout {
                Some(timeout) => sleep_until(begun + timeout).await,
                None => pending().await,
            }
        };
        let waiting = async {
            loop {
                sleep(PROGRESS).await;
                if self.node.is_ready() {
                    return pending().await;
                }
                let minutes = begun.elapsed().as_secs() / 60;
                let why = self.why().await;
                let note = format!("(still waiting, for {minutes} min: {why}; Ctrl-C ends it)");
                if let Err(failure) = app.console.note(&note).await {
                    return failure;
                }
            }
        };
        tokio::select! {
            () = late => {}
            failure = waiting => return failure,
        }
        if self.node.is_ready() {
            return pending().await;
        }
        Failure::Unanswered(format!("not admitted in time: {}", self.why().await))
    }

    /// What stands in the way, and what to do about it.
    async fn why(&self) -> String {
        let places = &self.places;
        match (self.node.obstacle(self.trusts_one).await, self.by) {
            (Obstacle::NoLink(None), _) => format!("no link to {places}; is it up there?"),
            (Obstacle::NoLink(Some(error)), _) => {
                format!("no link to {places} ({error}); is it up there?")
            }
            (Obstacle::Unconfirmed, _) => "somebody over there said yes, and nobody here has \
                 confirmed that it is the right one: compare the fingerprint, and say yes, or \
                 `stringphone confirm ID`"
                .into(),
            (Obstacle::Stranger, _) => "who answered has another fingerprint than the one given; \
                 compare it with what `stringphone whoami` tells over there"
                .into(),
            (Obstacle::Silence, By::Fingerprint) => "nobody answered, or the answer was no. \
                 Whoever is up sees a question, or needs `stringphone admit`; the next `join` asks \
                 again"
                .into(),
            (Obstacle::Silence, By::Invitation) => "nobody took the invitation. It may be used or \
                 expired, and only the device that made it can let us in: have `stringphone \
                 invite` make a new one there, while it is up"
                .into(),
            (Obstacle::Silence, By::Pin) => format!(
                "nobody there takes a PIN for topic {:?}: have `stringphone pin` show one, and \
                 join again with that",
                self.node.name()
            ),
        }
    }
}
