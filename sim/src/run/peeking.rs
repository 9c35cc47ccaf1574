//! What tests of the checks do with a house that nobody else may. Not part of any run.

use std::time::Duration;

use super::Run;
use crate::checks::Reader;
use crate::report::Reason;
use crate::schedule::DeviceId;
use crate::sessions::Sessions;

impl Run {
    pub(crate) fn until(&mut self, end: Duration, sessions: &mut Sessions) {
        while self.next_at().is_some_and(|at| at <= end) {
            self.step(sessions);
        }
    }

    /// Somebody with what a device has stored by now; and how many frames were sent before.
    pub(crate) fn reader(&self, number: DeviceId) -> (Reader, usize) {
        (Reader::new(&self.devices[&number]), self.rooms[&0].attacker.heard())
    }

    /// How many frames it reads, of those that were sent since.
    pub(crate) fn shown_to(&self, (mut reader, before): (Reader, usize)) -> usize {
        let mut entropy = crate::dice::entropy(0, crate::dice::Stream::Spy, 1, 0);
        let heard = self.rooms[&0].attacker.heard();
        let frames = self.rooms[&0].attacker.before(heard, heard - before);
        frames.filter(|frame| reader.reads(self.now, frame, &mut entropy)).count()
    }

    pub(crate) fn deliver(
        &mut self,
        to: DeviceId,
        from: DeviceId,
        body: &[u8],
    ) -> Result<(), Reason> {
        let from = self.devices[&from].identity.id();
        self.checks.delivered(self.now, to, from, None, body, &self.devices)
    }

    pub(crate) fn send_as(&mut self, by: DeviceId, frame: &[u8]) -> Result<(), Reason> {
        self.checks.sent(self.now, &self.devices[&by], &frame.to_vec().into())
    }
}
