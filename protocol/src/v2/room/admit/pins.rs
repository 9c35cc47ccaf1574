//! The PIN that we show, and the exchange under way: PROTOCOL §3.13. Not here: SPAKE2.

use super::{Offer, PinExchange, nonce};
use crate::v2::joining::{Answer, Challenge, Introduction, short, transcript};
use crate::v2::pin::{self, Pin};
use crate::v2::room::{Cx, Room};
use crate::v2::standing::Role;
use crate::{CommandError, Event, Refusal};

/// How long a PIN is good.
const PIN_MS: u64 = 300_000;

const PIN_FAILURES: u32 = 3;

impl Room {
    pub(in crate::v2) fn offer_pin(&mut self, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        self.my_rank().ok_or(CommandError::NotAllowed)?;
        let pin = Pin::random(cx.entropy);
        cx.event(Event::PinOffered(pin.clone()));
        let until = cx.after(PIN_MS);
        self.admissions.offer = Some(Offer { pin, until, failures: 0, exchange: None });
        Ok(())
    }

    pub(super) fn challenge_pin(
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

    pub(super) fn answer_pin(
        &mut self,
        answer: &Answer<'_>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
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
}
