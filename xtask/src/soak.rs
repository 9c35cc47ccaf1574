//! `cargo xtask soak`: campaigns that take hours, one after the other. Not run by CI.
//!
//! Each is bounded in time, on the loopback alone, and ends its own processes. One that fails does not
//! keep the others from their turn. Fuzzing goes on where it was interrupted; the others begin anew.

use std::fmt::Write as _;
use std::time::Instant;

use crate::fuzz::campaign as fuzzing;
use crate::metadata;
use crate::needs;
use crate::steps::{Steps, cargo};

const MINUTES: u64 = 60;
/// Simulated houses for a minute's share.
const SEEDS_PER_MINUTE: u64 = 1;

struct Campaign {
    name: &'static str,
    about: &'static str,
    /// What it does in so many minutes. `false`: it could not be run here.
    run: fn(u64, &mut Steps) -> Result<bool, String>,
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign { name: "sim", about: "a thousand simulated devices for an hour, by seeds", run: sim },
    Campaign { name: "growth", about: "whether anything piles up in memory", run: growth },
    Campaign { name: "links", about: "TCP links that are cut over and over", run: links },
    Campaign { name: "kill", about: "processes that are killed over and over", run: kill },
    Campaign { name: "fuzz", about: "all fuzz targets; goes on where it was", run: fuzz },
];

/// The campaigns, one a line, for help and errors.
pub(crate) fn list(indent: usize) -> String {
    CAMPAIGNS.iter().fold(String::new(), |mut text, Campaign { name, about, .. }| {
        let _ = writeln!(text, "{:indent$}{name:9} {about}", "");
        text
    })
}

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    let (minutes, only) = match args {
        [] => (None, None),
        ["--only", only] => (None, Some(*only)),
        [minutes] => (Some(*minutes), None),
        [minutes, "--only", only] => (Some(*minutes), Some(*only)),
        _ => return Err(format!("`soak` takes MINUTES and `--only a,b`, of:\n{}", list(4))),
    };
    let minutes = minutes.map_or(Ok(MINUTES), |minutes| {
        minutes.parse().map_err(|_| format!("`{minutes}` is no number of minutes."))
    })?;
    let chosen = chosen(only)?;
    let share = (minutes / chosen.len().max(1) as u64).max(1);
    let mut rows = vec!["| campaign | minutes | outcome |".into(), "|---|--:|---|".into()];
    let mut problems = Vec::new();
    for campaign in chosen {
        eprintln!("\n══ {}: about {share} min ══", campaign.name);
        let started = Instant::now();
        let outcome = (campaign.run)(share, steps);
        let took = started.elapsed().as_secs().div_ceil(60);
        let told = match &outcome {
            Ok(true) => "ok",
            Ok(false) => "SKIPPED",
            Err(_) => "FAILED",
        };
        rows.push(format!("| {} | {took} | {told} |", campaign.name));
        problems.extend(outcome.err());
    }
    println!("{}", rows.join("\n"));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n\n")) }
}

fn chosen(only: Option<&str>) -> Result<Vec<&'static Campaign>, String> {
    let Some(only) = only else { return Ok(CAMPAIGNS.iter().collect()) };
    only.split(',')
        .map(|name| {
            let found = CAMPAIGNS.iter().find(|campaign| campaign.name == name);
            found.ok_or_else(|| format!("`soak` has no `{name}`. It has:\n{}", list(4)))
        })
        .collect()
}

fn sim(minutes: u64, steps: &mut Steps) -> Result<bool, String> {
    let packages = metadata::packages("Cargo.toml")?;
    if !packages.iter().any(|package| package.name == "stringphone-sim") {
        steps.begin("soak: sim");
        steps.note("SKIPPED: there is no package `stringphone-sim`");
        steps.end();
        return Ok(false);
    }
    let seeds = (minutes * SEEDS_PER_MINUTE).to_string();
    let what = ["run", "--release", "-p", "stringphone-sim", "--example", "soak", "--"];
    let how = ["--seeds", &seeds, "--devices", "1000", "--hours", "1"];
    step("sim", steps, |steps| steps.run(cargo(&what).args(how)))
}

fn growth(minutes: u64, steps: &mut Steps) -> Result<bool, String> {
    lasting("growth", "growth", minutes, steps)
}

fn links(minutes: u64, steps: &mut Steps) -> Result<bool, String> {
    lasting("links", "flapping", minutes, steps)
}

/// A test that goes on for longer when it is told to.
fn lasting(name: &str, test: &str, minutes: u64, steps: &mut Steps) -> Result<bool, String> {
    let mut command = cargo(&["test", "-p", "stringphone", "--test", test, "--", "--nocapture"]);
    command.env("STRINGPHONE_SOAK_SECONDS", (60 * minutes).to_string());
    step(name, steps, |steps| steps.run(&mut command))
}

/// Half of the time in a TCP room, half of it at a broker.
fn kill(minutes: u64, steps: &mut Steps) -> Result<bool, String> {
    let minutes = minutes.div_ceil(2).to_string();
    step("kill", steps, |steps| {
        needs::ensure(steps, needs::FOR_TESTS)?;
        // The devices are a program of their own.
        steps.run(&mut cargo(&["build", "-p", "stringphone-campaign"]))?;
        for over in ["tcp", "mqtt"] {
            let what = ["run", "-p", "stringphone-campaign", "--bin", "campaign", "--"];
            let how = ["--over", over, "--minutes", &minutes, "--kills", "100000"];
            steps.run(cargo(&what).args(how))?;
        }
        Ok(())
    })
}

fn fuzz(minutes: u64, steps: &mut Steps) -> Result<bool, String> {
    fuzzing::run(&[&minutes.to_string()], steps).map(|()| true)
}

fn step(
    name: &str,
    steps: &mut Steps,
    run: impl FnOnce(&mut Steps) -> Result<(), String>,
) -> Result<bool, String> {
    steps.begin(&format!("soak: {name}"));
    run(steps)?;
    steps.end();
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_picks_campaigns_and_an_unknown_one_is_answered_with_those_there_are() {
        let names =
            |only| chosen(only).map(|all| all.iter().map(|one| one.name).collect::<Vec<_>>());
        assert_eq!(names(Some("kill,fuzz")).unwrap(), ["kill", "fuzz"]);
        assert_eq!(names(None).unwrap().len(), CAMPAIGNS.len());
        assert!(names(Some("nap")).unwrap_err().contains("growth"));
    }
}
