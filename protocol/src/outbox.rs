//! The one door out of a session, in order. Not here: what any output means.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::{Event, Output, Record, Refusal};

/// Outputs in the order in which they must happen.
///
/// After [`Output::Store`] nothing more comes out until the caller said that the records are
/// stored, so no frame can overtake a record that it depends on.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    storing: bool,
}

impl Outbox {
    pub(crate) fn send(&mut self, frame: Vec<u8>) {
        self.queue.push_back(Output::Send(frame));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.queue.push_back(Output::Event(event));
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.event(Event::Refused(refusal));
    }

    pub(crate) fn store(&mut self, records: Vec<Record>) {
        self.queue.push_back(Output::Store(records));
    }

    pub(crate) fn stored(&mut self) {
        self.storing = false;
    }

    pub(crate) const fn is_storing(&self) -> bool {
        self.storing
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        if self.storing {
            return None;
        }
        let output = self.queue.pop_front();
        // A thousand members told at once leave a large buffer behind.
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            self.queue = VecDeque::new();
        }
        self.storing = matches!(output, Some(Output::Store(_)));
        output
    }
}
