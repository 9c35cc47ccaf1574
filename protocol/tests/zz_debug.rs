#[allow(dead_code)]
mod fuzzed;
#[allow(dead_code)]
mod fuzzed_v2;
#[test]
fn one() { fuzzed_v2::operations(&std::fs::read(std::env::var("CRASH").unwrap()).unwrap()); }
