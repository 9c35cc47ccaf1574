//! Letting others in: by fingerprint, invitation, PIN, and back in after a long sleep. PROTOCOL
//! §3.13. Not here: our own way in, which is [`ask`](crate::v2::ask).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{Cx, Pending, Room, records};
use crate::key::SecretBytes;
use crate::roster::verifying_key;
use crate::v2::body::kind;
use crate::v2::bucket::Bucket;
use crate::v2::crypto::{Digest, fresh};
use crate::v2::invitation::{Invitation, InvitationId, InviteOptions};
use crate::v2::joining::{
    Answer, Challenge, Evidence, Exchange, Handover, Introduction, Position, Reply, short,
    transcript,
};
use crate::v2::kem::{Sealing, seal};
use crate::v2::members::{Member, ids_of};
use crate::v2::message::sender_hint;
use crate::v2::operation::Action;
use crate::v2::pin::{self, Pin};
use crate::v2::standing::{Place, Role};
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Event, ParticipantId, PublicKey, Record, Refusal};

/// How long a PIN is good.
const PIN_MS: u64 = 300_000;
const PIN_FAILURES: u32 = 3;
/// Between two catch-ups of one member.
const CATCH_UP_INTERVAL: u64 = 10_000;
/// Introductions that led to something, and KEM keys of catch-ups that were answered: none twice.
const ANSWERED: usize = 64;

/// Everybody who wants in, and by what right.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(in crate::v2) struct Admissions {
    newcomers: BTreeMap<ParticipantId, Newcomer>,
    invitations: BTreeMap<InvitationId, Issued>,
    offer: Option<Offer>,
    askers: BTreeMap<ParticipantId, Asker>,
    answered: VecDeque<Digest>,
    last_answers: VecDeque<(ParticipantId, u64)>,
    /// Signature checks of introductions that prove nothing, and of those that do.
    strangers: Bucket,
    proven: Bucket,
}

impl Default for Admissions {
    fn default() -> Self {
        Self {
            newcomers: BTreeMap::new(),
            invitations: BTreeMap::new(),
            offer: None,
            askers: BTreeMap::new(),
            answered: VecDeque::new(),
            last_answers: VecDeque::new(),
            strangers: Bucket::new(32, 250),
            proven: Bucket::new(32, 250),
        }
    }
}

/// Somebody that waits for a person's decision, or was turned down.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Newcomer {
    introduction: Introduction,
    until: u64,
    denied: bool,
}

/// An invitation of ours.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Issued {
    invitation: Invitation,
    /// On our own clock.
    until: u64,
    lifetime: u64,
    redeemed_by: Option<PublicKey>,
}

/// A PIN of ours, and the exchange under way.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Offer {
    pin: Pin,
    until: u64,
    failures: u32,
    exchange: Option<PinExchange>,
}

#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct PinExchange {
    introduction: Introduction,
    transcript: Digest,
    challenge: Vec<u8>,
    key: SecretBytes,
    until: u64,
    /// The answer was right: it gets its reply as often as it asks.
    confirmed: bool,
}

/// A member that wants to catch up.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Asker {
    introduction: Introduction,
    key: SecretBytes,
    /// When we challenge it, unless somebody else does first.
    challenge_at: Option<u64>,
    transcript: Option<Digest>,
    until: u64,
}

impl Issued {
    fn record(&self) -> Record {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        let redeemed_by = self.redeemed_by.map_or([0; 32], |key| *key.as_bytes());
        bytes.u48(self.lifetime).put(&redeemed_by).put(&self.invitation.to_bytes());
        Record::put(invitation_name(&self.invitation.id()), 1, &bytes)
    }
}

fn invitation_name(id: &InvitationId) -> String {
    let id = u64::from_be_bytes(*id);
    alloc::format!("{}{id:016x}", records::INVITATION)
}

