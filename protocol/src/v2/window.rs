//! Which counters of a sender were taken: PROTOCOL §3.6. Not here: who the sender is.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::wire::{Reader, Write};

/// How far behind the highest counter taken another may arrive.
pub(super) const SPAN: u64 = 2_048;
/// Gaps farther behind than that, of counters that were not taken and still may be.
const GAPS: usize = 512;
/// Counters of which a short digest is remembered.
const DIGESTS: u64 = 32;
const OLDER: usize = 31;

/// What a window says of a counter, without changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Never taken.
    No,
    /// Never taken as far as we know; but it may have been, before a restart.
    Uncertain,
    /// Taken, with this digest.
    Same,
    /// Taken with another digest: two devices speak with one identity.
    Other,
    /// Taken.
    Yes,
    /// So old that nobody knows.
    Old,
}

/// The counters of one sender.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Window {
    /// One above the highest counter taken.
    next: u64,
    /// The 64 counters below `next`, the highest in bit 0; set means taken.
    recent: u64,
    /// The 1,984 below these; `None` where all were taken, as is usual.
    older: Option<Box<[u64; OLDER]>>,
    /// Which of those below that were not taken; `None` where there are none, as is usual.
    gaps: Option<Box<Gaps>>,
    digests: [u16; DIGESTS as usize],
    /// From this counter on the digests are known.
    digests_from: u64,
    /// Below this, what was not taken is uncertain.
    certain_from: u64,
    /// `next` when it was last stored.
    stored: u64,
    /// Whether something below that was taken since.
    late: bool,
}

/// Counters that were not taken, and still may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Gaps {
    /// Below this there were others, and nothing is known.
    floor: u64,
    /// Where each begins, and where it ends, the earliest first.
    list: Vec<(u64, u64)>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            next: 0,
            recent: u64::MAX,
            older: None,
            gaps: None,
            digests: [0; DIGESTS as usize],
            digests_from: 0,
            certain_from: 0,
            stored: 0,
            late: false,
        }
    }
}

