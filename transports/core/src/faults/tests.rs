//! What the faulty wrapper promises: as many faults as asked for, the same ones for the same seed.
//! Not the transports within: frames come from a plain stream here.

use std::{collections::BTreeSet, pin::Pin};

use async_trait::async_trait;
use futures::{Sink, SinkExt, StreamExt, channel::mpsc, sink, stream};
use tokio::time::Instant;

use super::*;
use crate::{ChannelName, Frame};

/// Delivers so many numbered frames at once on every link, and then nothing more.
struct Numbers(u32);

#[async_trait]
impl Transport for Numbers {
    fn facts(&self) -> Facts {
        Facts::new("numbers", 64).reliable()
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let frames = (0..self.0).map(|number| Ok(Frame::bare(number.to_be_bytes().to_vec())));
        let incoming = stream::iter(frames).chain(stream::pending());
        Ok(Link::new(incoming, sink::drain().sink_map_err(|never| match never {})))
    }
}

async fn connect<T: Transport>(transport: &mut T) -> Link {
    let (_owner, channels) = Channels::new([] as [ChannelName; 0]);
    transport.connect(channels).await.unwrap()
}

/// The numbers that arrive before the link rests or breaks.
async fn numbers(link: &mut Link) -> Vec<u32> {
    let mut arrived = vec![];
    let rest = Duration::from_secs(60);
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(rest, link.incoming.next()).await {
        arrived.push(u32::from_be_bytes(frame.bytes[..].try_into().unwrap()));
    }
    arrived
}

async fn arrivals(faults: Faults) -> (Vec<u32>, FaultCounts) {
    let mut faulty = Faulty::new(Numbers(1000), faults);
    let arrived = numbers(&mut connect(&mut faulty).await).await;
    (arrived, faulty.counts().read())
}

fn about(count: u64, expected: u64) -> bool {
    count.abs_diff(expected) <= expected / 2
}

#[tokio::test(start_paused = true)]
async fn without_faults_all_arrives_in_order() {
    let (arrived, counts) = arrivals(Faults::seeded(1)).await;
    assert_eq!(arrived, (0..1000).collect::<Vec<_>>());
    assert_eq!(counts, FaultCounts { delivered: 1000, ..FaultCounts::default() });
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
    let faults = |seed| {
        let faults = Faults::seeded(seed).loss(0.1).duplicate(0.1).reorder(0.1).corrupt(0.1);
        faults.delay(Duration::ZERO..Duration::from_millis(5))
    };
    let first = arrivals(faults(7)).await;
    assert_eq!(first, arrivals(faults(7)).await);
    assert_ne!(first.0, arrivals(faults(8)).await.0);
}

#[tokio::test(start_paused = true)]
async fn the_faults_of_a_seed_are_these_on_every_machine() {
    let (arrived, _) = arrivals(Faults::seeded(7).loss(0.9)).await;
    assert_eq!(arrived[..5], [23, 59, 84, 90, 114]);
}

#[tokio::test(start_paused = true)]
async fn as_many_are_lost_as_asked_for_and_no_others() {
    let (arrived, counts) = arrivals(Faults::seeded(2).loss(0.2)).await;
    assert!(about(counts.lost, 200), "{counts:?}");
    assert_eq!(arrived.len() as u64, 1000 - counts.lost);
    assert!(arrived.is_sorted_by(|a, b| a < b));
}

