//! What happens on a fault: the emulation ends, at once and as a failure, instead of standing still
//! until somebody loses patience. Not here: panics.
//!
//! `cortex-m-rt` wants the handler `unsafe`, because a fault may come in the middle of anything.
//! This one touches nothing but the link to the emulator, and never returns.

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::heprintln;

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    heprintln!("the firmware faulted at {:#010x}", frame.pc());
    crate::exit(false)
}
