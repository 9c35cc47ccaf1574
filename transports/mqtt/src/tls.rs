//! TLS to a broker.
//! Not whom to trust, nor who we are: that is [`stringphone_transport::tls`].

use std::io;

pub use stringphone_transport::tls::Tls;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Makes a TLS connection to this host.
pub(crate) async fn shake_hands(
    tls: &Tls,
    host: &str,
    stream: TcpStream,
) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
    tls.connect(host, stream).await
}
