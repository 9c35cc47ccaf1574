//! Letting others in: by fingerprint, invitation, PIN, and back in after a long sleep. PROTOCOL
//! §3.13. Not here: our own way in, which is [`ask`](crate::v2::ask).

mod invitations;
mod pins;
mod sleepers;
mod strangers;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use invitations::invitation_name;

use super::{Cx, Pending, Room, records};
use crate::key::SecretBytes;
use crate::roster::verifying_key;
use crate::v2::bucket::Bucket;
use crate::v2::crypto::Digest;
use crate::v2::invitation::{Invitation, InvitationId};
use crate::v2::joining::{Answer, Evidence, Exchange, Handover, Introduction, Reply, short};
use crate::v2::kem::{Sealing, seal};
use crate::v2::members::{Member, ids_of};
use crate::v2::message::sender_hint;
use crate::v2::operation::Action;
use crate::v2::pin::Pin;
use crate::v2::standing::{Place, Role};
use crate::{CommandError, Event, ParticipantId, PublicKey, Record, Refusal};

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

impl Admissions {
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
                if !self.is_elsewhere(position) || !self.is_settled() {
                    if self.is_behind(position) {
                        self.hear_unknown_epoch(cx);
                    }
                    return Err(Refusal::NotForUs);
                }
                if self.is_lost(position) {
                    self.hear_unknown_epoch(cx);
                }
                self.meet_asker(introduction, &generation, &proof, frame, cx)
            }
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
        verifying_key(&key)?;
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
            self.new_step(cx);
            let place = Place { key, incarnation, role, rank: u32::MAX };
            let member = Box::new(Member::new(&place));
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
}
