//! Message frames on their way in: PROTOCOL §3.4. Not here: what control messages do.

use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;

use super::{Cx, Room};
use crate::v2::body::{Bodies, Messages, kind};
use crate::v2::crypto::{Digest, Signed};
use crate::v2::epoch::{Generation, Keys, LOOK_AHEAD};
use crate::v2::members::{Member, ids_of};
use crate::v2::message::{self, Opened, sender_hint};
use crate::v2::original::{Kept, Original};
use crate::v2::window::Seen;
use crate::{Event, MessageId, ParticipantId, Refusal};

/// Messages that came before their time passed, and that may be confirmed again.
const PUNCTUAL: usize = 256;

/// A frame that opened and whose signature was checked; nothing has changed yet.
pub(crate) struct Checked {
    generation: Digest,
    step: u32,
    sender: ParticipantId,
    incarnation: u32,
    standing: Standing,
    digest: u16,
    opened: Opened,
}

/// What the sender is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Member,
    /// It holds the secret, and says hello.
    Pending,
    /// It speaks with our own key.
    Ourselves,
    /// A hello with a counter long past: its storage was rolled back, or somebody replays it. Its
    /// signature is not checked yet.
    Returned,
    /// Another frame of this counter was taken: two devices speak with one key.
    Cloned,
    /// We have it, and its sender does not seem to know. Its signature is not checked.
    Again,
}

/// Whose frame it was, and what is in it.
pub(super) struct Taken {
    pub(super) from: ParticipantId,
    pub(super) incarnation: u32,
    pub(super) counter: u64,
    pub(super) kind: u8,
    pub(super) seen: Seen,
}

impl Room {
    /// The costly part of reading a frame. It changes nothing, so that a burst of frames can be
    /// checked on several cores; what it says of a frame does not depend on the others.
    pub(in crate::v2) fn check(&self, frame: &[u8]) -> Result<Checked, Refusal> {
        let hint = message::hint(frame).ok_or(Refusal::Malformed)?;
        if !self.epochs.knows(hint) {
            return Err(Refusal::UnknownEpoch);
        }
        self.epochs
            .find(hint, |generation, keys| {
                let opened = Opened::open(frame, &self.topic, keys)?;
                Some(self.identify(opened, generation, keys))
            })
            .unwrap_or(Err(Refusal::DecryptionFailed))
    }

    /// Finds out who made a frame that opened.
    fn identify(
        &self,
        opened: Opened,
        generation: &Generation,
        keys: &Keys,
    ) -> Result<Checked, Refusal> {
        let mut refusal = Refusal::UntrustedSender;
        let (mut found, mut unverified) = (None, None);
        for (id, member, standing) in self.candidates(&opened) {
            let Some(key) = member.verifying_key() else { continue };
            let signed = opened.signed_by(&self.topic, keys, &key, member.incarnation);
            match self.judge(member, &key, standing, &opened, &signed) {
                // Perhaps another candidate made it for certain.
                Ok(standing @ (Standing::Returned | Standing::Again)) => {
                    unverified = Some((id, member.incarnation, standing, signed.short()));
                }
                Ok(standing) => {
                    found = Some((id, member.incarnation, standing, signed.short()));
                    break;
                }
                // A duplicate of one candidate's frame is not also a bad one of another's.
                Err(Refusal::Duplicate) => refusal = Refusal::Duplicate,
                Err(other) if refusal == Refusal::UntrustedSender => refusal = other,
                Err(_) => {}
            }
        }
        let (sender, incarnation, standing, digest) = found.or(unverified).ok_or(refusal)?;
        let (generation, step) = (generation.id, keys.step);
        Ok(Checked { generation, step, sender, incarnation, standing, digest, opened })
    }

    /// Those that the sender's short name stands for.
    fn candidates(
        &self,
        opened: &Opened,
    ) -> impl Iterator<Item = (ParticipantId, &Member, Standing)> {
        let ids = ids_of(opened.sender);
        let members = self.members.range(ids.clone()).map(|(id, member)| {
            let standing = if *id == self.me { Standing::Ourselves } else { Standing::Member };
            (*id, member.as_ref(), standing)
        });
        let hello = opened.kind == kind::HELLO;
        let pending = self.pending.range(ids).filter(move |_| hello);
        members
            .chain(pending.map(|(id, pending)| (*id, pending.member.as_ref(), Standing::Pending)))
    }

