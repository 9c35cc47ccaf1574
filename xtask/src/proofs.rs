//! `cargo xtask proofs`: runs the symbolic models of `docs/proofs/`, and compares their verdicts.
//!
//! A model opens with what is expected of each of its queries, for one or more numbers of sessions:
//! `// 2 sessions: holds: confidentiality? body`. An attack that is not found any more is as much a
//! failure as a new one: either the model or the page that it stands for has changed.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::steps::Steps;

const MODELS: &str = "docs/proofs";
const CHECKER: &str = "verifpal";
/// Not among the needs of the other tasks: it wants a newer compiler than we do, and is not for CI.
const INSTALL: &str = "cargo +nightly install verifpal --version 1.6.7 --ignore-rust-version";

pub(crate) fn run(names: &[&str], steps: &mut Steps) -> Result<(), String> {
    let known = known_models(Path::new(MODELS))?;
    let wanted = wanted(names, &known)?;
    let models = wanted.into_iter().map(Model::read).collect::<Result<Vec<_>, _>>()?;
    find_checker()?;
    let mut surprises = Vec::new();
    for model in &models {
        for sessions in model.session_counts() {
            surprises.append(&mut check(steps, model, sessions)?);
        }
    }
    if surprises.is_empty() {
        return Ok(());
    }
    Err(format!("Verdicts that are not as the models say:\n    {}", surprises.join("\n    ")))
}

fn known_models(folder: &Path) -> Result<Vec<String>, String> {
    let problem = |error| format!("cannot read {}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.extension().is_some_and(|extension| extension == "vp") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn wanted<'a>(names: &[&str], known: &'a [String]) -> Result<Vec<&'a str>, String> {
    if names.is_empty() {
        return Ok(known.iter().map(String::as_str).collect());
    }
    let unknown = |name| format!("There is no model `{name}`. There are: {}.", known.join(", "));
    let find = |name: &&str| known.iter().map(String::as_str).find(|known| known == name);
    names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

fn find_checker() -> Result<(), String> {
    let found = Command::new(CHECKER).arg("--version").output();
    match found {
        Ok(output) if output.status.success() => {
            eprintln!("have {}", String::from_utf8_lossy(&output.stdout).trim());
            Ok(())
        }
        _ => Err(format!(
            "{CHECKER} is missing. It wants a newer compiler than this repository does:\n    {INSTALL}"
        )),
    }
}

/// Runs one model with one number of sessions; returns the verdicts that nobody expected.
fn check(steps: &mut Steps, model: &Model, sessions: u32) -> Result<Vec<String>, String> {
    let title = format!("{}, {}", model.name, counted(sessions));
    steps.begin(&title);
    let mut command = Command::new(CHECKER);
    command.arg("verify").arg(path(&model.name));
    command.args(["--sessions", &sessions.to_string(), "--format", "json"]);
    let mut report = String::new();
    steps.run_lines(&mut command, |line| report.push_str(line))?;
    let verdicts = verdicts(&report).map_err(|why| format!("{title}: {why}"))?;
    let surprises = surprises(&model.expected(sessions), &verdicts);
    if surprises.is_empty() {
        let fails = verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Fails).count();
        steps.note(&format!("{} hold, {fails} fail, as expected", verdicts.len() - fails));
        steps.end();
    } else {
        surprises.iter().for_each(|surprise| steps.note(surprise));
    }
    Ok(surprises.into_iter().map(|surprise| format!("{title}: {surprise}")).collect())
}

fn path(name: &str) -> String {
    format!("{MODELS}/{name}.vp")
}

fn counted(sessions: u32) -> String {
    format!("{sessions} session{}", if sessions == 1 { "" } else { "s" })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// The search came to its end without an attack.
    Holds,
    Fails,
    /// The search was cut short: no attack so far, which is no verdict.
    Open,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Open => "is open",
        })
    }
}

#[derive(Debug)]
struct Model {
    name: String,
    /// Number of sessions, query, verdict.
    expected: Vec<(u32, String, Verdict)>,
}

impl Model {
    fn read(name: &str) -> Result<Self, String> {
        let path = path(name);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {path}: {error}"))?;
        Self::parse(name, &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("//"));
        let expected: Vec<_> = lines.filter_map(expectation).collect();
        if expected.is_empty() {
            return Err(format!(
                "{} does not say what is expected of it, in lines like\n    \
                 // 2 sessions: holds: confidentiality? body",
                path(name)
            ));
        }
        Ok(Self { name: name.to_owned(), expected })
    }

    fn session_counts(&self) -> BTreeSet<u32> {
        self.expected.iter().map(|(sessions, ..)| *sessions).collect()
    }

    fn expected(&self, sessions: u32) -> Vec<(String, Verdict)> {
        let of_these = self.expected.iter().filter(|(count, ..)| *count == sessions);
        of_these.map(|(_, query, verdict)| (query.clone(), *verdict)).collect()
    }
}

/// `2 sessions: holds: confidentiality? body`
fn expectation(line: &str) -> Option<(u32, String, Verdict)> {
    let (sessions, rest) = line.split_once(':')?;
    let (verdict, query) = rest.split_once(':')?;
    let (count, unit) = sessions.trim().split_once(' ')?;
    let verdict = match verdict.trim() {
        "holds" => Verdict::Holds,
        "fails" => Verdict::Fails,
        _ => return None,
    };
    let counted = matches!(unit, "session" | "sessions");
    Some((count.parse().ok().filter(|_| counted)?, plain(query), verdict))
}

