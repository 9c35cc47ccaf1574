//! Two clients in a room keep the claims of every transport, over real sockets.
//! Not what a room may do to them: see `misbehaviour`.

use std::time::Duration;

use async_trait::async_trait;
use stringphone_servers::mosquitto::Certificates;
use stringphone_transport::{
    conformance::{self, Ends, Fixture, Pair},
    faults::{Faults, Faulty},
};
use stringphone_websocket::{WebSocket, WebSocketClient};

use crate::room::Room;

#[derive(Default)]
struct TwoClients {
    room: Option<Room>,
    faults: Option<Faults>,
    certificates: Option<Certificates>,
}

impl TwoClients {
    async fn clients(&mut self) -> [WebSocketClient; 2] {
        let room = match &self.certificates {
            None => Room::open().await,
            Some(certificates) => Room::behind_tls(certificates).await,
        };
        let clients = [(); 2].map(|()| {
            let client = WebSocket::connect(room.address).path("/a room");
            match &self.certificates {
                None => client,
                Some(certificates) => client.ca_file(certificates.path("ca.pem")),
            }
        });
        self.room = Some(room);
        clients
    }
}

#[async_trait]
impl Fixture for TwoClients {
    async fn pair(&mut self) -> Pair {
        let [first, second] = self.clients().await;
        match self.faults.clone() {
            None => Pair::new(first, second),
            Some(faults) => {
                Pair::new(Faulty::new(first, faults.clone()), Faulty::new(second, faults))
            }
        }
    }

    async fn cut(&mut self) -> Ends {
        self.room.as_ref().unwrap().cut().await;
        Ends::Both
    }
}

#[tokio::test]
async fn two_clients_in_a_room_keep_the_claims() {
    conformance::run(TwoClients::default()).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_behind_tls_keep_the_claims_on_several_threads() {
    let certificates = Some(Certificates::make());
    conformance::run(TwoClients { certificates, ..TwoClients::default() }).await.assert();
}

#[tokio::test]
async fn two_clients_over_a_bad_network_keep_the_claims_of_unreliable_links() {
    let delay = Duration::ZERO..Duration::from_millis(5);
    let faults = Faults::seeded(7).loss(0.1).duplicate(0.05).reorder(0.1).delay(delay);
    let fixture = TwoClients { faults: Some(faults), ..TwoClients::default() };
    conformance::run(fixture).await.assert();
}
