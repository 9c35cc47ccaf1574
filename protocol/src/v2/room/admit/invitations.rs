//! Invitations of ours: PROTOCOL §3.13. Not here: what one looks like.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{Admissions, Issued};
use crate::v2::crypto::{Digest, fresh};
use crate::v2::invitation::{Invitation, InvitationId, InviteOptions};
use crate::v2::joining::Introduction;
use crate::v2::room::{Cx, Room, records};
use crate::v2::wire::{Reader, Write};
use crate::{CommandError, Event, PublicKey, Record, Refusal};

impl Issued {
    fn record(&self) -> Record {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        let redeemed_by = self.redeemed_by.map_or([0; 32], |key| *key.as_bytes());
        bytes.u48(self.lifetime).put(&redeemed_by).put(&self.invitation.to_bytes());
        Record::put(invitation_name(&self.invitation.id()), 1, &bytes)
    }
}

pub(super) fn invitation_name(id: &InvitationId) -> String {
    let id = u64::from_be_bytes(*id);
    alloc::format!("{}{id:016x}", records::INVITATION)
}

impl Admissions {
    /// An invitation that was stored; without a calendar its lifetime begins anew.
    pub(in crate::v2::room) fn restore_invitation(&mut self, bytes: &[u8], now: u64) -> Option<()> {
        let mut reader = Reader::new(bytes);
        let (lifetime, redeemed) = (reader.u48()?, reader.array()?);
        let redeemed_by = (redeemed != [0; 32]).then(|| PublicKey::from_bytes(redeemed));
        let invitation = Invitation::from_bytes(reader.rest()).ok()?;
        let until = now.saturating_add(lifetime);
        let issued = Issued { invitation, until, lifetime, redeemed_by };
        self.invitations.insert(issued.invitation.id(), issued);
        Some(())
    }

    pub(in crate::v2::room) fn invitation_names(&self) -> impl Iterator<Item = String> {
        self.invitations.keys().map(invitation_name)
    }
}

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
        let invitation = Invitation {
            suite: self.suite,
            role: options.role,
            issuer: cx.identity.public_key(),
            topic: self.topic,
            expiry: cx.wall.map_or(0, |wall| wall.saturating_add(options.lifetime_ms)),
            secret: random.first(),
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

    pub(super) fn redeem(
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
}
