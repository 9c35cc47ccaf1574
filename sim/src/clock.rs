//! A simulated device's two clocks. Not the simulation's own.

use std::time::Duration;

/// Where the calendar stands when a house begins, in milliseconds since 1970 UTC.
const CALENDAR: i64 = 1_790_000_000_000;
const MILLION: i128 = 1_000_000;

/// A monotonic clock that may go too fast or too slow, and a calendar that may be wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The simulation's time, and the clock's, in microseconds, when it was last set right.
    anchor: (i128, i128),
    ppm: i32,
    /// How far the calendar is off, in seconds.
    pub(crate) jumped: i64,
}

impl Clock {
    /// The monotonic clock starts again; it goes as wrong as before, and so does the calendar.
    pub(crate) fn restart(&mut self, now: Duration) {
        self.anchor = (micros(now), 0);
    }

    /// It goes too fast by so many millionths from now on.
    pub(crate) fn drift(&mut self, now: Duration, ppm: i32) {
        self.anchor = (micros(now), self.micros(now));
        self.ppm = ppm;
    }

    /// Milliseconds of the monotonic clock.
    pub(crate) fn monotonic(&self, now: Duration) -> u64 {
        u64::try_from(self.micros(now) / 1_000).unwrap_or(0)
    }

    /// Milliseconds of the calendar since 1970 UTC.
    pub(crate) fn wall(&self, now: Duration) -> u64 {
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let wall = CALENDAR.saturating_add(now).saturating_add(self.jumped.saturating_mul(1_000));
        u64::try_from(wall).unwrap_or(0)
    }

    /// The simulation's time when the monotonic clock will have reached so many milliseconds.
    pub(crate) fn when(&self, monotonic: u64) -> Duration {
        let wanted = i128::from(monotonic).saturating_mul(1_000) - self.anchor.1;
        let rate = MILLION + i128::from(self.ppm);
        // Upwards, so that the clock has really got there.
        let real = self.anchor.0 + (wanted * MILLION + rate - 1) / rate;
        Duration::from_micros(u64::try_from(real.max(0)).unwrap_or(u64::MAX))
    }

    fn micros(&self, now: Duration) -> i128 {
        let passed = micros(now) - self.anchor.0;
        self.anchor.1 + passed * (MILLION + i128::from(self.ppm)) / MILLION
    }
}

fn micros(time: Duration) -> i128 {
    i128::try_from(time.as_micros()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_has_got_there_when_it_says_and_not_before() {
        let mut clock = Clock::default();
        clock.restart(Duration::from_secs(5));
        clock.drift(Duration::from_secs(9), -400);
        clock.drift(Duration::from_secs(12), 300);
        for wanted in (7_000..90_000).step_by(977) {
            let at = clock.when(wanted);
            assert_eq!(clock.monotonic(at), wanted);
            assert_eq!(clock.monotonic(at - Duration::from_micros(2)), wanted - 1);
        }
    }
}
