//! What holds in every check, watched while they run: the sizes of frames that are handed up.
//! Not a check of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;

use super::{Ends, Fixture, Pair, claims, report::Failure};
use crate::{Channels, Facts, Frame, Link, Transport, TransportError};

/// A fixture whose transports are watched.
pub(super) struct Watched<'a> {
    fixture: &'a mut dyn Fixture,
    sizes: Sizes,
}

impl<'a> Watched<'a> {
    pub(super) fn new(fixture: &'a mut dyn Fixture) -> Self {
        Self { fixture, sizes: Sizes::default() }
    }

    /// What was amiss since this was asked before.
    pub(super) fn take_failures(&self) -> Vec<Failure> {
        let Seen { empty, largest } = std::mem::take(&mut *self.sizes.seen());
        let empty = (empty > 0).then(|| format!("{empty} empty ones"));
        let large = largest.map(|(len, max)| format!("one of {len} bytes where {max} are most"));
        empty.into_iter().chain(large).map(|why| Failure::of(claims::SIZES, why)).collect()
    }
}

#[async_trait]
impl Fixture for Watched<'_> {
    async fn pair(&mut self) -> Pair {
        let Pair { first, second } = self.fixture.pair().await;
        let watched = |transport| Watching { transport, sizes: self.sizes.clone() };
        Pair::new(watched(first), watched(second))
    }

    async fn cut(&mut self) -> Ends {
        self.fixture.cut().await
    }
}

struct Watching {
    transport: Box<dyn Transport>,
    sizes: Sizes,
}

#[async_trait]
impl Transport for Watching {
    fn facts(&self) -> Facts {
        self.transport.facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let max = self.facts().max_frame;
        let sizes = self.sizes.clone();
        let Link { incoming, outgoing } = self.transport.connect(channels).await?;
        let watched = incoming.inspect(move |item| {
            if let Ok(frame) = item {
                sizes.see(frame, max);
            }
        });
        Ok(Link::new(watched, outgoing))
    }
}

#[derive(Clone, Default)]
struct Sizes(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    empty: u64,
    /// The largest one of those that are too large, and how large it might be.
    largest: Option<(usize, usize)>,
}

impl Sizes {
    fn see(&self, frame: &Frame, max: usize) {
        match frame.bytes.len() {
            0 => self.seen().empty += 1,
            len if len > max => {
                let mut seen = self.seen();
                seen.largest = seen.largest.max(Some((len, max)));
            }
            _ => {}
        }
    }

    /// No code panics while it holds the lock, so what a poisoned one holds is sound.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
