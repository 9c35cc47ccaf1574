//! TCP links that are cut and fall silent, over and over. Not brokers, whose adapters have tests.
//! `cargo xtask soak` has it go on for longer.

mod support;

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use stringphone::tcp::Tcp;
use stringphone::{Carrier, CarrierSettings, InviteOptions, Topic, TopicHandle};
use stringphone_servers::free_port;
use stringphone_servers::network::Network;
use support::{Test, attach, goes_on, identity};
use tokio::time::{sleep, timeout};

const CUTS: u32 = 20;

#[tokio::test]
async fn after_each_cut_and_each_silence_both_sides_hear_each_other_again() -> Test {
    let room = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let network = Network::to(room).await;
    let phone = Topic::found("house", identity(1)).start()?;
    attach(&phone, Tcp::listen(room)).await?;
    let invitation = phone.invite(InviteOptions::default()).await?;
    let lamp = Topic::invited(invitation, identity(2)).start()?;
    let pause = Duration::from_millis(20);
    let settings =
        CarrierSettings { first_pause: pause, last_pause: 4 * pause, ..CarrierSettings::default() };
    let carrier = Carrier::start_with(Tcp::connect(network.address), settings);
    attach(&lamp, carrier.channel("house")?).await?;
    lamp.ready().await?;

    let mut random = ChaCha20Rng::from_seed([6; 32]);
    let (began, mut cuts) = (Instant::now(), 0);
    while goes_on(cuts, CUTS, began) {
        match random.next_u32() % 3 {
            0 => {
                network.silence();
                sleep(Duration::from_millis(u64::from(random.next_u32() % 100))).await;
                network.clear_up().await;
            }
            _ => network.cut().await,
        }
        reaches(&phone, &lamp).await?;
        reaches(&lamp, &phone).await?;
        cuts += 1;
    }
    let (here, there) = (phone.stats().await?, lamp.stats().await?);
    eprintln!("{cuts} cuts; {} and {} frames lost and told", here.lost, there.lost);
    Ok(())
}

/// Says it again and again until it is confirmed: what is in a link that is cut is lost.
async fn reaches(from: &TopicHandle, to: &TopicHandle) -> Result<(), Box<dyn Error>> {
    let id = to.participant().id();
    let confirmed = async {
        loop {
            let mut receipts = from.publish_raw("are you there?").confirm().await?;
            let receipt = timeout(Duration::from_millis(200), receipts.next()).await;
            if receipt.is_ok_and(|receipt| receipt == Some(id)) {
                return Ok(());
            }
        }
    };
    timeout(Duration::from_secs(20), confirmed).await?
}
