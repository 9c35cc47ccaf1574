//! The tasks of this repository, behind one command: `cargo xtask help`.
//!
//! CI runs the same commands that people run; there is no other script to keep in step.
#![allow(clippy::print_stdout)] // a command-line tool: help and tables go to stdout

mod check;
mod figures;
mod firmware;
mod fuzz;
mod matrix;
mod metadata;
mod model;
mod needs;
mod proofs;
mod soak;
mod steps;
mod test;

use std::path::Path;
use std::process::ExitCode;

use steps::Steps;

const HELP: &str = "\
The tasks of this repository. CI runs `cargo xtask check` and then `cargo xtask test`.

usage: cargo xtask <command>

  check [--only a,b]         what can be found without running the code:
{check}
                             stops at the first failure; --only picks steps
  test [--fuzz-seconds N]    installs what the tests need, then runs the unit, integration and
                             documentation tests, builds the examples, runs the firmware in an
                             emulator, and fuzzes each target for N seconds (30 by default,
                             0 skips the fuzzing)
  figures [--peers] [area…]  runs the benchmarks, all or those of some areas, and prints one
                             Markdown table on stdout; takes minutes, wants an idle machine;
                             --peers runs those of other protocols instead
  firmware                   runs the firmware in an emulator, converses with it, and prints how
                             much memory it took
  fuzz [target [seconds]]    fuzzes one target for longer (600 s by default);
                             without a target: lists them
  fuzz --all MINUTES [--only a,b]
                             spreads the time evenly over all targets, or some; may be interrupted,
                             and the same command goes on; a target that fails leaves the others
                             their share, and its input is named at the end
  model [--deep] [scenario…] searches V2 sessions for orders of events after which their members
                             do not end up together, all scenarios or some; --deep takes longer
  proofs [model…]            runs the symbolic models of docs/proofs, all or some, and compares
                             each verdict with the one expected; needs verifpal, not run by CI
  soak [MINUTES] [--only a,b]
                             campaigns that take long, an hour in all by default, not run by CI:
{soak}
  help                       this text

Every step prints the exact command it runs, and how long it took. A failing step prints the
command that runs it alone. Set CARGO_TARGET_DIR to build elsewhere than in target/.

examples:
  cargo xtask check --only fmt,clippy    before each commit
  cargo xtask test --fuzz-seconds 5      the whole test run, with little fuzzing
  cargo xtask figures classic tcp        the figures of two areas
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut steps = Steps::new();
    let outcome = enter_root().and_then(|()| dispatch(&args, &mut steps));
    steps.print_summary();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("\n✘ {problem}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    if args.iter().any(|arg| matches!(*arg, "-h" | "--help")) {
        return help();
    }
    match args {
        [] | ["help"] => help(),
        ["check", rest @ ..] => check::run(rest, steps),
        ["test", rest @ ..] => test::run(rest, steps),
        ["figures", areas @ ..] => figures::run(areas, steps),
        ["firmware", rest @ ..] => firmware::run(rest, steps),
        ["fuzz", rest @ ..] => fuzz::run(rest, steps),
        ["model", rest @ ..] => model::run(rest, steps),
        ["proofs", models @ ..] => proofs::run(models, steps),
        ["soak", rest @ ..] => soak::run(rest, steps),
        [unknown, ..] => Err(format!(
            "There is no command `{unknown}`. See `cargo xtask help` for those there are."
        )),
    }
}

fn help() -> Result<(), String> {
    let help = HELP.replace("{check}\n", &check::list(31));
    print!("{}", help.replace("{soak}\n", &soak::list(31)));
    Ok(())
}

/// All paths of this tool are relative to the root of the repository.
fn enter_root() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(&root)
        .map_err(|error| format!("cannot enter {}: {error}", root.display()))
}