    fn judge(
        &self,
        member: &Member,
        key: &VerifyingKey,
        standing: Standing,
        opened: &Opened,
        signed: &Signed,
    ) -> Result<Standing, Refusal> {
        // An echo of our own. With a counter that we have not used it is somebody else's.
        if standing == Standing::Ourselves && opened.counter < self.counter.next() {
            return Err(Refusal::Own);
        }
        let standing = match member.window.look(opened.counter, signed.short()) {
            _ if standing == Standing::Ourselves => standing,
            Seen::No | Seen::Uncertain => standing,
            Seen::Other => Standing::Cloned,
            Seen::Yes | Seen::Old if opened.kind == kind::HELLO => return Ok(Standing::Returned),
            // Whoever went back to its last start says the same hello again.
            Seen::Same if opened.kind == kind::HELLO && member.window.is_behind(opened.counter) => {
                return Ok(Standing::Returned);
            }
            Seen::Yes | Seen::Same if asks_for_receipt(opened.kind) => return Ok(Standing::Again),
            Seen::Yes | Seen::Same | Seen::Old => return Err(Refusal::Duplicate),
        };
        if opened.verifies(signed, key) { Ok(standing) } else { Err(Refusal::BadSignature) }
    }

    /// Takes in a frame that was checked. What has changed since then is looked at again.
    pub(in crate::v2) fn accept(
        &mut self,
        checked: Checked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        match checked.standing {
            Standing::Ourselves => self.hear_ourselves(&checked, cx),
            Standing::Cloned => self.hear_clone(&checked, cx),
            Standing::Returned => self.mark(&checked, cx),
            Standing::Pending => self.welcome(checked, cx),
            Standing::Again => {
                // A member could make one in another's name, to have us say what is not so.
                if self.again.take(cx.now) && self.is_true(&checked) {
                    let Opened { counter, kind, .. } = checked.opened;
                    self.confirm_again(checked.sender, counter, kind, checked.opened.body());
                }
                Err(Refusal::Duplicate)
            }
            Standing::Member => self.hear(checked, cx),
        }
    }

    fn hear_ourselves(&mut self, checked: &Checked, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if checked.opened.counter < self.counter.next() {
            return Err(Refusal::Own);
        }
        cx.event(Event::Cloned(self.me));
        // A thief with our key could use our counters up, were it not for the bound.
        if checked.opened.counter.saturating_sub(self.counter.next()) < 1 << 32 {
            self.skip_to(checked.opened.counter.saturating_add(1), cx);
        }
        Err(Refusal::Cloned)
    }

    /// Somebody went back to an old state, or is a copy: now and then it is told.
    fn hear_clone(&mut self, checked: &Checked, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        cx.event(Event::Cloned(checked.sender));
        if self.marks.take(cx.now) {
            self.send_mark(checked.sender, &checked.generation, cx);
        }
        Err(Refusal::Cloned)
    }

    fn hear(&mut self, checked: Checked, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let member = self.members.get_mut(&checked.sender).ok_or(Refusal::UntrustedSender)?;
        if member.incarnation != checked.incarnation {
            return Err(Refusal::UntrustedSender);
        }
        // Another frame of the same burst may have had this counter.
        let seen = member.window.look(checked.opened.counter, checked.digest);
        match seen {
            Seen::No | Seen::Uncertain => {}
            Seen::Other => return self.hear_clone(&checked, cx),
            Seen::Yes | Seen::Old if checked.opened.kind == kind::HELLO => {
                return self.mark(&checked, cx);
            }
            Seen::Yes | Seen::Same | Seen::Old => return Err(Refusal::Duplicate),
        }
        let taken = Taken {
            from: checked.sender,
            incarnation: checked.incarnation,
            counter: checked.opened.counter,
            kind: checked.opened.kind,
            seen,
        };
        self.follow(checked.sender, &checked.generation, checked.step, cx)?;
        let before = self.take_counter_of(&taken, checked.opened.body(), checked.digest, cx)?;
        self.speakers.heard(checked.sender, &mut self.members);
        if cx.settings.history.is_some() {
            let who = (checked.sender, checked.incarnation);
            self.can_read(&checked.generation, who, checked.step);
        }
        self.read(checked, &taken, before, cx)
    }

