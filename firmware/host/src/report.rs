//! The one line with which the firmware ends. Not here: what it should say.

use std::collections::BTreeMap;
use std::fmt;

/// `name=number` by name.
#[derive(Debug)]
pub(crate) struct Report(BTreeMap<String, u64>);

impl Report {
    /// Reads `report: name=number …`; none if the line is something else.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let words = line.strip_prefix("report: ")?.split_whitespace();
        let number = |word: &str| {
            let (name, number) = word.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        };
        words.map(number).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64, String> {
        let number = self.0.get(name).copied();
        number.ok_or_else(|| format!("The firmware's report has no `{name}`: {self}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> =
            self.0.iter().map(|(name, number)| format!("{name}={number}")).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_by_name_and_other_lines_are_none() {
        let report = Report::parse("report: heap_peak=12 heard=2").unwrap();
        assert_eq!(report.number("heard"), Ok(2));
        assert!(report.number("sent").unwrap_err().contains("`sent`"));
        assert!(Report::parse("the firmware panicked: report: a=1").is_none());
        assert!(Report::parse("report: heard=two").is_none());
    }
}
