//! The board's first UART (CMSDK APB UART), byte by byte, polled. Not here: framing.
//!
//! The only `unsafe` is in [`read`] and [`write`], which are called with the four addresses below
//! alone. Those are aligned registers of 32 bits, present on this board from reset on; reading or
//! writing one has no effect on memory. `Uart` is not `Copy`, and `main` opens one.

use core::ptr;

const UART0: usize = 0x4000_4000;
const DATA: usize = UART0;
const STATE: usize = UART0 + 0x04;
const CONTROL: usize = UART0 + 0x08;
const BAUD_DIVIDER: usize = UART0 + 0x10;

const STATE_TX_FULL: u32 = 1 << 0;
const STATE_RX_FULL: u32 = 1 << 1;
const CONTROL_TX_AND_RX: u32 = 0b11;
/// 25 MHz / 217 = 115,200 baud. The emulator does not wait, but it wants a divider of 16 or more.
const DIVIDER: u32 = 217;

pub(crate) struct Uart(());

impl Uart {
    pub(crate) fn open() -> Self {
        write(BAUD_DIVIDER, DIVIDER);
        write(CONTROL, CONTROL_TX_AND_RX);
        Self(())
    }

    /// The byte that has come, if one has.
    pub(crate) fn read(&mut self) -> Option<u8> {
        let [byte, ..] = (read(STATE) & STATE_RX_FULL != 0).then(|| read(DATA))?.to_le_bytes();
        Some(byte)
    }

    /// Waits until there is room, then writes.
    pub(crate) fn write(&mut self, byte: u8) {
        while read(STATE) & STATE_TX_FULL != 0 {}
        write(DATA, byte.into());
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: one of the registers above; see the head of this module.
    unsafe { ptr::with_exposed_provenance::<u32>(register).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: one of the registers above; see the head of this module.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(register).write_volatile(value) }
}
