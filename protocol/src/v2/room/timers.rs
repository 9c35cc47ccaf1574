//! What happens by itself, in time. Not here: what it does.

use super::{Cx, Room};

impl Room {
    /// When something is to be done next.
    pub(in crate::v2) fn deadline(&self, settings: &crate::v2::Settings) -> Option<u64> {
        let timing = &settings.timing;
        let current = self.epochs.current();
        let after = |start: u64, ms: u64| Some(start.saturating_add(ms));
        let step = current.and_then(|current| after(current.entered, timing.step_ms));
        let rekey = current.and_then(|current| self.rekey_at(current.since, timing.rekey_ms));
        let kem = self.joined.then(|| self.kem.made.saturating_add(timing.kem_ms));
        [
            self.step_due.then_some(0),
            step,
            rekey,
            kem,
            self.kem.past.as_ref().map(|(_, until)| *until),
            self.kem.repeat_at,
            self.epochs.deadline(),
            self.heal_at,
            self.sync.send_at,
            self.sync.hello_at,
            self.receipts.deadline(self.connected),
            self.unsent.deadline(),
            self.order.deadline(),
            self.history.deadline(self.connected),
            self.admissions.deadline(),
            self.pending_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Keepers do it one after the other, those nearer to the founder first.
    fn rekey_at(&self, since: u64, after: u64) -> Option<u64> {
        let rank = u64::from(self.my_rank()?.clamp(1, 60));
        let delay = (after / 100).saturating_mul(rank.saturating_sub(1));
        Some(since.saturating_add(after).saturating_add(delay))
    }

    /// Does what is due.
    pub(in crate::v2) fn expire(&mut self, cx: &mut Cx<'_>) {
        self.expire_keys(cx);
        self.sync_timers(cx);
        self.admission_timers(cx);
        self.receipt_timers(cx);
        self.unsent_timers(cx);
        self.order_timers(cx);
        self.history_timers(cx);
        if self.kem.repeat_at.is_some_and(|at| at <= cx.now) {
            self.kem.repeat_at = None;
            self.repeat_kem_key(cx);
        }
        let timing = &cx.settings.timing;
        let (step_ms, kem_ms, rekey_ms) = (timing.step_ms, timing.kem_ms, timing.rekey_ms);
        let due = |start: u64, ms: u64| start.saturating_add(ms) <= cx.now;
        let current = self.epochs.current();
        let step = current.is_some_and(|current| due(current.entered, step_ms));
        let rekey = current
            .and_then(|current| self.rekey_at(current.since, rekey_ms))
            .is_some_and(|at| at <= cx.now);
        let kem = self.joined && due(self.kem.made, kem_ms);
        let heal = self.heal_at.is_some_and(|at| at <= cx.now);
        if (rekey || heal) && self.joined {
            self.heal_at = None;
            let _ = self.rekey(cx);
        } else if step || self.step_due {
            self.step(cx);
        }
        if kem {
            self.announce_kem_key(cx);
        }
    }

    fn expire_keys(&mut self, cx: &mut Cx<'_>) {
        let (changed, gone) = self.epochs.expire(cx.now);
        let changed: alloc::vec::Vec<_> = self
            .epochs
            .iter()
            .filter(|generation| changed.contains(&generation.id))
            .map(super::records::generation)
            .collect();
        if !changed.is_empty() {
            cx.store(changed);
        }
        self.forget_generations(&gone, cx);
        if self.kem.past.take_if(|(_, until)| *until <= cx.now).is_some() {
            cx.store(alloc::vec![super::records::kem(&self.kem)]);
        }
    }

    /// Whether we have to ask others where the topic is: `None` if not, or not yet.
    pub(in crate::v2) fn ask_at(&self) -> Option<u64> {
        self.ask_at.filter(|_| self.joined)
    }

    /// A frame of an epoch that we don't know: somebody may be ahead.
    pub(in crate::v2) fn hear_unknown_epoch(&mut self, cx: &Cx<'_>) {
        if self.joined && cx.now >= self.quiet_until {
            let at = cx.after(cx.settings.timing.ask_ms);
            self.ask_at.get_or_insert(at);
        }
    }

    /// Whether asking would be of use: we have no clean generation, or somebody was left out, or
    /// unknown epochs were heard.
    pub(in crate::v2) fn stop_asking(&mut self, quiet_until: u64) {
        self.ask_at = None;
        self.quiet_until = quiet_until;
    }
}
