//! Each sender's messages in its order, where that was asked for: PROTOCOL §3.12. Not here: windows,
//! which say what was taken.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::receive::Taken;
use super::{Cx, Room};
use crate::{Event, ParticipantId};

/// Frames of one sender that wait for one before them; beyond, it is waited for no longer.
const HELD: usize = 256;

/// Frames that wait for others.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Order {
    lines: BTreeMap<ParticipantId, Line>,
}

#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Line {
    incarnation: u32,
    /// The counter that is delivered next.
    next: u64,
    /// Where the sender went on after a restart: what is right before it may never have been.
    since: u64,
    /// With when the one before is waited for no longer.
    held: BTreeMap<u64, (Vec<Event>, u64)>,
}

impl Order {
    pub(super) fn deadline(&self) -> Option<u64> {
        let first = |line: &Line| {
            let (_, (_, until)) = line.held.first_key_value()?;
            Some(if line.held.len() > HELD { 0 } else { *until })
        };
        self.lines.values().filter_map(first).min()
    }
}

impl Room {
    /// Puts a frame's messages into its sender's line. `before` is what was next in the window.
    pub(super) fn line_up(
        &mut self,
        taken: &Taken,
        before: u64,
        events: Vec<Event>,
        wait: u64,
        cx: &Cx<'_>,
    ) {
        let until = cx.after(wait);
        let next = if before == 0 { taken.counter } else { before };
        let new = Line { incarnation: taken.incarnation, next, since: 0, held: BTreeMap::new() };
        let line = self.order.lines.entry(taken.from).or_insert(new);
        if line.incarnation != taken.incarnation {
            // Another life: nothing of the last one is in this one's way.
            let past = core::mem::take(&mut line.held);
            self.deliveries.extend(past.into_values().flat_map(|(events, _)| events));
            *line = Line { incarnation: taken.incarnation, next, since: 0, held: BTreeMap::new() };
        }
        line.held.insert(taken.counter, (events, until));
    }

    /// A sender says where it went on.
    pub(super) fn went_on(&mut self, from: ParticipantId, since: u64) {
        if let Some(line) = self.order.lines.get_mut(&from) {
            line.since = since;
        }
    }

    /// Delivers what nothing is missing before any more.
    pub(super) fn release(&mut self) {
        for (from, line) in &mut self.order.lines {
            let Some(member) = self.members.get(from) else { continue };
            while let Some(first) = line.held.first_entry() {
                let counter = *first.key();
                if counter > line.next && !member.window.took_all(line.next, counter) {
                    break;
                }
                let (events, _) = first.remove();
                self.deliveries.extend(events);
                line.next = line.next.max(counter.saturating_add(1));
            }
        }
    }

    pub(super) fn order_timers(&mut self, cx: &mut Cx<'_>) {
        for (from, line) in &mut self.order.lines {
            let Some(member) = self.members.get(from) else { continue };
            while let Some((counter, (_, until))) = line.held.first_key_value() {
                if *until > cx.now && line.held.len() <= HELD {
                    break;
                }
                // What a restart skips was never sent, or is sent again.
                let first = line.next.max(line.since);
                if !member.window.took_all(first, *counter) {
                    let last = counter.saturating_sub(1);
                    self.deliveries.push(Event::Gap { from: *from, first, last });
                }
                let Some((counter, (events, _))) = line.held.pop_first() else { break };
                self.deliveries.extend(events);
                line.next = counter.saturating_add(1);
            }
        }
        self.release();
    }

    /// Somebody is gone: nothing of it is waited for.
    pub(super) fn leave_line(&mut self, id: ParticipantId) {
        if let Some(line) = self.order.lines.remove(&id) {
            self.deliveries.extend(line.held.into_values().flat_map(|(events, _)| events));
        }
    }

    /// We are gone.
    pub(super) fn leave_all_lines(&mut self) {
        let ids: Vec<ParticipantId> = self.order.lines.keys().copied().collect();
        for id in ids {
            self.leave_line(id);
        }
    }
}
