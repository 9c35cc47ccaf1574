//! `cargo xtask fuzz`, and the bounded fuzz run of `cargo xtask test`.
//!
//! A committed corpus (`fuzz/corpus/<target>`) is only read: libFuzzer writes what it finds into
//! the first directory it is given, which lies among the build artifacts and may be thrown away.

pub(crate) mod campaign;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::metadata;
use crate::needs;
use crate::steps::{Steps, cargo, shown};

const MANIFEST: &str = "fuzz/Cargo.toml";
const SECONDS: u32 = 600;
/// No input may take ten seconds or a gigabyte.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];
/// Where failing inputs are kept.
const ARTIFACTS: &str = "fuzz/artifacts";

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    let (target, seconds) = match args {
        [] => return list(),
        ["--all", rest @ ..] => return campaign::run(rest, steps),
        [target] => (*target, SECONDS),
        [target, seconds] => {
            let problem = |_| format!("`{seconds}` is no number of seconds.");
            (*target, seconds.parse().map_err(problem)?)
        }
        _ => return Err("`fuzz` takes a target and a number of seconds.".into()),
    };
    let known = targets()?;
    if !known.iter().any(|name| name == target) {
        return Err(format!(
            "There is no fuzz target `{target}`. There are: {}.",
            known.join(", ")
        ));
    }
    steps.begin(&format!("fuzz {target}"));
    needs::ensure(steps, needs::FOR_FUZZING)?;
    fuzz(steps, target, seconds, &[])?;
    steps.end();
    Ok(())
}

fn list() -> Result<(), String> {
    targets()?.iter().for_each(|target| println!("{target}"));
    Ok(())
}

/// Every target for a while.
pub(crate) fn run_all(steps: &mut Steps, seconds: u32) -> Result<(), String> {
    steps.begin("fuzz: build");
    if seconds == 0 {
        steps.note("SKIPPED: fuzzing, as --fuzz-seconds is 0");
        steps.end();
        return Ok(());
    }
    steps.run(&mut cargo_fuzz("build")?)?;
    steps.end();
    for target in targets()? {
        steps.begin(&format!("fuzz: {target}"));
        eprintln!("takes {seconds} s");
        // Without a line for each new input, which would fill the log.
        fuzz(steps, &target, seconds, &["-verbosity=0", "-print_final_stats=1"])?;
        steps.end();
    }
    Ok(())
}

fn targets() -> Result<Vec<String>, String> {
    let packages = metadata::packages(MANIFEST)?;
    Ok(packages.iter().flat_map(|package| package.targets_of("bin")).map(str::to_owned).collect())
}

fn fuzz(steps: &mut Steps, target: &str, seconds: u32, options: &[&str]) -> Result<(), String> {
    let mut command = cargo_fuzz("run")?;
    command.arg(target).args(corpora(target)?).arg("--").args(LIMITS);
    command.arg(format!("-max_total_time={seconds}")).args(options);
    let started = SystemTime::now();
    steps.run(&mut command).map_err(|problem| match newest_artifact(target, started) {
        Some(input) => crash_report(target, &input).unwrap_or(problem),
        None => problem,
    })
}

/// Where inputs are: what was found, which grows, and what is committed.
fn corpora(target: &str) -> Result<Vec<PathBuf>, String> {
    let found = metadata::target_dir()?.join("fuzz/corpus").join(target);
    make_folder(&found)?;
    let committed = Path::new("fuzz/corpus").join(target);
    Ok(std::iter::once(found).chain(committed.is_dir().then_some(committed)).collect())
}

fn make_folder(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path)
        .map_err(|error| format!("cannot make {}: {error}", path.display()))
}

/// `cargo fuzz` on the stable toolchain, with its builds inside the one target directory.
fn cargo_fuzz(verb: &str) -> Result<Command, String> {
    // Our code has no `unsafe`, so the address sanitizer would find little, for a third of the inputs
    // per second.
    let mut command = cargo(&["fuzz", verb, "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
    command.arg("--target-dir").arg(metadata::target_dir()?.join("fuzz"));
    // cargo-fuzz passes options that only a nightly compiler takes, or one that is told so.
    command.env("RUSTC_BOOTSTRAP", "1");
    Ok(command)
}

/// The input that libFuzzer wrote down when the target failed.
fn newest_artifact(target: &str, since: SystemTime) -> Option<PathBuf> {
    let files = std::fs::read_dir(Path::new(ARTIFACTS).join(target)).ok()?.flatten();
    let dated = files.filter_map(|file| {
        let written = file.metadata().ok()?.modified().ok()?;
        (written >= since).then(|| (written, file.path()))
    });
    dated.max().map(|(_, path)| path)
}

fn crash_report(target: &str, input: &Path) -> Result<String, String> {
    let mut again = cargo_fuzz("run")?;
    again.arg(target).arg(input);
    Ok(format!(
        "The fuzz target {target} failed on an input, which is kept in\n    {}\n\
         To run that input alone:\n    {}\n\
         Once it is repaired, commit the input to fuzz/corpus/{target}/ under a telling name.",
        input.display(),
        shown(&again)
    ))
}
