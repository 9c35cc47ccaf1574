//! Marks: how a sender whose storage went back learns of it. PROTOCOL §3.6. Not here: windows.

use alloc::vec::Vec;

use super::{Cx, Room};
use crate::v2::body::kind;
use crate::v2::crypto::Digest;
use crate::v2::message::sender_hint;
use crate::v2::wire::{Reader, Write};
use crate::{Event, ParticipantId};

/// Marks that are believed between two starts.
const MARKS: u32 = 8;

impl Room {
    /// A mark for somebody whose counter went back, in a generation that it can read.
    pub(super) fn send_mark(&mut self, id: ParticipantId, generation: &Digest, cx: &mut Cx<'_>) {
        let Some(member) = self.members.get(&id) else { return };
        let mut body = Vec::with_capacity(17);
        body.put(&sender_hint(id)).u32(member.incarnation).u40(member.window.next());
        self.send_in(generation, kind::MARK, &body, &mut cx.out());
    }

    pub(super) fn take_mark(&mut self, body: &[u8], cx: &mut Cx<'_>) -> Option<()> {
        let mut reader = Reader::new(body);
        let (hint, incarnation, next) = (reader.array()?, reader.u32()?, reader.u40()?);
        reader.end()?;
        let ours = hint == sender_hint(self.me) && incarnation == self.incarnation;
        let leap = next.saturating_sub(self.counter.next());
        // A liar could use our counters up, were it not for the bounds.
        if ours && leap > 0 && leap < 1 << 32 && self.marked < MARKS {
            self.marked = self.marked.saturating_add(1);
            self.skip_to(next, cx);
            cx.event(Event::RolledBack);
        }
        Some(())
    }
}
