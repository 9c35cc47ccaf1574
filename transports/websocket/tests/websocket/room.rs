//! A room whose own carrier listens to nothing, behind a proxy that can fail.
//! Not tests.

use std::{net::SocketAddr, path::Path, sync::Arc};

use bytes::BytesMut;
use futures::StreamExt;
use stringphone_servers::mosquitto::Certificates;
use stringphone_transport::{Channels, Frame, Transport, framing};
use stringphone_websocket::WebSocket;
use tokio::{
    io::copy_bidirectional,
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
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::task::AbortOnDropHandle;

pub(crate) const MAX_FRAME: usize = 65 * 1024;

pub(crate) struct Room {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<JoinSet<()>>>,
    _tasks: [AbortOnDropHandle<()>; 2],
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
        let mut room = WebSocket::listen("127.0.0.1:0");
        let inner = room.bind().await.unwrap();
        let carrier = AbortOnDropHandle::new(tokio::spawn(async move {
            let (_owner, channels) = Channels::new([]);
            let mut link = room.connect(channels).await.unwrap();
            while link.incoming.next().await.is_some() {}
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let accepted = Arc::clone(&connections);
        let accepting = AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.lock().await.spawn(pass_on(stream, tls.clone(), inner));
            }
        }));
        Self { address, connections, _tasks: [carrier, accepting] }
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

async fn pass_on(mut near: TcpStream, tls: Option<TlsAcceptor>, room: SocketAddr) {
    let mut far = TcpStream::connect(room).await.unwrap();
    // Where it fails, the client says why.
    let _ = match tls {
        None => copy_bidirectional(&mut near, &mut far).await,
        Some(tls) => match tls.accept(near).await {
            Ok(mut near) => copy_bidirectional(&mut near, &mut far).await,
            Err(error) => Err(error),
        },
    };
}

pub(crate) fn message(frame: &Frame) -> Message {
    let mut body = BytesMut::new();
    framing::put_body(frame, &mut body);
    Message::Binary(body.freeze())
}

/// The room's side of a connection, for tests that play the room themselves.
pub(crate) type Server = WebSocketStream<TcpStream>;
