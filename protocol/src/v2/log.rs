//! All operations that a participant knows of: PROTOCOL §3.7. Not here: which of them are valid,
//! which is [`standing`](super::standing).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::crypto::{Digest, OPERATIONS, hash};
use super::operation::{self, Action, NONE, Operation, OperationId};
use super::topic::{Founding, TopicId};
use crate::roster::verifying_key;
use crate::{ParticipantId, PublicKey};

/// The operations of a topic, in an order in which each could be taken; it only grows.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Log {
    topic: TopicId,
    pub(super) founding: Founding,
    entries: Vec<Entry>,
    /// Places in `entries`, ordered by operation id.
    index: Vec<u32>,
    /// Everybody that any operation is about, and the founder.
    subjects: Vec<Subject>,
    limit: usize,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Entry {
    id: OperationId,
    bytes: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
struct Subject {
    id: ParticipantId,
    /// The place of an operation that holds its key; beyond the last for those of the founding.
    entry: u32,
    /// The highest incarnation in the set.
    incarnation: u32,
}

const FOUNDED: u32 = u32::MAX;

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    New,
    Known,
    /// It builds on something that is not here yet.
    Early,
    /// It is no operation of this topic, or its author had no right to it.
    Refused,
    /// No more fit.
    Full,
}

impl Log {
    pub(super) fn new(topic: TopicId, founding: Founding, limit: usize) -> Self {
        let mut log = Self {
            topic,
            founding,
            entries: Vec::new(),
            index: Vec::new(),
            subjects: Vec::new(),
            limit,
        };
        for key in [Some(log.founding.founder), log.founding.recovery].into_iter().flatten() {
            log.subject(key.id(), FOUNDED, 0);
        }
        log
    }

