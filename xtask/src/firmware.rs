//! `cargo xtask firmware`: the protocol on an emulated microcontroller, which a program of the host
//! converses with. Not here: the conversation, see `firmware/README.md`.

use std::path::PathBuf;
use std::process::Command;

use crate::metadata;
use crate::needs::{self, EMBEDDED};
use crate::steps::{Steps, cargo};

const MANIFEST: &str = "firmware/Cargo.toml";
const FIRMWARE: &str = "stringphone-firmware";
const HOST: &str = "stringphone-firmware-host";

/// What of the host's line stands in the summary: its name there, and ours.
const FIGURES: &[(&str, &str)] =
    &[("flash", "flash"), ("heap_peak", "heap at most"), ("stack_peak", "stack at most")];

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    match args {
        [] => test(steps),
        _ => Err("`firmware` takes nothing.".into()),
    }
}

/// Builds the firmware and its host, and lets them talk to each other.
pub(crate) fn test(steps: &mut Steps) -> Result<(), String> {
    steps.begin("firmware");
    needs::ensure(steps, needs::FOR_FIRMWARE)?;
    steps.run(firmware("build")?.arg("--release"))?;
    steps.run(&mut host("test")?)?;
    let image = target_dir()?.join(EMBEDDED).join("release").join(FIRMWARE);
    let mut figures = None;
    steps.run_lines(host("run")?.arg("--").arg(image), |line| {
        println!("{line}");
        figures = figures.take().or_else(|| summary(line));
    })?;
    let figures = figures.ok_or("The firmware's host printed no line `firmware: …`.")?;
    steps.note(&figures);
    steps.end();
    Ok(())
}

/// The lints of both, which are a workspace of their own.
pub(crate) fn lint(steps: &mut Steps) -> Result<(), String> {
    needs::ensure(steps, &[needs::LINTER])?;
    steps.run(firmware("clippy")?.arg("--release"))?;
    steps.run(host("clippy")?.arg("--all-targets"))
}

fn firmware(verb: &str) -> Result<Command, String> {
    let mut command = package(verb, FIRMWARE)?;
    command.args(["--target", EMBEDDED]);
    Ok(command)
}

fn host(verb: &str) -> Result<Command, String> {
    package(verb, HOST)
}

/// `cargo` on one of the two packages, with its builds inside the one target directory.
fn package(verb: &str, name: &str) -> Result<Command, String> {
    let mut command = cargo(&[verb, "--manifest-path", MANIFEST, "--package", name]);
    command.arg("--target-dir").arg(target_dir()?);
    Ok(command)
}

fn target_dir() -> Result<PathBuf, String> {
    Ok(metadata::target_dir()?.join("firmware"))
}

/// The figures of the line `firmware: name=number …`; none if it is another, or lacks one of them.
fn summary(line: &str) -> Option<String> {
    let words: Vec<_> = line.strip_prefix("firmware: ")?.split(' ').collect();
    let figure = |(name, ours): &(&str, &str)| {
        let mut pairs = words.iter().filter_map(|word| word.split_once('='));
        let (_, number) = pairs.find(|(found, _)| found == name)?;
        Some(format!("{ours} {number} bytes"))
    };
    FIGURES.iter().map(figure).collect::<Option<Vec<_>>>().map(|figures| figures.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_three_figures_of_the_hosts_line() {
        let line = "firmware: flash=30 text=20 heap_peak=4 heap_size=9 stack_peak=5";
        let figures = "flash 30 bytes, heap at most 4 bytes, stack at most 5 bytes";
        assert_eq!(summary(line).as_deref(), Some(figures));
        assert_eq!(summary("firmware: flash=30"), None);
        assert_eq!(summary("report: heap_peak=4"), None);
    }
}
