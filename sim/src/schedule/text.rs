//! Schedules as text. Not what the faults mean.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Fault, Planned, Schedule};

/// A line that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the schedule, `{text}`, is none of the faults there are")]
pub struct ScheduleError {
    /// Which line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|planned| writeln!(f, "{planned}"))
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.at, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { device, lasts } => write!(f, "crash {device} for {lasts:?}"),
            Self::Reboot { device } => write!(f, "reboot {device}"),
            Self::Wipe { device } => write!(f, "wipe {device}"),
            Self::RollBack { device, by } => write!(f, "rollback {device} by {by:?}"),
            Self::Copy { device, lasts } => write!(f, "copy {device} for {lasts:?}"),
            Self::Drift { device, ppm } => write!(f, "drift {device} by {ppm}ppm"),
            Self::Jump { device, seconds } => write!(f, "jump {device} by {seconds}s"),
            Self::Partition { devices, lasts } => {
                let devices: Vec<String> = devices.iter().map(ToString::to_string).collect();
                write!(f, "partition {} for {lasts:?}", devices.join(","))
            }
            Self::Evict { device, by } => write!(f, "evict {device} by {by}"),
            Self::Appoint { device, by } => write!(f, "appoint {device} by {by}"),
            Self::Rotate { by } => write!(f, "rotate by {by}"),
            Self::Admit { device, by } => write!(f, "admit {device} by {by}"),
            Self::Replay { room, frames } => write!(f, "replay in {room} frames {frames}"),
            Self::Forge { room, frames } => write!(f, "forge in {room} frames {frames}"),
            Self::Flood { room, frames } => write!(f, "flood in {room} frames {frames}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// Reads a fault a line; empty lines, and those that begin with `#`, are passed over.
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let lines = text.lines().map(str::trim).enumerate();
        let faults = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let read = |(number, line): (usize, &str)| {
            planned(line).ok_or_else(|| ScheduleError { line: number + 1, text: line.to_owned() })
        };
        faults.map(read).collect()
    }
}

fn planned(line: &str) -> Option<Planned> {
    let mut words = line.split_whitespace();
    let at = duration(words.next()?)?;
    let words: Vec<&str> = words.collect();
    Some(Planned { at, fault: fault(&words)? })
}

fn fault(words: &[&str]) -> Option<Fault> {
    Some(match words {
        ["crash", device, "for", lasts] => {
            Fault::Crash { device: device.parse().ok()?, lasts: duration(lasts)? }
        }
        ["reboot", device] => Fault::Reboot { device: device.parse().ok()? },
        ["wipe", device] => Fault::Wipe { device: device.parse().ok()? },
        ["rollback", device, "by", by] => {
            Fault::RollBack { device: device.parse().ok()?, by: duration(by)? }
        }
        ["copy", device, "for", lasts] => {
            Fault::Copy { device: device.parse().ok()?, lasts: duration(lasts)? }
        }
        ["drift", device, "by", ppm] => Fault::Drift {
            device: device.parse().ok()?,
            ppm: ppm.strip_suffix("ppm")?.parse().ok()?,
        },
        ["jump", device, "by", seconds] => Fault::Jump {
            device: device.parse().ok()?,
            seconds: seconds.strip_suffix('s')?.parse().ok()?,
        },
        ["partition", devices, "for", lasts] => Fault::Partition {
            devices: devices.split(',').map(|device| device.parse().ok()).collect::<Option<_>>()?,
            lasts: duration(lasts)?,
        },
        ["evict", device, "by", by] => {
            Fault::Evict { device: device.parse().ok()?, by: by.parse().ok()? }
        }
        ["appoint", device, "by", by] => {
            Fault::Appoint { device: device.parse().ok()?, by: by.parse().ok()? }
        }
        ["rotate", "by", by] => Fault::Rotate { by: by.parse().ok()? },
        ["admit", device, "by", by] => {
            Fault::Admit { device: device.parse().ok()?, by: by.parse().ok()? }
        }
        [attack @ ("replay" | "forge" | "flood"), "in", room, "frames", frames] => {
            let (room, frames) = (room.parse().ok()?, frames.parse().ok()?);
            match *attack {
                "replay" => Fault::Replay { room, frames },
                "forge" => Fault::Forge { room, frames },
                _ => Fault::Flood { room, frames },
            }
        }
        _ => return None,
    })
}

/// As `{:?}` writes it: `2.5s`, `10ms`, `7µs`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let nanos_each = match text.get(digits.len()..)? {
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "µs" | "us" => 1_000,
        "ns" => 1,
        _ => return None,
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
    let nanos = whole.parse::<u64>().ok()?.checked_mul(nanos_each)?;
    Some(Duration::from_nanos(nanos.checked_add(part.checked_mul(nanos_each)? / scale)?))
}