impl Admissions {
    /// An invitation that was stored; without a calendar its lifetime begins anew.
    pub(super) fn restore_invitation(&mut self, bytes: &[u8], now: u64) -> Option<()> {
        let mut reader = Reader::new(bytes);
        let (lifetime, redeemed) = (reader.u48()?, reader.array()?);
        let redeemed_by = (redeemed != [0; 32]).then(|| PublicKey::from_bytes(redeemed));
        let invitation = Invitation::from_bytes(reader.rest()).ok()?;
        let until = now.saturating_add(lifetime);
        let issued = Issued { invitation, until, lifetime, redeemed_by };
        self.invitations.insert(issued.invitation.id(), issued);
        Some(())
    }

    pub(super) fn invitation_names(&self) -> impl Iterator<Item = String> {
        self.invitations.keys().map(invitation_name)
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        let newcomers = self.newcomers.values().map(|newcomer| newcomer.until);
        let invitations = self.invitations.values().map(|issued| issued.until);
        let askers = self.askers.values().flat_map(|asker| [asker.challenge_at, Some(asker.until)]);
        newcomers
            .chain(invitations)
            .chain(askers.flatten())
            .chain(self.offer.as_ref().map(|offer| offer.until))
            .min()
    }
}

/// What the owner wants.
impl Room {
    pub(in crate::v2) fn invite(
        &mut self,
        options: InviteOptions,
        topic_name: &str,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        self.my_rank().ok_or(CommandError::NotAllowed)?;
        let limit = cx.settings.limits.introductions.saturating_mul(4);
        if self.admissions.invitations.len() >= limit {
            return Err(CommandError::TooMany(limit));
        }
        let random = fresh(cx.identity, "invitation", self.topic.as_bytes(), cx.entropy);
        let mut secret = [0; 16];
        for (to, from) in secret.iter_mut().zip(random.expose()) {
            *to = *from;
        }
        let invitation = Invitation {
            suite: self.suite,
            role: options.role,
            issuer: cx.identity.public_key(),
            topic: self.topic,
            expiry: cx.wall.map_or(0, |wall| wall.saturating_add(options.lifetime_ms)),
            secret,
            name: topic_name.into(),
        };
        let until = cx.after(options.lifetime_ms);
        let lifetime = options.lifetime_ms;
        let issued = Issued { invitation: invitation.clone(), until, lifetime, redeemed_by: None };
        cx.store(vec![issued.record()]);
        self.admissions.invitations.insert(invitation.id(), issued);
        cx.event(Event::Invited(invitation));
        Ok(())
    }

    pub(in crate::v2) fn offer_pin(&mut self, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        self.my_rank().ok_or(CommandError::NotAllowed)?;
        let pin = Pin::random(cx.entropy);
        cx.event(Event::PinOffered(pin.clone()));
        let until = cx.after(PIN_MS);
        self.admissions.offer = Some(Offer { pin, until, failures: 0, exchange: None });
        Ok(())
    }

    pub(in crate::v2) fn admit(
        &mut self,
        id: ParticipantId,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        self.my_rank().ok_or(CommandError::NotAllowed)?;
        let waiting = self.admissions.newcomers.get(&id).filter(|newcomer| !newcomer.denied);
        let introduction = waiting.map(|newcomer| newcomer.introduction.clone());
        let introduction = introduction.ok_or(CommandError::Unknown(id))?;
        let x = introduction.hash;
        self.hand_over(&introduction, Role::Member, &x, None, cx)?;
        Ok(())
    }

    pub(in crate::v2) fn deny(
        &mut self,
        id: ParticipantId,
        cx: &Cx<'_>,
    ) -> Result<(), CommandError> {
        let waiting = self.admissions.newcomers.get_mut(&id).filter(|newcomer| !newcomer.denied);
        let newcomer = waiting.ok_or(CommandError::Unknown(id))?;
        newcomer.denied = true;
        newcomer.until = cx.after(cx.settings.limits.introduction_ms);
        Ok(())
    }

    /// What a newcomer that waits calls itself.
    pub(in crate::v2) fn newcomer_name(&self, id: ParticipantId) -> Option<&str> {
        self.admissions.newcomers.get(&id).map(|newcomer| newcomer.introduction.name.as_str())
    }
}

