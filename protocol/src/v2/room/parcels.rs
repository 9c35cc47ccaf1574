//! Parcels: a message sealed to one member that lacks it: PROTOCOL §3.12. Not here: who lacks what.

use super::receive::Taken;
use super::{Cx, Room};
use crate::v2::body::kind;
use crate::v2::kem::{Sealing, seal};
use crate::v2::message::sender_hint;
use crate::v2::original::{ADDRESS, Original, parcel_info};
use crate::v2::window::Seen;
use crate::v2::wire::{Reader, Write};
use crate::{ParticipantId, Refusal};

impl Room {
    /// Seals a message to a member, if its KEM key is known.
    pub(super) fn send_parcel(&mut self, to: ParticipantId, original: &Original, cx: &mut Cx<'_>) {
        let Some(member) = self.members.get(&to) else { return };
        let Some((_, key)) = &member.kem else { return };
        let (recipient, carrier) = (member.public_key(), cx.identity.public_key());
        let info = parcel_info(&self.topic, &carrier, &recipient, member.incarnation);
        let sealing = Sealing { suite: self.suite, to: key, info: &info, psk: None };
        let Some(sealed) = seal(&sealing, &original.to_bytes(), cx.identity, cx.entropy) else {
            return;
        };
        let mut body = alloc::vec::Vec::with_capacity(ADDRESS.saturating_add(sealed.len()));
        body.put(&sender_hint(to)).put(&sealed);
        if body.len() <= Self::largest_body(&cx.out()) {
            self.send(kind::PARCEL, &body, &mut cx.out());
        }
    }

    /// Takes the message in a parcel as if it had come in its own frame.
    pub(super) fn take_parcel(
        &mut self,
        carrier: ParticipantId,
        body: &[u8],
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let mut reader = Reader::new(body);
        let address = reader.array().ok_or(Refusal::Malformed)?;
        if address != sender_hint(self.me) {
            return Ok(());
        }
        let Some(original) = self.open_parcel(carrier, reader.rest()) else {
            // Whoever sealed it may know an older key of ours.
            let soon = cx.after(cx.settings.timing.ask_ms);
            self.kem.repeat_at.get_or_insert(soon);
            return Err(Refusal::BadProof);
        };
        if original.kind > kind::LAST_APPLICATION || original.sender == self.me {
            return Err(Refusal::NotAllowed);
        }
        let Original { sender, incarnation, counter, .. } = original;
        let member = self.members.get(&sender).ok_or(Refusal::UntrustedSender)?;
        if member.incarnation != incarnation {
            return Err(Refusal::UntrustedSender);
        }
        let key = member.verifying_key().ok_or(Refusal::UntrustedSender)?;
        let digest = original.verified(&self.topic, &key).ok_or(Refusal::BadSignature)?;
        let seen = member.window.look(counter, digest);
        match seen {
            Seen::No | Seen::Uncertain => {}
            Seen::Same | Seen::Yes => {
                if self.again.take(cx.now) {
                    self.confirm_again(sender, counter, original.kind, &original.body);
                }
                return Err(Refusal::Duplicate);
            }
            Seen::Other => return Err(Refusal::Cloned),
            Seen::Old => return Err(Refusal::Duplicate),
        }
        let taken = Taken { from: sender, incarnation, counter, kind: original.kind, seen };
        let before = self.take_counter_of(&taken, &original.body, digest, cx)?;
        self.deliver(&taken, before, original.body.clone(), cx)
    }

    fn open_parcel(&self, carrier: ParticipantId, sealed: &[u8]) -> Option<Original> {
        let (me, carrier) = (self.members.get(&self.me)?, self.members.get(&carrier)?);
        let (recipient, carrier) = (me.public_key(), carrier.public_key());
        let info = parcel_info(&self.topic, &carrier, &recipient, me.incarnation);
        let keys = [self.kem.current.as_ref(), self.kem.past.as_ref().map(|(key, _)| key)];
        let opened = keys.into_iter().flatten().find_map(|key| key.open(sealed, &info, None))?;
        Original::read(Reader::new(&opened))
    }
}
