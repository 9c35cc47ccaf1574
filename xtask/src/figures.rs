//! `cargo xtask figures`: runs the benchmarks and prints one table.
//!
//! An area is a benchmark of a package of the workspace, or of `benches/peers/` if that is asked
//! for. It prints a line of JSON for each figure, like
//! `{"id":"tcp.latency","figure":"80 µs","goal":"≤ 100 µs","met":true}`, where goal and met are
//! null when there is no goal. All other lines are for whoever watches.

use serde_json::Value;

use crate::metadata;
use crate::needs;
use crate::steps::{Steps, cargo};

/// The manifest of a workspace with benchmarks.
type Suite = &'static str;

const OURS: Suite = "Cargo.toml";
const PEERS: Suite = "benches/peers/Cargo.toml";

/// A benchmark, and the package that it belongs to.
#[derive(Clone, Debug, PartialEq)]
struct Area {
    name: String,
    package: String,
}

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    let (suite, areas) = asked_for(args);
    let known = known_areas(suite)?;
    needs::ensure(steps, needs::FOR_TESTS)?;
    let mut figures = Vec::new();
    let outcome = wanted(areas, &known)?.into_iter().try_for_each(|area| {
        steps.begin(&area.name);
        eprintln!("an optimised build, then the measurements: this takes minutes");
        figures.append(&mut measure(steps, suite, &area)?);
        steps.end();
        Ok(())
    });
    // What was measured before a failure took minutes too.
    print!("{}", table(&figures));
    let missed = figures.iter().filter(|figure| figure.met == Some(false)).count();
    let goals = figures.iter().filter(|figure| figure.met.is_some()).count();
    eprintln!("\n{} figures, {goals} with a goal, {missed} of those not met", figures.len());
    outcome
}

fn asked_for<'a>(args: &'a [&'a str]) -> (Suite, &'a [&'a str]) {
    match args {
        ["--peers", areas @ ..] => (PEERS, areas),
        areas => (OURS, areas),
    }
}

fn known_areas(suite: Suite) -> Result<Vec<Area>, String> {
    let packages = metadata::packages(suite)?;
    let areas = packages.iter().flat_map(|package| {
        package
            .targets_of("bench")
            .map(|name| Area { name: name.to_owned(), package: package.name.clone() })
    });
    Ok(areas.collect())
}

fn wanted(areas: &[&str], known: &[Area]) -> Result<Vec<Area>, String> {
    if areas.is_empty() {
        return Ok(known.to_vec());
    }
    let find = |area: &&str| {
        known.iter().find(|known| known.name == *area).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            format!("There are no figures for `{area}`. There are for: {}.", names.join(", "))
        })
    };
    areas.iter().map(find).collect()
}

fn measure(steps: &mut Steps, suite: Suite, area: &Area) -> Result<Vec<Figure>, String> {
    let Area { name: area, package } = area;
    let mut command = cargo(&["bench", "--manifest-path", suite, "-p", package]);
    command.args(["--all-features", "--bench", area]);
    // The peers are a workspace of their own, which would build into a directory of its own.
    command.arg("--target-dir").arg(metadata::target_dir()?);
    let mut figures = Vec::new();
    steps.run_lines(&mut command, |line| {
        if line.starts_with('{') {
            figures.push(Figure::parse(area, line));
        } else {
            eprintln!("{line}");
        }
    })?;
    if figures.is_empty() {
        return Err(format!("The benchmark {area} printed no figure, that is, no line of JSON."));
    }
    figures.into_iter().collect()
}

#[derive(Debug, PartialEq)]
struct Figure {
    id: String,
    figure: String,
    goal: Option<String>,
    met: Option<bool>,
}

