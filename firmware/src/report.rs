//! The one line with which the firmware ends. Not here: what counts as success.

use core::fmt;

use crate::device::Tally;

/// How much of a piece of memory was in use at the same time, at most.
pub(crate) struct Use {
    pub(crate) peak: usize,
    pub(crate) size: usize,
}

pub(crate) struct Report {
    pub(crate) tally: Tally,
    pub(crate) heap: Use,
    pub(crate) stack: Use,
}

/// `report: name=number …`, which the host reads.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, heap, stack } = self;
        write!(f, "report: heap_peak={} heap_size={}", heap.peak, heap.size)?;
        write!(f, " stack_peak={} stack_size={}", stack.peak, stack.size)?;
        write!(f, " ready={} heard={} evicted={}", tally.ready, tally.heard, tally.evicted)?;
        write!(f, " sent={} unsent={} stored={}", tally.sent, tally.unsent, tally.stored)?;
        write!(f, " refused={} garbage={}", tally.refused, tally.garbage)
    }
}
