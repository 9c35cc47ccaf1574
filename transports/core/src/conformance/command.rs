//! The suite as a command: an adapter's author runs it, and reads what became of each claim.
//! Not the report as a test prints it.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    process::ExitCode,
};

use super::{Fixture, Outcome, Report, run};

/// Checks every claim, prints what became of each, and makes an exit code of it: 0 where everything
/// holds that applies, otherwise 1.
///
/// As `examples/conformance.rs` of a crate, this is `cargo run --example conformance`:
///
/// ```no_run
/// use std::process::ExitCode;
/// use stringphone_transport::conformance;
/// # use stringphone_transport::conformance::{Fixture, Pair};
/// # struct MyFixture;
/// # #[async_trait::async_trait]
/// # impl Fixture for MyFixture {
/// #     async fn pair(&mut self) -> Pair { unimplemented!() }
/// # }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> ExitCode {
///     conformance::main(MyFixture).await
/// }
/// ```
pub async fn main(fixture: impl Fixture) -> ExitCode {
    say("The suite takes some seconds …\n\n");
    let report = run(fixture).await;
    say(&told(&report).unwrap_or_default());
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where nobody reads it, the exit code has to do.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// A line for each claim, below it why it fails, and the sum of it all.
fn told(report: &Report) -> Result<String, fmt::Error> {
    let (mut hold, mut skipped, mut fail) = (0, 0, 0);
    let mut text = String::new();
    for (claim, outcome) in report.outcomes() {
        match outcome {
            Outcome::Holds => {
                hold += 1;
                writeln!(text, "✔ {claim}")?;
            }
            Outcome::DoesNotApply(why) => {
                skipped += 1;
                writeln!(text, "– {claim} (skipped: {why})")?;
            }
            Outcome::Fails(reasons) => {
                fail += 1;
                writeln!(text, "✘ {claim}")?;
                reasons.iter().try_for_each(|why| writeln!(text, "    {why}"))?;
            }
        }
    }
    writeln!(text, "\n{hold} hold, {fail} fail, {skipped} skipped.")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::{SinkExt, StreamExt, channel::mpsc};

    use super::*;
    use crate::{
        Channels, Facts, Frame, Link, Transport, TransportError,
        conformance::{Pair, Verdict, claims, report::Failure},
    };

    /// Hears nobody but itself.
    struct Echo;

    #[async_trait]
    impl Transport for Echo {
        fn facts(&self) -> Facts {
            Facts::new("echo", 64)
        }

        async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
            let (sender, receiver) = mpsc::channel::<Frame>(8);
            Ok(Link::new(receiver.map(Ok), sender.sink_map_err(|_| TransportError::Closed)))
        }
    }

    struct Echoes;

    #[async_trait]
    impl Fixture for Echoes {
        async fn pair(&mut self) -> Pair {
            Pair::new(Echo, Echo)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_adapter_that_breaks_a_claim_ends_the_command_with_1() {
        // Exit codes compare by what they show alone.
        let code = main(Echoes).await;
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn each_claim_is_told_with_what_became_of_it_and_why() {
        let mut report = Report::default();
        report.add(&[claims::FACTS], Ok(Verdict::Holds));
        report.add(&[claims::CUT], Ok(Verdict::DoesNotApply("the fixture cannot cut")));
        let reasons = ["number 3", "number 7"].map(|why| Failure::of(claims::LOST, why));
        report.add(&[claims::LOST], Err(reasons.into()));
        report.add(&[claims::SIZES], Err(vec![Failure::of(claims::LOST, "number 9")]));
        let expected = [
            "✔ facts are the same every time, and possible",
            "– a cut link fails in both directions (skipped: the fixture cannot cut)",
            "✘ nothing is lost",
            "    number 3",
            "    number 7",
            "    number 9",
            "– no frame is handed up that is empty, or larger than the facts say (skipped: another \
             claim has to hold first)",
            "",
            "1 hold, 1 fail, 2 skipped.",
        ];
        assert_eq!(told(&report).unwrap().lines().collect::<Vec<_>>(), expected);
    }
}
