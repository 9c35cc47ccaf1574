//! When the next frame may begin, and how long the system takes to send what it has.
//! Not the sending.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Settings, line::Heard};

/// A start bit, eight data bits, a stop bit.
const BITS: u64 = 10;

/// A line is silent once it was for so many byte times.
const SILENCE: u32 = 4;

/// Further than any line needs, and no timer overflows.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// Within a frame it counts as busy for so long. USB adapters hand on what they have every 16 ms, if
/// nobody told them otherwise, and a system may be late.
const WITHIN_FRAME: Duration = Duration::from_millis(50);

/// Each turn is one of so many slots.
const SLOTS: u32 = 8;
/// A slot has as many byte times as silence has, and at least the precision of timers.
const SHORTEST_SLOT: Duration = Duration::from_millis(1);

/// The line does not fall silent for want of bytes as long as the system has enough for this.
const AHEAD: Duration = Duration::from_millis(10);
/// How soon is looked again how much the system has: what it takes to send at the line's rate, but
/// no timer is shorter, and a port that is gone shows before long.
const LOOK: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

pub(crate) struct Pace {
    byte: Duration,
    gap: Duration,
    half_duplex: bool,
    /// When all that we sent is off the line, as its rate tells.
    done: Instant,
    /// A slot, and since when the line would be silent: it holds for no other moment.
    turn: Option<(Instant, u32)>,
}

impl Pace {
    pub(crate) fn new(settings: &Settings) -> Self {
        let byte = Duration::from_nanos(BITS * 1_000_000_000 / u64::from(settings.baud.max(1)));
        let gap = settings.gap.min(LONGEST_GAP);
        Self { byte, gap, half_duplex: settings.half_duplex, done: Instant::now(), turn: None }
    }

    /// Bytes were handed to the system.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.done = self.done.max(Instant::now()) + self.lasting(bytes);
    }

    /// How long the next frame has to wait, with `draw` for a number at random.
    pub(crate) fn wait(&mut self, heard: Option<Heard>, draw: impl FnOnce() -> u32) -> Duration {
        let begin = match (self.half_duplex, self.gap) {
            (true, _) => self.turn(heard, draw),
            (false, Duration::ZERO) => return Duration::ZERO,
            (false, gap) => self.done + gap,
        };
        begin.saturating_duration_since(Instant::now())
    }

    /// When our turn on a shared wire is.
    fn turn(&mut self, heard: Option<Heard>, draw: impl FnOnce() -> u32) -> Instant {
        let busy = |heard: Heard| {
            heard.at + if heard.within_frame { WITHIN_FRAME } else { Duration::ZERO }
        };
        let heard = heard.filter(|heard| busy(*heard) > self.done);
        let since = heard.map_or(self.done, busy);
        let slot = match self.turn {
            Some((drawn_for, slot)) if drawn_for == since => slot,
            _ => draw() % SLOTS,
        };
        self.turn = Some((since, slot));
        let let_others_go = if heard.is_some_and(|heard| !heard.echo) { 0 } else { SLOTS };
        let silence = self.byte * SILENCE;
        since + silence.max(self.gap) + silence.max(SHORTEST_SLOT) * (slot + let_others_go)
    }

    /// How long to wait until no more than `AHEAD` is left of what waits in the system.
    pub(crate) fn until_few(&self, waiting: usize) -> Option<Duration> {
        let left = self.lasting(waiting).checked_sub(AHEAD)?;
        (!left.is_zero()).then(|| look_after(left))
    }

    /// How long to wait until none of what waits in the system is left.
    pub(crate) fn until_none(&self, waiting: usize) -> Option<Duration> {
        (waiting > 0).then(|| look_after(self.lasting(waiting)))
    }

    fn lasting(&self, bytes: usize) -> Duration {
        self.byte.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

fn look_after(left: Duration) -> Duration {
    let [soonest, latest] = LOOK;
    left.clamp(soonest, latest)
}

#[cfg(test)]
mod tests;
