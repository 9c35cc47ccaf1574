//! A monotonic clock of milliseconds, by SysTick. Not here: the time of day.

use core::cell::Cell;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;

/// The board's system clock in Hz.
const FREQUENCY: u32 = 25_000_000;

static NOW: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// Starts to count. Interrupts are enabled already, as they are after a reset.
pub(crate) fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(FREQUENCY / 1_000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

/// Milliseconds since the start.
pub(crate) fn now() -> u64 {
    critical_section::with(|cs| NOW.borrow(cs).get())
}

#[exception]
fn SysTick() {
    critical_section::with(|cs| {
        let now = NOW.borrow(cs);
        now.set(now.get().saturating_add(1));
    });
}
