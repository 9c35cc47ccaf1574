//! Clients against a room of the test's own.
//! Not a room to use: that one has no bounds on who comes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod conformance;
mod misbehaviour;
mod room;
mod wire;
