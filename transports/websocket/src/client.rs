//! The side that connects: TCP, TLS if it is asked for, and the handshake of WebSocket.
//! Not the frames: see `link`.

use std::{io, path::PathBuf, time::Duration};

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use stringphone_transport::{Channels, Facts, Link, Transport, TransportError, tls::Tls};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::{
    link::{self, Bytes},
    messages::config,
};

/// The largest frame, in bytes; 65 KiB, as with TCP.
pub(crate) const MAX_FRAME: usize = 65 * 1024;

/// How long `connect` may take.
const CONNECT: Duration = Duration::from_secs(10);

/// What a path may hold as it is.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where WebSocket transports come from.
#[derive(Clone, Copy, Debug)]
pub struct WebSocket;

impl WebSocket {
    /// A transport that connects to the room at `address`, as in `hub:7780`, without TLS.
    ///
    /// The name is looked up again at every [`connect`](Transport::connect).
    pub fn connect(address: impl ToString) -> WebSocketClient {
        WebSocketClient { address: address.to_string(), path: "/".into(), tls: None }
    }
}

/// A transport that connects to a room: reliable, with many channels.
///
/// It hears the channels that are open when it connects or opened later. One that is closed goes
/// on arriving until the link is connected again: the carrier drops what nobody wants.
#[derive(Debug)]
pub struct WebSocketClient {
    address: String,
    path: String,
    tls: Option<Tls>,
}

impl WebSocketClient {
    /// The room at this path of the server, as in `/home`; `/` by default.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Speaks TLS, and trusts whom the operating system trusts.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = Some(Tls::new());
        self
    }

    /// Speaks TLS, and trusts the certificates in this file, as PEM, and no others. The file is read
    /// again for every connection.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls = Some(Tls::new().ca_file(path));
        self
    }

    pub(crate) fn trust(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "wss" } else { "ws" }
    }

    fn url(&self) -> String {
        let path = utf8_percent_encode(self.path.trim_start_matches('/'), PATH);
        format!("{}://{}/{path}", self.scheme(), self.address)
    }

    async fn open(&self) -> io::Result<WebSocketStream<Box<dyn Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Bytes> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(self.host(), stream).await?),
        };
        let opening = client_async_with_config(self.url(), stream, Some(config(MAX_FRAME)));
        opening.await.map(|(socket, _)| socket).map_err(io::Error::other)
    }
}

#[async_trait]
impl Transport for WebSocketClient {
    fn facts(&self) -> Facts {
        let name =
            format!("{} {}/{}", self.scheme(), self.address, self.path.trim_start_matches('/'));
        Facts::new(name, MAX_FRAME).reliable().many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let opened = timeout(CONNECT, self.open()).await;
        let opened = opened
            .map_err(|_| TransportError::Timeout { what: "connecting", after: CONNECT })?
            .map_err(TransportError::Connect)?;
        Ok(link::link(opened, channels))
    }
}
