//! The claims of the fuzz targets for V2, on their corpora and on random bytes, with real
//! cryptography.

mod fuzzed;
#[allow(dead_code, reason = "each user takes its part")]
mod fuzzed_v2;

use std::path::Path;

use proptest::prelude::*;

fn replay(target: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).expect("a corpus");
    let mut inputs = 0;
    for file in files {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        claim(&std::fs::read(path).expect("an input"));
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}

#[test]
fn the_corpus_of_frames_changes_nothing_it_should_not() {
    replay("v2_frames", fuzzed_v2::frames);
}

#[test]
fn the_corpus_of_operations_ends_on_one_epoch() {
    replay("v2_operations", fuzzed_v2::operations);
}

#[test]
fn the_corpus_of_deliveries_loses_nothing() {
    replay("v2_delivery", fuzzed_v2::delivery::delivery);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn random_frames_change_nothing_they_should_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzed_v2::frames(&bytes);
    }

    #[test]
    fn random_operations_end_on_one_epoch(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzed_v2::operations(&bytes);
    }

    #[test]
    fn random_deliveries_lose_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzed_v2::delivery::delivery(&bytes);
    }
}
