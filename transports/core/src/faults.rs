//! A bad network around any transport: frames are lost, repeated, reordered, delayed and damaged,
//! and the link breaks, all by a seed.
//! Not a model of any medium, and no task of its own: faults strike frames as they are received.
//!
//! ```
//! use std::time::Duration;
//! use stringphone_transport::{Transport, faults::{Faults, Faulty}};
//!
//! fn over_a_bad_network(transport: impl Transport) -> impl Transport {
//!     let faults = Faults::seeded(7)
//!         .loss(0.05)
//!         .duplicate(0.02)
//!         .reorder(0.1)
//!         .delay(Duration::from_millis(1)..Duration::from_millis(20));
//!     Faulty::new(transport, faults)
//! }
//! ```

mod counts;
mod dice;
mod link;
#[cfg(test)]
mod tests;

use std::{ops::Range, time::Duration};

use async_trait::async_trait;

use self::{counts::SharedCounts, dice::Dice};
use crate::{Channels, Facts, Link, Transport, TransportError};

pub use self::counts::FaultCounts;

/// Which faults, how often, and from which seed. None by default.
///
/// Probabilities are per frame, from 0.0 to 1.0; what lies outside is moved there.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    loss: f64,
    duplicate: f64,
    reorder: f64,
    corrupt: f64,
    disconnect: f64,
    disconnect_every: Option<u64>,
    delay: Range<Duration>,
    held: usize,
}

impl Faults {
    /// No faults yet. The same seed gives the same faults to the same frames on any machine.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            corrupt: 0.0,
            disconnect: 0.0,
            disconnect_every: None,
            delay: Duration::ZERO..Duration::ZERO,
            held: 1024,
        }
    }

    /// The frame never arrives.
    #[must_use]
    pub fn loss(mut self, probability: f64) -> Self {
        self.loss = probability;
        self
    }

    /// The frame arrives twice; the second one is delayed on its own.
    #[must_use]
    pub fn duplicate(mut self, probability: f64) -> Self {
        self.duplicate = probability;
        self
    }

    /// The frame is held back for up to 10 ms, and overtaken by all that arrives meanwhile.
    #[must_use]
    pub fn reorder(mut self, probability: f64) -> Self {
        self.reorder = probability;
        self
    }

    /// One bit of the frame is flipped.
    #[must_use]
    pub fn corrupt(mut self, probability: f64) -> Self {
        self.corrupt = probability;
        self
    }

    /// The link goes down after the frame, until it is connected again.
    #[must_use]
    pub fn disconnect(mut self, probability: f64) -> Self {
        self.disconnect = probability;
        self
    }

    /// The link goes down after each so many frames that were received on it.
    #[must_use]
    pub fn disconnect_every(mut self, frames: u64) -> Self {
        self.disconnect_every = Some(frames.max(1));
        self
    }

    /// Every frame is delayed by a time from this range; without [`reorder`](Self::reorder), the
    /// order stays.
    #[must_use]
    pub fn delay(mut self, range: Range<Duration>) -> Self {
        self.delay = range;
        self
    }

    /// How many frames may be held back at a time, at least one; 1,024. While as many are, no more
    /// are received, and the transport's own back-pressure is at work.
    #[must_use]
    pub fn held(mut self, frames: usize) -> Self {
        self.held = frames.max(1);
        self
    }
}

/// Any transport, over a bad network.
///
/// The facts are those of the transport within, except that it is reliable no more where faults
/// would belie it.
pub struct Faulty<T> {
    transport: T,
    faults: Faults,
    dice: Dice,
    counts: SharedCounts,
}

impl<T: Transport> Faulty<T> {
    /// Wraps the transport.
    pub fn new(transport: T, faults: Faults) -> Self {
        let dice = Dice::seeded(faults.seed);
        Self { transport, faults, dice, counts: SharedCounts::default() }
    }

    /// A handle on the counters, to keep a hold of when the transport is given away.
    pub fn counts(&self) -> FaultCounter {
        FaultCounter(self.counts.clone())
    }
}

/// Reads the counters of a [`Faulty`], wherever it went.
#[derive(Clone, Debug)]
pub struct FaultCounter(SharedCounts);

impl FaultCounter {
    /// What was done so far.
    pub fn read(&self) -> FaultCounts {
        self.0.read()
    }
}

#[async_trait]
impl<T: Transport> Transport for Faulty<T> {
    fn facts(&self) -> Facts {
        let mut facts = self.transport.facts();
        let Faults { loss, duplicate, reorder, corrupt, .. } = self.faults;
        facts.reliable &= [loss, duplicate, reorder, corrupt].iter().all(|p| *p <= 0.0);
        facts
    }

    /// Each link has random numbers of its own, drawn from those of the wrapper.
    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let link = self.transport.connect(channels).await?;
        let dice = self.dice.fork();
        Ok(link::wrap(link, self.faults.clone(), dice, self.counts.clone()))
    }
}
