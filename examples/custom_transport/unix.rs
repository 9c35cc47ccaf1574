//! Unix sockets as a transport: all that an adapter has to do.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use stringphone::transport::framing::{self, LengthPrefixed};
use stringphone::transport::{ChannelCount, Channels, Facts, Link, Transport, TransportError};
use tokio::net::{UnixListener, UnixStream};

const MAX_FRAME: usize = 64 * 1024;

#[derive(Clone)]
pub(crate) enum UnixSocket {
    Listens(Arc<UnixListener>),
    Connects(PathBuf),
}

#[async_trait]
impl Transport for UnixSocket {
    fn facts(&self) -> Facts {
        Facts::new("unix socket", MAX_FRAME).reliable()
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let stream = match self {
            Self::Listens(socket) => socket.accept().await.map(|(stream, _)| stream),
            Self::Connects(path) => UnixStream::connect(path).await,
        };
        let (reader, writer) = stream.map_err(TransportError::Connect)?.into_split();
        // One channel, so no frame names any.
        Ok(framing::link(reader, writer, LengthPrefixed::new(MAX_FRAME), ChannelCount::One))
    }
}
