//! MQTT links keep the claims of every transport, by way of a real broker.
//! Not what is peculiar to MQTT: see `broker.rs` and `hostile.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use async_trait::async_trait;
use stringphone_mqtt::{Encoding, Mqtt, Qos, Version};
use stringphone_servers::mosquitto::{Mosquitto, Settings};
use stringphone_transport::{
    conformance::{self, Ends, Fixture, Pair},
    faults::{Faults, Faulty},
};

/// Two clients of a broker that can fail.
struct TwoClients<F> {
    broker: Mosquitto,
    client: F,
    faults: Option<Faults>,
    pairs: u32,
}

impl<F: Fn(Mqtt) -> Mqtt> TwoClients<F> {
    fn new(client: F) -> Self {
        // More than that it drops for a slow reader, as a large broker would not.
        let broker = Settings::default().with_line("max_queued_messages 10000").start();
        Self { broker, client, faults: None, pairs: 0 }
    }

    /// With a prefix of their own, since the broker may have messages of the pair before.
    fn client(&self) -> Mqtt {
        let prefix = format!("pair/{}", self.pairs);
        (self.client)(Mqtt::broker(format!("127.0.0.1:{}", self.broker.port())).prefix(prefix))
    }
}

#[async_trait]
impl<F: Fn(Mqtt) -> Mqtt + Send> Fixture for TwoClients<F> {
    async fn pair(&mut self) -> Pair {
        self.pairs += 1;
        let (first, second) = (self.client(), self.client());
        match self.faults.clone() {
            None => Pair::new(first, second),
            Some(faults) => {
                Pair::new(Faulty::new(first, faults.clone()), Faulty::new(second, faults))
            }
        }
    }

    async fn cut(&mut self) -> Ends {
        self.broker.restart();
        Ends::Both
    }
}

#[tokio::test]
async fn mqtt_5_keeps_the_claims() {
    conformance::run(TwoClients::new(|mqtt| mqtt)).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_5_keeps_the_claims_with_qos_0_on_several_threads() {
    conformance::run(TwoClients::new(|mqtt| mqtt.qos(Qos::AtMostOnce))).await.assert();
}

#[tokio::test]
async fn mqtt_3_1_1_keeps_the_claims() {
    conformance::run(TwoClients::new(|mqtt| mqtt.version(Version::V3_1_1))).await.assert();
}

#[tokio::test]
async fn mqtt_3_1_1_keeps_the_claims_with_qos_0() {
    let client = |mqtt: Mqtt| mqtt.version(Version::V3_1_1).qos(Qos::AtMostOnce);
    conformance::run(TwoClients::new(client)).await.assert();
}

#[tokio::test]
async fn hexadecimal_frames_keep_the_claims() {
    conformance::run(TwoClients::new(|mqtt| mqtt.encoding(Encoding::Hex))).await.assert();
}

#[tokio::test]
async fn mqtt_over_a_bad_network_keeps_the_claims_of_unreliable_links() {
    let delay = Duration::ZERO..Duration::from_millis(5);
    let faults = Faults::seeded(7).loss(0.1).duplicate(0.05).reorder(0.1).delay(delay);
    let mut fixture = TwoClients::new(|mqtt| mqtt);
    fixture.faults = Some(faults);
    conformance::run(fixture).await.assert();
}
