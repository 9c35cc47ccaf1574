//! Who is a member, as a function of a set of operations: PROTOCOL §3.7. Not here: how the set
//! comes together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::crypto::{Digest, EVICTIONS, MEMBERS, hash};
use super::log::Log;
use super::operation::{Action, NONE, Operation, OperationId};
use crate::{ParticipantId, PublicKey};

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Publishes and reads.
    Member,
    /// Admits, evicts, rekeys and names keepers as well.
    Keeper,
}

impl Role {
    pub(super) const fn to_byte(self) -> u8 {
        match self {
            Self::Member => 1,
            Self::Keeper => 2,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Member),
            2 => Some(Self::Keeper),
            _ => None,
        }
    }
}

/// One member, as the operations say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: PublicKey,
    pub(super) incarnation: u32,
    pub(super) role: Role,
    /// Of a keeper; smaller is nearer to the founder.
    pub(super) rank: u32,
}

/// Who is a member and who was evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) members: BTreeMap<ParticipantId, Place>,
    /// The highest incarnation of each that was evicted.
    pub(super) evictions: BTreeMap<ParticipantId, u32>,
    /// Who is a keeper, at each of its incarnations.
    pub(super) keepers: BTreeSet<Author>,
}

impl Standing {
    pub(super) fn members_hash(&self) -> Digest {
        let members: Vec<u8> = self
            .members
            .values()
            .flat_map(|place| {
                let incarnation = place.incarnation.to_be_bytes();
                [place.key.as_bytes().as_slice(), &incarnation, &[place.role.to_byte()]].concat()
            })
            .collect();
        hash(MEMBERS, &[&members])
    }

    pub(super) fn evictions_hash(&self) -> Digest {
        let evictions: Vec<u8> = self
            .evictions
            .iter()
            .flat_map(|(id, incarnation)| {
                [id.as_bytes().as_slice(), &incarnation.to_be_bytes()].concat()
            })
            .collect();
        hash(EVICTIONS, &[&evictions])
    }
}

/// A keeper at one of its incarnations.
pub(super) type Author = (ParticipantId, u32);

/// Evaluates a set of operations.
pub(super) fn evaluate(log: &Log) -> Standing {
    let mut evaluation = Evaluation::new(log);
    // Keepers in their order: all that concerns one comes from those before it.
    while let Some((rank, id, incarnation)) = evaluation.waiting.pop_first() {
        if evaluation.ranks.get(&(id, incarnation)) == Some(&rank) {
            evaluation.settle((id, incarnation), rank);
        }
    }
    evaluation.finish()
}

struct Evaluation<'a> {
    log: &'a Log,
    by_author: BTreeMap<Author, Vec<(OperationId, Operation<'a>)>>,
    waiting: BTreeSet<(u32, ParticipantId, u32)>,
    ranks: BTreeMap<Author, u32>,
    settled: BTreeSet<Author>,
    /// Valid admissions of each subject, by incarnation.
    admissions: BTreeMap<ParticipantId, BTreeMap<u32, Place>>,
    evictions: BTreeMap<ParticipantId, Vec<Eviction>>,
}

/// What is known of an eviction that holds.
struct Eviction {
    incarnation: u32,
    last: OperationId,
    /// Its id, where it is by the subject itself.
    leave: Option<OperationId>,
}

impl<'a> Evaluation<'a> {
    fn new(log: &'a Log) -> Self {
        let mut evaluation = Self {
            log,
            by_author: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ranks: BTreeMap::new(),
            settled: BTreeSet::new(),
            admissions: BTreeMap::new(),
            evictions: BTreeMap::new(),
        };
        for (id, operation) in log.operations() {
            // Anybody may leave, whatever else is said about it.
            if operation.is_leave() {
                evaluation.evict(&operation, Some(id));
            } else {
                let author = (operation.author, operation.author_incarnation);
                evaluation.by_author.entry(author).or_default().push((id, operation));
            }
        }
        if let Some(recovery) = log.founding.recovery {
            evaluation.rank((recovery.id(), 0), 0);
        }
        evaluation.admit(log.founding.founder, 0, Role::Keeper, 1);
        evaluation
    }

    fn evict(&mut self, operation: &Operation<'_>, leave: Option<OperationId>) {
        if let Action::Evicted { last } = operation.action {
            let evictions = self.evictions.entry(operation.subject.id()).or_default();
            evictions.push(Eviction { incarnation: operation.incarnation, last, leave });
        }
    }

    fn admit(&mut self, key: PublicKey, incarnation: u32, role: Role, rank: u32) {
        let incarnations = self.admissions.entry(key.id()).or_default();
        let place =
            incarnations.entry(incarnation).or_insert(Place { key, incarnation, role, rank });
        place.role = place.role.max(role);
        if role == Role::Keeper {
            self.rank((key.id(), incarnation), rank);
        }
    }

    fn rank(&mut self, author: Author, rank: u32) {
        let known = self.ranks.entry(author).or_insert(u32::MAX);
        if rank < *known {
            *known = rank;
            self.waiting.insert((rank, author.0, author.1));
        }
    }

    /// Everything about an author is known: its operations are next.
    fn settle(&mut self, author: Author, rank: u32) {
        self.settled.insert(author);
        self.rank_returned(author.0);
        let operations = self.by_author.remove(&author).unwrap_or_default();
        let standing = self.standing_operations(author);
        let stands = |id: &OperationId| standing.as_ref().is_none_or(|all| all.contains(id));
        // In which order they came says nothing: what an author's chain does not order is taken in
        // one way by everybody.
        let (evictions, admissions): (Vec<_>, Vec<_>) = operations
            .into_iter()
            .filter(|(id, _)| stands(id))
            .partition(|(_, operation)| matches!(operation.action, Action::Evicted { .. }));
        for (_, operation) in evictions.iter().chain(&admissions) {
            self.apply(operation, rank);
        }
    }