/// What comes in.
impl Room {
    pub(in crate::v2) fn meet(
        &mut self,
        frame: &[u8],
        topic_name: &str,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let introduction = Introduction::parse(frame)?;
        if introduction.key.id() == self.me {
            return Err(Refusal::Own);
        }
        if !self.joined || introduction.topic_name != topic_name {
            return Err(Refusal::NotForUs);
        }
        if introduction.suite != self.suite {
            return Err(Refusal::OtherSuite);
        }
        match introduction.evidence {
            Evidence::Fingerprint => self.meet_stranger(introduction, frame, cx),
            Evidence::Invitation { id, proof } => self.redeem(&introduction, id, &proof, frame, cx),
            Evidence::Pin { share } => self.challenge_pin(introduction, &share, frame, cx),
            Evidence::CatchUp { generation, position, proof } => {
                // Whoever holds no clean generation may not know that the asker is evicted.
                if !self.is_elsewhere(position) || !self.is_clean() {
                    return Err(Refusal::NotForUs);
                }
                self.meet_asker(introduction, &generation, &proof, frame, cx)
            }
        }
    }

    /// Somebody introduces itself, with nothing to show for it.
    fn meet_stranger(
        &mut self,
        introduction: Introduction,
        frame: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if !self.is_keeper() {
            return Err(Refusal::NotForUs);
        }
        let key = introduction.key;
        let limits = &cx.settings.limits;
        if self.admissions.answered.contains(&introduction.hash) {
            return Err(Refusal::Duplicate);
        }
        let known = self.admissions.newcomers.get(&key.id());
        if known.is_some_and(|known| known.denied) {
            return Err(Refusal::Denied);
        }
        if known.is_some_and(|known| known.introduction.hash == introduction.hash) {
            // The same again: its reply may have been lost.
            return self.reply_again(&introduction, cx);
        }
        if known.is_none() && self.admissions.newcomers.len() >= limits.introductions {
            return Err(Refusal::PoolFull);
        }
        if !self.admissions.strangers.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        if !introduction.is_signed(frame) {
            return Err(Refusal::BadSignature);
        }
        let again = known.is_some();
        let until = cx.after(limits.introduction_ms);
        self.admissions.newcomers.insert(key.id(), Newcomer { introduction, until, denied: false });
        if !again {
            cx.event(Event::Introduced(key));
        }
        Ok(())
    }

    /// A newcomer that was admitted repeats its introduction.
    fn reply_again(&mut self, introduction: &Introduction, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let pending = self.pending.get(&introduction.key.id()).ok_or(Refusal::Duplicate)?;
        let role = pending.role;
        // Anybody can repeat it.
        if !self.admissions.strangers.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        self.hand_over(introduction, role, &introduction.hash, None, cx)
            .map_err(|_| Refusal::Duplicate)
    }

    fn redeem(
        &mut self,
        introduction: &Introduction,
        id: InvitationId,
        proof: &Digest,
        frame: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let issued = self.admissions.invitations.get(&id).ok_or(Refusal::NotForUs)?;
        let key = issued.invitation.key();
        if !Introduction::proven(frame, proof, &self.topic, &key) {
            return Err(Refusal::BadProof);
        }
        let expired = cx.wall.zip(issued.invitation.expiry()).is_some_and(|(now, end)| now > end);
        if expired || issued.until <= cx.now {
            return Err(Refusal::Expired);
        }
        if issued.redeemed_by.is_some_and(|by| by != introduction.key) {
            return Err(Refusal::Redeemed);
        }
        if !self.is_keeper() {
            return Err(Refusal::NotAllowed);
        }
        if !self.admissions.proven.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        if !introduction.is_signed(frame) {
            return Err(Refusal::BadSignature);
        }
        let role = issued.invitation.role;
        if let Some(issued) = self.admissions.invitations.get_mut(&id) {
            // Recorded before the reply leaves.
            issued.redeemed_by = Some(introduction.key);
            cx.outbox.store(vec![issued.record()]);
        }
        self.hand_over(introduction, role, &introduction.hash, Some(&key), cx)
            .map_err(|_| Refusal::NotAllowed)
    }

