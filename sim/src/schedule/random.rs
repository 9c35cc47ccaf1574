//! Random schedules. Not what any fault does.

use std::time::Duration;

use super::{Fault, Planned};
use crate::dice::{Dice, Stream};

/// What a storm of faults in one room is drawn from.
pub(crate) struct Room {
    pub(crate) number: usize,
    /// Its first device, which founds it.
    pub(crate) first: usize,
    /// Devices that are in it from the beginning.
    pub(crate) devices: usize,
    /// Devices behind them that are not.
    pub(crate) newcomers: usize,
}

/// So many faults between two times. All end by then.
pub(crate) fn storm(
    seed: u64,
    room: &Room,
    count: usize,
    from: Duration,
    until: Duration,
) -> Vec<Planned> {
    let dice = Dice::new(seed, Stream::Weather, room.number);
    let mut storm = Storm { dice, room, evicted: 0, admitted: 0 };
    let mut times: Vec<Duration> =
        (0..count).map(|_| from + storm.dice.within(until.saturating_sub(from))).collect();
    times.sort();
    times.into_iter().flat_map(|at| storm.strike(at, until)).collect()
}

struct Storm<'a> {
    dice: Dice,
    room: &'a Room,
    evicted: usize,
    admitted: usize,
}

impl Storm<'_> {
    /// A fault, and what makes up for it.
    fn strike(&mut self, at: Duration, until: Duration) -> Vec<Planned> {
        let left = until.saturating_sub(at);
        let lasts = Duration::from_millis(200) + self.dice.within(Duration::from_secs(300));
        let lasts = lasts.min(left);
        let (device, by) = (self.anybody(), self.keeper());
        let room = self.room.number;
        let frames = 20 + u32::try_from(self.dice.below(200)).unwrap_or(0);
        let one = |fault| vec![Planned { at, fault }];
        match self.dice.below(100) {
            0..20 => one(Fault::Crash { device, lasts: lasts / 5 }),
            20..30 => one(Fault::Reboot { device }),
            30..45 => one(Fault::Partition { devices: self.side(), lasts }),
            45..50 => one(Fault::RollBack { device, by: lasts }),
            50..55 => one(Fault::Copy { device, lasts }),
            55..60 => one(Fault::Drift { device, ppm: self.within(500) }),
            60..64 => one(Fault::Jump { device, seconds: i64::from(self.within(86_400)) }),
            64..68 => one(Fault::Rotate { by }),
            68..72 => one(Fault::Appoint { device, by }),
            72..78 => self.evict(at, by),
            78..82 => self.wipe(at, left, by),
            82..86 => self.admit(at, by),
            86..92 => one(Fault::Replay { room, frames }),
            92..97 => one(Fault::Forge { room, frames }),
            _ => one(Fault::Flood { room, frames: frames * 5 }),
        }
    }

    fn anybody(&mut self) -> usize {
        self.room.first + self.dice.below(self.room.devices)
    }

    /// The founder mostly.
    fn keeper(&mut self) -> usize {
        let other = self.anybody();
        if self.dice.hits(0.8) { self.room.first } else { other }
    }

    /// Not the founder, whose room would be without keepers.
    fn anybody_else(&mut self) -> usize {
        self.room.first + 1 + self.dice.below(self.room.devices.saturating_sub(1))
    }

    fn side(&mut self) -> Vec<usize> {
        let all = self.room.first..self.room.first + self.room.devices;
        let mut side: Vec<usize> = all.filter(|_| self.dice.hits(0.4)).collect();
        if side.is_empty() {
            side.push(self.anybody());
        }
        side
    }

    fn within(&mut self, bound: i32) -> i32 {
        let width = usize::try_from(bound).unwrap_or(0) * 2;
        i32::try_from(self.dice.below(width)).unwrap_or(0) - bound
    }

    /// Not more than a third of the room.
    fn evict(&mut self, at: Duration, by: usize) -> Vec<Planned> {
        let device = self.anybody_else();
        if device == by || (self.evicted + 1) * 3 > self.room.devices {
            return Vec::new();
        }
        self.evicted += 1;
        vec![Planned { at, fault: Fault::Evict { device, by } }]
    }

    /// Who has lost its storage is put out, and let in again.
    fn wipe(&mut self, at: Duration, left: Duration, by: usize) -> Vec<Planned> {
        let device = self.anybody_else();
        if device == by {
            return Vec::new();
        }
        let later = self.dice.within(Duration::from_secs(60)).min(left);
        vec![
            Planned { at, fault: Fault::Wipe { device } },
            Planned { at: at + later / 2, fault: Fault::Evict { device, by } },
            Planned { at: at + later, fault: Fault::Admit { device, by } },
        ]
    }

    /// Each newcomer once.
    fn admit(&mut self, at: Duration, by: usize) -> Vec<Planned> {
        if self.admitted >= self.room.newcomers {
            return Vec::new();
        }
        let device = self.room.first + self.room.devices + self.admitted;
        self.admitted += 1;
        vec![Planned { at, fault: Fault::Admit { device, by } }]
    }
}
