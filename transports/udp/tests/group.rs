//! Who hears whom in a group, and what becomes of that which is no frame.
//! Not the claims of every transport: see `conformance.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::atomic::{AtomicU16, Ordering::SeqCst},
    time::Duration,
};

use futures::{SinkExt, StreamExt, future::join_all};
use socket2::{Domain, SockRef, Socket, Type};
use stringphone_transport::{ChannelName, Channels, Frame, Link, Transport, TransportError};
use stringphone_udp::Udp;
use tokio::time::timeout;

/// A group that nobody else uses.
fn group() -> String {
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    format!("239.{high}.{low}.2:{}", PORT.fetch_add(1, SeqCst))
}

/// One of the group, on the loopback interface.
fn member(group: &str) -> Udp {
    Udp::multicast(group).unwrap().interface("127.0.0.1").unwrap()
}

async fn connected(udp: &mut Udp) -> Link {
    let (_owner, channels) = Channels::new([]);
    udp.connect(channels).await.unwrap()
}

fn on(channel: &str, bytes: &[u8]) -> Frame {
    Frame::on(ChannelName::try_from(channel).unwrap(), bytes.to_vec())
}

async fn next(link: &mut Link) -> Result<Frame, TransportError> {
    let next = timeout(Duration::from_secs(5), link.incoming.next()).await;
    next.expect("nothing came").expect("the stream ended")
}

/// Says anything to a group.
fn stranger(group: &str) -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    SockRef::from(&socket).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    socket.connect(group).unwrap();
    socket
}

#[tokio::test]
async fn three_in_a_group_hear_each_other_and_not_themselves() {
    let group = group();
    let mut links = join_all((0..3).map(|_| {
        let group = &group;
        async move { connected(&mut member(group)).await }
    }))
    .await;
    for (from, link) in (0..).zip(&mut links) {
        link.outgoing.send(on("x", &[from])).await.unwrap();
    }
    for (own, link) in (0..).zip(&mut links) {
        // Datagrams on one machine keep their order, so an echo would come in between.
        for from in (0..3).filter(|from| *from != own) {
            assert_eq!(next(link).await.unwrap(), on("x", &[from]));
        }
    }
}

#[tokio::test]
async fn groups_that_share_a_port_are_kept_apart() {
    let port = group().split_once(':').unwrap().1.to_owned();
    let [here, elsewhere] = ["239.77.1.1", "239.77.1.2"].map(|ip| format!("{ip}:{port}"));
    let mut link = connected(&mut member(&here)).await;
    let mut other = connected(&mut member(&elsewhere)).await;
    other.outgoing.send(on("x", b"elsewhere")).await.unwrap();
    connected(&mut member(&here)).await.outgoing.send(on("x", b"here")).await.unwrap();
    assert_eq!(next(&mut link).await.unwrap(), on("x", b"here"));
}

#[tokio::test]
async fn each_datagram_that_is_no_frame_is_reported_and_the_next_frame_arrives() {
    let group = group();
    let mut link = connected(&mut member(&group)).await;
    let stranger = stranger(&group);
    let from = b"whoever?";
    let garbage: [(&[u8], &str); 8] = [
        (b"", "too short"),
        (b"seven b", "too short"),
        (b"", "channel length"),
        (b"\x09x", "channel is longer than what"),
        (b"\x00no channel", "names no channel"),
        (b"\x01\xff!", "UTF-8"),
        (&[65; 80], "64 bytes"),
        (&[&b"\x01x"[..], &[7; 1328]].concat(), "too large"),
    ];
    for (at, (body, word)) in garbage.iter().enumerate() {
        let datagram = if at < 2 { body.to_vec() } else { [from, *body].concat() };
        stranger.send(&datagram).unwrap();
        let reported = next(&mut link).await;
        let Err(TransportError::Malformed { dropped: 1, reason }) = reported else {
            panic!("{word}: {reported:?}")
        };
        assert!(reason.contains(word), "{reason}");
    }
    stranger.send(&[&from[..], b"\x01x"].concat()).unwrap(); // an empty frame is none
    stranger.send(&[&from[..], b"\x01xhello"].concat()).unwrap();
    assert_eq!(next(&mut link).await.unwrap(), on("x", b"hello"));
}

