//! `cargo xtask test`: installs what the tests need and runs all of them.

use crate::firmware;
use crate::fuzz;
use crate::model;
use crate::needs;
use crate::steps::{Steps, cargo};

const FUZZ_SECONDS: u32 = 30;

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    let fuzz_seconds = match args {
        [] => FUZZ_SECONDS,
        ["--fuzz-seconds", number] => number
            .parse()
            .map_err(|_| format!("`--fuzz-seconds` takes a whole number, not `{number}`."))?,
        _ => return Err("`test` takes only `--fuzz-seconds N`.".into()),
    };
    steps.begin("needs");
    needs::ensure(steps, needs::FOR_TESTS)?;
    needs::ensure(steps, needs::FOR_FIRMWARE)?;
    if fuzz_seconds > 0 {
        needs::ensure(steps, needs::FOR_FUZZING)?;
    }
    steps.end();
    tests(steps)?;
    firmware::test(steps)?;
    model::run(&[], steps)?;
    fuzz::run_all(steps, fuzz_seconds)
}

/// Unit, integration and documentation tests; Cargo builds the examples along, which tests start.
fn tests(steps: &mut Steps) -> Result<(), String> {
    steps.begin("tests");
    let mut command = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    let mut totals = Totals::default();
    let outcome = steps.run_lines(&mut command, |line| {
        println!("{line}");
        totals.add(line);
    });
    let Totals { passed, failed, ignored } = totals;
    steps.note(&format!("{passed} passed, {failed} failed, {ignored} ignored"));
    outcome?;
    steps.end();
    Ok(())
}

#[derive(Default, Debug, PartialEq)]
struct Totals {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Totals {
    /// Counts in the line with which each test binary ends.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = result.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.parse::<u32>() else {
                continue;
            };
            match *word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_binaries_add_up() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 0.02s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 1.00s",
        ] {
            totals.add(line);
        }
        assert_eq!(totals, Totals { passed: 4, failed: 2, ignored: 1 });
    }
}
