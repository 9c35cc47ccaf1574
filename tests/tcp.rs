//! Topics over real sockets: listeners that die, peers that misbehave.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use stringphone::tcp::{Limits, Tcp};
use stringphone::{Event, LinkId, Refusal, TopicError, TopicHandle, Transport};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Member 1 in a room of its own.
async fn gateway(address: SocketAddr) -> Result<(TopicHandle, SocketAddr), TopicError> {
    let mut limits = Limits::default();
    limits.partial_frame = Duration::from_millis(300);
    let mut room = Tcp::listen(address).limits(limits);
    let bound = room.bind().await?;
    assert_eq!(room.facts().name, format!("tcp room {bound}"));
    let gateway = member(1, &[2, 3]).start()?;
    attach(&gateway, room).await?;
    Ok((gateway, bound))
}

/// Members 2 and 3, connected to the room.
async fn devices(room: SocketAddr) -> Result<[TopicHandle; 2], TopicError> {
    let (lamp, phone) = (member(2, &[1, 3]).start()?, member(3, &[1, 2]).start()?);
    attach(&lamp, Tcp::connect(room)).await?;
    attach(&phone, Tcp::connect(room)).await?;
    Ok([lamp, phone])
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Publishes until it is heard: a room knows of a peer's channel a moment after it connected.
async fn heard_by(from: &TopicHandle, to: &TopicHandle, text: &str) -> Test {
    let mut heard = to.subscribe_raw().await?;
    let mut again = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            message = next(&mut heard) => {
                if message.body == text {
                    assert_eq!(message.from, from.participant().id());
                    return Ok(());
                }
            }
            _ = again.tick() => from.publish_raw(text.to_owned()).await?,
        }
    }
}

fn down(event: &Event) -> Option<LinkId> {
    if let Event::LinkDown { link, .. } = event { Some(*link) } else { None }
}

fn up(event: &Event) -> Option<LinkId> {
    if let Event::LinkUp { link, .. } = event { Some(*link) } else { None }
}

#[tokio::test]
async fn devices_go_on_by_themselves_after_their_listener_was_killed_and_restarted() -> Test {
    let (first, address) = gateway(anywhere()).await?;
    let [lamp, phone] = devices(address).await?;
    heard_by(&phone, &lamp, "on").await?;
    let mut events = [lamp.events().await?, phone.events().await?];

    let mut gateway_now = first;
    for round in 0..3 {
        gateway_now.stop().await?;
        for events in &mut events {
            event(events, down).await;
        }
        gateway_now = gateway(address).await?.0;
        for events in &mut events {
            event(events, up).await;
        }
        heard_by(&phone, &lamp, &format!("off {round}")).await?;
        heard_by(&lamp, &gateway_now, &format!("and the gateway hears it {round}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn garbage_half_a_frame_and_deaf_ears_trouble_nobody_else() -> Test {
    let (gateway, address) = gateway(anywhere()).await?;
    let [lamp, phone] = devices(address).await?;
    heard_by(&phone, &lamp, "before").await?;
    let mut garbage = TcpStream::connect(address).await?;
    garbage.write_all(&[0xff; 4096]).await?;
    let mut half = TcpStream::connect(address).await?;
    half.write_all(&[0, 0, 0, 50, 5, b'h', b'o']).await?;
    // Says that it listens to the house, and then never reads.
    let mut deaf = TcpStream::connect(address).await?;
    deaf.write_all(&[0, 0, 0, 6, 5, b'h', b'o', b'u', b's', b'e']).await?;

    heard_by(&phone, &lamp, "meanwhile").await?;
    heard_by(&gateway, &phone, "from the gateway").await?;
    // Both are put out: their connections end.
    for peer in [&mut garbage, &mut half] {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), peer.read_to_end(&mut rest)).await?;
    }
    heard_by(&phone, &lamp, "after").await?;
    for topic in [&gateway, &lamp, &phone] {
        assert_eq!(topic.stats().await?.lost, 0);
    }
    Ok(())
}

#[tokio::test]
async fn what_an_outsider_writes_into_a_room_is_refused_and_counted() -> Test {
    let (gateway, address) = gateway(anywhere()).await?;
    let mut events = gateway.events().await?;
    let mut outsider = TcpStream::connect(address).await?;
    let frame = [b"s".as_slice(), &[7; 200]].concat();
    let header = [0, 0, 0, 6 + 201, 5];
    outsider.write_all(&[&header, b"house".as_slice(), &frame].concat()).await?;
    let refused = |event: &Event| match event {
        Event::Refused(refusal) => Some(*refusal),
        _ => None,
    };
    assert_eq!(event(&mut events, refused).await, Refusal::UntrustedSender);
    Ok(())
}
