//! `cargo xtask check`: what can be found without running the code.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::firmware;
use crate::matrix;
use crate::metadata;
use crate::needs::{self, EMBEDDED};
use crate::steps::{Steps, cargo};

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Steps) -> Result<(), String>,
}

/// Quick ones first; those that share build artifacts stand side by side.
const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting, of fuzz/ and firmware/ as well", run: fmt },
    Step { name: "deny", about: "licences, sources and advisories of dependencies", run: deny },
    Step { name: "clippy", about: "lints of everything, warnings denied", run: clippy },
    Step { name: "docs", about: "rustdoc, warnings denied", run: docs },
    Step { name: "features", about: "each package by itself, by feature", run: features },
    Step { name: "embedded", about: "the protocol on a microcontroller", run: embedded },
];

/// The steps, one a line, for help and errors.
pub(crate) fn list(indent: usize) -> String {
    STEPS.iter().fold(String::new(), |mut text, Step { name, about, .. }| {
        let _ = writeln!(text, "{:indent$}{name:9} {about}", "");
        text
    })
}

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    for step in chosen(args)? {
        steps.begin(step.name);
        (step.run)(steps)?;
        steps.end();
    }
    Ok(())
}

fn chosen(args: &[&str]) -> Result<Vec<&'static Step>, String> {
    let only = match args {
        [] => return Ok(STEPS.iter().collect()),
        ["--only", only] => *only,
        _ => {
            return Err(format!("`check` takes only `--only a,b`, with steps of:\n{}", list(4)));
        }
    };
    only.split(',')
        .map(|name| {
            STEPS
                .iter()
                .find(|step| step.name == name)
                .ok_or_else(|| format!("`check` has no step `{name}`. It has:\n{}", list(4)))
        })
        .collect()
}

fn fmt(steps: &mut Steps) -> Result<(), String> {
    needs::ensure(steps, &[needs::FORMATTER])?;
    steps.run(&mut cargo(&["fmt", "--all", "--check"]))?;
    // Workspaces of their own, which `--all` does not see.
    steps.run(&mut cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    steps.run(&mut cargo(&["fmt", "--manifest-path", "protocol/model/Cargo.toml", "--check"]))?;
    steps.run(&mut cargo(&["fmt", "--manifest-path", "firmware/Cargo.toml", "--all", "--check"]))
}

fn clippy(steps: &mut Steps) -> Result<(), String> {
    needs::ensure(steps, &[needs::LINTER])?;
    let what = ["clippy", "--workspace", "--all-targets", "--all-features"];
    steps.run(cargo(&what).args(["--", "-D", "warnings"]))
}

fn docs(steps: &mut Steps) -> Result<(), String> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    steps.run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// With clippy instead of `cargo check`: it shares the built dependencies, and denies the warnings
/// that only some features bring out (RUSTFLAGS would build the dependencies again).
fn features(steps: &mut Steps) -> Result<(), String> {
    needs::ensure(steps, &[needs::LINTER])?;
    let packages = metadata::packages("Cargo.toml")?;
    let all: Vec<_> = packages.iter().flat_map(matrix::combinations).collect();
    for (index, flags) in all.iter().enumerate() {
        eprintln!("{} of {}", index + 1, all.len());
        let mut command = cargo(&["clippy", "--quiet"]);
        steps.run(command.args(flags).args(["--", "-D", "warnings"]))?;
    }
    steps.note(&format!("{} combinations", all.len()));
    Ok(())
}

fn deny(steps: &mut Steps) -> Result<(), String> {
    needs::ensure(steps, &[needs::DENY])?;
    let offline = ["bans", "licenses", "sources"];
    let mut command = cargo(&["deny", "--workspace", "check", "--hide-inclusion-graph"]);
    steps.run(command.args(offline))?;
    if fetch_advisories(Duration::from_secs(60)) {
        steps.run(&mut cargo(&["deny", "--workspace", "--offline", "check", "advisories"]))?;
    } else {
        steps.note("NOT CHECKED: advisories, as their database cannot be reached from here");
    }
    Ok(())
}

/// Whether the database of advisories could be brought up to date. Without a network this must
/// neither fail the check nor hang it.
fn fetch_advisories(limit: Duration) -> bool {
    let mut command = cargo(&["deny", "fetch", "db"]);
    succeeds_within(command.stdout(Stdio::null()).stderr(Stdio::null()), limit)
}

fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Ok(Some(status)) = child.try_wait() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn embedded(steps: &mut Steps) -> Result<(), String> {
    needs::ensure(steps, &[needs::EMBEDDED_TARGET])?;
    let what =
        ["build", "-p", "stringphone-protocol", "--target", EMBEDDED, "--no-default-features"];
    steps.run(&mut cargo(&what))?;
    steps.run(cargo(&what).args(["--features", "classic"]))?;
    firmware::lint(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Result<Vec<&'static str>, String> {
        Ok(chosen(args)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn only_picks_steps_in_the_order_asked_for() {
        assert_eq!(names(&["--only", "clippy,fmt"]).unwrap(), ["clippy", "fmt"]);
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn an_unknown_step_is_answered_with_those_there_are() {
        let problem = names(&["--only", "fmt,spell"]).unwrap_err();
        assert!(problem.contains("`spell`") && problem.contains("embedded"), "{problem}");
    }

    #[test]
    fn a_command_that_hangs_is_given_up() {
        let limit = Duration::from_millis(200);
        assert!(!succeeds_within(Command::new("sleep").arg("60"), limit));
        assert!(succeeds_within(&mut Command::new("true"), Duration::from_secs(10)));
        assert!(!succeeds_within(&mut Command::new("false"), Duration::from_secs(10)));
    }
}
