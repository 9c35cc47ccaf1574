//! Steps, rekeys and KEM keys: PROTOCOL §3.3, §3.8, §3.10. Not here: what an epoch is.

use alloc::vec;
use alloc::vec::Vec;

use super::{Cx, Room, records};
use crate::key::SecretBytes;
use crate::roster::verifying_key;
use crate::v2::body::kind;
use crate::v2::crypto::{Digest, REKEY};
use crate::v2::epoch::{Generation, LOOK_AHEAD};
use crate::v2::held::{Certificate, Held, Recipe};
use crate::v2::kem::{KemSecret, Sealing, seal};
use crate::v2::members::Member;
use crate::v2::message::sender_hint;
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Epoch, Event, ParticipantId, PublicKey, Refusal};

/// How far above the generation that carries it a new one may be.
pub(super) const MAX_LEAP: u32 = 1_024;
/// How large a rekey's part may be on links that carry less in one piece.
const SMALL_PART: usize = 1_024;
/// What stands before the entries of a rekey's part.
const PART_HEADER: usize = Recipe::SIZE + Certificate::SIZE + 34;

impl Room {
    /// The generations whose members have not been told of a later one that we hold.
    pub(super) fn live_generations(&self) -> Vec<Digest> {
        let current = self.epochs.current().map(|current| current.id);
        self.epochs
            .iter()
            .map(|generation| generation.id)
            .filter(|id| Some(*id) == current || !self.superseded.contains(id))
            .collect()
    }

    pub(super) fn tell_epoch(&self, cx: &mut Cx<'_>) {
        if let Some((generation, step)) = self.epoch() {
            cx.event(Event::Epoch(Epoch { generation, step }));
        }
    }

    /// Takes the next step, and stores it.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>) {
        self.steps_on(1, cx);
    }

    /// Takes a step that nobody is in yet: others may have taken one that we have not heard of.
    pub(super) fn new_step(&mut self, cx: &mut Cx<'_>) {
        self.steps_on(2, cx);
    }

    fn steps_on(&mut self, steps: u32, cx: &mut Cx<'_>) {
        let until = cx.after(cx.settings.timing.overlap_ms);
        let Some(current) = self.epochs.current_mut() else { return };
        current.advance(current.present.step.saturating_add(steps), cx.now, until);
        current.entered = cx.now;
        cx.outbox.store(vec![records::generation(current)]);
        self.step_due = false;
        self.tell_epoch(cx);
    }

    /// Picks the generation to be used, and looks at what follows from that.
    pub(super) fn choose(&mut self, cx: &mut Cx<'_>) {
        let before = self.epochs.current().map(|current| current.id);
        let until = cx.after(cx.settings.timing.overlap_ms);
        let gone = self.epochs.choose(&self.evictions_hash, until);
        self.forget_generations(&gone, cx);
        if self.epochs.current().map(|current| current.id) != before {
            self.tell_epoch(cx);
        }
        self.watch(cx);
        self.watch_operations(cx);
    }

    /// Decides what happens while no generation is clean.
    fn watch(&mut self, cx: &mut Cx<'_>) {
        if !self.joined || self.is_clean() {
            self.heal_at = None;
            return;
        }
        let timing = &cx.settings.timing;
        let ask_at = cx.after(timing.ask_ms);
        self.ask_at.get_or_insert(ask_at);
        if let Some(rank) = self.my_rank() {
            let ranks = u64::from(rank.clamp(1, 60));
            let heal_at = cx.after(timing.heal_ms.saturating_mul(ranks));
            let jitter = cx.jitter(timing.heal_ms / 2);
            self.heal_at.get_or_insert(heal_at.saturating_add(jitter));
        } else {
            self.heal_at = None;
        }
    }

    pub(super) fn forget_generations(&mut self, gone: &[Digest], cx: &mut Cx<'_>) {
        if gone.is_empty() {
            return;
        }
        let mut changed = Vec::new();
        for id in gone {
            self.superseded.remove(id);
            changed.push(records::generation_gone(id));
        }
        changed.push(records::catch_up_keys(&self.epochs));
        cx.store(changed);
    }

    /// Takes a generation into the room, stored before it is used. Whether that is any news.
    pub(super) fn adopt(
        &mut self,
        held: Held,
        parent: Option<Digest>,
        giver: Option<ParticipantId>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let until = cx.after(cx.settings.timing.overlap_ms);
        let settled = |known: &Generation| known.is_settled() || known.giver == giver;
        if let Some(known) = self.epochs.get_mut(&held.id).filter(|known| settled(known)) {
            // The step that was taken for us alone, others would have shown us as well.
            let far = held.step.saturating_sub(known.present.step) > LOOK_AHEAD;
            let leapt = known.leap(&held, cx.now, until);
            if leapt {
                cx.outbox.store(vec![records::generation(known)]);
                self.tell_epoch(cx);
            }
            return leapt && far;
        }
        let mut generation = Generation::new(self.topic, held, cx.now);
        generation.giver = giver;
        cx.store(vec![records::generation(&generation)]);
        let id = generation.id;
        self.superseded.extend(parent.filter(|parent| self.epochs.holds(parent)));
        self.epochs.add(generation);
        self.certify();
        if self.epochs.get_mut(&id).is_some_and(|adopted| !adopted.certified) {
            // Its keeper may have been made one while we were away.
            self.ask_for_operations(cx);
        }
        self.choose(cx);
        self.ask_at = self.ask_at.filter(|_| !self.is_clean());
        true
    }
}

