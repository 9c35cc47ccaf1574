//! Rooms and clients, together and each against a test.
//! Not the addresses that name them: those are tested where they are read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod attended;
mod conformance;
mod listening;
mod misbehaviour;
mod room;
mod wire;
