//! Serial links keep the claims of every transport, over pseudo-terminals.
//! Not what noise and shared wires do to them: see `line`.

use std::time::Duration;

use async_trait::async_trait;
use stringphone_serial::{Serial, Settings};
use stringphone_servers::pty::Cable;
use stringphone_transport::{
    conformance::{self, Ends, Fixture, Pair, claims},
    faults::{Faults, Faulty},
};

/// The two ends of a cable that can be unplugged.
#[derive(Default)]
struct Cabled {
    settings: Settings,
    cable: Option<Cable>,
    faults: Option<Faults>,
}

#[async_trait]
impl Fixture for Cabled {
    async fn pair(&mut self) -> Pair {
        let cable = self.cable.insert(Cable::plug());
        let ports = cable.ports().each_ref();
        let [first, second] =
            ports.map(|port| Serial::at(port.display().to_string()).settings(self.settings));
        match self.faults.clone() {
            None => Pair::new(first, second),
            Some(faults) => {
                Pair::new(Faulty::new(first, faults.clone()), Faulty::new(second, faults))
            }
        }
    }

    async fn cut(&mut self) -> Ends {
        self.cable.as_mut().unwrap().replug();
        Ends::Both
    }
}

#[tokio::test]
async fn two_ports_keep_the_claims() {
    conformance::run(Cabled::default()).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ports_keep_the_claims_on_several_threads() {
    let mut settings = Settings::default();
    settings.max_frame = 5000;
    conformance::run(Cabled { settings, ..Cabled::default() }).await.assert();
}

#[tokio::test]
async fn two_ports_that_take_turns_keep_the_claims() {
    let mut settings = Settings::default();
    settings.baud = 4_000_000;
    settings.max_frame = 200;
    settings.half_duplex = true;
    let report = conformance::run(Cabled { settings, ..Cabled::default() }).await;
    // Its check sends 2000 frames in five seconds, for which turns are too long.
    assert_eq!(report.failed(), [claims::DROPPED], "{report}");
}

#[tokio::test]
async fn two_ports_on_a_bad_line_keep_the_claims() {
    let delay = Duration::ZERO..Duration::from_millis(5);
    let faults = Faults::seeded(7).loss(0.1).duplicate(0.05).reorder(0.1).delay(delay);
    conformance::run(Cabled { faults: Some(faults), ..Cabled::default() }).await.assert();
}