/// Certificates.
impl Room {
    /// Finds out which generations a keeper began, as far as we know the keepers.
    pub(super) fn certify(&mut self) {
        let verified: Vec<Digest> = self
            .epochs
            .iter()
            .filter(|each| !each.verified)
            .filter(|each| self.is_signed(&each.certificate, each.recipe, &each.id))
            .map(|each| each.id)
            .collect();
        for generation in self.epochs.iter_mut() {
            generation.verified |= verified.contains(&generation.id);
            let author = (generation.certificate.keeper, generation.certificate.incarnation);
            // Who is no keeper any more has begun nothing that counts.
            generation.certified = generation.verified && self.keepers.contains(&author);
        }
    }

    pub(super) fn is_certified(
        &self,
        certificate: &Certificate,
        recipe: Recipe,
        id: &Digest,
    ) -> bool {
        let author = (certificate.keeper, certificate.incarnation);
        self.keepers.contains(&author) && self.is_signed(certificate, recipe, id)
    }

    fn is_signed(&self, certificate: &Certificate, recipe: Recipe, id: &Digest) -> bool {
        let key = self.log.key(certificate.keeper);
        key.and_then(|key| verifying_key(&key).ok())
            .is_some_and(|key| certificate.verifies(&self.topic, recipe, id, &key))
    }

    /// The highest number that a keeper of ours began.
    pub(super) fn highest(&self) -> u32 {
        let certified = self.epochs.iter().filter(|each| each.certified);
        certified.map(|each| each.recipe.number).max().unwrap_or(0)
    }
}

/// Rekeys.
impl Room {
    pub(in crate::v2) fn rotate(&mut self, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        self.my_rank().ok_or(CommandError::NotAllowed)?;
        self.rekey(cx)
    }

    /// Begins a generation and tells all members.
    pub(super) fn rekey(&mut self, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        let parent = self.epochs.current().ok_or(CommandError::NotReady)?;
        let recipe = Recipe {
            number: self.highest().saturating_add(1),
            parent: parent.id,
            members: self.members_hash,
            evictions: self.evictions_hash,
        };
        self.begin(recipe, cx);
        Ok(())
    }

