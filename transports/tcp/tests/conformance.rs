//! Clients and rooms keep the claims of every transport, over real sockets.
//! Not what a room does to those who misbehave: see `room.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use stringphone_servers::network::Network;
use stringphone_tcp::{Tcp, TcpClient, TcpRoom};
use stringphone_transport::{
    Channels, Transport,
    conformance::{self, Ends, Fixture, Pair},
    faults::{Faults, Faulty},
};
use tokio_util::task::AbortOnDropHandle;

async fn room() -> (TcpRoom, SocketAddr) {
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await.unwrap();
    (room, address)
}

fn client(address: SocketAddr) -> TcpClient {
    Tcp::connect(address.to_string())
}

struct RoomFirst;

#[async_trait]
impl Fixture for RoomFirst {
    async fn pair(&mut self) -> Pair {
        let (room, address) = room().await;
        Pair::new(room, client(address))
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
        let (room, address) = room().await;
        Pair::new(client(address), room)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_and_a_room_keep_the_claims_on_several_threads() {
    conformance::run(ClientFirst).await.assert();
}

/// Two clients in a room whose own carrier listens to nothing, behind a network that can fail.
#[derive(Default)]
struct TwoClients {
    room: Option<AbortOnDropHandle<()>>,
    network: Option<Network>,
    faults: Option<Faults>,
}

impl TwoClients {
    async fn clients(&mut self) -> [TcpClient; 2] {
        let (mut room, address) = room().await;
        self.room = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let (_owner, channels) = Channels::new([]);
            let mut link = room.connect(channels).await.unwrap();
            while link.incoming.next().await.is_some() {}
        })));
        let network = Network::to(address).await;
        let clients = [client(network.address), client(network.address)];
        self.network = Some(network);
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
        self.network.as_ref().unwrap().cut().await;
        Ends::Both
    }
}

#[tokio::test]
async fn two_clients_in_a_room_keep_the_claims() {
    conformance::run(TwoClients::default()).await.assert();
}

#[tokio::test]
async fn two_clients_over_a_bad_network_keep_the_claims_of_unreliable_links() {
    let delay = Duration::ZERO..Duration::from_millis(5);
    let faults = Faults::seeded(7).loss(0.1).duplicate(0.05).reorder(0.1).delay(delay);
    let fixture = TwoClients { faults: Some(faults), ..TwoClients::default() };
    conformance::run(fixture).await.assert();
}