    fn challenge_pin(
        &mut self,
        introduction: Introduction,
        share: &[u8],
        frame: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let offer = self.admissions.offer.as_mut().ok_or(Refusal::NotForUs)?;
        let live = |live: &&PinExchange| live.confirmed || live.until > cx.now;
        if let Some(exchange) = offer.exchange.as_ref().filter(live) {
            if exchange.introduction.hash == introduction.hash {
                cx.outbox.send(exchange.challenge.clone());
                return Ok(());
            }
            // One at a time: an attacker's guesses can't run side by side.
            return Err(Refusal::PoolFull);
        }
        if !self.admissions.strangers.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        if !introduction.is_signed(frame) {
            return Err(Refusal::BadSignature);
        }
        let side = pin::Exchange::keeper(&offer.pin, &introduction.key, cx.entropy);
        let nonce = nonce(cx);
        let challenge = Challenge::build(&introduction, &nonce, &side.share, &[0; 16], cx.identity);
        let transcript = transcript(&introduction.hash, &challenge);
        let key = side.finish(share).ok_or(Refusal::Malformed)?;
        cx.outbox.send(challenge.clone());
        let until = cx.after(10_000);
        let confirmed = false;
        offer.exchange =
            Some(PinExchange { introduction, transcript, challenge, key, until, confirmed });
        Ok(())
    }

    /// Whether we are anywhere that a member in this position can't get to by itself.
    fn is_elsewhere(&self, theirs: Position) -> bool {
        self.position()
            .is_some_and(|ours| ours.generation != theirs.generation || ours.step > theirs.step)
    }

    fn meet_asker(
        &mut self,
        introduction: Introduction,
        generation: &[u8; 8],
        proof: &Digest,
        frame: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let id = introduction.key.id();
        if !self.members.contains_key(&id) {
            return Err(Refusal::UntrustedSender);
        }
        let key = self.epochs.catch_up_key(generation).ok_or(Refusal::UnknownEpoch)?.clone();
        if !Introduction::proven(frame, proof, &self.topic, &key) {
            return Err(Refusal::BadProof);
        }
        let kem = crate::v2::crypto::hash("stringphone/2 KEM key", &[&introduction.kem]);
        if self.admissions.answered.contains(&kem) {
            return Err(Refusal::Duplicate);
        }
        let recently = |(known, at): &(ParticipantId, u64)| {
            *known == id && at.saturating_add(CATCH_UP_INTERVAL) > cx.now
        };
        if self.admissions.last_answers.iter().any(recently) {
            return Err(Refusal::PoolFull);
        }
        let known = self.admissions.askers.get(&id);
        if known.is_some_and(|known| known.introduction.hash == introduction.hash) {
            return Err(Refusal::Duplicate);
        }
        let full = self.admissions.askers.len() >= cx.settings.limits.introductions;
        if (known.is_none() && full) || !self.admissions.proven.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        if !introduction.is_signed(frame) {
            return Err(Refusal::BadSignature);
        }
        let delay = self.courtesy(cx);
        let asker = Asker {
            introduction,
            key,
            challenge_at: Some(cx.after(delay)),
            transcript: None,
            until: cx.after(10_000),
        };
        self.admissions.askers.insert(id, asker);
        Ok(())
    }

    /// Another member challenges a member that asks: one is enough.
    pub(in crate::v2) fn overhear(&mut self, challenge: &Challenge<'_>, cx: &Cx<'_>) {
        let by_member = self.has_member(&challenge.key);
        if let Some(asker) = self.admissions.askers.get_mut(&challenge.recipient)
            && short(&asker.introduction.hash) == challenge.introduction
            && asker.challenge_at.is_some()
            && by_member
            && self.admissions.proven.take(cx.now)
            && challenge.is_signed(&asker.introduction.hash, self.topic.as_bytes())
        {
            asker.challenge_at = None;
        }
    }