    /// Begins a generation of this recipe.
    fn begin(&mut self, recipe: Recipe, cx: &mut Cx<'_>) {
        let (held, bytes) =
            Held::fresh(&self.topic, recipe, cx.identity, self.incarnation, cx.entropy);
        let parts = self.rekey_parts(&held, &bytes, cx);
        let live = self.live_generations();
        // Stored before anybody hears of it.
        let generation = Generation::new(self.topic, held, cx.now);
        cx.store(vec![records::generation(&generation)]);
        for id in &live {
            for part in &parts {
                self.send_in(id, kind::REKEY, part, &mut cx.out());
            }
        }
        self.superseded.extend(live);
        self.epochs.add(generation);
        self.certify();
        self.heal_at = None;
        self.choose(cx);
        // We have a clean generation: that we had none is no reason to ask any more.
        self.ask_at = None;
        self.announce_kem_key(cx);
    }

    #[cfg(any(fuzzing, feature = "model"))]
    pub(in crate::v2) fn rekey_as(&mut self, number: u32, evictions: Digest, cx: &mut Cx<'_>) {
        if let Some(parent) = self.epochs.current().map(|parent| parent.id) {
            self.begin(Recipe { number, parent, members: self.members_hash, evictions }, cx);
        }
    }

    fn rekey_parts(&self, held: &Held, bytes: &SecretBytes, cx: &mut Cx<'_>) -> Vec<Vec<u8>> {
        let recipe = held.recipe;
        let size = self.suite.overhead().saturating_add(40);
        // On the smallest links a part of its own for each member would be mostly header.
        let room = Self::room_in_frame(&cx.out());
        let room = room.max(SMALL_PART.min(Self::largest_body(&cx.out())));
        let space = room.saturating_sub(PART_HEADER);
        let each = space.checked_div(size).unwrap_or(0).max(1);
        let mut entries = Vec::new();
        for (recipient, member) in self.members.iter().filter(|(id, _)| **id != self.me) {
            let Some((_, kem)) = &member.kem else { continue };
            let info = self.rekey_info(recipe, &cx.identity.public_key(), member);
            let sealing = Sealing { suite: self.suite, to: kem, info: &info, psk: None };
            if let Some(sealed) = seal(&sealing, bytes.expose(), cx.identity, cx.entropy) {
                entries.push([sender_hint(*recipient).as_slice(), &sealed].concat());
            }
        }
        let count = u8::try_from(entries.len().div_ceil(each)).unwrap_or(u8::MAX);
        (0_usize..)
            .zip(entries.chunks(each))
            .map(|(part, entries)| {
                // Both are for people who look on; beyond 255 they stop counting.
                let part = u8::try_from(part).unwrap_or(u8::MAX);
                let mut body = Vec::from(recipe.to_bytes());
                body.put(&held.id);
                held.certificate.write(&mut body);
                body.u8(part).u8(count);
                for entry in entries {
                    body.put(entry);
                }
                body
            })
            .collect()
    }

    fn rekey_info(&self, recipe: Recipe, keeper: &PublicKey, recipient: &Member) -> Vec<u8> {
        let mut info = Vec::from(REKEY.as_bytes());
        info.put(self.topic.as_bytes()).put(&recipe.to_bytes()).put(keeper.as_bytes());
        info.put(recipient.public_key().as_bytes()).u32(recipient.incarnation);
        info
    }

