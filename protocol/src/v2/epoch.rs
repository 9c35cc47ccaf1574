//! Epochs: secrets, steps, generations, and which are held: PROTOCOL §3.3. Not here: how a
//! generation's secret gets to anybody.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::crypto::{Digest, EPOCH_ID, HINT, MESSAGE_KEY, MessageKey, STEP, kdf, proves};
use super::held::{Certificate, Held, Recipe};
use super::topic::TopicId;
use super::wire::{Reader, Write};
use crate::ParticipantId;
use crate::key::SecretBytes;

/// How many steps ahead a frame is recognised.
pub(super) const LOOK_AHEAD: u32 = 64;
/// How many steps we follow at once, where somebody tells us how many it were.
const MAX_DISTANCE: u32 = 16_384;
/// How many steps before the present one are held, at most.
const PAST: usize = 8;
/// How many generations are held at the same time.
const GENERATIONS: usize = 4;
/// How many generations' catch-up keys are held.
const CATCH_UP_KEYS: usize = 16;

/// What a frame's header says of its epoch.
pub(super) type Hint = [u8; 2];

/// Everything that an epoch's secret gives.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Keys {
    pub(super) step: u32,
    pub(super) id: Digest,
    pub(super) hint: Hint,
    pub(super) message: MessageKey,
    secret: SecretBytes,
}

impl Keys {
    fn new(topic: &TopicId, step: u32, secret: SecretBytes) -> Self {
        let topic = topic.as_bytes();
        Self {
            step,
            id: *kdf(secret.expose(), EPOCH_ID, &[topic]).expose(),
            hint: hint(&secret, topic),
            message: MessageKey::new(&kdf(secret.expose(), MESSAGE_KEY, &[topic])),
            secret,
        }
    }
}

fn hint(secret: &SecretBytes, topic: &[u8; 16]) -> Hint {
    let [first, second, ..] = *kdf(secret.expose(), HINT, &[topic]).expose();
    [first, second]
}

fn next_secret(topic: &TopicId, number: u32, step: u32, secret: &SecretBytes) -> SecretBytes {
    let (number, step) = (number.to_be_bytes(), step.to_be_bytes());
    kdf(secret.expose(), STEP, &[topic.as_bytes(), &number, &step])
}

/// A generation that is held: the present step, the one before, and the hints of those to come.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Generation {
    topic: TopicId,
    pub(super) recipe: Recipe,
    pub(super) id: Digest,
    pub(super) certificate: Certificate,
    /// Whether its certificate's signature verifies.
    pub(super) verified: bool,
    /// Whether a keeper of the roster began it. Others are only read, never used.
    pub(super) certified: bool,
    /// Whether anybody else was heard in it: then others know it too.
    pub(super) heard: bool,
    /// Who told us its secret, where we could not check it: it may be another than the others'.
    pub(super) giver: Option<ParticipantId>,
    pub(super) catch_up: SecretBytes,
    pub(super) present: Keys,
    /// The steps before, the latest last, each until its secret is wiped.
    past: VecDeque<(Keys, u64)>,
    ahead: VecDeque<Hint>,
    /// The secret of the last step ahead.
    tip: SecretBytes,
    /// When the generation was taken into use.
    pub(super) since: u64,
    /// When the present step was taken.
    pub(super) entered: u64,
    /// Frames sent in this step.
    pub(super) sent: u32,
    /// When it is wiped, if it is not in use.
    pub(super) until: Option<u64>,
}

impl Generation {
    pub(super) fn new(topic: TopicId, held: Held, now: u64) -> Self {
        let tip = held.secret.clone();
        let mut generation = Self {
            topic,
            recipe: held.recipe,
            id: held.id,
            certificate: held.certificate,
            verified: false,
            certified: false,
            heard: false,
            giver: None,
            catch_up: held.catch_up,
            present: Keys::new(&topic, held.step, held.secret),
            past: VecDeque::new(),
            ahead: VecDeque::new(),
            tip,
            since: now,
            entered: now,
            sent: 0,
            until: None,
        };
        generation.look_ahead();
        generation
    }

    /// What is handed to a newcomer: the present, nothing before it.
    pub(super) fn held(&self) -> Held {
        Held {
            recipe: self.recipe,
            id: self.id,
            certificate: self.certificate,
            step: self.present.step,
            secret: self.present.secret.clone(),
            catch_up: self.catch_up.clone(),
        }
    }

    fn look_ahead(&mut self) {
        while self.ahead.len() < usize::try_from(LOOK_AHEAD).unwrap_or(0) {
            let distance = u32::try_from(self.ahead.len()).unwrap_or(0).saturating_add(1);
            let step = self.present.step.saturating_add(distance);
            self.tip = next_secret(&self.topic, self.recipe.number, step, &self.tip);
            self.ahead.push_back(hint(&self.tip, self.topic.as_bytes()));
        }
    }

    /// The keys of a step ahead.
    fn derive(&self, distance: u32) -> Keys {
        let mut secret = self.present.secret.clone();
        let mut step = self.present.step;
        for _ in 0..distance {
            step = step.saturating_add(1);
            secret = next_secret(&self.topic, self.recipe.number, step, &secret);
        }
        Keys::new(&self.topic, step, secret)
    }

