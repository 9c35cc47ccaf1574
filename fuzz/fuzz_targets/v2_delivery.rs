//! Outbox, receipts, inbox and history of three V2 sessions over a bad net. The claims are in
//! `protocol/tests/fuzzed_v2/delivery.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../protocol/tests/fuzzed/mod.rs"]
mod fuzzed;
#[path = "../../protocol/tests/fuzzed_v2/mod.rs"]
#[allow(dead_code, reason = "each target takes its part")]
mod fuzzed_v2;

fuzz_target!(|bytes: &[u8]| {
    fuzzed_v2::delivery::delivery(bytes);
});