    pub(super) fn take_rekey(
        &mut self,
        keeper: ParticipantId,
        carrier: &Digest,
        body: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let mut reader = Reader::new(body);
        let mut header = || {
            let (recipe, id) = (Recipe::read(&mut reader)?, reader.array()?);
            Some((recipe, id, Certificate::read(&mut reader)?, reader.u16()?))
        };
        let (recipe, id, certificate, _part) = header().ok_or(Refusal::Malformed)?;
        let author = self.members.get(&keeper).ok_or(Refusal::UntrustedSender)?;
        if author.role != crate::v2::Role::Keeper {
            // Perhaps it was made one, and we have not heard.
            self.ask_for_operations(cx);
            return Err(Refusal::NotAllowed);
        }
        let author = author.public_key();
        let carrier = self.epochs.get_mut(carrier).map_or(0, |carrier| carrier.recipe.number);
        let leap = recipe.number.checked_sub(carrier).ok_or(Refusal::NotAllowed)?;
        if leap == 0 || leap > MAX_LEAP {
            return Err(Refusal::NotAllowed);
        }
        if self.epochs.holds(&id) {
            return Ok(());
        }
        if recipe.evictions != self.evictions_hash {
            self.ask_for_operations(cx);
        }
        match self.open_entry(reader.rest(), recipe, &author) {
            Some(bytes) => self.begin_generation(recipe, id, certificate, &bytes, cx),
            // In another part, perhaps; or they left us out.
            None => {
                let at = cx.after(cx.settings.timing.ask_ms);
                self.ask_at.get_or_insert(at);
                Ok(())
            }
        }
    }

    /// Our entry of a rekey's part.
    fn open_entry(
        &self,
        entries: &[u8],
        recipe: Recipe,
        keeper: &PublicKey,
    ) -> Option<SecretBytes> {
        let hint = sender_hint(self.me);
        let info = self.rekey_info(recipe, keeper, self.members.get(&self.me)?);
        let size = self.suite.overhead().checked_add(40)?;
        let keys = [self.kem.current.as_ref(), self.kem.past.as_ref().map(|(key, _)| key)];
        let ours = entries.chunks_exact(size).filter_map(|entry| entry.strip_prefix(&hint));
        ours.flat_map(|sealed| keys.into_iter().flatten().map(move |key| (sealed, key)))
            .find_map(|(sealed, key)| key.open(sealed, &info, None))
            .and_then(|opened| Some(SecretBytes::new(opened.as_slice().as_array()?)))
    }

    fn begin_generation(
        &mut self,
        recipe: Recipe,
        id: Digest,
        certificate: Certificate,
        bytes: &SecretBytes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let secret = recipe.secret(&self.topic, bytes);
        let held = Held::begin(&self.topic, recipe, certificate, secret);
        if held.id != id || !self.is_certified(&held.certificate, recipe, &id) {
            return Err(Refusal::NotAllowed);
        }
        let _ = self.adopt(held, Some(recipe.parent), None, cx);
        self.announce_kem_key(cx);
        Ok(())
    }
}

/// KEM keys.
impl Room {
    /// Makes a fresh KEM key and tells the keepers; the one before is wiped with the overlap.
    pub(super) fn announce_kem_key(&mut self, cx: &mut Cx<'_>) {
        if !self.joined {
            return;
        }
        let key = KemSecret::generate(self.suite, cx.identity, cx.entropy);
        let public = key.public();
        let until = cx.after(cx.settings.timing.overlap_ms);
        if let Some(past) = self.kem.current.replace(key) {
            self.kem.past = Some((past, until));
        }
        self.kem.made = cx.now;
        cx.store(vec![records::kem(&self.kem)]);
        self.send(kind::KEM_KEY, &public, &mut cx.out());
    }

    /// Says our KEM key again: somebody became a keeper, and may not have heard it.
    pub(super) fn repeat_kem_key(&mut self, cx: &mut Cx<'_>) {
        if let Some(public) = self.kem.current.as_ref().map(KemSecret::public) {
            self.send(kind::KEM_KEY, &public, &mut cx.out());
        }
    }

    pub(super) fn take_kem_key(
        &mut self,
        sender: ParticipantId,
        counter: u64,
        body: &[u8],
        cx: &mut Cx<'_>,
    ) -> Option<()> {
        (body.len() == self.suite.public_key_size()).then_some(())?;
        let member = self.members.get_mut(&sender)?;
        let newer = member.kem.as_ref().is_none_or(|(known, _)| counter > *known);
        if newer {
            member.kem = Some((counter, body.into()));
            cx.outbox.store(vec![records::member_kem(sender, member)?]);
        }
        Some(())
    }
}
