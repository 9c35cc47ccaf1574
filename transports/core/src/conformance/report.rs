//! What the suite found, claim by claim.
//! Not the finding itself.

use std::fmt;

use super::{Checked, Verdict};

/// What the suite found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    outcomes: Vec<(&'static str, Outcome)>,
}

/// What became of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not apply to this adapter, or the fixture cannot bring it about.
    DoesNotApply,
    /// It does not hold, for these reasons.
    Fails(Vec<String>),
}

/// A reason why something does not hold.
#[derive(Debug)]
pub(super) struct Failure {
    /// `None` stands for the first claim of the check.
    pub(super) claim: Option<&'static str>,
    pub(super) why: String,
}

impl Failure {
    pub(super) fn general(why: impl Into<String>) -> Self {
        Self { claim: None, why: why.into() }
    }

    pub(super) fn of(claim: &'static str, why: impl Into<String>) -> Self {
        Self { claim: Some(claim), why: why.into() }
    }
}

impl Report {
    /// Every claim and what became of it, in the order of the suite.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, &Outcome)> {
        self.outcomes.iter().map(|(claim, outcome)| (*claim, outcome))
    }

    /// The claims that do not hold.
    pub fn failed(&self) -> Vec<&'static str> {
        let failed = self.outcomes().filter(|(_, outcome)| matches!(outcome, Outcome::Fails(_)));
        failed.map(|(claim, _)| claim).collect()
    }

    /// Whether everything holds that applies.
    pub fn holds(&self) -> bool {
        self.failed().is_empty()
    }

    /// For tests: panics with the whole report unless everything holds that applies.
    ///
    /// # Panics
    /// If a claim fails.
    #[track_caller]
    #[allow(clippy::panic, reason = "this is the assertion of a test")]
    pub fn assert(&self) {
        assert!(self.holds(), "the adapter does not keep its claims:\n{self}");
    }

    pub(super) fn add(&mut self, claims: &'static [&'static str], result: Checked) {
        let (first_row, otherwise) = (
            self.outcomes.len(),
            match &result {
                Ok(Verdict::DoesNotApply) => Outcome::DoesNotApply,
                _ => Outcome::Holds,
            },
        );
        self.outcomes.extend(claims.iter().map(|claim| (*claim, otherwise.clone())));
        for failure in result.err().into_iter().flatten() {
            self.fail(first_row, failure);
        }
    }

    /// A claim may fail in a check that is about another one; then it gets the reason all the same.
    fn fail(&mut self, first_row: usize, failure: Failure) {
        let row = match failure.claim {
            None => first_row,
            Some(claim) => match self.outcomes.iter().position(|(named, _)| *named == claim) {
                Some(row) => row,
                None => {
                    self.outcomes.push((claim, Outcome::Holds));
                    self.outcomes.len() - 1
                }
            },
        };
        let Some((_, outcome)) = self.outcomes.get_mut(row) else {
            return;
        };
        match outcome {
            Outcome::Fails(reasons) => reasons.push(failure.why),
            _ => *outcome = Outcome::Fails(vec![failure.why]),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (claim, outcome) in self.outcomes() {
            match outcome {
                Outcome::Holds => writeln!(f, "   ok  {claim}")?,
                Outcome::DoesNotApply => writeln!(f, "    -  {claim}")?,
                Outcome::Fails(reasons) => writeln!(f, "FAILS  {claim}: {}", reasons.join("; "))?,
            }
        }
        Ok(())
    }
}
