//! Operations: making them, taking them in, keeping everybody's the same. PROTOCOL §3.7, §3.9.
//! Not here: what a set of them means, which is [`standing`](crate::v2::standing).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use super::{Cx, Fate, Room, records};
use crate::v2::body::kind;
use crate::v2::crypto::Digest;
use crate::v2::log::Added;
use crate::v2::members::{Member, ids_of};
use crate::v2::message::{SenderHint, sender_hint};
use crate::v2::operation::{Action, NONE, Operation};
use crate::v2::standing::{Role, Standing, evaluate};
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Event, ParticipantId, PublicKey, Record};

/// Members that are out, whose windows are kept.
const FORMER: usize = 256;

/// Why somebody says hello.
pub(super) mod reason {
    pub(in crate::v2) const ASKS: u8 = 0;
    pub(in crate::v2) const STARTED: u8 = 1;
    pub(in crate::v2) const JOINED: u8 = 2;
    pub(in crate::v2) const CAUGHT_UP: u8 = 3;
}

/// Milliseconds between two hellos that ask for operations.
const HELLO_INTERVAL: u64 = 2_000;
/// The longest between two, where the answers do not come.
const LAST_HELLO_INTERVAL: u64 = 300_000;
/// Authors that a hello lists.
const LISTED: usize = 16;

/// What is under way to make everybody's operations the same.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Sync {
    /// When we send others what they lack.
    pub(super) send_at: Option<u64>,
    /// How many operations of each author they hold at least; of those not named, none.
    held: Option<BTreeMap<SenderHint, u32>>,
    /// When we say hello because we lack something.
    pub(super) hello_at: Option<u64>,
    last_hello: Option<u64>,
    /// How long we wait for an answer before we ask again.
    patience: u64,
    /// Authors of operations that we could not take: perhaps we hold others of theirs than the
    /// sender, so that how many says nothing.
    doubted: BTreeSet<ParticipantId>,
}

impl Sync {
    fn doubt(&mut self, operation: &[u8]) {
        if let Some(operation) = Operation::parse(operation)
            && self.doubted.len() < LISTED
        {
            self.doubted.insert(operation.author);
        }
    }
}

/// Making operations.
impl Room {
    /// Signs an operation of ours and takes it in. The caller tells others.
    pub(super) fn state(
        &mut self,
        action: Action,
        subject: PublicKey,
        incarnation: u32,
        name: &str,
        cx: &mut Cx<'_>,
    ) -> bool {
        let leaves = matches!(action, Action::Evicted { last: NONE }) && subject.id() == self.me;
        let operation = Operation {
            action,
            subject,
            incarnation,
            author: self.me,
            author_incarnation: self.incarnation,
            // Who leaves without having said anything else has no chain to build on.
            previous: if leaves { NONE } else { self.log.tip(self.me) },
            name,
        };
        let bytes = operation.sign(&self.topic, cx.identity);
        self.add_operation(&bytes, cx) == Added::New
    }

    fn add_operation(&mut self, bytes: &[u8], cx: &mut Cx<'_>) -> Added {
        let number = self.log.len();
        let added = self.log.add(bytes);
        if added == Added::New && self.joined {
            cx.store(vec![records::operation(number, bytes)]);
        }
        added
    }

    pub(in crate::v2) fn evict(
        &mut self,
        id: ParticipantId,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        let rank = self.my_rank().ok_or(CommandError::NotAllowed)?;
        let member = self.members.get(&id).ok_or(CommandError::Unknown(id))?;
        let before_us = member.role == Role::Keeper && (member.rank, id) <= (rank, self.me);
        if before_us {
            return Err(CommandError::NotAllowed);
        }
        let (key, incarnation) = (member.public_key(), member.incarnation);
        let last = self.log.tip(id);
        self.announce(Action::Evicted { last }, key, incarnation, cx)?;
        self.rekey(cx)
    }

    /// Makes a member a keeper.
    pub(in crate::v2) fn appoint(
        &mut self,
        id: ParticipantId,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        self.my_rank().ok_or(CommandError::NotAllowed)?;
        let member = self.members.get(&id).ok_or(CommandError::Unknown(id))?;
        let (key, incarnation) = (member.public_key(), member.incarnation);
        if member.role == Role::Member {
            self.announce(Action::Keeper, key, incarnation, cx)?;
        }
        Ok(())
    }

    /// Evicts ourselves.
    pub(in crate::v2) fn leave(&mut self, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        let spoke = self
            .log
            .operations()
            .any(|(_, operation)| operation.author == self.me && !operation.is_leave());
        let last = if spoke { self.log.tip(self.me) } else { NONE };
        let key = cx.identity.public_key();
        self.announce(Action::Evicted { last }, key, self.incarnation, cx)
    }

