//! What members keep for those who were away, and how these get it: PROTOCOL §3.12. Not here: what
//! a sender keeps until it is confirmed, which are [`receipts`](super::receipts).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Cx, Room, records};
use crate::v2::body::kind;
use crate::v2::crypto::Digest;
use crate::v2::message::{SenderHint, sender_hint};
use crate::v2::original::{Kept, Original};
use crate::v2::settings::{HistoryLimits, Settings};
use crate::v2::wire::{Reader, Write};
use crate::{ParticipantId, Record};

/// Frames that one answer brings.
const ANSWER: usize = 64;
/// Questions without an answer, before no more are asked.
const QUESTIONS: u32 = 4;
/// Answers that are asked for more after: all that a history may hold, and some get lost.
const ROUNDS: u32 = 64;
/// Before a question is asked again; twice as long each further time.
const PATIENCE: u64 = 3_000;
/// Questions that wait for our answer.
const WAITING: usize = 16;
/// Of one asker, at most one question is answered in so long.
const INTERVAL: u64 = 1_000;
/// Gaps that a question names of a sender, the latest.
const GAPS: usize = 16;

/// What is kept, and who asks.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct History {
    /// In the order in which it came; until when, once a timer has told.
    kept: BTreeMap<u64, (Kept, Option<u64>)>,
    bytes: usize,
    next: u64,
    /// Who can read what was said in a generation, as far as we know.
    readers: BTreeMap<Digest, Readers>,
    /// Those of which more became known since they were stored.
    changed: BTreeSet<Digest>,
    /// Those whom we are about to answer.
    askers: BTreeMap<ParticipantId, Asker>,
    answered: BTreeMap<ParticipantId, u64>,
    /// Our own next question, and how many had no answer.
    ask_at: Option<u64>,
    asked: u32,
    /// Answers that were announced since we came back.
    rounds: u32,
    /// Nobody answered, perhaps because nobody could read us.
    unheard: bool,
}

/// Members, at an incarnation, and from which step of a generation on they had its secret.
pub(super) type Readers = BTreeMap<(ParticipantId, u32), u32>;

/// Somebody who was away.
#[derive(Clone)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Asker {
    at: u64,
    /// Frames that it lacks and that we keep.
    lacks: Vec<u64>,
    /// The epochs it can read: a generation's first bytes, and the first step.
    reads: Vec<([u8; 8], u32)>,
}

impl History {
    pub(super) fn deadline(&self, connected: bool) -> Option<u64> {
        let asking = self.ask_at.filter(|_| connected);
        let answers = self.askers.values().map(|asker| asker.at).min();
        let old = self.kept.first_key_value().map(|(_, (_, until))| until.unwrap_or(0));
        [asking, answers, old].into_iter().flatten().min()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.kept.keys().copied()
    }

    pub(super) fn generations(&self) -> impl Iterator<Item = &Digest> {
        self.readers.keys()
    }

    pub(super) fn restore(&mut self, number: u64, kept: Kept) {
        self.next = self.next.max(number.saturating_add(1));
        self.bytes = self.bytes.saturating_add(kept.original.body.len());
        self.kept.insert(number, (kept, None));
    }

    pub(super) fn restore_readers(&mut self, generation: Digest, bytes: &[u8]) -> Option<()> {
        let (mut reader, mut readers) = (Reader::new(bytes), Readers::new());
        while !reader.is_empty() {
            let who = (ParticipantId::from_bytes(reader.array()?), reader.u32()?);
            readers.insert(who, reader.u32()?);
        }
        self.readers.insert(generation, readers);
        Some(())
    }

    fn is_over(&self, limits: HistoryLimits) -> bool {
        self.kept.len() > limits.frames || self.bytes > limits.bytes
    }

    fn pop(&mut self) -> Option<Record> {
        let (number, (kept, _)) = self.kept.pop_first()?;
        self.bytes = self.bytes.saturating_sub(kept.original.body.len());
        Some(records::history_gone(number))
    }
}

/// Keeping.
impl Room {
    /// Keeps a message for others, if that was asked for. What is to be stored.
    pub(super) fn remember(&mut self, kept: &Kept, settings: &Settings) -> Vec<Record> {
        let Some(limits) = settings.history else { return Vec::new() };
        let number = self.history.next;
        self.readers_of(&kept.generation);
        let mut changes = alloc::vec![records::history(number, kept)];
        self.history.restore(number, kept.clone());
        while self.history.is_over(limits)
            && let Some(gone) = self.history.pop()
        {
            changes.push(gone);
        }
        changes
    }

    /// Who can read a generation. All whom it was sealed to, if we have the same members still;
    /// otherwise those who are heard in it.
    fn readers_of(&mut self, generation: &Digest) -> &mut Readers {
        let began = self.epochs.get_mut(generation).map(|began| began.recipe.members);
        let whole = began == Some(self.members_hash);
        let members = self.members.iter().filter(|_| whole);
        let members = members.map(|(id, member)| ((*id, member.incarnation), 0));
        let known = &mut self.history;
        known.readers.entry(*generation).or_insert_with(|| {
            known.changed.insert(*generation);
            members.collect()
        })
    }

