//! Newcomers with nothing to show for themselves: a person compares fingerprints. PROTOCOL §3.13.
//! Not here: handing over.

use super::Newcomer;
use crate::v2::joining::Introduction;
use crate::v2::room::{Cx, Room};
use crate::v2::standing::Role;
use crate::{CommandError, Event, ParticipantId, Refusal};

impl Room {
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

    /// Somebody introduces itself, with nothing to show for it.
    pub(super) fn meet_stranger(
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
}
