//! Groups keep the claims of every transport, over real sockets.
//! Not what comes to a group from elsewhere: see `group.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::atomic::{AtomicU16, Ordering::SeqCst},
    time::Duration,
};

use async_trait::async_trait;
use stringphone_transport::{
    conformance::{self, Fixture, Pair},
    faults::{Faults, Faulty},
};
use stringphone_udp::Udp;

/// A group that nobody else uses, on the loopback interface.
fn pair(max_frame: usize) -> [Udp; 2] {
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let group = format!("239.{high}.{low}.1:{}", PORT.fetch_add(1, SeqCst));
    [(); 2].map(|()| {
        Udp::multicast(&group).unwrap().interface("127.0.0.1").unwrap().max_frame(max_frame)
    })
}

struct Two {
    max_frame: usize,
}

#[async_trait]
impl Fixture for Two {
    async fn pair(&mut self) -> Pair {
        let [first, second] = pair(self.max_frame);
        Pair::new(first, second)
    }
}

#[tokio::test]
async fn two_in_a_group_keep_the_claims() {
    conformance::run(Two { max_frame: 1327 }).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_in_a_group_keep_the_claims_with_the_largest_frames_on_several_threads() {
    conformance::run(Two { max_frame: usize::MAX }).await.assert();
}

struct TwoOverABadNetwork;

#[async_trait]
impl Fixture for TwoOverABadNetwork {
    async fn pair(&mut self) -> Pair {
        let delay = Duration::ZERO..Duration::from_millis(5);
        let faults = Faults::seeded(7).loss(0.1).duplicate(0.05).reorder(0.1).delay(delay);
        let [first, second] = pair(1327);
        Pair::new(Faulty::new(first, faults.clone()), Faulty::new(second, faults))
    }
}

#[tokio::test]
async fn two_in_a_group_over_a_bad_network_keep_the_claims() {
    conformance::run(TwoOverABadNetwork).await.assert();
}