/// With single spaces, so that queries compare as people read them.
fn plain(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The queries and verdicts of the one model in a report.
fn verdicts(report: &str) -> Result<Vec<(String, Verdict)>, String> {
    let report: Value = serde_json::from_str(report).map_err(|error| error.to_string())?;
    let queries = report.pointer("/models/0/analysis/queries").and_then(Value::as_array);
    let verdicts = queries.into_iter().flatten().map(|query| {
        let attacked = query.get("resolved").and_then(Value::as_bool)?;
        let exhausted = query.pointer("/envelope/exhausted").and_then(Value::as_bool)?;
        let verdict = match (attacked, exhausted) {
            (true, _) => Verdict::Fails,
            (false, true) => Verdict::Holds,
            (false, false) => Verdict::Open,
        };
        Some((plain(query.get("query").and_then(Value::as_str)?), verdict))
    });
    let verdicts: Option<Vec<_>> = verdicts.collect();
    verdicts.filter(|verdicts| !verdicts.is_empty()).ok_or_else(|| {
        format!("the report is not in the form that {CHECKER} 1.6.7 has; see {MODELS}/README.md")
    })
}

fn surprises(expected: &[(String, Verdict)], found: &[(String, Verdict)]) -> Vec<String> {
    let verdict_in = |list: &[(String, Verdict)], query: &str| {
        list.iter().find(|(name, _)| name == query).map(|(_, verdict)| *verdict)
    };
    let unlike = found.iter().filter_map(|(query, verdict)| match verdict_in(expected, query) {
        Some(wanted) if wanted == *verdict => None,
        Some(wanted) => Some(format!("`{query}` {verdict}; expected: {wanted}")),
        None => Some(format!("`{query}` {verdict}; the model does not say what is expected")),
    });
    let missing = expected.iter().filter(|(query, _)| verdict_in(found, query).is_none());
    let missing = missing.map(|(query, _)| format!("`{query}` is expected, but is no query"));
    unlike.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(of: &[(&str, Verdict)]) -> Vec<(String, Verdict)> {
        of.iter().map(|(query, verdict)| ((*query).to_owned(), *verdict)).collect()
    }

    #[test]
    fn a_model_says_on_top_what_is_expected_of_it() {
        let text = "// V2: a title: with colons: in it\n\
                    // 1 session:  holds: authentication? A -> B: m\n\
                    // 2 sessions: fails: authentication?  A -> B: m\n\
                    queries[\n\tconfidentiality? m // 1 session: holds: no comment on top\n]\n";
        let model = Model::parse("x", text).unwrap();
        assert_eq!(model.session_counts().into_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(model.expected(1), list(&[("authentication? A -> B: m", Verdict::Holds)]));
        assert_eq!(model.expected(2), list(&[("authentication? A -> B: m", Verdict::Fails)]));

        let problem = Model::parse("x", "attacker[active]\n").unwrap_err();
        assert!(problem.starts_with("docs/proofs/x.vp does not say"), "{problem}");
    }

    #[test]
    fn a_search_that_was_cut_short_is_no_verdict() {
        let report = |attacked: bool, exhausted: bool| {
            let report = serde_json::json!({ "models": [{ "analysis": { "queries": [{
                "query": "confidentiality? m",
                "resolved": attacked,
                "envelope": { "exhausted": exhausted },
            }] } }] });
            verdicts(&report.to_string()).unwrap()
        };
        assert_eq!(report(true, false), list(&[("confidentiality? m", Verdict::Fails)]));
        assert_eq!(report(false, true), list(&[("confidentiality? m", Verdict::Holds)]));
        assert_eq!(report(false, false), list(&[("confidentiality? m", Verdict::Open)]));
        assert!(verdicts("{}").unwrap_err().contains("not in the form"));
    }

    #[test]
    fn a_verdict_surprises_in_either_direction() {
        let expected = list(&[("a", Verdict::Holds), ("b", Verdict::Fails), ("c", Verdict::Fails)]);
        assert_eq!(surprises(&expected, &expected), Vec::<String>::new());
        let found = list(&[("a", Verdict::Fails), ("b", Verdict::Holds), ("d", Verdict::Open)]);
        assert_eq!(
            surprises(&expected, &found),
            [
                "`a` fails; expected: holds",
                "`b` holds; expected: fails",
                "`d` is open; the model does not say what is expected",
                "`c` is expected, but is no query",
            ]
        );
    }

    #[test]
    fn an_unknown_model_is_answered_with_the_known_ones() {
        let known = ["a".to_owned(), "b".to_owned()];
        assert_eq!(wanted(&[], &known).unwrap(), ["a", "b"]);
        assert_eq!(wanted(&["b"], &known).unwrap(), ["b"]);
        let problem = wanted(&["c"], &known).unwrap_err();
        assert!(problem.contains("`c`") && problem.contains("a, b"), "{problem}");
    }

    #[test]
    fn every_model_says_what_is_expected() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(MODELS);
        let names = known_models(&folder).unwrap();
        assert!(!names.is_empty());
        for name in names {
            let text = std::fs::read_to_string(folder.join(format!("{name}.vp"))).unwrap();
            Model::parse(&name, &text).unwrap();
        }
    }
}
