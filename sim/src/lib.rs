//! Houses of simulated String phone devices in one process, in virtual time, by a seed: for our
//! tests, and for those of who builds on it.
//! Not a model checker, and no measure of real networks.
//!
//! A [`House`] has devices in rooms, on [`Link`]s as bad as you like, and a [`Schedule`] of what
//! goes wrong. It is run with bare protocol sessions ([`House::run`]), which is fast, or, with the
//! feature `actors`, with whole topics and applications on top of them. What
//! `docs/PROTOCOL.md` §3.14 promises is checked all the while; a [`Failure`] can be [shrunk](shrink)
//! to the few faults that bring it about. `docs/SIMULATION.md` shows how to test an application.
#![warn(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[cfg(feature = "actors")]
pub mod actors;
mod agenda;
mod checks;
mod clock;
mod dice;
mod house;
mod machine;
pub mod net;
mod report;
mod run;
mod schedule;
mod sessions;
mod shrink;
mod storage;
#[cfg(test)]
mod tests;
mod trace;

pub use house::House;
pub use net::{Link, Topology};
pub use report::{Failure, Reason, Report, Violation};
pub use schedule::{DeviceId, Fault, Planned, Schedule, ScheduleError};
pub use shrink::shrink;
pub use trace::TraceHash;

/// The guide's code, compiled and run.
#[cfg(all(doctest, feature = "actors"))]
#[doc = include_str!("../../docs/SIMULATION.md")]
struct Guide;
