//! V2 sessions in conversation: what `docs/PROTOCOL.md` §3 promises.
#![allow(dead_code, reason = "each module uses its part of the house")]

mod bad_input;
mod forge;
mod freshness;
mod g01_only_members_read;
mod g02_senders;
mod g03_once;
mod g04_the_past;
mod g05_evicted;
mod g06_locked_out;
mod g07_newcomers;
mod g08_joining;
mod g09_outsiders;
mod g10_post_quantum;
mod g11_copies;
mod g12_names;
mod gone_bad;
mod history;
mod house;
mod inbox;
mod lost_frames;
mod model_traces;
mod order;
mod outbox;
mod partitions;
mod receipts;
mod smoke;
