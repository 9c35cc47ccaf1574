//! One frame from anybody into Classic sessions of every kind. The claims are in
//! `protocol/tests/fuzzed/frames.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../protocol/tests/fuzzed/mod.rs"]
mod fuzzed;

fuzz_target!(|bytes: &[u8]| fuzzed::frames::run(bytes));
