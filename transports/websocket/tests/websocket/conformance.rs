//! Clients and rooms keep the claims of every transport, over real sockets.
//! Not what they do to those who misbehave: see `misbehaviour` and `listening`.

use std::time::Duration;

use async_trait::async_trait;
use stringphone_servers::mosquitto::Certificates;
use stringphone_transport::{
    conformance::{self, Ends, Fixture, Pair},
    faults::{Faults, Faulty},
};
use stringphone_websocket::{WebSocket, WebSocketClient};

use crate::{attended::Attended, room::Room};

async fn room_and_client() -> (Attended, WebSocketClient) {
    let mut room = WebSocket::listen("127.0.0.1:0");
    let address = room.bind().await.unwrap();
    (Attended(room), WebSocket::connect(address))
}

struct RoomFirst;

#[async_trait]
impl Fixture for RoomFirst {
    async fn pair(&mut self) -> Pair {
        let (room, client) = room_and_client().await;
        Pair::new(room, client)
    }
}

#[tokio::test]
async fn a_room_and_a_client_keep_the_claims() {
    conformance::run(RoomFirst).await.assert();
}

struct ClientFirst;

#[async_trait]
impl Fixture for ClientFirst {
    async fn pair(&mut self) -> Pair {
        let (room, client) = room_and_client().await;
        Pair::new(client, room)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_and_a_room_keep_the_claims_on_several_threads() {
    conformance::run(ClientFirst).await.assert();
}

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