    pub(in crate::v2) fn take_answer(
        &mut self,
        frame: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let answer = Answer::parse(frame).ok_or(Refusal::Malformed)?;
        if answer.recipient != self.me {
            return Err(Refusal::NotForUs);
        }
        if self.admissions.askers.get(&answer.sender).is_some_and(|asker| {
            asker.transcript.is_some_and(|known| short(&known) == answer.transcript)
        }) {
            return self.answer_asker(&answer, cx);
        }
        self.answer_pin(&answer, cx)
    }

    fn answer_pin(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let offer = self.admissions.offer.as_mut().ok_or(Refusal::Unasked)?;
        let ours = |exchange: &mut PinExchange| {
            exchange.introduction.key.id() == answer.sender
                && short(&exchange.transcript) == answer.transcript
        };
        if !offer.exchange.as_mut().is_some_and(ours) {
            return Err(Refusal::Unasked);
        }
        // Anybody can write such an answer, or repeat one.
        if !self.admissions.strangers.take(cx.now) {
            return Err(Refusal::PoolFull);
        }
        let exchange = offer.exchange.take().ok_or(Refusal::Unasked)?;
        // Whoever has not signed the introduction can't burn the PIN by answering it.
        if !answer.is_signed(&exchange.introduction.key, &exchange.transcript) {
            offer.exchange = Some(exchange);
            return Err(Refusal::BadSignature);
        }
        if !answer.confirms(&exchange.key, &exchange.transcript) {
            offer.failures = offer.failures.saturating_add(1);
            if offer.failures >= PIN_FAILURES {
                self.admissions.offer = None;
                cx.event(Event::PinBurnt);
            }
            return Err(Refusal::BadProof);
        }
        let (introduction, transcript) = (exchange.introduction.clone(), exchange.transcript);
        let key = exchange.key.clone();
        offer.exchange = Some(PinExchange { confirmed: true, ..exchange });
        self.hand_over(&introduction, Role::Member, &transcript, Some(&key), cx)
            .map_err(|_| Refusal::NotAllowed)
    }

    fn answer_asker(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let asker = self.admissions.askers.get(&answer.sender).ok_or(Refusal::Unasked)?;
        let transcript = asker.transcript.ok_or(Refusal::Unasked)?;
        if !answer.confirms(&asker.key, &transcript) {
            return Err(Refusal::BadProof);
        }
        if !answer.is_signed(&asker.introduction.key, &transcript) {
            return Err(Refusal::BadSignature);
        }
        let asker = self.admissions.askers.remove(&answer.sender).ok_or(Refusal::Unasked)?;
        let member = self.members.get(&answer.sender).ok_or(Refusal::UntrustedSender)?;
        if !self.is_clean() {
            return Err(Refusal::NotAllowed);
        }
        let (incarnation, role) = (member.incarnation, member.role);
        let kem = crate::v2::crypto::hash("stringphone/2 KEM key", &[&asker.introduction.kem]);
        remember(&mut self.admissions.answered, kem);
        remember(&mut self.admissions.last_answers, (answer.sender, cx.now));
        // It may have been left out of this generation because it was no member yet when that
        // began: what was said until now is not for it.
        self.step(cx);
        self.reply(&asker.introduction, incarnation, role, &transcript, Some(&asker.key), cx)
            .ok_or(Refusal::NotAllowed)
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    list.push_back(item);
    while list.len() > ANSWERED {
        list.pop_front();
    }
}

fn nonce(cx: &mut Cx<'_>) -> [u8; 16] {
    let mut nonce = [0; 16];
    cx.entropy.fill_bytes(&mut nonce);
    nonce
}

/// Handing over.
impl Room {
    /// Admits a newcomer: takes a step, remembers it, and hands over the new step's secret.
    fn hand_over(
        &mut self,
        introduction: &Introduction,
        role: Role,
        x: &Digest,
        secret: Option<&SecretBytes>,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        let (key, id) = (introduction.key, introduction.key.id());
        let verifying = verifying_key(&key)?;
        let limit = cx.settings.limits.participants;
        if self.members.len().saturating_add(self.pending.len()) >= limit
            && !self.members.contains_key(&id)
        {
            return Err(CommandError::RosterFull(limit));
        }
        // Whoever is let in has to be written down.
        if self.log.is_full() {
            return Err(CommandError::TooMany(cx.settings.limits.operations));
        }
        // At most two may share a short name.
        let alike = self.members.range(ids_of(sender_hint(id))).filter(|(known, _)| **known != id);
        if alike.count() > 1 {
            return Err(CommandError::NotAllowed);
        }
        if !self.is_clean() {
            return Err(CommandError::Waiting);
        }
        let incarnation = self.log.next_incarnation(id);
        let known = self.pending.get(&id).is_some_and(|pending| {
            pending.member.incarnation == incarnation && pending.role == role
        });
        if !known {
            self.step(cx);
            let place = Place { key, incarnation, role, rank: u32::MAX };
            let member = Box::new(Member::new(verifying, &place));
            let until = cx.after(cx.settings.timing.admission_ms);
            let (name, introduction) = (introduction.name.clone(), introduction.hash);
            let pending = Pending { member, role, name, introduction, until };
            cx.store(vec![records::pending(id, &pending)]);
            self.pending.insert(id, pending);
        }
        self.reply(introduction, incarnation, role, x, secret, cx).ok_or(CommandError::NotAllowed)
    }

