//! What the suite found, claim by claim.
//! Not the finding itself.

use std::fmt;

use super::{Checked, Verdict};

const NOT_REACHED: &str = "another claim has to hold first";

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
    /// It does not apply to this adapter, or the fixture cannot bring it about: for this reason.
    DoesNotApply(&'static str),
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
        let about = |failure: &Failure| failure.claim.is_none_or(|claim| claims.contains(&claim));
        let otherwise = match &result {
            Ok(Verdict::DoesNotApply(why)) => Outcome::DoesNotApply(why),
            // What other checks are about kept this one from its end.
            Err(failures) if !failures.iter().any(about) => Outcome::DoesNotApply(NOT_REACHED),
            _ => Outcome::Holds,
        };
        claims.iter().for_each(|claim| self.list(claim, &otherwise));
        let first = claims.first().copied();
        let failures = result.err().into_iter().flatten();
        self.fail(failures.map(|failure| Failure { claim: failure.claim.or(first), ..failure }));
    }

    /// Notes failures that name their claims, whichever checks found them.
    pub(super) fn fail(&mut self, failures: impl IntoIterator<Item = Failure>) {
        for Failure { claim, why } in failures {
            let Some(claim) = claim else { continue };
            self.list(claim, &Outcome::Holds);
            let row = self.outcomes.iter_mut().find(|(listed, _)| *listed == claim);
            match row.map(|(_, outcome)| outcome) {
                Some(Outcome::Fails(reasons)) => reasons.push(why),
                Some(outcome) => *outcome = Outcome::Fails(vec![why]),
                None => {}
            }
        }
    }

    /// Lists a claim, unless a check that is about another one has found it to fail.
    fn list(&mut self, claim: &'static str, outcome: &Outcome) {
        if self.outcomes.iter().all(|(listed, _)| *listed != claim) {
            self.outcomes.push((claim, outcome.clone()));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (claim, outcome) in self.outcomes() {
            match outcome {
                Outcome::Holds => writeln!(f, "   ok  {claim}")?,
                Outcome::DoesNotApply(why) => writeln!(f, "    -  {claim}: {why}")?,
                Outcome::Fails(reasons) => writeln!(f, "FAILS  {claim}: {}", reasons.join("; "))?,
            }
        }
        Ok(())
    }
}