    /// The founder and the recovery key stand where they do at whichever incarnation: as early as
    /// that they are settled, whoever it was that let them in again.
    fn rank_returned(&mut self, id: ParticipantId) {
        let founding = &self.log.founding;
        let named = [Some(founding.founder), founding.recovery];
        let Some(key) = named.into_iter().flatten().find(|key| key.id() == id) else { return };
        let Some(rank) = self.fixed_rank(&key) else { return };
        let returned: Vec<Author> =
            self.by_author.range((id, 1)..=(id, u32::MAX)).map(|(author, _)| *author).collect();
        for author in returned {
            self.rank(author, rank);
        }
    }

    fn apply(&mut self, operation: &Operation<'_>, rank: u32) {
        let (subject, incarnation) = (operation.subject, operation.incarnation);
        let fixed = self.fixed_rank(&subject);
        match operation.action {
            Action::Evicted { .. } => {
                if !self.stands_before(subject.id(), incarnation) {
                    self.evict(operation, None);
                }
            }
            _ if let Some(rank) = fixed => self.admit(subject, incarnation, Role::Keeper, rank),
            Action::Keeper => {
                self.admit(subject, incarnation, Role::Keeper, rank.saturating_add(1));
            }
            Action::Member => self.admit(subject, incarnation, Role::Member, u32::MAX),
        }
    }

    /// The founder and the recovery key stay what they are when they come back, unless they were
    /// thrown out.
    fn fixed_rank(&self, subject: &PublicKey) -> Option<u32> {
        let founding = &self.log.founding;
        let rank = match subject {
            key if founding.recovery.as_ref() == Some(key) => 0,
            key if founding.founder == *key => 1,
            _ => return None,
        };
        (!self.evictions.contains_key(&subject.id())).then_some(rank)
    }

    /// Whether a subject is a keeper that stands before, or is, the author that is being settled.
    fn stands_before(&self, subject: ParticipantId, incarnation: u32) -> bool {
        let evictions = self.evictions.get(&subject).into_iter().flatten();
        let evicted = evictions.map(|eviction| eviction.incarnation).max();
        let first = evicted.map_or(0, |evicted| evicted.saturating_add(1));
        // In the order of keepers whoever is settled stands before the one being settled. A
        // recovery key that is only a name evicts nobody and is evicted by nobody.
        (first..=incarnation).any(|at| self.settled.contains(&(subject, at)))
            || self.log.founding.recovery.is_some_and(|key| key.id() == subject)
    }

    /// The operations of an author that all its evictions let stand; `None`: all of them.
    fn standing_operations(&self, author: Author) -> Option<BTreeSet<OperationId>> {
        let evictions = self.evictions.get(&author.0)?;
        let concerning = || evictions.iter().filter(|eviction| eviction.incarnation >= author.1);
        let by_others = concerning()
            .filter(|eviction| eviction.leave.is_none())
            .map(|eviction| self.chain(eviction.last))
            .reduce(|all, more| &all & &more);
        // Whoever was thrown out can't take back what it did by leaving after that.
        concerning()
            .filter(|eviction| {
                eviction.leave.is_some_and(|leave| {
                    by_others.as_ref().is_none_or(|standing| standing.contains(&leave))
                })
            })
            .map(|eviction| self.chain(eviction.last))
            .chain(by_others.clone())
            .reduce(|all, more| &all & &more)
    }

    /// An operation and all before it, of the same author.
    fn chain(&self, last: OperationId) -> BTreeSet<OperationId> {
        let mut chain = BTreeSet::new();
        let mut next = last;
        while next != NONE && chain.insert(next) {
            next = self.log.find(&next).map_or(NONE, |operation| operation.previous);
        }
        chain
    }

    fn finish(self) -> Standing {
        // Whoever was never in can't leave: otherwise an evicted keeper could make everybody rekey,
        // again and again, by admitting people who do.
        let was_in = |id: &ParticipantId, eviction: &&Eviction| {
            let admitted = |of: &BTreeMap<u32, Place>| of.contains_key(&eviction.incarnation);
            eviction.leave.is_none() || self.admissions.get(id).is_some_and(admitted)
        };
        let evictions: BTreeMap<ParticipantId, u32> = self
            .evictions
            .iter()
            .filter_map(|(id, all)| {
                let all = all.iter().filter(|eviction| was_in(id, eviction));
                Some((*id, all.map(|eviction| eviction.incarnation).max()?))
            })
            .collect();
        let mut members = BTreeMap::new();
        for (id, incarnations) in self.admissions {
            let Some((incarnation, mut place)) = incarnations.into_iter().next_back() else {
                continue;
            };
            if evictions.get(&id).is_none_or(|evicted| *evicted < incarnation) {
                place.rank = self.ranks.get(&(id, incarnation)).copied().unwrap_or(u32::MAX);
                members.insert(id, place);
            }
        }
        let stands = |(id, incarnation): &Author| {
            evictions.get(id).is_none_or(|evicted| *evicted < *incarnation)
        };
        let keepers = self.settled.into_iter().filter(stands).collect();
        Standing { members, evictions, keepers }
    }
}

#[cfg(test)]
mod tests;
