//! Frames that arrive in pieces: PROTOCOL §1.5. Not here: how a piece is written.
//!
//! Anybody may send pieces, and nothing of them is authenticated: what is kept is bounded in frames,
//! bytes and time, and what gets no further makes room first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::wire::{self, Name, is_set};
use crate::transport::ChannelName;

/// Frames that are put together at the same time.
const FRAMES: usize = 64;
/// Bytes of all of them.
const BYTES: usize = 256 * 1024;
/// What a piece costs besides its bytes.
const PER_PIECE: usize = 64;
/// A frame that gets no piece for this long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long without a piece, a frame's others are asked for: at least, and of a frame of which
/// one piece came.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_AT_FIRST: Duration = Duration::from_secs(3);
/// How often they are asked for.
const REQUESTS: u32 = 4;
/// Between two requests on a link, whatever they are for.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(500);
/// Names of frames that came together, so that pieces that are sent again to others start no new one.
const DONE: usize = 64;

type Key = (Option<ChannelName>, Name);

/// What is on its way in.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// Whether lost pieces are asked for.
    asks: bool,
    /// From when on something may be asked for again.
    asks_from: Instant,
    /// Keeps those who lack the same piece from asking at once.
    salt: u32,
    frames: BTreeMap<Key, Partial>,
    /// What they cost.
    bytes: usize,
    done: VecDeque<(Key, Instant)>,
}

#[derive(Debug)]
struct Partial {
    pieces: BTreeMap<u8, Bytes>,
    /// When the last piece came.
    latest: Instant,
    /// The longest time between two.
    gap: Duration,
    asked: u32,
    ask_at: Option<Instant>,
}

impl Partial {
    fn missing(&self, last: u8) -> impl Iterator<Item = u8> {
        (0..=last).filter(|number| !self.pieces.contains_key(number))
    }

    fn cost(&self) -> usize {
        self.pieces.values().map(|piece| piece.len() + PER_PIECE).sum()
    }

    /// How long it may be silent: links are as slow as they are.
    fn quiet(&self) -> Duration {
        let at_least = if self.pieces.len() < 2 { QUIET_AT_FIRST } else { QUIET };
        at_least.max(self.gap.saturating_mul(3)).saturating_mul(1 << self.asked.min(8))
    }
}

/// What a piece leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The frame is not whole yet.
    Waits,
    Whole(Bytes),
    /// The pieces were not of one frame: all are gone.
    Garbled,
}

/// What became due.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// To be sent.
    pub(super) requests: Vec<(Option<ChannelName>, Bytes)>,
    /// Frames that are given up.
    pub(super) lost: Vec<Option<ChannelName>>,
}

impl Reassembly {
    pub(super) fn new(asks: bool, salt: u32) -> Self {
        Self {
            asks,
            asks_from: Instant::now(),
            salt,
            frames: BTreeMap::new(),
            bytes: 0,
            done: VecDeque::new(),
        }
    }

    /// Takes a piece. What had to make room for it is lost, and told.
    pub(super) fn take(
        &mut self,
        channel: Option<ChannelName>,
        (name, number, bytes): (Name, u8, Bytes),
        now: Instant,
    ) -> (Taken, Vec<Option<ChannelName>>) {
        let key = (channel, name);
        let done = self.done.iter().any(|(known, until)| *known == key && *until > now);
        let wait = self.wait(&key);
        let partial = self.frames.entry(key.clone()).or_insert_with(|| Partial {
            pieces: BTreeMap::new(),
            latest: now,
            gap: Duration::ZERO,
            asked: 0,
            ask_at: None,
        });
        if partial.pieces.contains_key(&number) {
            return (Taken::Waits, Vec::new());
        }
        self.bytes += bytes.len() + PER_PIECE;
        partial.pieces.insert(number, bytes);
        partial.gap = partial.gap.max(now.duration_since(partial.latest));
        partial.latest = now;
        // Others may have asked for pieces of a frame that we have.
        partial.ask_at = (self.asks && !done).then(|| now + partial.quiet() + wait);
        if partial.pieces.values().map(Bytes::len).sum::<usize>() > wire::LARGEST {
            self.remove(&key);
            return (Taken::Garbled, Vec::new());
        }
        if partial.pieces.len() <= usize::from(name.last) {
            return (Taken::Waits, self.make_room(&key));
        }
        let whole = self.remove(&key).map(|partial| joined(&partial.pieces));
        let sound = |whole: &Bytes| wire::checksum(whole) == name.checksum;
        // What carriers say to each other fits everywhere, and comes in no pieces.
        match whole.filter(|whole| sound(whole) && !wire::is_carriers(whole)) {
            Some(whole) => {
                self.done.push_back((key, now + PATIENCE));
                if self.done.len() > DONE {
                    self.done.pop_front();
                }
                (Taken::Whole(whole), Vec::new())
            }
            None => (Taken::Garbled, Vec::new()),
        }
    }