    /// Somebody speaks in an epoch, so it can read that, and all steps behind it.
    pub(super) fn can_read(&mut self, generation: &Digest, who: (ParticipantId, u32), step: u32) {
        let from = self.readers_of(generation).entry(who).or_insert(u32::MAX);
        if step < *from {
            *from = step;
            self.history.changed.insert(*generation);
        }
    }

    /// What became known of readers. Of generations that nothing is kept of and that are not held,
    /// nobody will ask.
    pub(super) fn readers_records(&mut self) -> Vec<Record> {
        let changed = core::mem::take(&mut self.history.changed);
        let mut changes = Vec::new();
        for generation in changed {
            if let Some(readers) = self.history.readers.get(&generation) {
                changes.push(records::readers(&generation, readers));
            }
        }
        let used = self.history.kept.values().map(|(kept, _)| kept.generation);
        let used: BTreeSet<Digest> = used.collect();
        let epochs = &self.epochs;
        self.history.readers.retain(|id, _| {
            let stays = epochs.holds(id) || used.contains(id);
            if !stays {
                changes.push(records::readers_gone(id));
            }
            stays
        });
        changes
    }

    pub(super) fn history_timers(&mut self, cx: &mut Cx<'_>) {
        let age = cx.settings.history.map_or(0, |limits| limits.age_ms);
        let until = cx.after(age);
        for (_, end) in self.history.kept.values_mut() {
            end.get_or_insert(until);
        }
        while let Some((_, (_, Some(end)))) = self.history.kept.first_key_value()
            && *end <= cx.now
        {
            self.due_records.extend(self.history.pop());
        }
        if self.connected && self.history.ask_at.is_some_and(|at| at <= cx.now) {
            self.ask_for_history(cx);
        }
        let due = self.history.askers.iter().filter(|(_, asker)| asker.at <= cx.now);
        let due: Vec<ParticipantId> = due.map(|(id, _)| *id).collect();
        for id in due {
            if let Some(asker) = self.history.askers.remove(&id) {
                self.answer(id, &asker, cx);
            }
        }
    }
}

/// Asking.
impl Room {
    /// We were away: others may have what we missed.
    pub(super) fn was_away(&mut self, cx: &mut Cx<'_>) {
        if cx.settings.inbox.is_some() && self.joined {
            let soon = cx.jitter(500).saturating_add(500);
            self.history.ask_at = Some(cx.after(soon));
            self.history.asked = 0;
            self.history.rounds = 0;
            self.history.unheard = true;
        }
    }

    /// We have come to the epoch that the others are in.
    pub(super) fn can_be_heard(&mut self, cx: &mut Cx<'_>) {
        if self.history.unheard {
            self.was_away(cx);
            self.history.unheard = false;
        }
    }

    fn ask_for_history(&mut self, cx: &mut Cx<'_>) {
        self.history.asked = self.history.asked.saturating_add(1);
        let again = PATIENCE.saturating_mul(1 << self.history.asked.min(8));
        let more = self.history.asked < QUESTIONS;
        self.history.ask_at = more.then(|| cx.after(again));
        let mut head = Vec::new();
        let readable = self.epochs.iter().map(|each| (each.id, each.earliest()));
        let readable: Vec<_> = readable.collect();
        head.u8(u8::try_from(readable.len()).unwrap_or(0));
        for (id, step) in readable {
            head.put(id.first_chunk::<8>().unwrap_or(&[0; 8])).u32(step);
        }
        let room = Self::room_in_frame(&cx.out());
        let mut bodies = alloc::vec![head.clone()];
        for (id, member) in self.members.iter().filter(|(id, _)| **id != self.me) {
            let window = &member.window;
            let mut entry = Vec::from(sender_hint(*id));
            let gaps: Vec<(u64, u64)> = window.missing().take(GAPS).collect();
            entry.u40(window.next()).u8(u8::try_from(gaps.len()).unwrap_or(0));
            for (first, end) in gaps {
                entry.u40(first).u40(end);
            }
            let full =
                bodies.last().is_none_or(|last| last.len().saturating_add(entry.len()) > room);
            if full {
                bodies.push(head.clone());
            }
            if let Some(last) = bodies.last_mut() {
                last.put(&entry);
            }
        }
        for body in bodies {
            self.send(kind::QUESTION, &body, &mut cx.out());
        }
    }

