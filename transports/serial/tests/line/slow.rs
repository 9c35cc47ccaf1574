//! A line of 9600 bits a second, made of two cables and whoever passes bytes on between them.

use std::time::Duration;

use futures::SinkExt;
use stringphone_servers::pty::Cable;
use stringphone_transport::Link;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::{Instant, sleep_until},
};
use tokio_serial::SerialStream;
use tokio_util::task::AbortOnDropHandle;

use crate::{at, connected, next, numbered, raw};

const BYTES_A_SECOND: u32 = 960;

/// Passes on byte after byte, none before its time.
async fn pass_on(mut from: ReadHalf<SerialStream>, mut to: WriteHalf<SerialStream>) {
    let mut bytes = [0; 64];
    let mut done = Instant::now();
    while let Ok(read) = from.read(&mut bytes).await {
        let lasting = Duration::from_secs(1) / BYTES_A_SECOND * u32::try_from(read).unwrap();
        done = done.max(Instant::now()) + lasting;
        sleep_until(done).await;
        to.write_all(&bytes[..read]).await.unwrap();
    }
}

#[tokio::test]
async fn frames_cross_a_slow_line_in_both_directions() {
    const FRAMES: u8 = 8;
    let (left, right) = (Cable::plug(), Cable::plug());
    let (left_reader, left_writer) = split(raw(&left.ports()[1]));
    let (right_reader, right_writer) = split(raw(&right.ports()[0]));
    let _line = [
        AbortOnDropHandle::new(tokio::spawn(pass_on(left_reader, right_writer))),
        AbortOnDropHandle::new(tokio::spawn(pass_on(right_reader, left_writer))),
    ];
    let near = connected(&mut at(&left.ports()[0])).await;
    let far = connected(&mut at(&right.ports()[1])).await;

    let start = Instant::now();
    let exchange = |link: Link, own, others| async move {
        let Link { mut incoming, mut outgoing } = link;
        let sending = async {
            for number in 0..FRAMES {
                outgoing.send(numbered(own + number, 60)).await.unwrap();
            }
        };
        let receiving = async {
            for number in 0..FRAMES {
                assert_eq!(next(&mut incoming).await, (numbered(others + number, 60), 0));
            }
        };
        tokio::join!(sending, receiving);
    };
    tokio::join!(exchange(near, 0, 100), exchange(far, 100, 0));
    let at_least = Duration::from_secs(1) / BYTES_A_SECOND * (60 * u32::from(FRAMES));
    assert!(start.elapsed() > at_least, "{:?}", start.elapsed());
}
