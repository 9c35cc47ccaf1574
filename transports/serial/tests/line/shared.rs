//! Stations that share one wire, on which bytes that overlap are damaged.

use std::{collections::VecDeque, time::Duration};

use futures::{SinkExt, StreamExt};
use stringphone_serial::Settings;
use stringphone_servers::pty::Cable;
use stringphone_transport::{Link, TransportError};
use tokio::{
    io::AsyncWriteExt,
    sync::Barrier,
    time::{Instant, sleep, timeout},
};
use tokio_serial::SerialStream;
use tokio_util::task::AbortOnDropHandle;

use crate::{LONG, at, connected, numbered, raw};

const BAUD: u32 = 19_200;
const BYTE: Duration = Duration::from_micros(521);
/// So many frames of others are to be heard.
const ENOUGH: usize = 10;

/// What the wire has of one station: its port, and the bytes that it sends.
struct Station {
    port: SerialStream,
    sends: VecDeque<u8>,
}

impl Station {
    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        if let Ok(read) = self.port.try_read(&mut bytes) {
            self.sends.extend(&bytes[..read]);
        }
    }
}

/// Passes on what one station sends, at the line's rate, and damages what several send at once.
async fn wire(mut stations: Vec<Station>, echo: bool) {
    let mut now = Instant::now();
    loop {
        sleep(Duration::from_millis(1)).await;
        stations.iter_mut().for_each(Station::listen);
        let mut heard = vec![vec![]; stations.len()];
        while now < Instant::now() {
            now += BYTE;
            let bytes: Vec<_> =
                stations.iter_mut().map(|station| station.sends.pop_front()).collect();
            let sending = bytes.iter().flatten().count();
            let Some(byte) = bytes.iter().flatten().copied().reduce(|a, b| a ^ b ^ 0x91) else {
                continue;
            };
            for (heard, own) in heard.iter_mut().zip(&bytes) {
                if own.is_none() || echo || sending > 1 {
                    heard.push(byte);
                }
            }
        }
        for (station, heard) in stations.iter_mut().zip(heard) {
            station.port.write_all(&heard).await.unwrap();
        }
    }
}

/// Sends without pause, until `enough` frames of others were heard here and at the other station.
async fn talk(number: u8, link: Link, both: &Barrier) {
    let Link { mut incoming, mut outgoing } = link;
    let listening = async {
        let mut heard = 0;
        while heard < ENOUGH {
            match incoming.next().await.unwrap() {
                Ok(frame) => {
                    assert_ne!(frame.bytes[0], number, "it hears itself");
                    heard += 1;
                }
                Err(TransportError::Malformed { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        both.wait().await;
    };
    let sending = async {
        for len in (40..80).cycle() {
            outgoing.send(numbered(number, len)).await.unwrap();
        }
    };
    tokio::select! {
        () = listening => {}
        () = sending => {}
    }
}

/// Two stations that both have more to send than there is time for.
async fn both_get_through(echo: bool) {
    let mut settings = Settings::default();
    settings.baud = BAUD;
    settings.half_duplex = true;
    let cables = [Cable::plug(), Cable::plug()];
    let ends = cables.iter().map(|cable| raw(&cable.ports()[1]));
    let stations = ends.map(|port| Station { port, sends: VecDeque::new() }).collect();
    let _wire = AbortOnDropHandle::new(tokio::spawn(wire(stations, echo)));

    let first = connected(&mut at(&cables[0].ports()[0]).settings(settings)).await;
    let second = connected(&mut at(&cables[1].ports()[0]).settings(settings)).await;
    let both = Barrier::new(2);
    let talking = async { tokio::join!(talk(1, first, &both), talk(2, second, &both)) };
    timeout(LONG, talking).await.unwrap();
}

#[tokio::test]
async fn two_stations_that_always_have_something_to_send_both_get_through() {
    both_get_through(false).await;
}

#[tokio::test]
async fn a_station_whose_adapter_echoes_does_not_hear_itself() {
    both_get_through(true).await;
}