    /// The window takes a frame, if there is room for what is in it. What was next in it before.
    pub(super) fn take_counter_of(
        &mut self,
        taken: &Taken,
        body: &[u8],
        digest: u16,
        cx: &Cx<'_>,
    ) -> Result<u64, Refusal> {
        // What comes before we are in it would be forgotten with the attempt.
        if !self.joined && taken.kind <= kind::LAST_APPLICATION {
            return Err(Refusal::NoTopicKey);
        }
        let limits = cx.settings.inbox.filter(|_| taken.kind <= kind::LAST_APPLICATION);
        if limits.is_some_and(|limits| !self.inbox.has_room(body, limits)) {
            return Err(Refusal::InboxFull);
        }
        let member = self.members.get_mut(&taken.from).ok_or(Refusal::UntrustedSender)?;
        let before = member.window.next();
        member.window.take(taken.counter, digest);
        self.dirty.insert(taken.from);
        Ok(before)
    }

    /// Says again that we have a frame of somebody's: the receipt was lost.
    pub(super) fn confirm_again(
        &mut self,
        from: ParticipantId,
        counter: u64,
        kind: u8,
        body: &[u8],
    ) {
        let certain =
            self.members.get(&from).is_some_and(|member| member.window.is_certain(counter));
        let hint = sender_hint(from);
        // What was late when it came was taken as well, and not delivered.
        let expires = Messages::parse(kind, body).is_none_or(|messages| messages.expiry.is_some());
        let late = expires && !self.punctual.contains(&(hint, counter));
        if certain && !late && asks_for_receipt(kind) {
            self.due_receipts.push((hint, counter));
        }
    }

    /// Follows a sender that is some steps ahead.
    fn follow(
        &mut self,
        sender: ParticipantId,
        id: &Digest,
        step: u32,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let until = cx.after(cx.settings.timing.overlap_ms);
        let generation = self.epochs.get_mut(id).ok_or(Refusal::UnknownEpoch)?;
        generation.heard |= generation.giver != Some(sender);
        let distance = step.saturating_sub(generation.present.step);
        if distance == 0 {
            return Ok(());
        }
        if distance > LOOK_AHEAD || !self.steps.take_many(distance, cx.now) {
            return Err(Refusal::UnknownEpoch);
        }
        generation.advance(step, cx.now, until);
        cx.outbox.store(alloc::vec![super::records::generation(generation)]);
        self.tell_epoch(cx);
        self.can_be_heard(cx);
        Ok(())
    }

    fn read(
        &mut self,
        checked: Checked,
        taken: &Taken,
        before: u64,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if taken.kind <= kind::LAST_APPLICATION {
            if cx.settings.history.is_some() {
                self.remember_heard(&checked, cx);
            }
            return self.deliver(taken, before, checked.opened.into_body(), cx);
        }
        let (sender, counter) = (checked.sender, checked.opened.counter);
        let body = checked.opened.body();
        let done = match checked.opened.kind {
            kind::ROSTER => self.take_operations(body, cx),
            kind::REKEY => return self.take_rekey(sender, &checked.generation, body, cx),
            kind::KEM_KEY => self.take_kem_key(sender, counter, body, cx),
            kind::HELLO => self.take_hello(sender, counter, &checked.generation, body, cx),
            kind::MARK => self.take_mark(body, cx),
            kind::RECEIPT => self.take_receipt(sender, body, cx),
            kind::TIME_QUESTION => self.take_time_question(body, cx),
            kind::TIME_ANSWER => self.take_time_answer(sender, body),
            kind::QUESTION => self.take_question(sender, body, cx),
            kind::ANSWER => self.take_announcement(sender, body, cx),
            kind::PARCEL => return self.take_parcel(sender, body, cx),
            _ => return Err(Refusal::UnknownKind),
        };
        done.ok_or(Refusal::Malformed)
    }

