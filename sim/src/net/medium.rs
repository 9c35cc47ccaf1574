//! One medium, such as a radio channel: what becomes of a frame for each who is on it.
//! Not which media there are.

use std::time::Duration;

use bytes::Bytes;

use super::link::{Link, OVERTAKEN_WITHIN};
use super::{Counts, NodeId};
use crate::dice::Dice;

pub(super) struct Medium {
    pub(super) link: Link,
    dice: Dice,
    seats: Vec<Seat>,
    /// When the last frame has left its sender.
    busy_until: Duration,
}

struct Seat {
    node: NodeId,
    /// When the last frame arrives that was not held back.
    latest: Duration,
}

impl Medium {
    pub(super) const fn new(link: Link, dice: Dice) -> Self {
        Self { link, dice, seats: Vec::new(), busy_until: Duration::ZERO }
    }

    pub(super) fn seat(&mut self, node: NodeId) {
        self.seats.push(Seat { node, latest: Duration::ZERO });
    }

    /// Tells when which frame arrives at whom.
    pub(super) fn carry(
        &mut self,
        now: Duration,
        from: NodeId,
        frame: &Bytes,
        counts: &mut Counts,
        mut arrives: impl FnMut(Duration, NodeId, Bytes),
    ) {
        let Some(left) = self.transmit(now, frame.len()) else {
            counts.overflowed += 1;
            return;
        };
        let (link, dice) = (&self.link, &mut self.dice);
        for seat in self.seats.iter_mut().filter(|seat| seat.node != from) {
            let fate = Fate::draw(link, frame, dice);
            if fate.lost {
                counts.lost += 1;
                continue;
            }
            let bytes = match fate.flipped {
                Some(bit) => {
                    counts.corrupted += 1;
                    flip(frame, bit)
                }
                None => frame.clone(),
            };
            if let Some(jitter) = fate.again {
                counts.duplicated += 1;
                arrives(left + link.delay + jitter, seat.node, bytes.clone());
            }
            let due = left + link.delay + fate.jitter;
            let at = match fate.held_back {
                Some(longer) => {
                    counts.reordered += 1;
                    due + longer
                }
                None => {
                    seat.latest = seat.latest.max(due);
                    seat.latest
                }
            };
            counts.carried += 1;
            arrives(at, seat.node, bytes);
        }
    }

    /// When a frame of this size has left its sender; `None` where too many wait already.
    fn transmit(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        let Some(rate) = self.link.bandwidth else { return Some(now) };
        let start = self.busy_until.max(now);
        let waiting = (start - now).as_micros().saturating_mul(u128::from(rate)) / 1_000_000;
        let bytes_waiting = waiting.saturating_add(bytes as u128);
        if bytes_waiting > u128::from(self.link.queue) {
            return None;
        }
        self.busy_until = start + self.link.airtime(bytes);
        Some(self.busy_until)
    }
}

struct Fate {
    lost: bool,
    /// It arrives a second time, delayed by this.
    again: Option<Duration>,
    held_back: Option<Duration>,
    flipped: Option<usize>,
    jitter: Duration,
}

impl Fate {
    /// All draws are made for every frame, whichever apply, so that a link that is a bit better
    /// leaves the other fates where they were.
    fn draw(link: &Link, frame: &[u8], dice: &mut Dice) -> Self {
        let lost = dice.hits(link.loss);
        let again = dice.hits(link.duplication);
        let held_back = dice.hits(link.reordering);
        let flipped = dice.hits(link.corruption);
        let bit = dice.below(frame.len().saturating_mul(8));
        let (jitter, other) = (dice.within(link.jitter), dice.within(link.jitter));
        let longer = dice.within(OVERTAKEN_WITHIN);
        Self {
            lost,
            again: again.then_some(other),
            held_back: held_back.then_some(longer),
            flipped: flipped.then_some(bit),
            jitter,
        }
    }
}

fn flip(frame: &[u8], bit: usize) -> Bytes {
    let mut bytes = frame.to_vec();
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    bytes.into()
}