    /// Gives up what got no further for longest, until there is room; never the one at hand.
    fn make_room(&mut self, at_hand: &Key) -> Vec<Option<ChannelName>> {
        let mut lost = Vec::new();
        while self.frames.len() > FRAMES || self.bytes > BYTES {
            let others = self.frames.iter().filter(|(key, _)| *key != at_hand);
            let Some(stalest) = others.min_by_key(|(_, partial)| partial.latest) else { break };
            let stalest = stalest.0.clone();
            self.remove(&stalest);
            lost.push(stalest.0);
        }
        lost
    }

    fn remove(&mut self, key: &Key) -> Option<Partial> {
        let partial = self.frames.remove(key)?;
        self.bytes = self.bytes.saturating_sub(partial.cost());
        Some(partial)
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn cost(&self) -> usize {
        let counted = self.frames.values().map(Partial::cost).sum();
        assert_eq!(self.bytes, counted);
        counted
    }

    /// Somebody else asks for these pieces: what comes for them, comes for us.
    pub(super) fn overhear(
        &mut self,
        channel: Option<ChannelName>,
        name: Name,
        wanted: &[u8],
        now: Instant,
    ) {
        let key = (channel, name);
        let wait = self.wait(&key);
        if let Some(partial) = self.frames.get_mut(&key)
            && partial.ask_at.is_some()
            && partial.missing(name.last).all(|number| is_set(wanted, number))
        {
            partial.ask_at = Some(now + partial.quiet() + wait);
        }
    }

    /// Up to half a second, another for each who asks and each frame.
    fn wait(&self, (_, name): &Key) -> Duration {
        let mixed = (name.checksum ^ self.salt).wrapping_mul(0x9e37_79b9) >> 16;
        Duration::from_millis(u64::from(mixed % 500))
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |partial: &Partial| {
            let end = partial.latest + PATIENCE;
            partial.ask_at.map_or(end, |ask_at| ask_at.min(end))
        };
        self.frames.values().map(due).min()
    }

    /// Asks for what is missing, and gives up what has waited for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        self.done.retain(|(_, until)| *until > now);
        self.frames.retain(|(channel, name), partial| {
            if partial.latest + PATIENCE <= now {
                due.lost.push(channel.clone());
                self.bytes = self.bytes.saturating_sub(partial.cost());
                return false;
            }
            if partial.ask_at.is_some_and(|at| at <= now) {
                // Anybody can make us ask: so often, and no more.
                if self.asks_from > now {
                    partial.ask_at = Some(self.asks_from);
                    return true;
                }
                self.asks_from = now + BETWEEN_REQUESTS;
                let missing = partial.missing(name.last);
                due.requests.push((channel.clone(), wire::request(*name, missing)));
                partial.asked += 1;
                partial.ask_at = (partial.asked < REQUESTS).then(|| now + partial.quiet());
            }
            true
        });
        due
    }
}

fn joined(pieces: &BTreeMap<u8, Bytes>) -> Bytes {
    let len = pieces.values().map(Bytes::len).sum();
    let mut whole = BytesMut::with_capacity(len);
    pieces.values().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}
