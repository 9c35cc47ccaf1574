//! One participant of a topic on a microcontroller: a Cortex-M4F, emulated by QEMU.
//!
//! It joins, speaks, listens, is evicted, and says how much memory all that took. Not here: a
//! product. **Its entropy comes over the link from the host, which is fit for an emulator and for
//! nothing else**: whoever sees the seed knows every key. A device needs a generator of its own.
#![no_std]
#![no_main]

extern crate alloc;

mod clock;
mod device;
#[expect(unsafe_code, reason = "the handler of a fault has to be declared unsafe")]
mod fault;
#[expect(unsafe_code, reason = "a global allocator has to be")]
mod heap;
mod link;
mod report;
mod session;
#[expect(unsafe_code, reason = "the stack is read from its lower end")]
mod stack;
#[expect(unsafe_code, reason = "registers are memory at fixed addresses")]
mod uart;

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::heprintln;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use device::{Device, Problem};
use link::Link;
use report::Report;
use uart::Uart;

#[entry]
fn main() -> ! {
    let outcome = run();
    match &outcome {
        Ok(report) => heprintln!("{report}"),
        Err(problem) => heprintln!("the firmware gave up: {problem}"),
    }
    exit(outcome.is_ok())
}

fn run() -> Result<Report, Problem> {
    heap::init();
    let board = cortex_m::Peripherals::take().ok_or(Problem::NoPeripherals)?;
    clock::start(board.SYST);
    let mut link = Link::new(Uart::open());

    let order = device::first_order(&mut link)?;
    // ONLY UNDER EMULATION: who wrote this seed knows every key that comes of it.
    let mut entropy = ChaCha20Rng::from_seed(*order.seed);
    let session = session::open(&mut entropy, &order.invitation)?;
    let tally = Device::new(session, link, entropy).run()?;
    Ok(Report { tally, heap: heap::use_so_far(), stack: stack::use_so_far() })
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    heprintln!("the firmware panicked: {info}");
    exit(false)
}

/// Ends the emulation, and with it the process of the emulator.
fn exit(success: bool) -> ! {
    debug::exit(if success { EXIT_SUCCESS } else { EXIT_FAILURE });
    // Only a debugger that was told to go on gets here.
    loop {
        cortex_m::asm::wfi();
    }
}