    /// Signs an operation, tells the others, and puts it into effect.
    fn announce(
        &mut self,
        action: Action,
        subject: PublicKey,
        incarnation: u32,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        if !self.state(action, subject, incarnation, "", cx) {
            return Err(CommandError::TooMany(cx.settings.limits.operations));
        }
        self.send_operations(&BTreeMap::new(), Some(1), cx);
        self.evaluate(cx);
        Ok(())
    }
}

/// Taking them in.
impl Room {
    pub(super) fn take_operations(&mut self, body: &[u8], cx: &mut Cx<'_>) -> Option<()> {
        // First whether it is whole: a lie at its end takes nothing of it.
        let mut reader = Reader::new(body);
        let mut operations = Vec::new();
        while !reader.is_empty() {
            let length = reader.u16()?;
            operations.push(reader.take(length.into())?);
        }
        let (mut new, mut lacking) = (false, false);
        for operation in operations {
            match self.add_operation(operation, cx) {
                Added::New => new = true,
                Added::Early => {
                    lacking = true;
                    self.sync.doubt(operation);
                }
                // Somebody sent what we meant to send.
                Added::Known => self.sync.send_at = None,
                Added::Refused | Added::Full => {}
            }
        }
        if new {
            self.evaluate(cx);
        }
        if lacking {
            self.ask_for_operations(cx);
        }
        Some(())
    }

    /// Puts what the operations say into effect.
    pub(super) fn evaluate(&mut self, cx: &mut Cx<'_>) {
        let standing = evaluate(&self.log);
        let ours = standing.members.get(&self.me);
        let in_it = ours.is_some_and(|place| place.incarnation == self.incarnation);
        // Until all operations are here, we know our admitter only.
        if !self.joined && !in_it {
            return;
        }
        let stays = |id: &ParticipantId, member: &Member| {
            let place = standing.members.get(id);
            place.is_some_and(|place| place.incarnation == member.incarnation)
        };
        let gone = self.members.iter().filter(|(id, member)| !stays(id, member));
        let gone: Vec<ParticipantId> = gone.map(|(id, _)| *id).collect();
        for id in &gone {
            if let Some(member) = self.members.remove(id) {
                // Together with what its window says was kept.
                let parted = self.part_with(*id, &member);
                self.due_records.extend(parted);
            }
            self.dirty.remove(id);
            self.excuse(*id, cx);
            self.leave_line(*id);
            if !standing.members.contains_key(id) {
                cx.event(Event::Removed(*id));
            }
        }
        for (id, place) in &standing.members {
            let known = self.members.get_mut(id);
            let was_keeper = known.as_ref().is_some_and(|known| known.role == Role::Keeper);
            if place.role == Role::Keeper && !was_keeper && *id != self.me {
                let at = cx.after(cx.settings.timing.ask_ms);
                self.kem.repeat_at.get_or_insert(at);
            }
            match known {
                Some(member) => (member.role, member.rank) = (place.role, place.rank),
                None => {
                    let mut member = Member::new(place);
                    if let Some((incarnation, window)) = self.former.remove(id)
                        && incarnation == place.incarnation
                    {
                        member.window = window;
                    }
                    self.members.insert(*id, Box::new(member));
                    if *id != self.me {
                        cx.event(Event::Joined(place.key));
                    }
                }
            }
        }
        let ours = ours.map(|place| place.incarnation);
        self.seat(standing);
        if let Some(ours) = ours.filter(|ours| self.joined && *ours > self.incarnation) {
            self.follow_incarnation(ours, cx);
        }
        if !self.joined && in_it {
            self.become_member(cx);
        }
        self.choose(cx);
    }

    /// Somebody is out, perhaps not for good: an eviction may turn out void. What was taken of it is
    /// not taken again.
    fn part_with(&mut self, id: ParticipantId, member: &Member) -> Vec<Record> {
        let (incarnation, window) = (member.incarnation, member.window.clone());
        let mut changes = vec![records::member_kem_gone(id)];
        changes.push(records::window(id, incarnation, &window));
        self.former.insert(id, (incarnation, window));
        if self.former.len() > FORMER
            && let Some((forgotten, _)) = self.former.pop_first()
        {
            changes.push(records::window_gone(forgotten));
        }
        changes
    }

    /// Puts the operations into effect that we begin with: nothing of it is news.
    pub(super) fn seat_members(&mut self) {
        let standing = evaluate(&self.log);
        for (id, place) in &standing.members {
            self.members.insert(*id, Box::new(Member::new(place)));
        }
        self.seat(standing);
    }

