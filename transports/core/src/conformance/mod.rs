//! The claims that every adapter has to keep, checked over a pair of its transports.
//! Not a benchmark, and nothing of what an adapter promises beyond the trait.
//!
//! A fixture makes pairs; the suite does the rest. No check hangs, for each fails after [`LIMIT`],
//! and a panic fails its own check alone. In real time the suite takes a few seconds.
//!
//! ```
//! use async_trait::async_trait;
//! use stringphone_transport::{Transport, conformance::{self, Fixture, Pair}};
//!
//! /// Makes two ends of an adapter that hear each other, as often as it is asked.
//! struct MyFixture<F>(F);
//!
//! #[async_trait]
//! impl<T: Transport, F: Fn(&str) -> T + Send> Fixture for MyFixture<F> {
//!     async fn pair(&mut self) -> Pair {
//!         Pair::new((self.0)("left"), (self.0)("right"))
//!     }
//! }
//!
//! # async fn test<MyAdapter: Transport>(my_adapter: fn(&str) -> MyAdapter) {
//! conformance::run(MyFixture(my_adapter)).await.assert();
//! # }
//! ```
//!
//! That is a test. [`main`] makes a command of the same fixture, with a report to read.

pub mod claims;
mod command;
mod delivery;
mod judge;
mod life;
mod report;
mod session;
mod watched;

use std::{panic::AssertUnwindSafe, time::Duration};

use async_trait::async_trait;
use futures::future::{FutureExt, LocalBoxFuture};
use tokio::time::timeout;

pub use self::{
    command::main,
    report::{Outcome, Report},
};

use self::{report::Failure, watched::Watched};
use crate::{Transport, TransportError};

/// How long one check may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// What the suite needs of an adapter.
#[async_trait]
pub trait Fixture: Send {
    /// Two transports that hear each other once both are connected, and nobody else. Called for
    /// every check; the pair before is dropped by then.
    async fn pair(&mut self) -> Pair;

    /// Takes down the links between the transports of the last pair, as a failing network would,
    /// such that they can be connected again; tells which ends have to notice.
    ///
    /// By default a fixture cannot, and what depends on it is skipped.
    async fn cut(&mut self) -> Ends {
        Ends::Neither
    }
}

/// Two transports that hear each other. They are connected at the same time, in no order.
pub struct Pair {
    first: Box<dyn Transport>,
    second: Box<dyn Transport>,
}

impl Pair {
    /// Boxes the two.
    pub fn new(first: impl Transport, second: impl Transport) -> Self {
        Self { first: Box::new(first), second: Box::new(second) }
    }
}

/// Some of the two ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// None of them.
    Neither,
    /// The first of the pair.
    First,
    /// The second of the pair.
    Second,
    /// Both of them.
    Both,
}

/// Checks every claim.
pub async fn run(mut fixture: impl Fixture) -> Report {
    let mut report = Report::default();
    let mut fixture = Watched::new(&mut fixture);
    for check in CHECKS {
        report.add(check.claims, check.ends(&mut fixture).await);
        report.fail(fixture.take_failures());
    }
    report
}

/// What a check finds: all its claims hold, they do not apply, or these fail.
type Checked = Result<Verdict, Vec<Failure>>;

enum Verdict {
    Holds,
    DoesNotApply(&'static str),
}

impl Verdict {
    const UNRELIABLE: Self = Self::DoesNotApply("the link is not reliable");
    const ONE_CHANNEL: Self = Self::DoesNotApply("the link has one channel");
}

struct Check {
    /// The first one stands for failures that name no claim of their own.
    claims: &'static [&'static str],
    /// Boxed, since a check's future holds two links and all their frames.
    run: for<'a> fn(&'a mut dyn Fixture) -> LocalBoxFuture<'a, Checked>,
}

impl Check {
    /// What the check finds. Where it does not come to its end, none of its claims is shown.
    async fn ends(&self, fixture: &mut dyn Fixture) -> Checked {
        let checking = AssertUnwindSafe((self.run)(fixture)).catch_unwind();
        let why = match timeout(LIMIT, checking).await {
            Ok(Ok(checked)) => return checked,
            Ok(Err(panic)) => TransportError::panicked(&*panic).to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        Err(self.claims.iter().map(|claim| Failure::of(claim, &*why)).collect())
    }
}

const CHECKS: &[Check] = &[
    Check { claims: &[claims::FACTS], run: |f| Box::pin(life::facts(f)) },
    Check { claims: claims::DELIVERY, run: |f| Box::pin(delivery::frames_arrive(f)) },
    Check { claims: &[claims::SIZES], run: |f| Box::pin(delivery::sizes(f)) },
    Check { claims: &[claims::BURST], run: |f| Box::pin(delivery::burst(f)) },
    Check { claims: &[claims::TOO_LARGE], run: |f| Box::pin(delivery::too_large(f)) },
    Check { claims: &[claims::CHANNELS], run: |f| Box::pin(delivery::channels(f)) },
    Check { claims: &[claims::LATE_CHANNEL], run: |f| Box::pin(delivery::late_channel(f)) },
    Check { claims: &[claims::REOPENED_CHANNEL], run: |f| Box::pin(delivery::reopened(f)) },
    Check { claims: &[claims::CLOSING_ARRIVES], run: |f| Box::pin(life::closing_arrives(f)) },
    Check { claims: &[claims::BACK_PRESSURE], run: |f| Box::pin(life::back_pressure(f)) },
    Check { claims: &[claims::CLOSING], run: |f| Box::pin(life::closing(f)) },
    Check { claims: &[claims::DROPPED], run: |f| Box::pin(life::dropped(f)) },
    Check { claims: &[claims::CUT], run: |f| Box::pin(life::cut(f)) },
    Check { claims: &[claims::AGAIN], run: |f| Box::pin(life::again(f)) },
];