    /// Takes steps, up to `step`; those left behind stay readable until `until`.
    pub(super) fn advance(&mut self, step: u32, now: u64, until: u64) {
        let distance = step.saturating_sub(self.present.step).min(LOOK_AHEAD);
        for _ in 0..distance {
            self.ahead.pop_front();
            let next = self.derive(1);
            self.enter(next, now, until);
        }
        self.look_ahead();
    }

    fn enter(&mut self, next: Keys, now: u64, until: u64) {
        let past = core::mem::replace(&mut self.present, next);
        self.past.push_back((past, until));
        while self.past.len() > PAST {
            self.past.pop_front();
        }
        self.entered = now;
        self.sent = 0;
    }

    /// Goes to a later step that somebody told us, if our own secret leads to the same one.
    pub(super) fn leap(&mut self, held: &Held, now: u64, until: u64) -> bool {
        let distance = held.step.saturating_sub(self.present.step);
        if distance == 0 || distance > MAX_DISTANCE {
            return false;
        }
        let next = self.derive(distance);
        if !proves(&next.secret, held.secret.expose()) {
            return false;
        }
        self.tip = next.secret.clone();
        self.enter(next, now, until);
        self.ahead.clear();
        self.look_ahead();
        true
    }

    /// Whether its secret is the one that others use, as far as we can know.
    pub(super) const fn is_settled(&self) -> bool {
        self.giver.is_none() || self.heard
    }

    /// Wipes what is past its time.
    fn expire(&mut self, now: u64) -> bool {
        let held = self.past.len();
        self.past.retain(|(_, until)| *until > now);
        self.past.len() < held
    }

    /// Calls `open` with the keys of each epoch of this hint, until it gives something.
    fn find<T>(&self, hint: Hint, open: &mut impl FnMut(&Keys) -> Option<T>) -> Option<T> {
        for keys in self.held_keys().filter(|keys| keys.hint == hint) {
            if let Some(found) = open(keys) {
                return Some(found);
            }
        }
        for (distance, _) in (1..).zip(&self.ahead).filter(|(_, ahead)| **ahead == hint) {
            if let Some(found) = open(&self.derive(distance)) {
                return Some(found);
            }
        }
        None
    }

    /// The keys of a step that is held.
    pub(super) fn keys(&self, step: u32) -> Option<&Keys> {
        self.held_keys().find(|keys| keys.step == step)
    }

    /// The earliest step that is held.
    pub(super) fn earliest(&self) -> u32 {
        self.past.front().map_or(self.present.step, |(keys, _)| keys.step)
    }

    fn held_keys(&self) -> impl Iterator<Item = &Keys> {
        core::iter::once(&self.present).chain(self.past.iter().rev().map(|(keys, _)| keys))
    }

    fn knows(&self, hint: Hint) -> bool {
        self.held_keys().any(|keys| keys.hint == hint) || self.ahead.contains(&hint)
    }

    /// The generation as it is stored.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        self.held().write(&mut bytes);
        for keys in self.held_keys().skip(1) {
            bytes.u32(keys.step).put(keys.secret.expose());
        }
        bytes.u8(self.heard.into());
        bytes
    }

    /// What was readable when it was stored is readable until `until`.
    pub(super) fn from_bytes(topic: TopicId, bytes: &[u8], now: u64, until: u64) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut generation = Self::new(topic, Held::read(&mut reader)?, now);
        while reader.rest().len() > 1 {
            let (step, past) = (reader.u32()?, SecretBytes::new(&reader.array()?));
            generation.past.push_front((Keys::new(&topic, step, past), until));
        }
        generation.heard = reader.u8()? != 0;
        Some(generation)
    }
}

/// The generations held, the one in use first.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Epochs {
    generations: Vec<Generation>,
    /// Catch-up keys of generations that are gone; the latest last.
    gone: VecDeque<Gone>,
}

/// What is kept of a generation.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Gone {
    id: Digest,
    key: SecretBytes,
    heard: bool,
}

impl Epochs {
    pub(super) fn new(first: Generation) -> Self {
        Self { generations: alloc::vec![first], gone: VecDeque::new() }
    }

    pub(super) fn restore(generations: Vec<Generation>, gone: &[u8]) -> Option<Self> {
        let (mut reader, mut keys) = (Reader::new(gone), VecDeque::new());
        while !reader.is_empty() {
            let (id, key) = (reader.array()?, SecretBytes::new(&reader.array()?));
            keys.push_back(Gone { id, key, heard: reader.u8()? != 0 });
        }
        let gone = keys;
        (!generations.is_empty()).then_some(Self { generations, gone })
    }

    /// The generation in use.
    pub(super) fn current(&self) -> Option<&Generation> {
        self.generations.first()
    }