    /// Who is what from now on, and whose generations count.
    fn seat(&mut self, standing: Standing) {
        self.members_hash = standing.members_hash();
        self.evictions_hash = standing.evictions_hash();
        self.evictions = standing.evictions;
        self.keepers = standing.keepers;
        self.certify();
    }

    /// A member at this incarnation.
    pub(super) fn member_of(&mut self, id: ParticipantId, incarnation: u32) -> Option<&mut Member> {
        let member = self.members.get_mut(&id).map(Box::as_mut);
        member.filter(|member| member.incarnation == incarnation)
    }

    /// A keeper admitted us again, while we are in it. Were we to go on as we were, nobody would
    /// believe us any more, and a keeper gone bad could silence those before it.
    fn follow_incarnation(&mut self, incarnation: u32, cx: &mut Cx<'_>) {
        self.incarnation = incarnation;
        cx.store(vec![records::membership(&self.log.founding, incarnation)]);
        self.announce_kem_key(cx);
        self.ask_for_operations(cx);
    }

    /// The roster says so: we have joined.
    fn become_member(&mut self, cx: &mut Cx<'_>) {
        self.joined = true;
        cx.store(self.all_records());
        cx.event(Event::Ready);
        self.announce_kem_key(cx);
    }

    /// Whether we are still in it.
    pub(in crate::v2) fn fate(&self) -> Fate {
        let out = self.joined && !self.members.contains_key(&self.me);
        if out { Fate::Over } else { Fate::Goes }
    }
}

/// Keeping everybody's the same.
impl Room {
    /// What a hello says of the operations we hold.
    pub(super) fn summarize(&self, body: &mut Vec<u8>) {
        let count = u32::try_from(self.log.len()).unwrap_or(u32::MAX);
        body.u32(count).put(&self.log.digest());
        // Of whom more than one chain is known, or suspected, all is sent.
        let forked = self.log.forked();
        let plain = |author: &ParticipantId| {
            !forked.contains(author) && !self.sync.doubted.contains(author)
        };
        let counts = self.log.counts().into_iter().filter(|(author, _)| plain(author));
        for (author, count) in counts.take(LISTED) {
            body.put(&sender_hint(author)).u16(u16::try_from(count).unwrap_or(u16::MAX));
        }
    }

    pub(super) fn take_hello(
        &mut self,
        sender: ParticipantId,
        counter: u64,
        generation: &Digest,
        body: &[u8],
        cx: &mut Cx<'_>,
    ) -> Option<()> {
        let mut reader = Reader::new(body);
        let (reason, since, count) = (reader.u8()?, reader.u40()?, reader.u32()?);
        let digest: Digest = reader.array()?;
        let mut theirs = BTreeMap::new();
        while !reader.is_empty() {
            theirs.insert(reader.array()?, u32::from(reader.u16()?));
        }
        (theirs.len() <= LISTED).then_some(())?;
        // It was further than it knows, unless this frame was merely late: then it knows better.
        let next = self.members.get(&sender).map_or(0, |member| member.window.next());
        if reason == reason::STARTED && next > counter.saturating_add(1) && self.marks.take(cx.now)
        {
            self.send_mark(sender, generation, cx);
        }
        self.went_on(sender, since);
        if reason == reason::STARTED || reason == reason::CAUGHT_UP {
            self.is_back(sender, reason == reason::CAUGHT_UP, cx);
        }
        if reason == reason::CAUGHT_UP {
            self.forget_asker(sender);
            cx.event(Event::CaughtUp(sender));
        }
        if digest == self.log.digest() {
            return Some(());
        }
        self.compare(count, theirs, cx);
        Some(())
    }

    /// Somebody holds other operations than we do.
    fn compare(&mut self, count: u32, mut theirs: BTreeMap<SenderHint, u32>, cx: &mut Cx<'_>) {
        let ours = self.log.counts();
        let held = |id: ParticipantId| theirs.get(&sender_hint(id)).copied().unwrap_or(0);
        let they_lack = ours.iter().any(|(id, count)| *count > held(*id));
        let known = |hint: &SenderHint| {
            ours.range(ids_of(*hint)).map(|(_, count)| *count).max().unwrap_or(0)
        };
        let we_lack = theirs.iter().any(|(hint, count)| *count > known(hint))
            || count > u32::try_from(self.log.len()).unwrap_or(u32::MAX);
        // As many of each, and still not the same: somebody signed two different ones.
        let forked = !they_lack && !we_lack;
        if we_lack || forked {
            self.ask_for_operations(cx);
        }
        if they_lack || forked {
            if forked {
                theirs.clear();
            }
            self.offer_operations(theirs, cx);
        }
    }

