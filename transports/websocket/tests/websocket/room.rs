//! A room for tests: a hub in memory, with a port for each that connects.
//! Not tests.

use std::{net::SocketAddr, path::Path, sync::Arc};

use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use stringphone_memory::{Hub, Limits};
use stringphone_servers::mosquitto::Certificates;
use stringphone_transport::{Channels, Frame, Link, Transport, framing};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};
use tokio_util::task::AbortOnDropHandle;

pub(crate) const MAX_FRAME: usize = 65 * 1024;

pub(crate) struct Room {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Room {
    pub(crate) async fn open() -> Self {
        Self::with(None).await
    }

    pub(crate) async fn behind_tls(certificates: &Certificates) -> Self {
        Self::with(Some(acceptor(
            &certificates.path("server.pem"),
            &certificates.path("server.key"),
        )))
        .await
    }

    async fn with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let (hub, accepted) =
            (Hub::with(Limits::default().max_frame(MAX_FRAME).queue(16)), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.lock().await.spawn(welcome(stream, tls.clone(), hub.clone()));
            }
        });
        Self { address, connections, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// Takes all connections down, as a failing network would.
    pub(crate) async fn cut(&self) {
        self.connections.lock().await.shutdown().await;
    }
}

fn acceptor(chain: &Path, key: &Path) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn welcome(stream: TcpStream, tls: Option<TlsAcceptor>, hub: Hub) {
    match tls {
        None => serve(stream, hub).await,
        Some(tls) => {
            // Where it fails, the client says why.
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, hub).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, hub: Hub) {
    let Ok(socket) = accept_async(stream).await else { return };
    let (mut write, mut read) = socket.split();
    let (owner, channels) = Channels::new([]);
    let Link { mut incoming, mut outgoing } = hub.port("peer").connect(channels).await.unwrap();
    let reading = async {
        while let Some(Ok(message)) = read.next().await {
            let Message::Binary(body) = message else { continue };
            let frame = framing::take_body(&body, MAX_FRAME).unwrap();
            owner.open(frame.channel.clone().unwrap());
            outgoing.send(frame).await.unwrap();
        }
    };
    let writing = async {
        while let Some(Ok(frame)) = incoming.next().await {
            if write.send(message(&frame)).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

pub(crate) fn message(frame: &Frame) -> Message {
    let mut body = BytesMut::new();
    framing::put_body(frame, &mut body);
    Message::Binary(body.freeze())
}

/// The room's side of a connection, for tests that play the room themselves.
pub(crate) type Server = WebSocketStream<TcpStream>;
