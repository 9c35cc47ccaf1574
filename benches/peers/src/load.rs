//! Messages under load, one `publish` call each, through two topics of ours on all cores, against
//! Megolm spread over as many threads; and how long a message takes when there is no load.
//!
//! `cargo xtask figures --peers load`

#[path = "../../load/mod.rs"]
mod load;
#[path = "../../measure/mod.rs"]
mod measure;

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use measure::{goal, median, quantile, watch};
use vodozemac::megolm::{GroupSession, InboundGroupSession, SessionConfig};

const ROUNDS: usize = 15;
const BODY: usize = 64;
const MESSAGES: usize = 256 * 1_000;
/// Of Megolm's, on each of two threads.
const PAIRS: usize = 4_000;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (phone, lamp) = load::pair().await?;
        let body = Bytes::from(vec![7; BODY]);
        let (mut ours, mut ratios) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let passed = load::pass(&phone, &lamp, &body, MESSAGES).await?;
            let nanos = passed.as_secs_f64() * 1e9 / MESSAGES as f64;
            let theirs = tokio::task::spawn_blocking(megolm).await?;
            // The first warms up.
            if round > 0 {
                ours.push(nanos);
                ratios.push(theirs / nanos);
            }
        }
        let (ours, ratio) = (median(ours.into_iter()), median(ratios.into_iter()));
        let figure = format!("{ours:.0} ns a message, {ratio:.1} × as fast as Megolm");
        goal("load.v2_64", &figure, "≥ 25 ×", ratio >= 25.0);
        let micros = load::at_leisure(&phone, &lamp, &body, 400).await?;
        let part = |part| quantile(micros.iter().copied(), part);
        let figure = format!("p50 {:.0} µs, p99 {:.0} µs", part(0.5), part(0.99));
        watch("load.v2_latency_64_at_20_a_second", &figure);
        Ok(())
    })
}

/// Nanoseconds a message by the clock, encrypted and decrypted, on two threads.
fn megolm() -> f64 {
    let before = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let config = SessionConfig::default();
                let mut sender = GroupSession::new(config);
                let mut receiver = InboundGroupSession::new(&sender.session_key(), config);
                for _ in 0..PAIRS {
                    let message = sender.encrypt(black_box([7; BODY]));
                    black_box(receiver.decrypt(&message).expect("a good message"));
                }
            });
        }
    });
    before.elapsed().as_secs_f64() * 1e9 / (2 * PAIRS) as f64
}