impl Window {
    /// One above the highest counter taken.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn look(&self, counter: u64, digest: u16) -> Seen {
        let Some(back) = self.next.checked_sub(counter).filter(|back| *back > 0) else {
            return self.unseen(counter);
        };
        if back > SPAN {
            return self.far_behind(counter);
        }
        if !self.taken(back) {
            return self.unseen(counter);
        }
        if back > DIGESTS || counter < self.digests_from {
            return Seen::Yes;
        }
        if self.digest(counter) == Some(digest) { Seen::Same } else { Seen::Other }
    }

    /// Whether it is to be stored now, where that happens every so many frames; then it counts as
    /// stored.
    pub(super) fn is_due(&mut self, every: u32) -> bool {
        let mark = self.stored.saturating_add(u64::from(every));
        let due = every <= 1 || self.late || self.next >= mark;
        if due {
            self.stored = self.next;
            self.late = false;
        }
        due
    }

    /// Whether all from one counter up to another were taken; what is too old to tell counts.
    pub(super) fn took_all(&self, from: u64, to: u64) -> bool {
        to <= self.next && self.missing().all(|(first, end)| end <= from || first >= to)
    }

    /// The counters below [`next`](Self::next) that were not taken and still may be, the latest
    /// first: where each gap begins, and where it ends.
    pub(super) fn missing(&self) -> impl Iterator<Item = (u64, u64)> {
        let whole = self.older.is_none() && self.recent == u64::MAX;
        let reach = if whole { 0 } else { SPAN.min(self.next) };
        let above = self.next.saturating_add(1);
        let mut back = 1;
        let near = core::iter::from_fn(move || {
            while back <= reach && self.taken(back) {
                back = back.saturating_add(1);
            }
            let end = above.saturating_sub(back);
            let first = back;
            while back <= reach && !self.taken(back) {
                back = back.saturating_add(1);
            }
            (back > first).then(|| (above.saturating_sub(back), end))
        });
        near.chain(self.gaps.iter().flat_map(|gaps| gaps.list.iter().rev().copied()))
    }

    fn far_behind(&self, counter: u64) -> Seen {
        let Some(gaps) = &self.gaps else { return Seen::Yes };
        if gaps.list.iter().any(|(first, end)| (*first..*end).contains(&counter)) {
            self.unseen(counter)
        } else if counter < gaps.floor {
            Seen::Old
        } else {
            Seen::Yes
        }
    }

    /// A counter of a gap is taken.
    fn fill_gap(&mut self, counter: u64) {
        let Some(gaps) = &mut self.gaps else { return };
        let split = |(first, end): (u64, u64)| {
            let around = [(first, counter), (counter.saturating_add(1), end)];
            let within = (first..end).contains(&counter);
            if within { around } else { [(first, end), (0, 0)] }
        };
        let all = core::mem::take(&mut gaps.list).into_iter();
        gaps.list = all.flat_map(split).filter(|(first, end)| first < end).collect();
        self.prune_gaps();
    }

    /// What was not taken of the counters that get out of the window's reach.
    fn keep_gaps(&mut self, by: u64) {
        let reach = self.next.saturating_sub(SPAN);
        let beyond = self.next.saturating_add(by).saturating_sub(SPAN);
        let mut gone: Vec<(u64, u64)> = self
            .missing()
            .map(|(first, end)| (first.max(reach), end.min(beyond)))
            .filter(|(first, end)| first < end)
            .collect();
        if beyond > self.next {
            gone.insert(0, (self.next, beyond));
        }
        if gone.is_empty() {
            return;
        }
        let gaps = self.gaps.get_or_insert_default();
        for (first, end) in gone.into_iter().rev() {
            match gaps.list.last_mut() {
                Some((_, last)) if *last == first => *last = end,
                _ => gaps.list.push((first, end)),
            }
        }
        self.prune_gaps();
    }

    fn prune_gaps(&mut self) {
        let Some(gaps) = &mut self.gaps else { return };
        let beyond = gaps.list.len().saturating_sub(GAPS);
        if let Some((_, end)) = gaps.list.drain(..beyond).next_back() {
            gaps.floor = end;
        }
        if gaps.list.is_empty() && gaps.floor == 0 {
            self.gaps = None;
        }
    }

    /// Whether a later one than this was taken.
    pub(super) const fn is_behind(&self, counter: u64) -> bool {
        counter.saturating_add(1) < self.next
    }

    /// Whether a restart left it open if this one was delivered.
    pub(super) const fn is_certain(&self, counter: u64) -> bool {
        counter >= self.certain_from
    }

    fn unseen(&self, counter: u64) -> Seen {
        if counter < self.certain_from { Seen::Uncertain } else { Seen::No }
    }

    /// Takes a counter that was not seen.
    pub(super) fn take(&mut self, counter: u64, digest: u16) {
        if let Some(ahead) = counter.checked_sub(self.next) {
            self.advance(ahead.saturating_add(1));
        }
        self.late |= counter < self.stored;
        let back = self.next.saturating_sub(counter);
        if back > SPAN {
            self.fill_gap(counter);
        } else if back <= 64 {
            self.recent |= bit(back.saturating_sub(1));
        } else if let Some(older) = &mut self.older {
            let (word, bit) = place(back);
            if let Some(word) = older.get_mut(word) {
                *word |= bit;
            }
            if older.iter().all(|word| *word == u64::MAX) {
                self.older = None;
            }
        }
        // A late one has no place among the last: it would take that of another.
        let slot = usize::try_from(counter % DIGESTS).unwrap_or(usize::MAX);
        if back <= DIGESTS
            && let Some(slot) = self.digests.get_mut(slot)
        {
            *slot = digest;
        }
    }

    fn digest(&self, counter: u64) -> Option<u16> {
        self.digests.get(usize::try_from(counter % DIGESTS).ok()?).copied()
    }

    fn taken(&self, back: u64) -> bool {
        if back <= 64 {
            return self.recent & bit(back.saturating_sub(1)) != 0;
        }
        let (word, bit) = place(back);
        self.older.as_ref().and_then(|older| older.get(word)).is_none_or(|word| word & bit != 0)
    }

    /// Moves up by `by` counters, none of them taken.
    fn advance(&mut self, by: u64) {
        let whole = self.older.is_none() && self.recent == u64::MAX;
        if !whole || by > SPAN {
            self.keep_gaps(by);
        }
        self.next = self.next.saturating_add(by);
        let mut left = by.min(SPAN);
        while left > 0 {
            let shift = left.min(63);
            self.shift(shift);
            left = left.saturating_sub(shift);
        }
    }

    /// Moves the bits by 1 to 63 places.
    fn shift(&mut self, by: u64) {
        let (Ok(by), Ok(rest)) = (u32::try_from(by), u32::try_from(64_u64.saturating_sub(by)))
        else {
            return;
        };
        let mut carried = self.recent.checked_shr(rest).unwrap_or(0);
        self.recent = self.recent.checked_shl(by).unwrap_or(0);
        let full = u64::MAX.checked_shr(rest).unwrap_or(0);
        if self.older.is_none() && carried == full {
            return;
        }
        let older = self.older.get_or_insert_with(|| Box::new([u64::MAX; OLDER]));
        for word in older.iter_mut() {
            let out = word.checked_shr(rest).unwrap_or(0);
            *word = word.checked_shl(by).unwrap_or(0) | carried;
            carried = out;
        }
    }

    /// The window as it is stored.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16);
        bytes.u64(self.next).u64(self.recent);
        for word in self.older.iter().flat_map(|older| older.iter()) {
            bytes.u64(*word);
        }
        if let Some(gaps) = &self.gaps {
            bytes.u64(gaps.floor).u64(gaps.floor);
            for (first, end) in &gaps.list {
                bytes.u64(*first).u64(*end);
            }
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made. `every` is how many frames were taken between
    /// two commits: so many above the mark are uncertain.
    pub(super) fn from_bytes(bytes: &[u8], every: u32) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (next, recent) = (reader.u64()?, reader.u64()?);
        // 31 words are an odd number of them, gaps an even one.
        let older = if reader.rest().len().checked_rem(16) == Some(0) {
            None
        } else {
            let mut older = Box::new([0; OLDER]);
            for word in older.iter_mut() {
                *word = reader.u64()?;
            }
            Some(older)
        };
        let mut gaps = None;
        if !reader.is_empty() {
            let (floor, _) = (reader.u64()?, reader.u64()?);
            let mut list = Vec::new();
            while !reader.is_empty() && list.len() < GAPS {
                list.push((reader.u64()?, reader.u64()?));
            }
            gaps = Some(Box::new(Gaps { floor, list }));
        }
        reader.end()?;
        let uncertain = u64::from(every.saturating_sub(1));
        let certain_from = if uncertain > 0 { next.saturating_add(uncertain) } else { 0 };
        let digests = [0; DIGESTS as usize];
        Some(Self {
            next,
            recent,
            older,
            gaps,
            digests,
            digests_from: next,
            certain_from,
            stored: next,
            late: false,
        })
    }
}

const fn bit(place: u64) -> u64 {
    1 << (place & 63)
}

/// Word and bit of the counter so far (more than 64) behind `next`.
fn place(back: u64) -> (usize, u64) {
    let place = back.saturating_sub(65);
    (usize::try_from(place / 64).unwrap_or(usize::MAX), bit(place))
}

#[cfg(test)]
mod tests;
