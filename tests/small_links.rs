//! Topics on links that carry less than a frame. Not here: how pieces look, which the carrier's own
//! tests show.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use stringphone::memory::{Hub, Limits, MemoryPort};
use stringphone::transport::faults::{Faults, Faulty};
use stringphone::transport::{ChannelName, Channels, Frame, Transport};
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

#[test]
fn an_outsider_that_sends_first_pieces_stops_nobody() -> Test {
    in_virtual_time(async {
        let hub = hub();
        // Unreliable and slow: each flush takes a while.
        let slow = Faults::seeded(8).delay(Duration::from_millis(50)..Duration::from_millis(80));
        let phone = Topic::found("house", identity(1)).start()?;
        attach(&phone, Faulty::new(hub.port("phone"), slow)).await?;
        let lamp = join(&phone, hub.port("lamp")).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        let (owner, channels) = Channels::new([ChannelName::try_from("house")?]);
        let mut outsider = hub.port("outsider").connect(channels).await?;
        let flood = tokio::task::spawn_local(async move {
            let _open = owner;
            for number in 0_u32.. {
                let [a, b, c, d] = number.to_be_bytes();
                let piece = vec![0x28, a, b, c, d, 0, 255, 1];
                let piece = Frame::on(ChannelName::try_from("house").unwrap(), piece);
                outsider.outgoing.send(piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        for number in 0..60_u8 {
            phone.publish_raw(vec![number]).await?;
            let heard = tokio::time::timeout(Duration::from_secs(3), next(&mut inbox)).await?;
            assert_eq!(heard.body, vec![number]);
        }
        flood.abort();
        Ok(())
    })
}

#[test]
fn pieces_for_others_are_none_of_our_business() -> Test {
    in_virtual_time(async {
        let hub = hub();
        let phone = Topic::found("house", identity(1)).start()?;
        let (port, heard) = tapped(hub.port("phone"));
        attach(&phone, Faulty::new(port, Faults::seeded(9))).await?;
        let (_owner, channels) = Channels::new([]);
        let mut other = hub.port("other").connect(channels).await?;
        let piece = Frame::on(ChannelName::try_from("garage")?, vec![0x28, 1, 2, 3, 4, 0, 9, 1]);
        other.outgoing.send(piece).await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let asked = |frame: &Frame| frame.bytes.first() == Some(&0x29);
        assert!(!heard.lock().unwrap().iter().any(asked));
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