#[tokio::test]
async fn what_is_sent_looks_like_this_on_the_wire_and_names_the_same_sender_on_each_link() {
    let group = group();
    let address: SocketAddrV4 = group.parse().unwrap();
    let listener = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    listener.set_reuse_address(true).unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.join_multicast_v4(address.ip(), &Ipv4Addr::LOCALHOST).unwrap();
    let listener = UdpSocket::from(listener);
    let datagram = || {
        let mut buffer = [0; 100];
        let len = listener.recv(&mut buffer).unwrap();
        let (sender, body) = buffer.get(..len).unwrap().split_at(8);
        (sender.to_vec(), body.to_vec())
    };
    let mut member = member(&group);
    let mut link = connected(&mut member).await;
    link.outgoing.send(on("x", b"")).await.unwrap(); // not sent
    link.outgoing.send(on("x", b"hello")).await.unwrap();
    let (sender, body) = datagram();
    assert_eq!(body, b"\x01xhello");
    drop(link);
    connected(&mut member).await.outgoing.send(on("x", b"again")).await.unwrap();
    assert_eq!(datagram(), (sender, b"\x01xagain".to_vec()));
}

#[tokio::test]
async fn a_flood_that_is_not_read_is_lost_and_what_comes_after_it_arrives() {
    let group = group();
    let mut link = connected(&mut member(&group)).await;
    let mut flooder = connected(&mut member(&group)).await;
    let sent = 20_000;
    for _ in 0..sent {
        flooder.outgoing.send(on("x", &[7; 1327])).await.unwrap();
    }
    let mut kept = 0;
    while timeout(Duration::from_millis(200), link.incoming.next()).await.is_ok() {
        kept += 1;
    }
    assert!(kept < sent / 2, "{kept} waited");
    flooder.outgoing.send(on("x", b"after")).await.unwrap();
    assert_eq!(next(&mut link).await.unwrap(), on("x", b"after"));
}

#[tokio::test]
async fn a_link_that_is_dropped_frees_its_port() {
    let group = group();
    let link = connected(&mut member(&group)).await;
    // Without the option to share, it is ours alone or not at all.
    assert!(UdpSocket::bind(&group).is_err());
    drop(link);
    UdpSocket::bind(&group).unwrap();
}

#[tokio::test]
async fn a_port_or_an_interface_that_can_t_be_had_is_a_typed_error() {
    let group = group();
    let (_owner, channels) = Channels::new([]);
    let taken = UdpSocket::bind(&group).unwrap();
    let refused = member(&group).connect(channels.clone()).await;
    assert!(matches!(refused, Err(TransportError::Connect(_))), "{refused:?}");
    drop(taken);
    let mut nowhere = Udp::multicast(&group).unwrap().interface("203.0.113.77").unwrap();
    let refused = nowhere.connect(channels).await;
    assert!(matches!(refused, Err(TransportError::Connect(_))), "{refused:?}");
}

/// On the interface that the system chooses, which unlike the loopback interface hands datagrams
/// back only to those who ask for it, and has IPv6 groups.
async fn two_of_one_machine_hear_each_other_in(group: &str) {
    let udp = || Udp::multicast(group).unwrap();
    let (_owner, channels) = Channels::new([]);
    let mut link = match udp().connect(channels).await {
        Ok(link) => link,
        Err(error) => return eprintln!("NOT TESTED: {group} without such a network: {error}"),
    };
    connected(&mut udp()).await.outgoing.send(on("x", b"hello")).await.unwrap();
    assert_eq!(next(&mut link).await.unwrap(), on("x", b"hello"));
}

#[tokio::test]
async fn two_of_one_machine_hear_each_other_on_a_network() {
    two_of_one_machine_hear_each_other_in(&group()).await;
}

#[tokio::test]
async fn two_of_one_machine_hear_each_other_by_ipv6() {
    let port = group().split_once(':').unwrap().1.to_owned();
    two_of_one_machine_hear_each_other_in(&format!("[ff05::4d53]:{port}")).await;
}