    fn reply(
        &mut self,
        introduction: &Introduction,
        incarnation: u32,
        role: Role,
        x: &Digest,
        secret: Option<&SecretBytes>,
        cx: &mut Cx<'_>,
    ) -> Option<()> {
        let exchange = Exchange {
            suite: self.suite,
            way: introduction.evidence.way(),
            x,
            recipient: &introduction.key,
            kem: &introduction.kem,
        };
        let handover = Handover {
            founding: self.log.founding.clone(),
            admitter: cx.identity.public_key(),
            admitter_incarnation: self.incarnation,
            incarnation,
            role,
            held: self.epochs.current()?.held(),
        };
        let plaintext = handover.to_bytes(&exchange, cx.identity);
        let (info, psk) = (exchange.info(), secret.map(|secret| exchange.psk(secret)));
        let sealing =
            Sealing { suite: self.suite, to: &introduction.kem, info: &info, psk: psk.as_ref() };
        let sealed = seal(&sealing, &plaintext, cx.identity, cx.entropy)?;
        cx.outbox.send(Reply::build(introduction.key.id(), &introduction.hash, &sealed));
        Some(())
    }

    /// A pending newcomer said hello: it becomes a member.
    pub(super) fn admit_pending(&mut self, id: ParticipantId, cx: &mut Cx<'_>) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let (key, incarnation) = (pending.member.public_key(), pending.member.incarnation);
        let action = match pending.role {
            Role::Member => Action::Member,
            Role::Keeper => Action::Keeper,
        };
        self.admissions.newcomers.remove(&id);
        remember(&mut self.admissions.answered, pending.introduction);
        self.spend(&key, cx);
        self.state(action, key, incarnation, &pending.name, cx);
        cx.store(vec![records::pending_gone(id)]);
        self.evaluate(cx);
        if let Some(member) = self.member_of(id, incarnation) {
            member.window = pending.member.window;
        }
        // The newcomer has none of them; the others, all but the last.
        self.send_operations(&BTreeMap::new(), None, cx);
    }

