//! `cargo xtask fuzz --all`: hours of fuzzing, spread evenly over the targets, which may be
//! interrupted and go on later. Not the fuzzing of one target, which is the module above.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{
    ARTIFACTS, LIMITS, cargo_fuzz, corpora, crash_report, make_folder, newest_artifact, targets,
};
use crate::metadata;
use crate::needs;
use crate::steps::Steps;

/// One target's turn, and all that an interruption can lose.
const SLICE: u64 = 120;
/// Lines of a fuzzer that are shown where it failed.
const TAIL: usize = 30;

/// What each target has had so far, as it stands in the file.
type Progress = BTreeMap<String, Had>;

#[derive(Default, Serialize, Deserialize)]
struct Had {
    seconds: u64,
    executions: u64,
    /// Inputs of the corpus at present, and what they reach.
    corpus: u64,
    coverage: u64,
    /// The input on which it failed: it gets no further turn.
    failed: Option<PathBuf>,
}

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    let (minutes, only) = match args {
        [minutes] => (*minutes, None),
        [minutes, "--only", only] => (*minutes, Some(*only)),
        _ => return Err("`fuzz --all` takes MINUTES and, if need be, `--only a,b`.".into()),
    };
    let minutes: u64 =
        minutes.parse().map_err(|_| format!("`{minutes}` is no number of minutes."))?;
    let chosen = chosen(only)?;
    steps.begin("fuzz: build");
    needs::ensure(steps, needs::FOR_FUZZING)?;
    steps.run(&mut cargo_fuzz("build")?)?;
    steps.end();
    spread(&chosen, minutes, steps)
}

fn chosen(only: Option<&str>) -> Result<Vec<String>, String> {
    let known = targets()?;
    let Some(only) = only else { return Ok(known) };
    let chosen: Vec<String> = only.split(',').map(str::to_owned).collect();
    match chosen.iter().find(|name| !known.contains(name)) {
        Some(unknown) => {
            Err(format!("There is no fuzz target `{unknown}`. There are: {}.", known.join(", ")))
        }
        None => Ok(chosen),
    }
}

/// Gives each target its share in turns, and tells what came of it.
fn spread(chosen: &[String], minutes: u64, steps: &mut Steps) -> Result<(), String> {
    let share = minutes.saturating_mul(60).div_ceil(chosen.len().max(1) as u64);
    let file = metadata::target_dir()?.join("fuzz/progress.json");
    let mut progress = load(&file)?;
    steps.begin(&format!("fuzz: {} targets, {share} s each", chosen.len()));
    eprintln!("progress is kept in {}: the same command goes on from there", file.display());
    while let Some((target, left)) = next(chosen, &progress, share) {
        let had = progress.entry(target.to_owned()).or_default();
        slice(target, left.min(SLICE), had)?;
        eprintln!("{}", row(target, had));
        save(&file, &progress)?;
    }
    println!("{}", table(chosen, &progress));
    let problems = failures(chosen, &progress);
    // The next campaign over these targets begins anew.
    progress.retain(|target, _| !chosen.contains(target));
    save(&file, &progress)?;
    steps.note(&format!("{} of {} targets failed", problems.len(), chosen.len()));
    if !problems.is_empty() {
        return Err(problems.join("\n\n"));
    }
    steps.end();
    Ok(())
}

/// The target that has had least, and how many seconds it is still to get.
fn next<'a>(chosen: &'a [String], progress: &Progress, share: u64) -> Option<(&'a str, u64)> {
    let waiting = chosen.iter().filter_map(|target| {
        let had = progress.get(target);
        let left = share.saturating_sub(had.map_or(0, |had| had.seconds));
        let failed = had.is_some_and(|had| had.failed.is_some());
        (!failed && left > 0).then_some((target.as_str(), left))
    });
    waiting.max_by_key(|(_, left)| *left)
}

/// Fuzzes a target for so long, and counts what that brought.
fn slice(target: &str, seconds: u64, had: &mut Had) -> Result<(), String> {
    let mut command = built(target)?;
    command.args(corpora(target)?).args(LIMITS);
    command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    let (began, started) = (SystemTime::now(), Instant::now());
    let mut tail = Vec::new();
    let succeeded = run_lines(&mut command, |line| {
        had.read(line);
        tail.push(line.to_owned());
        let over = tail.len().saturating_sub(TAIL);
        tail.drain(..over);
    })?;
    if !succeeded {
        eprintln!("{}", tail.join("\n"));
        // Without an input it was not the target that failed, but the building, or somebody ended
        // the fuzzer.
        let input = newest_artifact(target, began);
        had.failed = Some(input.ok_or_else(|| format!("fuzzing {target} was interrupted"))?);
    }
    // What it took to read the corpus counts, or a large one would never get its share.
    had.seconds += started.elapsed().as_secs().max(1);
    Ok(())
}