#[tokio::test(start_paused = true)]
async fn as_many_arrive_twice_as_asked_for() {
    let (arrived, counts) = arrivals(Faults::seeded(3).duplicate(0.2)).await;
    assert!(about(counts.duplicated, 200), "{counts:?}");
    assert_eq!(arrived.len() as u64, 1000 + counts.duplicated);
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn reordered_frames_all_arrive_but_not_in_order() {
    let (mut arrived, counts) = arrivals(Faults::seeded(4).reorder(0.1)).await;
    assert!(about(counts.reordered, 100), "{counts:?}");
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    assert_eq!(arrived, (0..1000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_frame_differs_by_one_bit() {
    let (arrived, counts) = arrivals(Faults::seeded(5).corrupt(0.1)).await;
    assert!(about(counts.corrupted, 100), "{counts:?}");
    let flipped = (0..1000u32).zip(&arrived).map(|(sent, arrived)| (sent ^ arrived).count_ones());
    assert_eq!(flipped.map(u64::from).sum::<u64>(), counts.corrupted);
}

#[tokio::test(start_paused = true)]
async fn delays_keep_the_order_and_stay_within_their_range() {
    let range = Duration::from_millis(20)..Duration::from_millis(50);
    let faults = Faults::seeded(6).delay(range.clone());
    let start = Instant::now();
    let mut link = connect(&mut Faulty::new(Numbers(100), faults)).await;
    for number in 0..100u32 {
        let frame = link.incoming.next().await.unwrap().unwrap();
        assert_eq!(frame.bytes[..], number.to_be_bytes());
        // The clock of a paused runtime goes in steps of a millisecond.
        assert!(start.elapsed() >= range.start);
        assert!(start.elapsed() <= range.end + Duration::from_millis(1));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_frames_are_held_than_may_be() {
    let (sender, receiver) = mpsc::channel::<Frame>(0);
    struct Counted(Option<mpsc::Receiver<Frame>>);
    #[async_trait]
    impl Transport for Counted {
        fn facts(&self) -> Facts {
            Facts::new("counted", 64)
        }
        async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
            let frames = self.0.take().ok_or(TransportError::Closed)?;
            Ok(Link::new(frames.map(Ok), sink::drain().sink_map_err(|never| match never {})))
        }
    }
    let hour = Duration::from_secs(3600);
    let faults = Faults::seeded(1).delay(hour..hour * 2).held(10);
    let mut link = connect(&mut Faulty::new(Counted(Some(receiver)), faults)).await;

    let mut sender = Box::pin(sender);
    let mut taken = 0;
    while taken < 100 {
        assert!(futures::poll!(link.incoming.next()).is_pending());
        let ready = futures::poll!(std::future::poll_fn(|cx| sender.as_mut().poll_ready(cx)));
        if ready.is_pending() {
            break;
        }
        Pin::new(&mut sender).start_send(Frame::bare(vec![1])).unwrap();
        taken += 1;
    }
    // Ten are held, and one is in the channel.
    assert_eq!(taken, 11);
}

#[tokio::test(start_paused = true)]
async fn a_broken_link_fails_in_both_directions_until_it_is_connected_again() {
    let mut faulty = Faulty::new(Numbers(25), Faults::seeded(1).disconnect_every(10));
    let mut link = connect(&mut faulty).await;
    assert_eq!(numbers(&mut link).await, (0..10).collect::<Vec<_>>());
    assert!(link.incoming.next().await.is_none());
    let error = link.outgoing.send(Frame::bare(vec![1])).await.unwrap_err();
    assert!(!error.link_goes_on());

    let mut link = connect(&mut faulty).await;
    link.outgoing.send(Frame::bare(vec![1])).await.unwrap();
    assert_eq!(numbers(&mut link).await, (0..10).collect::<Vec<_>>());
    assert_eq!(faulty.counts().read().disconnected, 2);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_learns_that_the_link_broke() {
    struct Stuck;
    #[async_trait]
    impl Transport for Stuck {
        fn facts(&self) -> Facts {
            Facts::new("stuck", 64)
        }
        async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
            let (sender, receiver) = mpsc::channel::<Frame>(0);
            let outgoing = sender.sink_map_err(|_| TransportError::Closed);
            let one = stream::iter([Ok(Frame::bare(vec![1]))]).chain(stream::pending());
            // The receiver stays alive and unread.
            let incoming = one.map(move |frame| {
                let _ = &receiver;
                frame
            });
            Ok(Link::new(incoming, outgoing))
        }
    }
    let faults = Faults::seeded(1).disconnect(1.0);
    let Link { mut incoming, mut outgoing } = connect(&mut Faulty::new(Stuck, faults)).await;
    outgoing.feed(Frame::bare(vec![1])).await.unwrap();
    let stuck = tokio::spawn(async move { outgoing.send(Frame::bare(vec![2])).await });
    tokio::task::yield_now().await;
    assert!(!stuck.is_finished());
    incoming.next().await.unwrap().unwrap();
    assert!(incoming.next().await.unwrap().is_err());
    assert!(!stuck.await.unwrap().unwrap_err().link_goes_on());
}

#[test]
fn the_facts_are_no_better_than_the_faults() {
    let reliable = |faults| Faulty::new(Numbers(1), faults).facts().reliable;
    assert!(reliable(Faults::seeded(1).delay(Duration::ZERO..Duration::from_secs(1))));
    assert!(reliable(Faults::seeded(1).disconnect(0.5)));
    assert!(!reliable(Faults::seeded(1).loss(0.1)));
    assert!(!reliable(Faults::seeded(1).reorder(0.1)));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_loses_all_and_always_has_more_lets_others_have_their_turn() {
    let mut faulty = Faulty::new(Numbers(u32::MAX), Faults::seeded(1).loss(1.0));
    let mut link = connect(&mut faulty).await;
    assert!(futures::poll!(link.incoming.next()).is_pending());
}
