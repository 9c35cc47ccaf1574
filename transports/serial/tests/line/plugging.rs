//! Ports that go away, come back, or belong to somebody else.

use std::{io::ErrorKind, time::Duration};

use futures::{SinkExt, StreamExt};
use stringphone_serial::{Serial, Settings};
use stringphone_servers::pty::Cable;
use stringphone_transport::{Channels, Link, Transport, TransportError};
use tokio::time::{Instant, timeout};

use crate::{LONG, at, connected, next, numbered};

async fn refused(serial: &mut Serial) -> ErrorKind {
    match serial.connect(Channels::new([]).1).await {
        Err(TransportError::Connect(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

/// Sends until that fails.
async fn sending_fails(link: &mut Link) -> TransportError {
    let failing = async {
        loop {
            if let Err(error) = link.outgoing.send(numbered(1, 40)).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, failing).await.unwrap()
}

#[tokio::test]
async fn an_unplugged_port_takes_both_halves_down_and_is_found_when_it_is_back() {
    let mut cable = Cable::plug();
    let mut near = at(&cable.ports()[0]);
    let mut far = at(&cable.ports()[1]);
    let mut link = connected(&mut near).await;

    cable.unplug();
    let down = timeout(LONG, link.incoming.next()).await.unwrap().unwrap().unwrap_err();
    assert!(!down.link_goes_on(), "{down}");
    assert!(link.incoming.next().await.is_none());
    let down = sending_fails(&mut link).await;
    assert!(!down.link_goes_on(), "{down}");
    drop(link);
    assert_eq!(refused(&mut near).await, ErrorKind::NotFound);

    cable.replug();
    let mut near = connected(&mut near).await;
    let mut far = connected(&mut far).await;
    near.outgoing.send(numbered(2, 40)).await.unwrap();
    assert_eq!(next(&mut far.incoming).await, (numbered(2, 40), 0));
}

#[tokio::test]
async fn a_port_is_ours_alone_until_the_link_is_dropped() {
    let cable = Cable::plug();
    let mut serial = at(&cable.ports()[0]);
    let Link { incoming, outgoing } = connected(&mut serial).await;
    assert_eq!(refused(&mut serial.clone()).await, ErrorKind::NotFound);
    drop(incoming);
    assert_eq!(refused(&mut serial.clone()).await, ErrorKind::NotFound, "one half holds it still");
    drop(outgoing);
    // A program that another test starts holds it too, for a moment between fork and exec.
    let opening = async { while serial.connect(Channels::new([]).1).await.is_err() {} };
    timeout(LONG, opening).await.unwrap();
}

#[tokio::test]
async fn what_is_no_port_is_a_typed_error() {
    let cable = Cable::plug();
    let mut none = Settings::default();
    none.baud = 0;
    assert_eq!(refused(&mut at(&cable.ports()[0]).settings(none)).await, ErrorKind::InvalidInput);
    refused(&mut Serial::at("/dev/null")).await;
    assert_eq!(refused(&mut Serial::usb("no such device")).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_port_that_takes_nothing_takes_the_link_down_and_holds_up_nobody() {
    let cable = Cable::plug();
    let mut link = connected(&mut at(&cable.ports()[0])).await;
    let start = Instant::now();
    let down = sending_fails(&mut link).await;
    assert!(matches!(down, TransportError::Timeout { what: "writing", .. }), "{down:?}");
    assert!(link.outgoing.close().await.is_err());
    drop(link);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
