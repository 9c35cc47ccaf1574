//! What a client says to a room that behaves.
//! Not the claims of every transport: see `conformance`.

use std::{future::Future, time::Duration};

use futures::{SinkExt, StreamExt};
use stringphone_transport::{ChannelName, Channels, ChannelsOwner, Frame, Link, Transport};
use stringphone_websocket::WebSocket;
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use crate::room::{Server, message};

pub(crate) fn on(channel: &str, bytes: impl Into<bytes::Bytes>) -> Frame {
    Frame::on(ChannelName::try_from(channel).unwrap(), bytes)
}

/// A client with the channel `x` open, and the room's side of its connection.
pub(crate) async fn connected() -> (Link, ChannelsOwner, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = WebSocket::connect(listener.local_addr().unwrap()).path("/a room/1");
    let (owner, channels) = Channels::new([ChannelName::try_from("x").unwrap()]);
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        accept_hdr_async(stream, asks_for_the_path).await.unwrap()
    };
    let (link, server) = tokio::join!(client.connect(channels), accepting);
    (link.unwrap(), owner, server)
}

#[allow(clippy::result_large_err, reason = "the library asks for it")]
fn asks_for_the_path(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.uri(), "/a%20room/1");
    Ok(response)
}

/// The next message.
pub(crate) async fn heard(server: &mut Server) -> Message {
    soon(server.next()).await.unwrap().unwrap()
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), event).await.expect("nothing happens")
}

#[tokio::test]
async fn channels_are_announced_by_empty_frames_at_once_and_when_they_open() {
    let (mut link, owner, mut server) = connected().await;
    assert_eq!(heard(&mut server).await, Message::binary(&b"\x01x"[..]));
    owner.open(ChannelName::try_from("late").unwrap());
    assert_eq!(heard(&mut server).await, Message::binary(&b"\x04late"[..]));
    link.outgoing.send(on("x", "hello")).await.unwrap();
    assert_eq!(heard(&mut server).await, Message::binary(&b"\x01xhello"[..]));
}

#[tokio::test]
async fn frames_come_out_of_messages_and_empty_ones_do_not() {
    let (mut link, _owner, mut server) = connected().await;
    server.send(message(&on("x", ""))).await.unwrap();
    server.send(message(&on("y", "hello"))).await.unwrap();
    assert_eq!(link.incoming.next().await.unwrap().unwrap(), on("y", "hello"));
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (mut link, _owner, mut server) = connected().await;
    server.send(Message::Ping("there?".into())).await.unwrap();
    let answered = async { while heard(&mut server).await != Message::Pong("there?".into()) {} };
    tokio::select! {
        () = answered => {}
        item = link.incoming.next() => panic!("{item:?}"),
    }
}

#[tokio::test]
async fn closing_writes_what_waits_and_says_good_bye() {
    let (mut link, _owner, mut server) = connected().await;
    assert_eq!(heard(&mut server).await, message(&on("x", "")));
    for number in 0..50 {
        link.outgoing.feed(on("x", vec![number])).await.unwrap();
    }
    link.outgoing.close().await.unwrap();
    drop(link);
    for number in 0..50 {
        assert_eq!(heard(&mut server).await, message(&on("x", vec![number])));
    }
    assert!(matches!(heard(&mut server).await, Message::Close(_)));
}

#[tokio::test]
async fn dropping_the_link_ends_its_task_and_closes_the_socket() {
    let (link, _owner, mut server) = connected().await;
    drop(link);
    soon(async { while let Some(Ok(_)) = server.next().await {} }).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_there_is_asked_every_half_minute_and_the_link_stays() {
    let (mut link, _owner, mut server) = connected().await;
    let start = tokio::time::Instant::now();
    let pings = async {
        for number in 1..=20 {
            while !server.next().await.unwrap().unwrap().is_ping() {}
            assert_eq!(start.elapsed().as_secs(), number * 30);
        }
    };
    tokio::select! {
        () = pings => {}
        item = link.incoming.next() => panic!("{item:?}"),
    }
}
