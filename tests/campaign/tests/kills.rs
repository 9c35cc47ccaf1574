//! A short campaign over each kind of place. Not a long one: `cargo xtask soak --only kill`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use stringphone_campaign::killer::{Arguments, Over, run};

async fn short(over: Over, seed: u64) {
    let (senders, receivers, rotation) = (2, 1, None);
    let arguments = Arguments { kills: 20, minutes: 1, seed, over, senders, receivers, rotation };
    let program = Path::new(env!("CARGO_BIN_EXE_campaign_device"));
    let outcome = run(&arguments, program).await.unwrap();
    eprintln!("{outcome}");
    assert_eq!(outcome.problem(), None);
    let kills = outcome.kills;
    assert!(kills.senders > 0 && kills.receivers > 0 && kills.places > 0, "{kills:?}");
}

#[tokio::test]
async fn what_was_said_is_taken_exactly_once_whoever_is_killed_over_tcp() {
    short(Over::Tcp, 2).await;
}

#[tokio::test]
async fn what_was_said_is_taken_exactly_once_whoever_is_killed_over_mqtt() {
    short(Over::Mqtt, 3).await;
}