    fn offer_operations(&mut self, theirs: BTreeMap<SenderHint, u32>, cx: &mut Cx<'_>) {
        let delay = self.courtesy(cx);
        let at = cx.after(delay);
        self.sync.send_at = Some(self.sync.send_at.map_or(at, |due| due.min(at)));
        self.sync.held = Some(match self.sync.held.take() {
            None => theirs,
            // For several, what all of them hold.
            Some(held) => held
                .into_iter()
                .filter_map(|(id, count)| Some((id, count.min(*theirs.get(&id)?))))
                .collect(),
        });
    }

    /// Says hello soon, since we lack operations, or others do.
    pub(in crate::v2) fn ask_for_operations(&mut self, cx: &Cx<'_>) {
        let earliest =
            self.sync.last_hello.map_or(cx.now, |last| last.saturating_add(HELLO_INTERVAL));
        let at = earliest.max(cx.now);
        self.sync.hello_at = Some(self.sync.hello_at.map_or(at, |due| due.min(at)));
    }

    /// What of this is due.
    pub(super) fn sync_timers(&mut self, cx: &mut Cx<'_>) {
        if self.sync.send_at.is_some_and(|at| at <= cx.now) {
            self.sync.send_at = None;
            let held = self.sync.held.take().unwrap_or_default();
            self.send_operations(&held, None, cx);
        }
        if self.sync.hello_at.is_some_and(|at| at <= cx.now) {
            self.sync.hello_at = None;
            self.sync.last_hello = Some(cx.now);
            self.hello(reason::ASKS, cx);
            self.hello_again(cx);
            self.sync.doubted.clear();
        }
    }

    /// The answer to a hello may be lost: says it again, as long as we know that we differ.
    fn hello_again(&mut self, cx: &Cx<'_>) {
        if self.differs() {
            let patience = self.sync.patience.saturating_mul(2);
            self.sync.patience = patience.clamp(HELLO_INTERVAL, LAST_HELLO_INTERVAL);
            self.sync.hello_at = Some(cx.after(self.sync.patience));
        } else {
            self.sync.patience = 0;
        }
    }

    /// Whether a generation no older than ours was begun by somebody who knows of other evictions.
    fn differs(&self) -> bool {
        let number = self.epochs.current().map_or(0, |current| current.recipe.number);
        self.epochs.iter().any(|each| {
            each.recipe.number >= number && each.recipe.evictions != self.evictions_hash
        })
    }

    /// Asks, once we know that we differ.
    pub(super) fn watch_operations(&mut self, cx: &Cx<'_>) {
        if self.joined && self.sync.patience == 0 && self.differs() {
            self.ask_for_operations(cx);
        }
    }

    /// Tells somebody that it was evicted, in whatever it may still be able to read.
    pub(super) fn tell_evicted(&mut self, id: ParticipantId, cx: &mut Cx<'_>) {
        let mut body = Vec::new();
        for ((_, bytes), (_, operation)) in self.log.raw().zip(self.log.operations()) {
            let evicts = matches!(operation.action, Action::Evicted { .. });
            if evicts && operation.subject.id() == id {
                body.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).put(bytes);
            }
        }
        if body.is_empty() || body.len() > Self::largest_body(&cx.out()) {
            return;
        }
        let held: Vec<Digest> = self.epochs.iter().map(|generation| generation.id).collect();
        for generation in held {
            self.send_in(&generation, kind::ROSTER, &body, &mut cx.out());
        }
    }

    /// Sends the operations that others lack, or only the latest few.
    pub(super) fn send_operations(
        &mut self,
        held: &BTreeMap<SenderHint, u32>,
        latest: Option<usize>,
        cx: &mut Cx<'_>,
    ) {
        let max = Self::room_in_frame(&cx.out());
        let skip = latest.map_or(0, |latest| self.log.len().saturating_sub(latest));
        let mut counts: BTreeMap<ParticipantId, u32> = BTreeMap::new();
        let forked = self.log.forked();
        let (mut bodies, mut body) = (Vec::new(), Vec::new());
        for ((_, bytes), (_, operation)) in self.log.raw().zip(self.log.operations()).skip(skip) {
            let count = counts.entry(operation.author).or_default();
            *count = count.saturating_add(1);
            let theirs = held.get(&sender_hint(operation.author));
            if theirs.is_some_and(|held| *count <= *held) && !forked.contains(&operation.author) {
                continue;
            }
            if body.len().saturating_add(bytes.len()).saturating_add(2) > max && !body.is_empty() {
                bodies.push(core::mem::take(&mut body));
            }
            body.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).put(bytes);
        }
        if !body.is_empty() {
            bodies.push(body);
        }
        for generation in self.live_generations() {
            for body in &bodies {
                self.send_in(&generation, kind::ROSTER, body, &mut cx.out());
            }
        }
    }
}
