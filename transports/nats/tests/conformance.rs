//! Links of both modes keep the claims of every transport, over real servers.
//! Not what streams add: see `jetstream.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use async_trait::async_trait;
use stringphone_nats::{JetStream, Nats};
use stringphone_servers::{nats as server, network::Network};
use stringphone_transport::{
    conformance::{self, Ends, Fixture, Pair},
    faults::{Faults, Faulty},
};

/// Two transports on one server, behind a network that can fail.
struct TwoClients {
    network: Network,
    _server: server::Nats,
    jetstream: bool,
    faults: Option<Faults>,
    pairs: usize,
}

impl TwoClients {
    async fn new(server: server::Nats, jetstream: bool) -> Self {
        let network = Network::to(server.address()).await;
        Self { network, _server: server, jetstream, faults: None, pairs: 0 }
    }

    async fn core() -> Self {
        Self::new(server::Nats::start(), false).await
    }

    async fn jetstream() -> Self {
        Self::new(server::Nats::with_jetstream(), true).await
    }

    /// One that hears no other pair.
    fn client(&self, who: &str) -> Nats {
        let pair = format!("pair{}", self.pairs);
        let client = Nats::connect(self.network.address.to_string()).prefix(pair.as_str());
        if self.jetstream { client.jetstream(JetStream::new(pair, who)) } else { client }
    }
}

#[async_trait]
impl Fixture for TwoClients {
    async fn pair(&mut self) -> Pair {
        self.pairs += 1;
        let (first, second) = (self.client("first"), self.client("second"));
        match self.faults.clone() {
            None => Pair::new(first, second),
            Some(faults) => {
                Pair::new(Faulty::new(first, faults.clone()), Faulty::new(second, faults))
            }
        }
    }

    async fn cut(&mut self) -> Ends {
        self.network.cut().await;
        Ends::Both
    }
}

fn bad_network() -> Option<Faults> {
    let delay = Duration::ZERO..Duration::from_millis(5);
    Some(Faults::seeded(7).loss(0.1).duplicate(0.05).reorder(0.1).delay(delay))
}

#[tokio::test]
async fn core_links_keep_the_claims() {
    conformance::run(TwoClients::core().await).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn core_links_keep_the_claims_on_several_threads() {
    conformance::run(TwoClients::core().await).await.assert();
}

#[tokio::test]
async fn core_links_over_a_bad_network_keep_the_claims() {
    let fixture = TwoClients { faults: bad_network(), ..TwoClients::core().await };
    conformance::run(fixture).await.assert();
}

#[tokio::test]
async fn jetstream_links_keep_the_claims() {
    conformance::run(TwoClients::jetstream().await).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_links_keep_the_claims_on_several_threads() {
    conformance::run(TwoClients::jetstream().await).await.assert();
}

#[tokio::test]
async fn jetstream_links_over_a_bad_network_keep_the_claims() {
    let fixture = TwoClients { faults: bad_network(), ..TwoClients::jetstream().await };
    conformance::run(fixture).await.assert();
}
