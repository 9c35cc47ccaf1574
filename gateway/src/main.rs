//! The binary `stringphone`: from arguments to an exit code. Not here: what any command does.
#![warn(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod cli;
mod commands;
mod console;
mod control;
mod ends;
mod failure;
mod home;
mod node;
mod report;
mod secret;
mod text;
mod via;

use std::env;
use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use console::Console;
use failure::Failure;

fn main() -> ExitCode {
    if let Err(failure) = secret::refuse_in(env::args_os().skip(1)) {
        eprintln!("stringphone: {failure}");
        return ExitCode::from(failure.code());
    }
    let cli = Cli::parse();
    if cli.verbose {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_writer(io::stderr)
            .with_ansi(false)
            .init();
    }
    let (console, writing) = Console::start(cli.json);
    let outcome = run(cli, &console);
    let code = outcome.as_ref().map_or_else(Failure::code, |()| 0);
    if let Err(failure) = outcome {
        console.failed(&failure);
    }
    drop(console);
    // Results that nobody got are no success.
    let written = writing.finish().map_or_else(|failure| failure.code(), |()| 0);
    ExitCode::from(if code == 0 { written } else { code })
}

/// The actors have threads of their own; what is left for this one is little.
fn run(cli: Cli, console: &Console) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(commands::run(cli, console));
    // A thread may hang in a read of standard input, and nobody waits for it.
    runtime.shutdown_background();
    outcome
}
