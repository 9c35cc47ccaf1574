//! What V2 topics carry under load, and how long a message takes when there is none. Compared with
//! others it is in `benches/peers`.
//!
//! `cargo bench --bench v2`

mod load;
mod measure;

use std::error::Error;

use bytes::Bytes;
use measure::{median, quantile, watch};

const MESSAGES: usize = 256 * 1_000;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (phone, lamp) = load::pair().await?;
        let body = Bytes::from(vec![7; 64]);
        let mut nanos = Vec::new();
        for _ in 0..12 {
            let passed = load::pass(&phone, &lamp, &body, MESSAGES).await?;
            nanos.push(passed.as_secs_f64() * 1e9 / MESSAGES as f64);
        }
        let figure = format!("{:.0} ns a message by the clock", median(nanos.into_iter()));
        watch("v2.load_64", &figure);
        let micros = load::at_leisure(&phone, &lamp, &body, 200).await?;
        let part = |part| quantile(micros.iter().copied(), part);
        let figure = format!("p50 {:.0} µs, p99 {:.0} µs", part(0.5), part(0.99));
        watch("v2.latency_64", &figure);
        Ok(())
    })
}