/// The target as it was built: what is edited meanwhile does not change the campaign.
fn built(target: &str) -> Result<Command, String> {
    let version = Command::new("rustc").arg("-vV").output();
    let version = version.map_err(|error| format!("cannot run rustc: {error}"))?.stdout;
    let version = String::from_utf8_lossy(&version);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc does not say what it builds for")?;
    let path = metadata::target_dir()?.join("fuzz").join(host).join("release").join(target);
    let artifacts = Path::new(ARTIFACTS).join(target);
    make_folder(&artifacts)?;
    let mut command = Command::new(path);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    Ok(command)
}

/// Runs a command, hands over each line of its stderr, and tells whether it succeeded.
fn run_lines(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<bool, String> {
    let problem = |error: std::io::Error| format!("cannot run the fuzzer: {error}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(problem)?;
    for line in child.stderr.take().into_iter().flat_map(|err| BufReader::new(err).split(b'\n')) {
        on_line(&String::from_utf8_lossy(&line.map_err(problem)?));
    }
    Ok(child.wait().map_err(problem)?.success())
}

impl Had {
    /// Takes the numbers from a line of libFuzzer, if it has any.
    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let [name, value] = pair else { continue };
            // The corpus comes with its bytes, as in `12/345b`.
            let Ok(value) = value.split('/').next().unwrap_or_default().parse() else { continue };
            match *name {
                "cov:" => self.coverage = value,
                "corp:" => self.corpus = value,
                "stat::number_of_executed_units:" => self.executions += value,
                _ => {}
            }
        }
    }
}

fn load(file: &Path) -> Result<Progress, String> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            format!("{} is damaged ({error}); remove it to begin anew", file.display())
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Progress::new()),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

/// Replaces the file: whoever ends us in the middle leaves the one before.
fn save(file: &Path, progress: &Progress) -> Result<(), String> {
    let problem = |error: String| format!("cannot write {}: {error}", file.display());
    let text = serde_json::to_vec_pretty(progress).map_err(|error| problem(error.to_string()))?;
    let beside = file.with_extension("new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file));
    written.map_err(|error| problem(error.to_string()))
}

fn failures(chosen: &[String], progress: &Progress) -> Vec<String> {
    let failed = chosen.iter().filter_map(|target| {
        let input = progress.get(target)?.failed.as_ref()?;
        Some(crash_report(target, input).unwrap_or_else(|problem| problem))
    });
    failed.collect()
}

fn table(chosen: &[String], progress: &Progress) -> String {
    let mut lines = vec![
        "| target | seconds | executions | a second | corpus | coverage | failed |".to_owned(),
        "|---|--:|--:|--:|--:|--:|---|".to_owned(),
    ];
    let rows = chosen.iter().filter_map(|target| Some(row(target, progress.get(target)?)));
    lines.extend(rows);
    lines.join("\n")
}

fn row(target: &str, had: &Had) -> String {
    let Had { seconds, executions, corpus, coverage, failed } = had;
    let rate = executions / seconds.max(&1);
    let failed = failed.as_ref().map_or("no".into(), |input| input.display().to_string());
    format!("| {target} | {seconds} | {executions} | {rate} | {corpus} | {coverage} | {failed} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn had(seconds: u64, failed: Option<&str>) -> Had {
        Had { seconds, failed: failed.map(PathBuf::from), ..Had::default() }
    }

    #[test]
    fn the_target_that_has_had_least_is_next_until_each_has_its_share() {
        let chosen = ["a", "b", "c"].map(str::to_owned);
        let mut progress = Progress::new();
        assert_eq!(next(&chosen, &progress, 60).unwrap().1, 60);
        progress.insert("a".into(), had(50, None));
        progress.insert("b".into(), had(20, None));
        progress.insert("c".into(), had(0, Some("crash")));
        assert_eq!(next(&chosen, &progress, 60), Some(("b", 40)));
        progress.insert("b".into(), had(70, None));
        assert_eq!(next(&chosen, &progress, 60), Some(("a", 10)));
        progress.insert("a".into(), had(60, None));
        assert_eq!(next(&chosen, &progress, 60), None);
        assert_eq!(failures(&chosen, &progress).len(), 1);
    }

    #[test]
    fn figures_are_read_from_what_libfuzzer_prints_and_executions_add_up() {
        let mut had = Had::default();
        for _ in 0..2 {
            had.read("#1048576	pulse  cov: 3 ft: 9 corp: 1/2b lim: 20 exec/s: 524288 rss: 40Mb");
            had.read("#2097152	DONE   cov: 841 ft: 2212 corp: 118/24Kb lim: 4096 exec/s: 69905");
            had.read("stat::number_of_executed_units: 2097152");
        }
        assert_eq!((had.coverage, had.corpus, had.executions), (841, 118, 4_194_304));
    }

    #[test]
    fn progress_outlives_the_process() {
        let file = std::env::temp_dir().join(format!("progress-{}.json", std::process::id()));
        let progress = Progress::from([("a".into(), had(50, Some("crash")))]);
        save(&file, &progress).unwrap();
        let again = load(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(row("a", &again["a"]), row("a", &progress["a"]));
        assert_eq!(load(&file).unwrap().len(), 0, "none is a campaign that begins");
    }
}