    /// What of this is due.
    pub(super) fn admission_timers(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        self.admissions.newcomers.retain(|id, newcomer| {
            let stays = newcomer.until > now;
            if !stays && !newcomer.denied && !self.pending.contains_key(id) {
                cx.outbox.event(Event::Lapsed(*id));
            }
            stays
        });
        let mut gone = Vec::new();
        self.admissions.invitations.retain(|id, issued| {
            let stays = issued.until > now;
            if !stays {
                gone.push(Record::delete(invitation_name(id)));
            }
            stays
        });
        if !gone.is_empty() {
            cx.store(gone);
        }
        if self.admissions.offer.as_ref().is_some_and(|offer| offer.until <= now) {
            self.admissions.offer = None;
            cx.event(Event::PinBurnt);
        }
        self.admissions.askers.retain(|_, asker| asker.until > now);
        self.challenge_askers(cx);
        self.lapse_pending(cx);
    }

    fn challenge_askers(&mut self, cx: &mut Cx<'_>) {
        for asker in self.admissions.askers.values_mut() {
            if asker.challenge_at.is_none_or(|at| at > cx.now) {
                continue;
            }
            asker.challenge_at = None;
            let nonce = nonce(cx);
            let challenge = Challenge::build(
                &asker.introduction,
                &nonce,
                &[],
                self.topic.as_bytes(),
                cx.identity,
            );
            asker.transcript = Some(transcript(&asker.introduction.hash, &challenge));
            cx.outbox.send(challenge);
        }
    }

    /// Newcomers that took the secret and never came: the others get a new one.
    fn lapse_pending(&mut self, cx: &mut Cx<'_>) {
        let lapsed: Vec<ParticipantId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.until <= cx.now)
            .map(|(id, _)| *id)
            .collect();
        for id in &lapsed {
            if let Some(pending) = self.pending.remove(id) {
                remember(&mut self.admissions.answered, pending.introduction);
                self.spend(&pending.member.public_key(), cx);
            }
            cx.store(vec![records::pending_gone(*id)]);
            cx.event(Event::Lapsed(*id));
        }
        if !lapsed.is_empty() && self.is_keeper() {
            let _ = self.rekey(cx);
        }
    }

    /// An invitation, or a PIN, is for one admission, whether it came to something or not:
    /// otherwise a recorded introduction could be replayed until it expires.
    fn spend(&mut self, by: &PublicKey, cx: &mut Cx<'_>) {
        let used = |offer: &mut Offer| {
            let exchange = offer.exchange.as_ref().filter(|exchange| exchange.confirmed);
            exchange.is_some_and(|exchange| exchange.introduction.key == *by)
        };
        if self.admissions.offer.take_if(used).is_some() {
            cx.event(Event::PinBurnt);
        }
        let mut spent = Vec::new();
        self.admissions.invitations.retain(|id, issued| {
            let stays = issued.redeemed_by.as_ref() != Some(by);
            if !stays {
                spent.push(Record::delete(invitation_name(id)));
            }
            stays
        });
        if !spent.is_empty() {
            cx.store(spent);
        }
    }

    pub(super) fn pending_deadline(&self) -> Option<u64> {
        self.pending.values().map(|pending| pending.until).min()
    }

    /// A mark for somebody whose counter went back.
    pub(super) fn send_mark(&mut self, id: ParticipantId, cx: &mut Cx<'_>) {
        let Some(member) = self.members.get(&id) else { return };
        let mut body = Vec::with_capacity(17);
        body.put(&sender_hint(id)).u32(member.incarnation).u40(member.window.next());
        self.send(kind::MARK, &body, &mut cx.out());
    }

    pub(super) fn take_mark(&mut self, body: &[u8], cx: &mut Cx<'_>) -> Option<()> {
        let mut reader = Reader::new(body);
        let (hint, incarnation, next) = (reader.array()?, reader.u32()?, reader.u40()?);
        reader.end()?;
        let ours = hint == sender_hint(self.me) && incarnation == self.incarnation;
        // A liar could use our counters up, were it not for the bound.
        if ours && next > self.counter.next() && next.saturating_sub(self.counter.next()) < 1 << 32
        {
            self.skip_to(next, cx);
            cx.event(Event::RolledBack);
        }
        Some(())
    }
}