    /// Somebody answers somebody.
    pub(super) fn take_announcement(
        &mut self,
        from: ParticipantId,
        body: &[u8],
        cx: &Cx<'_>,
    ) -> Option<()> {
        let mut reader = Reader::new(body);
        let (asker, count): (SenderHint, u32) = (reader.array()?, reader.u32()?);
        reader.end()?;
        if asker == sender_hint(self.me) {
            if self.history.ask_at.is_some() || self.history.asked > 0 {
                // There may be more, or some of it gets lost.
                self.history.unheard = false;
                // Somebody may announce what never comes, or what we have no room for.
                if self.history.rounds < ROUNDS {
                    self.history.rounds = self.history.rounds.saturating_add(1);
                    self.history.asked = 0;
                    self.history.ask_at = Some(cx.after(PATIENCE));
                }
            }
            return Some(());
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.history.askers.retain(|id, waiting| {
            *id == from || sender_hint(*id) != asker || waiting.lacks.len() > count
        });
        Some(())
    }
}

/// Answering.
impl Room {
    pub(super) fn take_question(
        &mut self,
        from: ParticipantId,
        body: &[u8],
        cx: &mut Cx<'_>,
    ) -> Option<()> {
        let mut reader = Reader::new(body);
        let count = usize::from(reader.u8()?);
        let mut reads = Vec::new();
        for _ in 0..count {
            reads.push((reader.array()?, reader.u32()?));
        }
        let mut has = BTreeMap::new();
        while !reader.is_empty() {
            let (hint, next, count): (SenderHint, _, _) =
                (reader.array()?, reader.u40()?, reader.u8()?);
            // From there on it has nothing.
            let mut gaps = alloc::vec![(next, u64::MAX)];
            for _ in 0..count {
                gaps.push((reader.u40()?, reader.u40()?));
            }
            has.insert(hint, gaps);
        }
        if cx.settings.history.is_none() {
            return Some(());
        }
        let answered = self.history.answered.get(&from).copied();
        if answered.is_some_and(|at| at.saturating_add(INTERVAL) > cx.now) {
            return Some(());
        }
        let lacks = self.lacking(from, &has);
        let known = self.history.askers.contains_key(&from);
        if lacks.is_empty() || (!known && self.history.askers.len() >= WAITING) {
            return Some(());
        }
        let courtesy = self.courtesy(cx);
        let at = cx.after(courtesy);
        let asker =
            self.history.askers.entry(from).or_insert(Asker { at, lacks: Vec::new(), reads });
        // A question may come in several frames.
        asker.lacks.extend(lacks);
        asker.lacks.sort_unstable();
        asker.lacks.dedup();
        Some(())
    }

    /// What we keep that is not in somebody's windows, the earliest first.
    fn lacking(
        &self,
        asker: ParticipantId,
        gaps: &BTreeMap<SenderHint, Vec<(u64, u64)>>,
    ) -> Vec<u64> {
        let lacks = |kept: &Kept| {
            let Original { sender, counter, .. } = kept.original;
            let gaps = gaps.get(&sender_hint(sender));
            let mut gaps = gaps.into_iter().flatten();
            let lives = self
                .members
                .get(&sender)
                .is_some_and(|member| member.incarnation == kept.original.incarnation);
            lives && sender != asker && gaps.any(|(first, end)| (*first..*end).contains(&counter))
        };
        let kept = self.history.kept.iter();
        kept.filter(|(_, (kept, _))| lacks(kept)).map(|(number, _)| *number).collect()
    }

    fn answer(&mut self, to: ParticipantId, asker: &Asker, cx: &mut Cx<'_>) {
        let Some(incarnation) = self.members.get(&to).map(|member| member.incarnation) else {
            return;
        };
        self.history.answered.retain(|_, at| at.saturating_add(INTERVAL) > cx.now);
        self.history.answered.insert(to, cx.now);
        let readers = &self.history.readers;
        // Never to one admitted later: it gets only what it had the secret of.
        let was_there = |kept: &Kept| {
            let from =
                readers.get(&kept.generation).and_then(|known| known.get(&(to, incarnation)));
            from.is_some_and(|from| *from <= kept.step)
        };
        let reads = |kept: &Kept| {
            let mut reads = asker.reads.iter();
            reads.any(|(id, step)| kept.generation.starts_with(id) && kept.step >= *step)
        };
        let kept = asker.lacks.iter().filter_map(|number| self.history.kept.get(number));
        let mut ways: Vec<(Option<Vec<u8>>, Kept)> = Vec::new();
        for (kept, _) in kept {
            let frame = self.same_frame(kept).filter(|_| reads(kept));
            if frame.is_some() || was_there(kept) {
                ways.push((frame, kept.clone()));
            }
        }
        let count = u32::try_from(ways.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return;
        }
        let mut body = Vec::from(sender_hint(to));
        body.u32(count);
        self.send(kind::ANSWER, &body, &mut cx.out());
        for (frame, kept) in ways.into_iter().take(ANSWER) {
            match frame {
                Some(frame) => cx.outbox.send(frame),
                None => self.send_parcel(to, &kept.original, cx),
            }
        }
    }
}
