//! How a room begins, and what it does when it is late. Not here: joining.

use rand_core::CryptoRng;

use super::epochs::MAX_LEAP;
use super::roster::reason;
use super::{Cx, Room};
use crate::key::SecretBytes;
use crate::v2::epoch::{Epochs, Generation};
use crate::v2::held::{Held, Recipe};
use crate::v2::joining::{Handover, Position};
use crate::v2::kem::{KemSecret, Suite};
use crate::v2::log::Log;
use crate::v2::standing::evaluate;
use crate::v2::topic::Founding;
use crate::{Event, Identity, PublicKey, Refusal};

/// How far above what we know a generation may be that a keeper of ours certifies.
const MAX_CERTIFIED_LEAP: u32 = 1 << 20;

impl Room {
    /// A new topic, of which we are the founder.
    pub(in crate::v2) fn found(
        suite: Suite,
        founding: Founding,
        identity: &Identity,
        entropy: &mut dyn CryptoRng,
    ) -> Self {
        let topic = founding.topic(suite);
        let log = Log::new(topic, founding, usize::MAX);
        let standing = evaluate(&log);
        let recipe = Recipe {
            number: 0,
            parent: [0; 32],
            members: standing.members_hash(),
            evictions: standing.evictions_hash(),
        };
        let (held, _) = Held::fresh(&topic, recipe, identity, 0, entropy);
        let epochs = Epochs::new(Generation::new(topic, held, 0));
        let mut room = Self::bare(suite, log, topic, identity.id(), 0, epochs);
        room.joined = true;
        room.kem.current = Some(KemSecret::generate(suite, identity, entropy));
        room.seat_members();
        room
    }

    /// After a start: says that we are here, and how far we are.
    pub(in crate::v2) fn start(&mut self, cx: &mut Cx<'_>) {
        self.choose(cx);
        self.hello(reason::STARTED, cx);
        self.repeat_kem_key(cx);
        self.ask_time(cx);
        self.was_away(cx);
    }

    /// Whether any link is up.
    pub(in crate::v2) fn connected(&mut self, connected: bool, cx: &mut Cx<'_>) {
        let back = connected && !self.connected;
        self.connected = connected;
        if back {
            self.was_away(cx);
        }
    }

    /// Says hello to our admitter, until the roster has us.
    pub(in crate::v2) fn greet(&mut self, cx: &mut Cx<'_>) {
        self.hello(reason::JOINED, cx);
    }

    pub(in crate::v2) fn has_member(&self, key: &PublicKey) -> bool {
        self.members.get(&key.id()).is_some_and(|member| member.public_key() == *key)
    }

    /// What proves that we were in this topic. After a partition the others may not know our latest
    /// generation, but an earlier one: each attempt is made with another.
    pub(in crate::v2) fn catch_up_key(&self, attempt: usize) -> Option<([u8; 8], SecretBytes)> {
        let count = self.epochs.catch_up_keys().count();
        let number = attempt.checked_rem(count)?;
        let (id, key) = self.epochs.catch_up_keys().nth(number)?;
        Some((*id.first_chunk::<8>()?, key.clone()))
    }

    /// Where we are.
    pub(in crate::v2) fn position(&self) -> Option<Position> {
        let current = self.epochs.current()?;
        // What one member told us, and nobody else spoke in, may not be where the others are.
        if !current.is_settled() {
            return Some(Position { generation: [0; 8], step: 0 });
        }
        let generation = *current.id.first_chunk::<8>()?;
        Some(Position { generation, step: current.present.step })
    }

    /// Somebody told us where the topic is.
    /// Whether that is any news.
    pub(in crate::v2) fn catch_up(&mut self, handover: Handover, cx: &mut Cx<'_>) -> bool {
        self.stop_asking(0);
        let held = &handover.held;
        // Who knows no keeper's word for it may want to end the numbers.
        let certified = self.is_certified(&held.certificate, held.recipe, &held.id);
        let leap = if certified { MAX_CERTIFIED_LEAP } else { MAX_LEAP };
        if held.recipe.number > self.highest().saturating_add(leap) {
            return false;
        }
        let news = self.adopt(handover.held, None, Some(handover.admitter.id()), cx);
        if news {
            self.hello(reason::CAUGHT_UP, cx);
            self.announce_kem_key(cx);
            self.was_away(cx);
        }
        news
    }

    /// Nobody did, for now. We go on until each generation that we know of was tried: those on the
    /// other side of a partition may know only an early one, and not speak again.
    pub(in crate::v2) fn ask_later(&mut self, attempts: usize, at: u64) {
        self.stop_asking(at);
        let tried = attempts.checked_rem(self.epochs.catch_up_keys().count()).unwrap_or(0);
        if !self.is_clean() || tried > 0 {
            self.ask_at = Some(at);
        }
    }

    /// A message frame was refused: does it say something about ourselves?
    pub(in crate::v2) fn notice(&mut self, refusal: Refusal, cx: &mut Cx<'_>) {
        match refusal {
            // An unknown epoch may have the hint of a known one.
            Refusal::UnknownEpoch | Refusal::DecryptionFailed => self.hear_unknown_epoch(cx),
            // It opened, so somebody knows the sender.
            Refusal::UntrustedSender if self.joined => self.ask_for_operations(cx),
            Refusal::BadSignature | Refusal::Malformed | Refusal::NotAllowed => {
                // Perhaps its sender was admitted again, and we have not heard.
                if refusal == Refusal::BadSignature && self.joined {
                    self.ask_for_operations(cx);
                }
                if self.insiders.take(cx.now) {
                    return;
                }
                if self.alarmed_until <= cx.now {
                    self.alarmed_until = cx.now.saturating_add(60_000);
                    cx.event(Event::InsiderAlarm);
                }
            }
            _ => {}
        }
    }
}
