//! Which frame goes on, and how it is written. Not here: the links.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::rates::Rates;
use super::seen::Seen;
use super::{RelayLimits, RelayStats};
use crate::carrier::pieces;

/// The first byte of a frame between relays. No protocol's frame begins so.
const WRAPPED: u8 = 0x2a;
const HEADER: usize = 10;
/// A frame that has gone through so many relays goes no further.
const HOPS: u8 = 8;

/// Where a frame came in: a link of some relay.
pub(super) type Source = [u8; 8];

/// Who is on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Participants,
    /// A topic of this process, which is not held to any rate.
    Inside,
    Relays,
}

/// A relay's mind, without its links.
pub(super) struct Engine {
    links: Vec<(Side, Source)>,
    seen: Seen,
    rates: Rates,
    pub(super) stats: RelayStats,
}

/// A frame that goes on to all other links.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Onward {
    hops: u8,
    source: Source,
    frame: Bytes,
}

impl Onward {
    /// As it stands on a link of this side.
    pub(super) fn on(&self, side: Side) -> Bytes {
        match side {
            Side::Participants | Side::Inside => self.frame.clone(),
            Side::Relays => {
                let mut wrapped = BytesMut::with_capacity(HEADER + self.frame.len());
                wrapped.put_u8(WRAPPED);
                wrapped.put_u8(self.hops);
                wrapped.put_slice(&self.source);
                wrapped.put_slice(&self.frame);
                wrapped.freeze()
            }
        }
    }
}

impl Engine {
    pub(super) fn new(sides: &[Side], limits: RelayLimits) -> Self {
        // Where there is no entropy, two relays may share a limit; nothing worse.
        let mut first = getrandom::u64().unwrap_or_default();
        let mut source = || {
            first = first.wrapping_add(1);
            first.to_be_bytes()
        };
        Self {
            links: sides.iter().map(|side| (*side, source())).collect(),
            seen: Seen::default(),
            rates: Rates::new(limits, sides.len()),
            stats: RelayStats::default(),
        }
    }

    pub(super) fn side(&self, link: usize) -> Option<Side> {
        self.links.get(link).map(|(side, _)| *side)
    }

    /// Decides about a frame that came in on a link. What is not to go on is counted.
    pub(super) fn take(
        &mut self,
        link: usize,
        channel: &str,
        frame: Bytes,
        now: Instant,
    ) -> Option<Onward> {
        let (side, here) = *self.links.get(link)?;
        let Some(onward) = unwrap(side, here, frame) else {
            self.stats.malformed += 1;
            return None;
        };
        if onward.hops > HOPS {
            self.stats.hops += 1;
            return None;
        }
        let relayed = (side == Side::Relays).then_some(onward.source);
        if relayed.is_some_and(|source| self.links.iter().any(|(_, ours)| *ours == source)) {
            // It comes back to us; or somebody wants to use our own rates up.
            self.stats.duplicates += 1;
            return None;
        }
        let len = onward.frame.len();
        if side != Side::Inside && !self.rates.take(link, relayed, len, now) {
            self.stats.over_rate += 1;
            return None;
        }
        if !self.seen.is_news(channel, &onward.frame, now) {
            self.stats.duplicates += 1;
            return None;
        }
        self.stats.forwarded += 1;
        Some(onward)
    }
}

/// A frame from a link of this side, one relay further.
fn unwrap(side: Side, here: Source, frame: Bytes) -> Option<Onward> {
    match (side, frame.first()) {
        (Side::Participants | Side::Inside, Some(_)) if !pieces::is_reserved(&frame) => {
            Some(Onward { hops: 1, source: here, frame })
        }
        (Side::Relays, Some(&WRAPPED)) => {
            let (header, rest) = frame.split_first_chunk::<HEADER>()?;
            let [_, hops, source @ ..] = *header;
            // What carriers say to each other stays on its link.
            if rest.is_empty() || hops == 0 || pieces::is_reserved(rest) {
                return None;
            }
            let frame = Bytes::copy_from_slice(rest);
            Some(Onward { hops: hops.saturating_add(1), source, frame })
        }
        _ => None,
    }
}
