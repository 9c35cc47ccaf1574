//! Somebody on the same broker who means harm. Not here: members gone bad.

use std::process::Stdio;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use stringphone::mqtt::Mqtt;
use stringphone::transport::{ChannelName, Channels, Frame, Link, Transport};
use stringphone::{Event, Refusal};
use stringphone_servers::mosquitto::{Mosquitto, Settings};
use tokio::time::{sleep, timeout};

use super::support::{Test, next};
use super::{at, house};

/// A client that listens to the room, and may write to it.
async fn intruder(broker: &Mosquitto) -> Link {
    let (owner, channels) = Channels::new([ChannelName::try_from("house").unwrap()]);
    let link = Mqtt::broker(at(broker)).connect(channels).await.unwrap();
    // What it listens to stays open for as long as the test runs.
    std::mem::forget(owner);
    link
}

/// Memory of this process, in bytes.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_client_gets_counted_refusals_and_nothing_else() -> Test {
    let broker = Settings::default().with_line("max_queued_messages 100000").start();
    let folder = tempfile::tempdir()?;
    let mqtt = || Mqtt::broker(at(&broker));
    let (phone, lamp) = house(mqtt(), mqtt(), &folder.path().join("lamp")).await?;
    let (mut inbox, mut events) = (lamp.subscribe_raw().await?, lamp.events().await?);

    // It hears everything, and keeps it.
    let mut link = intruder(&broker).await;
    let house = ChannelName::try_from("house")?;
    let mut captured = Vec::new();
    for number in 0..50_u8 {
        phone.publish_raw(vec![number]).await?;
        assert_eq!(next(&mut inbox).await.body, vec![number]);
        while let Ok(Some(Ok(frame))) =
            timeout(Duration::from_millis(20), link.incoming.next()).await
        {
            captured.push(frame.bytes);
        }
    }
    assert!(captured.len() >= 45, "{} captured", captured.len());

    // It says all of it again, ten times; then garbage; then as much as fits.
    let before = memory();
    for frame in captured.iter().cycle().take(10 * captured.len()) {
        link.outgoing.send(Frame::on(house.clone(), frame.clone())).await?;
    }
    for number in 0..5_000_u32 {
        let garbage = [&[0x20], number.to_be_bytes().repeat(40).as_slice()].concat();
        link.outgoing.feed(Frame::on(house.clone(), garbage)).await?;
    }
    for first in [0x21_u8, 0x22, 0x23, 0x24, 0x28, 0x29, 0x2a, 0xff] {
        for len in [1, 40, 65_000] {
            link.outgoing.feed(Frame::on(house.clone(), vec![first; len])).await?;
        }
    }
    link.outgoing.flush().await?;
    // A packet larger than any that we take, and garbage that is retained for whoever comes later.
    let giant = folder.path().join("giant");
    std::fs::write(&giant, vec![0x20; 4_000_000])?;
    broker.publish(&["-t", "house", "-f", giant.to_str().ok_or("a path")?]);
    broker.publish(&["-t", "house", "-r", "-m", "retained garbage"]);
    // And it listens to all that there is.
    let _listening = broker.subscribe(&["-t", "#"], Stdio::null());

    phone.publish_raw("the end").await?;
    let last = timeout(Duration::from_secs(30), next(&mut inbox)).await?;
    assert_eq!(last.body, "the end", "and nothing else was delivered");
    sleep(Duration::from_millis(500)).await;
    let stats = lamp.stats().await?;
    let refused: u64 = stats.refused.values().sum();
    assert!(refused >= 5_000, "{refused} refusals are counted");
    assert!(stats.refused.contains_key(&Refusal::Duplicate), "{:?}", stats.refused);
    let grown = memory().saturating_sub(before);
    eprintln!("a hostile client: {refused} refusals, {} KiB more memory", grown / 1024);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes");
    // Of all that, a member is told no more than that frames were refused.
    while let Ok(Some(Ok(event))) = timeout(Duration::from_millis(10), events.next()).await {
        let harmless = matches!(
            event,
            Event::Refused { .. } | Event::Lost { .. } | Event::LinkUp { .. } | Event::Epoch { .. }
        );
        assert!(harmless, "{event:?}");
    }
    Ok(())
}
