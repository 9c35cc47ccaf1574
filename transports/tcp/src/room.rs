//! The side that listens: a room of TCP streams.
//! Not who is in it and what becomes of them: that is [`stringphone_transport::room`].

use futures::{FutureExt, StreamExt};
use stringphone_transport::{
    address::Scheme,
    room::{Opening, Room, Wire},
};
use tokio::net::TcpStream;

use crate::{Limits, Tcp, stream};

/// A transport that is a room: reliable, with many channels.
///
/// The link is up as long as it is held; peers come and go within. Frames to and from peers are
/// taken as long as the link's incoming half is polled now and then, which also lets peers in.
///
/// ```
/// use stringphone_tcp::{Limits, Tcp};
///
/// let mut limits = Limits::default();
/// limits.peers = 8;
/// let room = Tcp::listen("127.0.0.1:0").limits(limits);
/// ```
pub type TcpRoom = Room<Tcp>;

impl Wire for Tcp {
    const NAME: &'static str = "tcp";
    const LISTEN: Scheme =
        Scheme { name: "tcp-listen", usage: "tcp-listen://ADDRESS:PORT, a room for others" };

    fn open(stream: TcpStream, limits: Limits) -> Opening {
        async move {
            let (reader, writer) = stream::split(stream, &limits)?;
            Ok((reader.boxed(), Box::pin(writer) as _))
        }
        .boxed()
    }
}
