//! What a medium does to frames. Not who is on it.

use std::fmt;
use std::time::Duration;

/// How good a link is. Probabilities are per frame and receiver, from 0.0 to 1.0.
///
/// ```
/// use std::time::Duration;
/// use stringphone_sim::Link;
///
/// let link = Link::radio().loss(0.05).delay(Duration::from_millis(20));
/// # let _ = link;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub(super) loss: f64,
    pub(super) duplication: f64,
    pub(super) reordering: f64,
    pub(super) corruption: f64,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) bandwidth: Option<u64>,
    pub(super) queue: u64,
}

/// A frame that is to be overtaken is held back for up to so long.
pub(super) const OVERTAKEN_WITHIN: Duration = Duration::from_millis(200);

impl Link {
    /// Every frame arrives at once, once, in order and whole.
    #[must_use]
    pub const fn perfect() -> Self {
        Self {
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            corruption: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            bandwidth: None,
            queue: 65_536,
        }
    }

    /// A cable: 12.5 MB/s, a millisecond, and nothing goes wrong.
    #[must_use]
    pub const fn wire() -> Self {
        Self::perfect().delay(Duration::from_millis(1)).bandwidth(12_500_000).queue(1 << 20)
    }

    /// A radio of 250 kbit/s, up to 25 ms: 1 % is lost, 1 % comes twice, 1 % late, 0.1 % damaged.
    #[must_use]
    pub const fn radio() -> Self {
        Self::perfect()
            .loss(0.01)
            .duplication(0.01)
            .reordering(0.01)
            .corruption(0.001)
            .delay(Duration::from_millis(5))
            .jitter(Duration::from_millis(20))
            .bandwidth(31_250)
    }

    /// A frame does not arrive.
    #[must_use]
    pub const fn loss(mut self, probability: f64) -> Self {
        self.loss = probability;
        self
    }

    /// A frame arrives twice.
    #[must_use]
    pub const fn duplication(mut self, probability: f64) -> Self {
        self.duplication = probability;
        self
    }

    /// A frame is held back for up to 200 ms, and overtaken by those behind it.
    #[must_use]
    pub const fn reordering(mut self, probability: f64) -> Self {
        self.reordering = probability;
        self
    }

    /// One bit of a frame is flipped.
    #[must_use]
    pub const fn corruption(mut self, probability: f64) -> Self {
        self.corruption = probability;
        self
    }

    /// How long a frame takes at least.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// How much longer it may take, at random. The order stays.
    #[must_use]
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Bytes a second, of all senders together.
    #[must_use]
    pub const fn bandwidth(mut self, bytes_a_second: u64) -> Self {
        self.bandwidth = Some(bytes_a_second);
        self
    }

    /// How many bytes wait for the bandwidth (default 65,536); a frame beyond is dropped.
    #[must_use]
    pub const fn queue(mut self, bytes: u64) -> Self {
        self.queue = bytes;
        self
    }

    /// How long so many bytes take up the medium.
    pub(super) fn airtime(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let micros = |rate: u64| bytes.saturating_mul(1_000_000).checked_div(rate).unwrap_or(0);
        Duration::from_micros(self.bandwidth.map_or(0, micros))
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::perfect()
    }
}

/// As it would be written in a program.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link::perfect()")?;
        let Self { loss, duplication, reordering, corruption, delay, jitter, .. } = self;
        for (name, value) in [
            ("loss", loss),
            ("duplication", duplication),
            ("reordering", reordering),
            ("corruption", corruption),
        ] {
            if *value > 0.0 {
                write!(f, ".{name}({value:?})")?;
            }
        }
        for (name, value) in [("delay", delay), ("jitter", jitter)] {
            if !value.is_zero() {
                write!(f, ".{name}(Duration::from_micros({}))", value.as_micros())?;
            }
        }
        if let Some(bandwidth) = self.bandwidth {
            write!(f, ".bandwidth({bandwidth}).queue({})", self.queue)?;
        }
        Ok(())
    }
}