    pub(super) fn current_mut(&mut self) -> Option<&mut Generation> {
        self.generations.first_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Generation> {
        self.generations.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Generation> {
        self.generations.iter_mut()
    }

    pub(super) fn get_mut(&mut self, id: &Digest) -> Option<&mut Generation> {
        self.generations.iter_mut().find(|generation| generation.id == *id)
    }

    /// The keys of an epoch, while they are held.
    pub(super) fn keys(&self, generation: &Digest, step: u32) -> Option<&Keys> {
        self.generations.iter().find(|each| each.id == *generation)?.keys(step)
    }

    pub(super) fn holds(&self, id: &Digest) -> bool {
        self.generations.iter().any(|generation| generation.id == *id)
    }

    pub(super) fn knows(&self, hint: Hint) -> bool {
        self.generations.iter().any(|generation| generation.knows(hint))
    }

    /// Calls `open` with each epoch of this hint, until it gives something.
    pub(super) fn find<T>(
        &self,
        hint: Hint,
        mut open: impl FnMut(&Generation, &Keys) -> Option<T>,
    ) -> Option<T> {
        self.generations
            .iter()
            .find_map(|generation| generation.find(hint, &mut |keys| open(generation, keys)))
    }

    /// Takes a generation in. Which is in use, [`choose`](Self::choose) says.
    pub(super) fn add(&mut self, generation: Generation) {
        // One that was only told, and that nobody else spoke in, makes room for another's word.
        self.generations.retain(|known| known.id != generation.id || known.is_settled());
        if !self.holds(&generation.id) {
            self.generations.push(generation);
        }
    }

    /// Puts the best generation first: certified ones, among them clean ones, then the higher number, then the smaller id.
    /// Tells which were pushed out.
    pub(super) fn choose(&mut self, evictions: &Digest, until: u64) -> Vec<Digest> {
        let rank = |generation: &Generation| {
            let clean = generation.recipe.evictions == *evictions;
            (generation.certified && clean, generation.certified, generation.recipe.number)
        };
        self.generations.sort_by(|a, b| rank(b).cmp(&rank(a)).then(a.id.cmp(&b.id)));
        // Of the others the early ones go first, clean or not: one that was just handed over may be
        // clean once the operations come that it was begun with.
        let age = |generation: &Generation| (generation.certified, generation.recipe.number);
        if let Some((_, others)) = self.generations.split_first_mut() {
            others.sort_by(|a, b| age(b).cmp(&age(a)).then(a.id.cmp(&b.id)));
        }
        for (place, generation) in self.generations.iter_mut().enumerate() {
            generation.until = match (place, generation.until) {
                (0, _) => None,
                (_, None) => Some(until),
                (_, known) => known,
            };
        }
        let beyond = self.generations.len().min(GENERATIONS);
        self.generations.split_off(beyond).into_iter().map(|gone| self.forget(gone)).collect()
    }

    fn forget(&mut self, generation: Generation) -> Digest {
        let (id, key, heard) = (generation.id, generation.catch_up, generation.heard);
        self.remember(Gone { id, key, heard });
        id
    }

    /// Keeps a catch-up key of a generation that is not held. Those that nobody else was heard in
    /// go first: after a partition they prove nothing to the other side.
    fn remember(&mut self, gone: Gone) {
        self.gone.push_back(gone);
        while self.gone.len() > CATCH_UP_KEYS {
            let lonely = self.gone.iter().position(|gone| !gone.heard).unwrap_or(0);
            self.gone.remove(lonely);
        }
    }

    /// Wipes what is past its time. Tells which generations changed, and which are gone.
    pub(super) fn expire(&mut self, now: u64) -> (Vec<Digest>, Vec<Digest>) {
        let mut changed = Vec::new();
        for generation in &mut self.generations {
            if generation.expire(now) {
                changed.push(generation.id);
            }
        }
        let all = core::mem::take(&mut self.generations);
        let (gone, kept): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|generation| generation.until.is_some_and(|until| until <= now));
        self.generations = kept;
        (changed, gone.into_iter().map(|generation| self.forget(generation)).collect())
    }

    /// When something is to be wiped next.
    pub(super) fn deadline(&self) -> Option<u64> {
        let past = |generation: &Generation| generation.past.iter().map(|(_, until)| *until).min();
        self.generations.iter().flat_map(|each| [past(each), each.until]).flatten().min()
    }

    /// The catch-up keys of all generations we know of, the latest first.
    pub(super) fn catch_up_keys(&self) -> impl Iterator<Item = (&Digest, &SecretBytes)> {
        let held = self.generations.iter().map(|each| (&each.id, &each.catch_up));
        held.chain(self.gone.iter().rev().map(|gone| (&gone.id, &gone.key)))
    }

    /// The catch-up key of a generation whose id begins so.
    pub(super) fn catch_up_key(&self, id: &[u8; 8]) -> Option<&SecretBytes> {
        self.catch_up_keys().find(|(known, _)| known.starts_with(id)).map(|(_, key)| key)
    }

    /// The catch-up keys of generations that are gone, as they are stored.
    pub(super) fn gone(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * CATCH_UP_KEYS * 65));
        for gone in &self.gone {
            bytes.put(&gone.id).put(gone.key.expose()).u8(gone.heard.into());
        }
        bytes
    }
}
