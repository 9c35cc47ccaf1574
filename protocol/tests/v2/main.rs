//! V2 sessions in conversation: what `docs/PROTOCOL.md` §3 promises.
#![allow(dead_code, reason = "each module uses its part of the house")]

mod house;
mod smoke;
