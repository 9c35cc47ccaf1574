//! Topics on links that carry less than a frame. Not here: how pieces look, which the carrier's own
//! tests show.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, SinkExt, StreamExt, sink, stream};
use stringphone::memory::{Hub, Limits, MemoryPort};
use stringphone::transport::faults::{Faults, Faulty};
use stringphone::transport::{
    ChannelName, Channels, Facts, Frame, Link, Transport, TransportError,
};
use stringphone::{InviteOptions, Topic, TopicError, TopicHandle};
use support::*;

/// What a LoRa modem takes.
const LORA: usize = 222;

fn hub() -> Hub {
    Hub::with(Limits::default().max_frame(LORA))
}

fn tapped(port: MemoryPort) -> (Tapped<MemoryPort>, Arc<Mutex<Vec<Frame>>>) {
    let heard = Arc::default();
    (Tapped { inner: port, heard: Arc::clone(&heard) }, heard)
}

async fn join(
    keeper: &TopicHandle,
    link: impl Into<stringphone::Attach>,
) -> Result<TopicHandle, TopicError> {
    let invitation = keeper.invite(InviteOptions::default()).await?;
    let device = Topic::invited(invitation, identity(2)).start()?;
    device.attach(link).await?;
    device.ready().await?;
    Ok(device)
}

#[test]
fn a_house_lives_on_a_link_of_222_bytes() -> Test {
    in_virtual_time(async {
        let hub = hub();
        let phone = Topic::found("house", identity(1)).start()?;
        let (port, heard) = tapped(hub.port("phone"));
        attach(&phone, port).await?;
        let lamp = join(&phone, hub.port("lamp")).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        let letter: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
        phone.publish_raw(letter.clone()).await?;
        assert_eq!(next(&mut inbox).await.body, letter);
        assert!(heard.lock().unwrap().iter().all(|frame| frame.bytes.len() <= LORA));
        phone.evict(lamp.participant().id()).await?;
        assert!(matches!(inbox.next().await, None | Some(Err(_))), "it was told");
        Ok(())
    })
}

#[test]
fn what_fits_goes_in_one_piece_and_is_not_filled_up_beyond_it() -> Test {
    in_virtual_time(async {
        let hub = hub();
        let phone = Topic::found("house", identity(1)).start()?;
        let (port, heard) = tapped(hub.port("phone"));
        attach(&phone, port).await?;
        let lamp = join(&phone, hub.port("lamp")).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        heard.lock().unwrap().clear();
        for number in 0..100_u8 {
            phone.publish_raw(vec![number; 20]).await?;
        }
        for number in 0..100_u8 {
            assert_eq!(next(&mut inbox).await.body, vec![number; 20]);
        }
        let heard = heard.lock().unwrap();
        assert!(heard.iter().all(|frame| frame.bytes[0] == 0x20), "no piece");
        assert!(heard.len() < 50, "several in each: {}", heard.len());
        Ok(())
    })
}

#[test]
fn lost_pieces_are_sent_again() -> Test {
    in_virtual_time(async {
        let (hub, faults) = (hub(), Faults::seeded(5).loss(0.1).duplicate(0.05).reorder(0.05));
        let phone = Topic::found("house", identity(1)).start()?;
        attach(&phone, Faulty::new(hub.port("phone"), faults.clone())).await?;
        let lamp = join(&phone, Faulty::new(hub.port("lamp"), faults)).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        // Each takes more than twenty pieces, of which a tenth is lost.
        for number in 0..20_u8 {
            phone.publish_raw(vec![number; 5_000]).await?;
            assert_eq!(next(&mut inbox).await.body, vec![number; 5_000]);
        }
        Ok(())
    })
}

/// Loses nothing and says it might, and takes a while for each frame, as a broker that acknowledges.
struct Slow(MemoryPort);

#[async_trait]
impl Transport for Slow {
    fn facts(&self) -> Facts {
        Facts::new("slow", LORA).many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let link = self.0.connect(channels).await?;
        let outgoing = sink::unfold(link.outgoing, async |mut outgoing, frame| {
            tokio::time::sleep(Duration::from_millis(80)).await;
            outgoing.send(frame).await?;
            Ok::<_, TransportError>(outgoing)
        });
        Ok(Link::new(link.incoming, outgoing))
    }
}

/// The first of very many pieces, of a frame with this number.
fn first_piece(channel: &str, number: u32) -> Result<Frame, TransportError> {
    let [a, b, c, d] = number.to_be_bytes();
    Ok(Frame::on(ChannelName::try_from(channel)?, vec![0x28, a, b, c, d, 0, 255, 1]))
}

