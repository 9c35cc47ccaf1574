//! How much each source may send. Not here: what happens to what is beyond.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::RelayLimits;
use super::engine::Source;

/// Sources that are told apart. Those beyond have the rates of their link alone.
const SOURCES: usize = 256;
/// A link to other relays may bring this many times what one source may.
const RELAYED: u32 = 8;
/// How many seconds' worth may come at once.
const BURST: f64 = 2.0;

pub(super) struct Rates {
    limits: RelayLimits,
    sources: BTreeMap<Source, Bucket>,
}

struct Bucket {
    frames: f64,
    bytes: f64,
    at: Instant,
}

impl Bucket {
    fn full(limits: RelayLimits, now: Instant) -> Self {
        let full = |rate: u32| f64::from(rate) * BURST;
        Self { frames: full(limits.frames), bytes: full(limits.bytes), at: now }
    }

    /// Takes a frame of this size, if there is room for it.
    fn take(&mut self, limits: RelayLimits, len: usize, now: Instant) -> bool {
        let seconds = now.duration_since(self.at).as_secs_f64();
        let refill = |left: f64, rate: u32| {
            let rate = f64::from(rate);
            (left + seconds * rate).min(rate * BURST)
        };
        self.frames = refill(self.frames, limits.frames);
        self.bytes = refill(self.bytes, limits.bytes);
        self.at = now;
        // More than a whole burst would never get through: it waits for a full bucket, and owes.
        let len = f64::from(u32::try_from(len).unwrap_or(u32::MAX));
        let enough = len.min(f64::from(limits.bytes) * BURST);
        if self.frames < 1.0 || self.bytes < enough {
            return false;
        }
        self.frames -= 1.0;
        self.bytes -= len;
        true
    }
}

impl Rates {
    pub(super) fn new(limits: RelayLimits) -> Self {
        Self { limits, sources: BTreeMap::new() }
    }

    /// Whether a frame of this source, which came in here, is within its rates.
    pub(super) fn take(&mut self, here: Source, source: Source, len: usize, now: Instant) -> bool {
        let limits = self.limits;
        if here == source {
            return self.bucket(source, limits, now).is_none_or(|it| it.take(limits, len, now));
        }
        let all = RelayLimits {
            frames: limits.frames.saturating_mul(RELAYED),
            bytes: limits.bytes.saturating_mul(RELAYED),
        };
        self.bucket(source, limits, now).is_none_or(|it| it.take(limits, len, now))
            && self.bucket(here, all, now).is_none_or(|it| it.take(all, len, now))
    }

    /// A source's own bucket; `None` where there are too many sources for it to have one.
    fn bucket(&mut self, of: Source, limits: RelayLimits, now: Instant) -> Option<&mut Bucket> {
        if !self.sources.contains_key(&of) && self.sources.len() >= SOURCES {
            // A source that was silent for as long as its burst has nothing to lose.
            self.sources.retain(|_, bucket| now.duration_since(bucket.at).as_secs_f64() < BURST);
            if self.sources.len() >= SOURCES {
                return None;
            }
        }
        Some(self.sources.entry(of).or_insert_with(|| Bucket::full(limits, now)))
    }
}