    fn remember_heard(&mut self, checked: &Checked, cx: &Cx<'_>) {
        let held = self.epochs.keys(&checked.generation, checked.step);
        let Some(epoch) = held.map(|keys| keys.id) else { return };
        let Opened { counter, kind, signature, .. } = checked.opened;
        let (sender, incarnation) = (checked.sender, checked.incarnation);
        let body = checked.opened.body().to_vec();
        let original = Original { epoch, sender, incarnation, counter, kind, signature, body };
        let kept = Kept { generation: checked.generation, step: checked.step, original };
        let records = self.remember(&kept, cx.settings);
        self.due_records.extend(records);
    }

    /// Messages of users. They wait until the window that includes them is stored, and with an
    /// inbox, they themselves.
    pub(super) fn deliver(
        &mut self,
        taken: &Taken,
        before: u64,
        body: Vec<u8>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let Taken { from, incarnation, counter, seen, .. } = *taken;
        let messages = Messages::parse(taken.kind, &body).ok_or(Refusal::Malformed)?;
        let (expiry, confirm, bodies) = (messages.expiry, messages.confirm, messages.bodies);
        if let Some(refused) = expiry.and_then(|expiry| self.weigh_expiry(from, expiry, cx)) {
            self.deliveries.push(refused);
            return Ok(());
        }
        if confirm && seen == Seen::No {
            let name = (sender_hint(from), counter);
            self.due_receipts.push(name);
            if expiry.is_some() {
                self.punctual.push_back(name);
                self.punctual.drain(..self.punctual.len().saturating_sub(PUNCTUAL));
            }
        }
        if cx.settings.inbox.is_some() && seen == Seen::No {
            self.keep(taken, &body, bodies.iter().count());
        }
        let event = |place, body| {
            let id = Some(MessageId { incarnation, counter, place });
            if seen == Seen::Uncertain {
                Event::Uncertain { from, body, id }
            } else {
                Event::Message { from, body, id, redelivered: false }
            }
        };
        let mut lined_up = Vec::new();
        let order = cx.settings.order_ms;
        let events = if order.is_some() { &mut lined_up } else { &mut self.deliveries };
        if let Bodies::Run(_) = bodies {
            let all = (0..).zip(bodies.iter());
            events.extend(all.map(|(place, body)| event(place, body.to_vec())));
        } else {
            let mut body = body;
            if expiry.is_some() {
                body.drain(..6);
            }
            events.push(event(0, body));
        }
        if let Some(wait) = order {
            self.line_up(taken, before, lined_up, wait, cx);
        }
        Ok(())
    }

    /// Somebody says hello with a counter that is long past.
    fn mark(&mut self, checked: &Checked, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        // Anybody may replay an old hello: the signature is checked now and then only.
        if !self.marks.take(cx.now) {
            return Err(Refusal::Duplicate);
        }
        if !self.is_true(checked) {
            return Err(Refusal::Duplicate);
        }
        self.send_mark(checked.sender, &checked.generation, cx);
        Err(Refusal::Duplicate)
    }

    /// Whether a frame whose signature was not checked yet was made by whom it names.
    fn is_true(&self, checked: &Checked) -> bool {
        let verified = || {
            let keys = self.epochs.keys(&checked.generation, checked.step)?;
            let key = self.members.get(&checked.sender)?.verifying_key()?;
            let opened = &checked.opened;
            let signed = opened.signed_by(&self.topic, keys, &key, checked.incarnation);
            Some(opened.verifies(&signed, &key))
        };
        verified() == Some(true)
    }

    /// A pending newcomer's first words: it has the secret, so it is admitted.
    fn welcome(&mut self, checked: Checked, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let Some(pending) = self.pending.get_mut(&checked.sender) else {
            // An earlier hello of the same burst admitted it.
            return self.hear(checked, cx);
        };
        if pending.member.incarnation != checked.incarnation {
            return Err(Refusal::UntrustedSender);
        }
        pending.member.window.take(checked.opened.counter, checked.digest);
        self.admit_pending(checked.sender, cx);
        self.dirty.insert(checked.sender);
        // What it holds does not matter: it was just sent everything.
        Ok(())
    }
}

const fn asks_for_receipt(kind: u8) -> bool {
    kind <= kind::LAST_APPLICATION && kind & kind::CONFIRM != 0
}
