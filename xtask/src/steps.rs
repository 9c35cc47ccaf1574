//! Runs commands one after the other, and tells what it does.
//!
//! Progress goes to stderr, so that a table on stdout can be redirected into a file.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The named steps of one invocation, each made of one or more commands.
pub(crate) struct Steps {
    started: Instant,
    list: Vec<Step>,
}

struct Step {
    name: String,
    started: Instant,
    took: Option<Duration>,
    notes: Vec<String>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), list: Vec::new() }
    }

    /// Opens a step: the commands that follow belong to it.
    pub(crate) fn begin(&mut self, name: &str) {
        eprintln!("\n── {name} ──");
        self.list.push(Step {
            name: name.to_owned(),
            started: Instant::now(),
            took: None,
            notes: Vec::new(),
        });
    }

    /// Closes the step. One that is left open counts as failed.
    pub(crate) fn end(&mut self) {
        if let Some(step) = self.list.last_mut() {
            step.took = Some(step.started.elapsed());
        }
    }

    /// Prints a line now and repeats it beside the step in the summary.
    pub(crate) fn note(&mut self, line: &str) {
        eprintln!("{line}");
        if let Some(step) = self.list.last_mut() {
            step.notes.push(line.to_owned());
        }
    }

    /// Runs a command with its output going straight through.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<(), String> {
        self.timed(command, |command| command.status().map_err(|error| error.to_string()))
    }

    /// Runs a command and hands over each line of its stdout as it comes.
    pub(crate) fn run_lines(
        &mut self,
        command: &mut Command,
        mut on_line: impl FnMut(&str),
    ) -> Result<(), String> {
        self.timed(command, |command| {
            let mut child =
                command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
            for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines())
            {
                on_line(&line.map_err(|error| error.to_string())?);
            }
            child.wait().map_err(|error| error.to_string())
        })
    }

    fn timed(
        &self,
        command: &mut Command,
        run: impl FnOnce(&mut Command) -> Result<std::process::ExitStatus, String>,
    ) -> Result<(), String> {
        let line = shown(command);
        eprintln!("▶ {line}");
        let started = Instant::now();
        let outcome = run(command);
        let took = seconds(started.elapsed());
        let step = self.list.last().map_or("the command", |step| step.name.as_str());
        let problem = match outcome {
            Ok(status) if status.success() => {
                eprintln!("✔ {took}");
                return Ok(());
            }
            Ok(status) => status.to_string(),
            Err(problem) => problem,
        };
        Err(format!("{step} failed after {took} ({problem}). To run it alone:\n    {line}"))
    }

    pub(crate) fn print_summary(&self) {
        if self.list.is_empty() {
            return;
        }
        eprintln!("\n── summary ──");
        let width = self.list.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
        for step in &self.list {
            let mark = if step.took.is_some() { '✔' } else { '✘' };
            let took = seconds(step.took.unwrap_or_else(|| step.started.elapsed()));
            let notes = step.notes.join("; ");
            eprintln!("{}", format!("{mark} {:width$}  {took:>9}  {notes}", step.name).trim_end());
        }
        eprintln!("  {:width$}  {:>9}", "all", seconds(self.started.elapsed()));
    }
}

/// `cargo` with the given arguments.
///
/// `cargo run` describes *this* package in the environment; build scripts that look at those
/// variables would run again after each change between `cargo xtask` and plain `cargo`.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(args);
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    command
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(key, value)| {
        Some(format!("{}={}", key.to_string_lossy(), quoted(&value?.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("X");
        assert_eq!(shown(&command), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_failure_names_the_step_and_the_command_to_run_alone() {
        let mut steps = Steps::new();
        steps.begin("doomed");
        let problem = steps.run(&mut Command::new("false")).unwrap_err();
        assert!(problem.starts_with("doomed failed after "), "{problem}");
        assert!(problem.ends_with("\n    false"), "{problem}");
    }

    #[test]
    fn durations_are_short_to_read() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(127)), "2 min 07 s");
    }
}
