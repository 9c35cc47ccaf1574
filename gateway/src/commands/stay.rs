//! What `up` and `join` do once they run: tell, ask, and end in order. Not here: how they begin.

use std::future::Future;

use futures::stream::{BoxStream, StreamExt};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::access::stop;
use super::{App, ask, join};
use crate::control::Server;
use crate::failure::Failure;
use crate::home::Lock;
use crate::node::Node;
use crate::report::Report;

/// A topic that runs, and answers other commands.
pub(super) struct Stay<'a> {
    pub(super) app: &'a App<'a>,
    pub(super) node: Node,
    pub(super) reports: BoxStream<'static, Report>,
    pub(super) server: Server,
    pub(super) lock: Lock,
    pub(super) signals: Signals,
    /// Ends once the topic key is held.
    pub(super) once: bool,
}

impl Stay<'_> {
    /// Runs until a signal, the end of the topic, or `deadline`, which yields only to fail.
    pub(super) async fn stay(self, deadline: impl Future<Output = Failure>) -> Result<(), Failure> {
        let Self { app, node, reports, server, lock, mut signals, once } = self;
        let ended = tokio::select! {
            // What there is to tell goes first, so that `once` is never told by the clock.
            biased;
            told = tell(app, reports, once) => told,
            asked = ask::ask(app, &node) => asked,
            // A script that waits for `--once` must not go on as if it had joined.
            () = signals.caught() => {
                if once { Err(join::unmet()) } else { Ok(()) }
            }
            () = app.console.closed() => Err(Failure::Unheard),
            failure = deadline => Err(failure),
        };
        let stopped = stop(&node, &lock).await;
        server.end().await;
        drop(lock);
        ended.and(stopped)
    }
}

async fn tell(
    app: &App<'_>,
    mut reports: BoxStream<'static, Report>,
    once: bool,
) -> Result<(), Failure> {
    while let Some(report) = reports.next().await {
        // At a terminal the question itself is put.
        let question = matches!(report, Report::Question { .. });
        let put = question && !app.console.is_json() && ask::at_terminal();
        if !put {
            app.console.say(&report).await?;
        }
        if once && report == Report::Ready {
            return Ok(());
        }
    }
    Ok(())
}

/// Ctrl-C, SIGTERM and a terminal that was closed, caught from the moment that this is made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, Failure> {
        let caught = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("signals can't be caught: {error}")))
        };
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
            hangup: caught(SignalKind::hangup())?,
        })
    }

    /// Waits for one.
    pub(super) async fn caught(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
