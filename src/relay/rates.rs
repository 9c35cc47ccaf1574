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
    /// Our own.
    links: Vec<Option<Bucket>>,
    /// Those that other relays name, by the link on which they do.
    sources: BTreeMap<(usize, Source), Bucket>,
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
    pub(super) fn new(limits: RelayLimits, links: usize) -> Self {
        Self { limits, links: (0..links).map(|_| None).collect(), sources: BTreeMap::new() }
    }

    /// Whether a frame that came in on this link is within the rates of the link, and of the source
    /// that another relay names.
    pub(super) fn take(
        &mut self,
        link: usize,
        relayed: Option<Source>,
        len: usize,
        now: Instant,
    ) -> bool {
        let limits = self.limits;
        let Some(source) = relayed else { return self.link(link, limits, len, now) };
        let all = RelayLimits {
            frames: limits.frames.saturating_mul(RELAYED),
            bytes: limits.bytes.saturating_mul(RELAYED),
        };
        let bucket = self.source((link, source), now);
        bucket.is_none_or(|bucket| bucket.take(limits, len, now)) && self.link(link, all, len, now)
    }

    /// A link has its own, whatever stands in frames.
    fn link(&mut self, link: usize, limits: RelayLimits, len: usize, now: Instant) -> bool {
        let bucket = self.links.get_mut(link);
        let bucket = bucket.map(|bucket| bucket.get_or_insert_with(|| Bucket::full(limits, now)));
        bucket.is_some_and(|bucket| bucket.take(limits, len, now))
    }

    /// A source's own bucket; `None` where there are too many sources for it to have one.
    fn source(&mut self, of: (usize, Source), now: Instant) -> Option<&mut Bucket> {
        if !self.sources.contains_key(&of) && self.sources.len() >= SOURCES {
            // A source that was silent for as long as its burst has nothing to lose.
            self.sources.retain(|_, bucket| now.duration_since(bucket.at).as_secs_f64() < BURST);
            if self.sources.len() >= SOURCES {
                return None;
            }
        }
        Some(self.sources.entry(of).or_insert_with(|| Bucket::full(self.limits, now)))
    }
}