#[test]
fn an_outsider_that_sends_first_pieces_stops_nobody() -> Test {
    in_virtual_time(async {
        let hub = hub();
        let phone = Topic::found("house", identity(1)).start()?;
        attach(&phone, Slow(hub.port("phone"))).await?;
        let lamp = join(&phone, hub.port("lamp")).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        let (owner, channels) = Channels::new([ChannelName::try_from("house")?]);
        let mut outsider = hub.port("outsider").connect(channels).await?;
        let flood = tokio::task::spawn_local(async move {
            let _open = owner;
            for number in 0.. {
                let piece = first_piece("house", number).unwrap();
                outsider.outgoing.send(piece).await.unwrap();
                while outsider.incoming.next().now_or_never().flatten().is_some() {}
                // Just slowly enough that each is asked for before others push it out.
                tokio::time::sleep(Duration::from_millis(56)).await;
            }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        for number in 0..60_u8 {
            phone.publish_raw(vec![number]).await?;
            let heard = tokio::time::timeout(Duration::from_secs(1), next(&mut inbox)).await?;
            assert_eq!(heard.body, vec![number]);
        }
        flood.abort();
        Ok(())
    })
}

/// A line on which everybody hears everything, and somebody has begun something.
struct Line(Arc<Mutex<Vec<Frame>>>);

#[async_trait]
impl Transport for Line {
    fn facts(&self) -> Facts {
        Facts::new("line", LORA).many_channels()
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let pieces = stream::iter([first_piece("garage", 1), first_piece("house", 2)]);
        let heard = Arc::clone(&self.0);
        let outgoing = sink::unfold((), move |(), frame: Frame| {
            heard.lock().unwrap().push(frame);
            async { Ok::<_, TransportError>(()) }
        });
        Ok(Link::new(pieces.chain(stream::pending()), outgoing))
    }
}

#[test]
fn pieces_for_others_are_none_of_our_business() -> Test {
    in_virtual_time(async {
        let heard: Arc<Mutex<Vec<Frame>>> = Arc::default();
        let phone = Topic::found("house", identity(1)).start()?;
        attach(&phone, Line(Arc::clone(&heard))).await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let heard = heard.lock().unwrap();
        let asked = heard.iter().filter(|frame| frame.bytes.first() == Some(&0x29));
        let channels: Vec<&str> =
            asked.filter_map(|frame| frame.channel.as_ref()).map(ChannelName::as_str).collect();
        assert!(!channels.is_empty(), "ours is asked for");
        assert!(channels.iter().all(|channel| *channel == "house"), "{channels:?}");
        Ok(())
    })
}

#[test]
fn classic_devices_live_on_it_too() -> Test {
    in_virtual_time(async {
        let (phone, lamp) = pair(&hub()).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        phone.publish_raw(vec![7; 3_000]).await?;
        assert_eq!(next(&mut inbox).await.body, vec![7; 3_000]);
        Ok(())
    })
}

#[test]
fn a_message_beyond_what_pieces_can_carry_is_refused() -> Test {
    in_virtual_time(async {
        let hub = Hub::with(Limits::default().max_frame(64));
        let phone = Topic::found("house", identity(1)).start()?;
        attach(&phone, hub.port("phone")).await?;
        // 256 pieces of 57 bytes, less what a message costs.
        let max = 256 * 57 - 97;
        assert!(phone.publish_raw(vec![0; max]).await.is_ok());
        let refused = phone.publish_raw(vec![0; max + 1]).await;
        assert!(matches!(refused, Err(TopicError::TooLarge { .. })), "{refused:?}");
        Ok(())
    })
}

#[cfg(feature = "post-quantum")]
#[test]
fn a_device_joins_a_post_quantum_topic_over_it() -> Test {
    in_virtual_time(async {
        let (hub, faults) = (hub(), Faults::seeded(6).loss(0.05));
        let phone = Topic::found("house", identity(1)).suite(stringphone::Suite::XWing).start()?;
        attach(&phone, Faulty::new(hub.port("phone"), faults.clone())).await?;
        let lamp = join(&phone, Faulty::new(hub.port("lamp"), faults)).await?;
        let mut inbox = phone.subscribe_raw().await?;
        lamp.publish_raw("on").await?;
        assert_eq!(&next(&mut inbox).await.body[..], b"on");
        Ok(())
    })
}
