//! Where actors run. Not here: what they do.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use actix::{Arbiter, System};

pub(crate) use actix::prelude::ArbiterHandle;

/// The arbiters of the process's own background system, one a core.
static HOUSE: OnceLock<Vec<ArbiterHandle>> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The arbiter for a new actor: the current one where an actix system runs this thread, otherwise
/// the next of a background system that lives as long as the process.
pub(crate) fn arbiter() -> ArbiterHandle {
    if let Some(current) = Arbiter::try_current() {
        return current;
    }
    let house = HOUSE.get_or_init(build);
    let next = NEXT.fetch_add(1, Ordering::Relaxed) % house.len().max(1);
    house.get(next).cloned().unwrap_or_else(Arbiter::current)
}

fn build() -> Vec<ArbiterHandle> {
    let (ready, arbiters) = mpsc::channel();
    let run = move || {
        let runner = System::new();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // The system's own arbiter is the first; the others are threads of their own.
        let first = System::current().arbiter().clone();
        let others: Vec<Arbiter> = (1..cores).map(|_| Arbiter::new()).collect();
        let handles = std::iter::once(first).chain(others.iter().map(Arbiter::handle)).collect();
        // The receiver waits below and can't be gone.
        let _ = ready.send(handles);
        if let Err(error) = runner.run() {
            tracing::error!(%error, "the background actor system ended");
        }
    };
    let spawned = thread::Builder::new().name("stringphone".into()).spawn(run);
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for the background actor system");
    }
    arbiters.recv().unwrap_or_default()
}
