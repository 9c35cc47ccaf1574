//! An attacker on every medium of a room: it records all, and sends what it likes. Not a thief with
//! keys, which is a copy of a device.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::{Event, Run};
use crate::dice::{Dice, Stream};
use crate::net::NodeId;

/// What an attacker does, with frames left to send.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attack {
    Replay(u32),
    Forge(u32),
    Flood(u32),
}

impl Attack {
    fn next(self) -> Option<Self> {
        let (Self::Replay(left) | Self::Forge(left) | Self::Flood(left)) = self;
        let left = left.checked_sub(1).filter(|left| *left > 0)?;
        Some(match self {
            Self::Replay(_) => Self::Replay(left),
            Self::Forge(_) => Self::Forge(left),
            Self::Flood(_) => Self::Flood(left),
        })
    }

    const fn pause(self) -> Duration {
        match self {
            Self::Flood(_) => Duration::from_millis(1),
            _ => Duration::from_millis(10),
        }
    }
}

/// It records so many frames; then it forgets the oldest.
const RECORDED: usize = 1 << 14;

pub(crate) struct Attacker {
    node: NodeId,
    dice: Dice,
    recorded: VecDeque<Bytes>,
    forgotten: usize,
}

impl Attacker {
    pub(super) fn new(seed: u64, room: usize, node: NodeId) -> Self {
        let dice = Dice::new(seed, Stream::Attacker, room);
        Self { node, dice, recorded: VecDeque::new(), forgotten: 0 }
    }

    pub(super) fn record(&mut self, frame: &Bytes) {
        self.recorded.push_back(frame.clone());
        if self.recorded.len() > RECORDED {
            self.recorded.pop_front();
            self.forgotten += 1;
        }
    }

    /// How many frames it has heard.
    pub(super) fn heard(&self) -> usize {
        self.forgotten + self.recorded.len()
    }

    /// The last frames of those that it had heard by when they were so many.
    pub(super) fn before(&self, heard: usize, last: usize) -> impl Iterator<Item = &Bytes> {
        let end = heard.saturating_sub(self.forgotten).min(self.recorded.len());
        self.recorded.range(end.saturating_sub(last)..end)
    }

    fn frame(&mut self, attack: Attack) -> Option<Bytes> {
        let at = self.dice.below(self.recorded.len());
        match attack {
            Attack::Replay(_) => self.recorded.get(at).cloned(),
            Attack::Forge(_) => {
                let mut bytes = self.recorded.get(at)?.to_vec();
                self.damage(&mut bytes);
                Some(bytes.into())
            }
            Attack::Flood(_) => {
                let len = 1 + self.dice.below(300);
                let mut bytes = self.dice.bytes(len);
                // The types of V2's frames, and two that are none.
                let kind = u8::try_from(self.dice.below(7)).unwrap_or(0);
                *bytes.first_mut()? = 0x20 + kind;
                Some(bytes.into())
            }
        }
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        match self.dice.below(4) {
            0 => bytes.truncate(self.dice.below(bytes.len())),
            1 => bytes.extend(self.dice.bytes(3)),
            // Its beginning is that of another, as where the sealed part is another's.
            2 => {
                let other = self.dice.below(self.recorded.len());
                let other = self.recorded.get(other).map_or(&[][..], |other| other);
                let len = self.dice.below(bytes.len().min(other.len()).max(1));
                for (byte, new) in bytes.iter_mut().zip(other).take(len) {
                    *byte = *new;
                }
            }
            _ => {
                for _ in 0..=self.dice.below(8) {
                    let bit = self.dice.below(bytes.len().saturating_mul(8));
                    if let Some(byte) = bytes.get_mut(bit / 8) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
            }
        }
    }
}

impl Run {
    pub(super) fn begin(&mut self, room: usize, attack: Attack) -> bool {
        self.agenda.plan(self.now, Event::Attack(room, attack));
        true
    }

    pub(super) fn attack(&mut self, room: usize, attack: Attack) {
        let Some(known) = self.rooms.get_mut(&room).filter(|_| self.now < self.house.lasts) else {
            return;
        };
        let (node, frame) = (known.attacker.node, known.attacker.frame(attack));
        if let Some(frame) = frame.filter(|frame| !frame.is_empty()) {
            self.report.attacks += 1;
            self.trace.add(self.now, 5, room, &frame);
            self.send(node, &frame);
        }
        if let Some(next) = attack.next() {
            self.agenda.plan(self.now + attack.pause(), Event::Attack(room, next));
        }
    }
}