impl Figure {
    fn parse(area: &str, line: &str) -> Result<Self, String> {
        let broken =
            |why: &str| format!("The benchmark {area} printed a bad line, {why}:\n    {line}");
        let value: Value =
            serde_json::from_str(line).map_err(|error| broken(&error.to_string()))?;
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let figure = Self {
            id: text("id").ok_or_else(|| broken("without an id"))?,
            figure: text("figure").ok_or_else(|| broken("without a figure"))?,
            goal: text("goal"),
            met: value.get("met").and_then(Value::as_bool),
        };
        if !figure.id.strip_prefix(area).is_some_and(|rest| rest.starts_with('.')) {
            return Err(broken(&format!("its id does not start with `{area}.`")));
        }
        if figure.goal.is_some() != figure.met.is_some() {
            return Err(broken("goal and met have to be both there or both null"));
        }
        Ok(figure)
    }
}

fn table(figures: &[Figure]) -> String {
    let mut rows = vec![["id", "figure", "goal", "met"].map(str::to_owned)];
    rows.extend(figures.iter().map(|figure| {
        let met = match figure.met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "–",
        };
        let goal = figure.goal.as_deref().unwrap_or("–");
        [&figure.id, &figure.figure, goal, met].map(|cell| cell.replace('|', r"\|"))
    }));

    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let rule = widths.map(|width| "-".repeat(width));
    rows.insert(1, rule);
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String; 4], widths: &[usize; 4]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("| {cell:width$} "));
    cells.collect::<String>() + "|\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_a_figure() {
        let line = r#"{"id":"tcp.latency","figure":"80 µs","goal":"≤ 100 µs","met":true}"#;
        let figure = Figure::parse("tcp", line).unwrap();
        assert_eq!(figure.id, "tcp.latency");
        assert_eq!(figure.goal.as_deref(), Some("≤ 100 µs"));
        assert_eq!(figure.met, Some(true));

        let line = r#"{"id":"tcp.connect","figure":"1 ms","goal":null,"met":null}"#;
        assert_eq!(Figure::parse("tcp", line).unwrap().met, None);
    }

    #[test]
    fn a_bad_line_is_named_with_what_is_wrong() {
        for (line, why) in [
            ("{oops", "bad line"),
            (r#"{"figure":"1"}"#, "without an id"),
            (r#"{"id":"tcp.a"}"#, "without a figure"),
            (r#"{"id":"bus.a","figure":"1"}"#, "`tcp.`"),
            (r#"{"id":"tcpx.a","figure":"1"}"#, "`tcp.`"),
            (r#"{"id":"tcp.a","figure":"1","goal":"2"}"#, "both null"),
        ] {
            let problem = Figure::parse("tcp", line).unwrap_err();
            assert!(problem.contains(why) && problem.contains(line), "{problem}");
        }
    }

    #[test]
    fn the_table_is_readable_as_text_too() {
        let figure = |id: &str, goal: Option<&str>, met| Figure {
            id: id.into(),
            figure: "3 µs".into(),
            goal: goal.map(str::to_owned),
            met,
        };
        let figures = [
            figure("bus.publish", Some("≤ 5 µs"), Some(true)),
            figure("bus.idle", Some("a|b"), Some(false)),
            figure("bus.x", None, None),
        ];
        assert_eq!(
            table(&figures),
            "| id          | figure | goal   | met     |\n\
             | ----------- | ------ | ------ | ------- |\n\
             | bus.publish | 3 µs   | ≤ 5 µs | met     |\n\
             | bus.idle    | 3 µs   | a\\|b   | not met |\n\
             | bus.x       | 3 µs   | –      | –       |\n"
        );
    }

    #[test]
    fn peers_are_measured_only_when_asked_for() {
        assert_eq!(asked_for(&[]), (OURS, &[][..]));
        assert_eq!(asked_for(&["bus"]), (OURS, &["bus"][..]));
        assert_eq!(asked_for(&["--peers", "peers"]), (PEERS, &["peers"][..]));
    }

    #[test]
    fn an_unknown_area_is_answered_with_the_known_ones() {
        let area = |name: &str| Area { name: name.into(), package: "p".into() };
        let known = ["bus", "tcp"].map(area);
        assert_eq!(wanted(&[], &known).unwrap(), known);
        assert_eq!(wanted(&["tcp"], &known).unwrap(), known[1..]);
        let problem = wanted(&["pigeon"], &known).unwrap_err();
        assert!(problem.contains("`pigeon`") && problem.contains("bus, tcp"), "{problem}");
    }
}
