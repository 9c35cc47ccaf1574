//! The two halves of a link: datagrams as frames.
//! Not the sockets' options: see `group`.

use std::{
    io,
    net::{IpAddr, UdpSocket as StdSocket},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{Sink, Stream};
use socket2::SockRef;
use stringphone_transport::{ChannelCount, Frame, Link, TransportError, framing};
use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use crate::group::Group;

/// Bytes of a sender.
pub(crate) const SENDER: usize = 8;

/// Whom a datagram is from.
pub(crate) type Sender = [u8; SENDER];

/// No datagram is larger, in bytes.
const BUFFER: usize = 65_536;

/// How often the link looks whether the network has changed.
const LOOK: Duration = Duration::from_secs(10);

/// Frames of at most `max_frame` bytes through two sockets.
pub(crate) fn link(
    group: Group,
    sender: Sender,
    hears: StdSocket,
    speaks: StdSocket,
    max_frame: usize,
) -> io::Result<Link> {
    let source = speaks.local_addr()?.ip();
    let mut look = interval_at(Instant::now() + LOOK, LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let datagrams = Datagrams {
        socket: UdpSocket::from_std(hears)?,
        buffer: vec![0; BUFFER],
        own: sender,
        max_frame,
        group,
        source,
        look,
    };
    let socket = UdpSocket::from_std(speaks)?;
    let outgoing = Outgoing { socket, own: sender, max_frame, datagram: vec![] };
    Ok(Link::new(framing::incoming(datagrams, ChannelCount::Many), outgoing))
}

/// What others say, frames and garbage.
struct Datagrams {
    socket: UdpSocket,
    buffer: Vec<u8>,
    own: Sender,
    max_frame: usize,
    group: Group,
    /// Where our datagrams came from when the group was joined.
    source: IpAddr,
    look: Interval,
}

impl Stream for Datagrams {
    type Item = Result<Result<Frame, TransportError>, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Err(error) = this.poll_look(cx) {
            return Poll::Ready(Some(Err(error.into())));
        }
        loop {
            let mut buffer = ReadBuf::new(&mut this.buffer);
            // Tokio makes it wait now and then, so an endless flood of echoes stops nobody else.
            match ready!(this.socket.poll_recv(cx, &mut buffer)) {
                Ok(()) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            if let Some(item) = read(buffer.filled(), this.own, this.max_frame).transpose() {
                return Poll::Ready(Some(Ok(item)));
            }
        }
    }
}

impl Datagrams {
    /// Fails once the group is reached another way than in the beginning. No socket tells: it stays
    /// joined on an interface that nobody uses any more, and keeps an address that we had.
    fn poll_look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.look.poll_tick(cx).is_ready() {
            let source = self.group.source()?;
            if source != self.source {
                let why = format!("the network has changed: {source} was {}", self.source);
                return Err(io::Error::other(why));
            }
            if self.group.join(&SockRef::from(&self.socket)).is_ok() {
                return Err(io::Error::other("the network has changed: the interface is another"));
            }
        }
        Ok(())
    }
}

/// A frame of somebody else, or nothing where it is our own.
fn read(datagram: &[u8], own: Sender, max_frame: usize) -> Result<Option<Frame>, TransportError> {
    let garbage = |reason| TransportError::Malformed { dropped: 1, reason };
    let (sender, body) =
        datagram.split_first_chunk().ok_or(garbage("the datagram is too short"))?;
    if *sender == own {
        return Ok(None);
    }
    framing::take_body(body, max_frame).map(Some).map_err(garbage)
}

struct Outgoing {
    socket: UdpSocket,
    own: Sender,
    max_frame: usize,
    /// What waits to be sent; empty if nothing does.
    datagram: Vec<u8>,
}

impl Outgoing {
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if !self.datagram.is_empty() {
            let sent = ready!(self.socket.poll_send(cx, &self.datagram));
            self.datagram.clear();
            sent?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_sent(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        frame.check(self.max_frame, ChannelCount::Many)?;
        // An empty frame has nobody to hear it.
        if !frame.bytes.is_empty() {
            let own = self.own;
            self.datagram.extend_from_slice(&own);
            framing::put_body(&frame, &mut self.datagram);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_sent(cx)
    }

    /// Gives up on a datagram that the system does not take at once.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.poll_sent(cx) {
            Poll::Ready(sent) => Poll::Ready(sent),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::net::Ipv4Addr;

    use futures::StreamExt;
    use tokio::time::timeout;

    use super::*;

    /// A link on the loopback interface that was brought up when we had this address.
    fn link_from(source: &str, hears: impl FnOnce(Group) -> StdSocket) -> Link {
        let group = Group::new("239.77.83.81:20000".parse().unwrap()).unwrap();
        let group = group.on("127.0.0.1").unwrap();
        let speaks = StdSocket::bind((source, 0)).unwrap();
        speaks.set_nonblocking(true).unwrap();
        link(group, [7; SENDER], hears(group), speaks, 100).unwrap()
    }

    fn joined(group: Group) -> StdSocket {
        group.receiver().unwrap()
    }

    fn joined_elsewhere(group: Group) -> StdSocket {
        let socket = joined(group);
        let group = Ipv4Addr::new(239, 77, 83, 81);
        socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        socket
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_has_changed_takes_the_link_down() {
        let mut moved = link_from("127.0.0.2", joined);
        let error = timeout(LOOK * 2, moved.incoming.next()).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(&error, TransportError::Io(_)), "{error}");
        assert!(error.to_string().contains("127.0.0.1 was 127.0.0.2"), "{error}");
        assert!(moved.incoming.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_interface_that_was_replaced_takes_the_link_down() {
        let mut moved = link_from("127.0.0.1", joined_elsewhere);
        let error = timeout(LOOK * 2, moved.incoming.next()).await.unwrap().unwrap().unwrap_err();
        assert!(error.to_string().contains("interface"), "{error}");
        assert!(moved.incoming.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_stays_keeps_the_link_up() {
        let mut stays = link_from("127.0.0.1", joined);
        assert!(timeout(LOOK * 10, stays.incoming.next()).await.is_err());
    }
}
