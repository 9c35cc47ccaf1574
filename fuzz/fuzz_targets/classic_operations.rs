//! Operations on Classic sessions over a bad net. The claims are in
//! `protocol/tests/fuzzed/operations.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../protocol/tests/fuzzed/mod.rs"]
mod fuzzed;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::operations::run(bytes);
});
