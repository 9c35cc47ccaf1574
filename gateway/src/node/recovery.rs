//! A topic whose storage went back to an old state: what is known of its way back. Not here: the way
//! itself, which is the library's.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use stringphone::Event;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Node;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::report::Report;

/// Who is behind, and has a link, hears of it sooner than this: others ask after two seconds, and
/// are heard two seconds later.
const QUIET: Duration = Duration::from_secs(10);

/// How far the way back is, since the topic started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recovery {
    /// The topic went on without us, and nobody has given us its keys yet.
    behind: bool,
    caught_up: bool,
    rolled_back: bool,
    /// When that changed, or a link came up, for the last time.
    changed: Option<Instant>,
}

impl Recovery {
    pub(super) fn hear(&mut self, event: &Event, us: &stringphone::ParticipantId) {
        match event {
            Event::Behind => self.behind = true,
            Event::Epoch(_) => self.caught_up |= std::mem::take(&mut self.behind),
            Event::RolledBack => self.rolled_back = true,
            Event::Cloned(id) if id == us => self.rolled_back = true,
            Event::LinkUp { .. } => {}
            _ => return,
        }
        self.changed = Some(Instant::now());
    }

    fn quiet_at(&self) -> Option<Instant> {
        self.changed.filter(|_| !self.behind).map(|changed| changed + QUIET)
    }
}

impl Node {
    /// The one report is there once all is back, or nobody says that anything is missing.
    pub(super) fn recovered(&self, limit: Duration) -> Result<BoxStream<'static, Report>, Failure> {
        if self.0.protocol == Protocol::Classic {
            return Err(self.classic("notice that anything is missing"));
        }
        let node = self.clone();
        let report = async move {
            let deadline = Instant::now() + limit;
            node.recover(deadline).await.unwrap_or_else(|failure| (&failure).into())
        };
        Ok(stream::once(report).boxed())
    }

    async fn recover(&self, deadline: Instant) -> Result<Report, Failure> {
        let mut states = self.0.state.subscribe();
        if timeout_at(deadline, self.linked()).await.is_err() {
            return Err(Failure::Unanswered(
                "no link is up, so nobody can say what is missing here. Is anybody up, where this \
                 home joined? Then run this again"
                    .into(),
            ));
        }
        loop {
            let recovery = states.borrow_and_update().recovery;
            let quiet_at = recovery.quiet_at().unwrap_or(deadline);
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return Err(self.stranded()) },
                () = sleep_until(quiet_at.min(deadline)) => {
                    return if recovery.behind { Err(self.stranded()) } else { Ok(self.back(recovery)) };
                }
            }
        }
    }

    fn back(&self, recovery: Recovery) -> Report {
        let Recovery { caught_up, rolled_back, .. } = recovery;
        let generation = self.0.state.borrow().generation;
        Report::Recovered { topic: self.name().into(), generation, caught_up, rolled_back }
    }

    fn stranded(&self) -> Failure {
        Failure::Unanswered(format!(
            "topic {:?} went on without this device, and no member gives it the keys: nobody who has \
             them is up, or it was evicted, or was away for longer than they remember. Have a keeper \
             write an invitation, with `stringphone invite`, and use it here: `{} join --again`",
            self.name(),
            self.home().command()
        ))
    }
}