    /// Takes an operation from anybody: checks everything about it that does not depend on what
    /// else is known.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Added {
        let id = operation::id(&self.topic, bytes);
        let Err(place) = self.search(&id) else { return Added::Known };
        let Some(operation) = Operation::parse(bytes) else { return Added::Refused };
        if let Some(early) = self.missing(&operation) {
            return early;
        }
        let Some(key) = self.key(operation.author) else {
            return Added::Refused;
        };
        let Ok(author) = verifying_key(&key) else { return Added::Refused };
        if !operation::verify(&self.topic, bytes, &author) {
            return Added::Refused;
        }
        // A subject with whose key nobody can sign would be a member that can't ever speak.
        if verifying_key(&operation.subject).is_err() {
            return Added::Refused;
        }
        let founding = &self.founding;
        let above_all = [Some(founding.founder), founding.recovery].contains(&Some(key));
        let evicts = matches!(operation.action, Action::Evicted { .. });
        // A keeper that fills the roster can still be thrown out.
        let reserve = if evicts && above_all { self.limit / 8 } else { 0 };
        if self.entries.len() >= self.limit.saturating_add(reserve) {
            return Added::Full;
        }
        self.insert(place, id, bytes, &operation);
        Added::New
    }

    /// Takes an operation from our own store, where it was put after it was checked.
    pub(super) fn restore(&mut self, bytes: &[u8]) -> Added {
        let id = operation::id(&self.topic, bytes);
        let Err(place) = self.search(&id) else { return Added::Known };
        let Some(operation) = Operation::parse(bytes) else { return Added::Refused };
        if let Some(early) = self.missing(&operation) {
            return early;
        }
        self.insert(place, id, bytes, &operation);
        Added::New
    }

    fn insert(&mut self, place: usize, id: OperationId, bytes: &[u8], operation: &Operation<'_>) {
        let Ok(number) = u32::try_from(self.entries.len()) else { return };
        self.index.insert(place, number);
        self.entries.push(Entry { id, bytes: bytes.into() });
        self.subject(operation.subject.id(), number, operation.incarnation);
    }

    /// Notes that an operation is about somebody.
    fn subject(&mut self, id: ParticipantId, entry: u32, incarnation: u32) {
        match self.subjects.binary_search_by(|known| known.id.cmp(&id)) {
            Ok(place) => {
                if let Some(known) = self.subjects.get_mut(place) {
                    known.incarnation = known.incarnation.max(incarnation);
                }
            }
            Err(place) => self.subjects.insert(place, Subject { id, entry, incarnation }),
        }
    }

    fn find_subject(&self, id: ParticipantId) -> Option<&Subject> {
        let place = self.subjects.binary_search_by(|known| known.id.cmp(&id)).ok()?;
        self.subjects.get(place)
    }

    /// Whether something is not here that the operation builds on.
    fn missing(&self, operation: &Operation<'_>) -> Option<Added> {
        if operation.previous != NONE {
            match self.find(&operation.previous) {
                None => return Some(Added::Early),
                Some(previous) if previous.author != operation.author => {
                    return Some(Added::Refused);
                }
                Some(_) => {}
            }
        }
        if self.find_subject(operation.author).is_none() {
            return Some(Added::Early);
        }
        let leaves = operation.is_leave();
        let keeper = |incarnation| self.was_made_keeper(operation.author, incarnation);
        if !leaves && !keeper(operation.author_incarnation) {
            return Some(Added::Early);
        }
        // Who never was a keeper has nothing to say but that it leaves, or it could fill the log.
        if leaves && !operation.is_bare() && !(0..=operation.author_incarnation).any(keeper) {
            return Some(Added::Early);
        }
        let highest = self.find_subject(operation.subject.id()).map(|known| known.incarnation);
        let allowed = match (operation.action, highest) {
            (Action::Evicted { .. }, highest) => highest,
            (_, None) => Some(0),
            (_, Some(highest)) => Some(highest.saturating_add(1)),
        };
        if allowed.is_none_or(|allowed| operation.incarnation > allowed) {
            return Some(Added::Early);
        }
        None
    }

    fn was_made_keeper(&self, id: ParticipantId, incarnation: u32) -> bool {
        let by_founding = (incarnation == 0 && id == self.founding.founder.id())
            || self.founding.recovery.is_some_and(|key| key.id() == id);
        // The founder is a keeper at each of its incarnations.
        by_founding
            || self.operations().any(|(_, operation)| {
                let made = operation.action == Action::Keeper
                    || (operation.action == Action::Member
                        && operation.subject == self.founding.founder);
                made && operation.incarnation == incarnation && operation.subject.id() == id
            })
    }

    fn search(&self, id: &OperationId) -> Result<usize, usize> {
        self.index
            .binary_search_by(|number| self.entry(*number).map_or(NONE, |entry| entry.id).cmp(id))
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(number).ok()?)
    }

    /// The operation of this id.
    pub(super) fn find(&self, id: &OperationId) -> Option<Operation<'_>> {
        let number = *self.index.get(self.search(id).ok()?)?;
        Operation::parse(&self.entry(number)?.bytes)
    }

    /// All operations, each after those that it builds on.
    pub(super) fn operations(&self) -> impl Iterator<Item = (OperationId, Operation<'_>)> {
        self.entries
            .iter()
            .filter_map(|entry| Operation::parse(&entry.bytes).map(|parsed| (entry.id, parsed)))
    }

    /// The same, as bytes.
    pub(super) fn raw(&self) -> impl Iterator<Item = (&OperationId, &[u8])> {
        self.entries.iter().map(|entry| (&entry.id, entry.bytes.as_ref()))
    }

    pub(super) const fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The end of an author's chain: its longest, and of equally long ones the later in the log.
    pub(super) fn tip(&self, author: ParticipantId) -> OperationId {
        let mut lengths: BTreeMap<OperationId, u32> = BTreeMap::new();
        let mut tip = (0, NONE);
        for (id, operation) in self.operations().filter(|(_, found)| found.author == author) {
            let length = lengths.get(&operation.previous).copied().unwrap_or(0).saturating_add(1);
            lengths.insert(id, length);
            if length >= tip.0 {
                tip = (length, id);
            }
        }
        tip.1
    }

    /// The key of anybody whom an operation is about.
    pub(super) fn key(&self, id: ParticipantId) -> Option<PublicKey> {
        let subject = self.find_subject(id)?;
        if subject.entry == FOUNDED {
            let founding = [Some(self.founding.founder), self.founding.recovery];
            return founding.into_iter().flatten().find(|key| key.id() == id);
        }
        Operation::parse(&self.entry(subject.entry)?.bytes).map(|operation| operation.subject)
    }

    /// The incarnation that an admission would give.
    pub(super) fn next_incarnation(&self, id: ParticipantId) -> u32 {
        // The recovery key is known before it is admitted.
        let admitted = self.operations().any(|(_, operation)| {
            operation.subject.id() == id && !matches!(operation.action, Action::Evicted { .. })
        });
        match self.find_subject(id) {
            Some(subject) if admitted || id == self.founding.founder.id() => {
                subject.incarnation.saturating_add(1)
            }
            _ => 0,
        }
    }

    /// `H("operations", …)`: what tells two sets apart.
    pub(super) fn digest(&self) -> Digest {
        let ids: Vec<&[u8]> = self
            .index
            .iter()
            .filter_map(|number| self.entry(*number))
            .map(|entry| entry.id.as_slice())
            .collect();
        hash(OPERATIONS, &ids)
    }

    /// Authors that said two different things after the same one: how many of their operations
    /// somebody holds does not tell which.
    pub(super) fn forked(&self) -> BTreeSet<ParticipantId> {
        let mut seen = BTreeSet::new();
        self.operations()
            .map(|(_, operation)| (operation.author, operation.previous))
            .filter(|link| !seen.insert(*link))
            .map(|(author, _)| author)
            .collect()
    }

    /// How many operations of each author are here.
    pub(super) fn counts(&self) -> BTreeMap<ParticipantId, u32> {
        let mut counts = BTreeMap::new();
        for (_, operation) in self.operations() {
            let count: &mut u32 = counts.entry(operation.author).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }
}
