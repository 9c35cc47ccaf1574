//! The hub keeps the claims of every transport, alone and over a bad network.
//! Not what a hub promises beyond: see `hub.rs`.

use std::{process::ExitCode, time::Duration};

use async_trait::async_trait;
use stringphone_memory::{Hub, Limits};
use stringphone_transport::{
    conformance::{self, Ends, Fixture, Pair},
    faults::{Faults, Faulty},
};

struct Ports {
    limits: Limits,
    hub: Hub,
}

impl Ports {
    fn with(limits: Limits) -> Self {
        Self { limits, hub: Hub::with(limits) }
    }
}

#[async_trait]
impl Fixture for Ports {
    async fn pair(&mut self) -> Pair {
        self.hub = Hub::with(self.limits);
        Pair::new(self.hub.port("first"), self.hub.port("second"))
    }

    async fn cut(&mut self) -> Ends {
        self.hub.disconnect_all();
        Ends::Both
    }
}

#[tokio::test(start_paused = true)]
async fn two_ports_keep_the_claims() {
    let report = conformance::run(Ports::with(Limits::default())).await;
    report.assert();
}

#[tokio::test(start_paused = true)]
async fn two_ports_with_tiny_queues_and_frames_keep_the_claims() {
    let limits = Limits::default().queue(1).max_frame(16);
    conformance::run(Ports::with(limits)).await.assert();
}

#[tokio::test(start_paused = true)]
async fn the_suite_as_a_command_ends_with_0_where_the_claims_are_kept() {
    let code = conformance::main(Ports::with(Limits::default())).await;
    // Exit codes compare by what they show alone.
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
}

struct Lossy(u64);

#[async_trait]
impl Fixture for Lossy {
    async fn pair(&mut self) -> Pair {
        let faults = Faults::seeded(self.0).loss(0.1).duplicate(0.05).reorder(0.1);
        let faults = faults.delay(Duration::from_millis(1)..Duration::from_millis(20));
        let hub = Hub::new();
        Pair::new(
            Faulty::new(hub.port("first"), faults.clone()),
            Faulty::new(hub.port("second"), faults),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn two_ports_over_a_bad_network_keep_the_claims_of_unreliable_links() {
    for seed in 0..10 {
        conformance::run(Lossy(seed)).await.assert();
    }
}
