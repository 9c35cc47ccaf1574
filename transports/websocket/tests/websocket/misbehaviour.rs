//! What becomes of a link whose other side does not do as it should.
//! Not what a client does itself: see `wire`.

use std::{future::Future, time::Duration};

use futures::{SinkExt, StreamExt};
use stringphone_servers::mosquitto::Certificates;
use stringphone_transport::{Channels, Link, Transport, TransportError};
use stringphone_websocket::WebSocket;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    room::{MAX_FRAME, Room, Server, message},
    wire::{connected, heard, on},
};

#[tokio::test]
async fn each_message_that_is_no_frame_is_reported_and_the_next_frame_arrives() {
    let (mut link, _owner, mut server) = connected().await;
    let too_large = [&b"\x01x"[..], &vec![7; MAX_FRAME + 1]].concat();
    for (garbage, word) in [
        (Message::text("\x01xhello"), "text"),
        (Message::binary(vec![]), "channel length"),
        (Message::binary(&b"\x09x"[..]), "longer than what carries it"),
        (Message::binary(&b"\x00hello"[..]), "names no channel"),
        (Message::binary(too_large), "too large"),
    ] {
        server.send(garbage).await.unwrap();
        let reported = link.incoming.next().await.unwrap();
        let Err(TransportError::Malformed { dropped: 1, reason }) = reported else {
            panic!("{word}: {reported:?}")
        };
        assert!(reason.contains(word), "{reason}");
    }
    server.send(message(&on("x", "hello"))).await.unwrap();
    assert_eq!(link.incoming.next().await.unwrap().unwrap(), on("x", "hello"));
}

/// What both halves say after the room has done this to its stream.
async fn ends_with<F: Future<Output = TcpStream>>(
    misbehave: impl FnOnce(TcpStream) -> F,
) -> TransportError {
    let (mut link, _owner, server) = connected().await;
    let _stream = misbehave(server.into_inner()).await;
    let ends = timeout(Duration::from_secs(90), link.incoming.next()).await;
    let error = ends.expect("nothing happens").unwrap().unwrap_err();
    assert!(link.incoming.next().await.is_none());
    until_sending_fails(&mut link).await;
    error
}

async fn until_sending_fails(link: &mut Link) {
    while link.outgoing.send(on("x", vec![0; MAX_FRAME])).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_by_its_length_alone() {
    let error = ends_with(|mut stream| async {
        // Binary, in one piece, of a gibibyte, of which nothing follows.
        stream.write_all(&[0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]).await.unwrap();
        stream
    });
    assert!(matches!(error.await, TransportError::Framing("a message is longer than any frame")));
}

#[tokio::test]
async fn a_message_that_is_too_long_in_many_pieces_is_refused() {
    let error = ends_with(|mut stream| async {
        let kibibyte = vec![7; 1024];
        stream.write_all(&[0x02, 126, 0x04, 0]).await.unwrap();
        for _ in 0..70 {
            stream.write_all(&kibibyte).await.unwrap();
            stream.write_all(&[0x00, 126, 0x04, 0]).await.unwrap();
        }
        stream
    });
    assert!(matches!(error.await, TransportError::Framing("a message is longer than any frame")));
}

#[tokio::test]
async fn what_is_no_websocket_takes_the_link_down() {
    let error = ends_with(|mut stream| async {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(9).as_slice()).await.unwrap();
        stream
    });
    assert!(matches!(error.await, TransportError::Framing("that is no WebSocket")));
}

#[tokio::test]
async fn a_room_that_leaves_takes_the_link_down() {
    let error = ends_with(|mut stream| async {
        stream.shutdown().await.unwrap();
        stream
    });
    assert!(matches!(error.await, TransportError::Closed));
}

#[tokio::test]
async fn a_room_that_says_good_bye_takes_the_link_down() {
    let (mut link, _owner, mut server) = connected().await;
    server.close(None).await.unwrap();
    let error = link.incoming.next().await.unwrap().unwrap_err();
    assert!(matches!(error, TransportError::Closed), "{error:?}");
    until_sending_fails(&mut link).await;
    while !heard(&mut server).await.is_close() {}
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent_is_found() {
    for half_a_message in [&[][..], &[0x82, 10, 1]] {
        let start = Instant::now();
        let error = ends_with(|mut stream| async {
            stream.write_all(half_a_message).await.unwrap();
            stream
        });
        let error = error.await;
        assert!(matches!(error, TransportError::Timeout { what: "an answer to a ping", .. }));
        assert_eq!(start.elapsed().as_secs(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_reads_nothing_takes_the_link_down() {
    let (mut link, _owner, mut server) = connected().await;
    // It speaks all the time, so that nobody takes it for gone.
    let speaking = speaks(&mut server);
    let sending = until_sending_fails(&mut link);
    let start = Instant::now();
    tokio::select! {
        () = speaking => {}
        () = sending => {}
    }
    assert_eq!(start.elapsed().as_secs(), 30);
    let error = loop {
        if let Err(error) = link.incoming.next().await.unwrap() {
            break error;
        }
    };
    assert!(matches!(error, TransportError::Timeout { what: "writing", .. }), "{error:?}");
}

async fn speaks(server: &mut Server) {
    loop {
        server.send(message(&on("x", "!"))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

async fn refused(client: &mut impl Transport) -> String {
    let (_owner, channels) = Channels::new([]);
    match client.connect(channels).await.unwrap_err() {
        TransportError::Connect(why) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_a_typed_error_with_what_it_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = WebSocket::connect(listener.local_addr().unwrap());
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream
    };
    let (why, _stream) = tokio::join!(refused(&mut client), answering);
    assert!(why.contains("404"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_owner, channels) = Channels::new([]);
    let mut client = WebSocket::connect(listener.local_addr().unwrap());
    let error = client.connect(channels).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { what: "connecting", .. }), "{error:?}");
}

#[tokio::test]
async fn a_certificate_of_nobody_whom_we_trust_is_refused() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let room = Room::behind_tls(&certificates).await;
    let client = || WebSocket::connect(room.address);
    for mut client in [client().tls(), client().ca_file(others.path("ca.pem"))] {
        let why = refused(&mut client).await;
        assert!(why.contains("certificate"), "{why}");
    }
    // By another name, it is another's.
    let mut elsewhere = WebSocket::connect(format!("127.0.0.2:{}", room.address.port()));
    elsewhere = elsewhere.ca_file(certificates.path("ca.pem"));
    assert!(!refused(&mut elsewhere).await.is_empty());
}
