//! Starts the firmware in its emulator, converses with it, and says how much memory that took.
//! Not here: building the firmware, which `cargo xtask firmware` does before.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command-line tool

mod conversation;
mod emulator;
mod member;
mod report;
mod session;
mod sizes;

use std::path::Path;
use std::process::ExitCode;

use emulator::Emulator;

fn main() -> ExitCode {
    let outcome = match std::env::args_os().skip(1).collect::<Vec<_>>().as_slice() {
        [firmware] => run(Path::new(firmware)),
        _ => Err("usage: stringphone-firmware-host <the firmware's ELF file>".into()),
    };
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("✘ {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(firmware: &Path) -> Result<String, String> {
    let sizes = sizes::read(firmware)?;
    let mut emulator = Emulator::start(firmware)?;
    conversation::hold(&mut emulator)?;
    let report = emulator.finish()?;
    conversation::judge(&report)?;
    Ok(format!("firmware: {sizes} {report}"))
}
