//! Whom a broker lets in, and what it lets them do.
//! Not what happens to links that are up: see `broker.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use stringphone_mqtt::{Mqtt, Refusal, Tls, Version};
use stringphone_servers::mosquitto::{Certificates, Mosquitto, Settings};
use stringphone_transport::{Channels, Transport, TransportError, address::Registry};
use zeroize::Zeroizing;

use support::{End, mqtt, settle, soon, until};

async fn refusal(mut transport: impl Transport) -> String {
    let (_owner, channels) = Channels::new([]);
    let error = soon(transport.connect(channels)).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect(_)), "{error:?}");
    error.to_string()
}

fn secure(broker: &Mosquitto, tls: Tls) -> Mqtt {
    Mqtt::broker(format!("localhost:{}", broker.port())).tls(tls)
}

fn trusting(certificates: &Certificates) -> Tls {
    Tls::new().ca_file(certificates.path("ca.pem"))
}

fn identified(certificates: &Certificates) -> Tls {
    trusting(certificates)
        .identity(certificates.path("client.pem"), certificates.path("client.key"))
}

#[tokio::test]
async fn certificates_of_ones_own_authority_let_both_sides_know_each_other() {
    let certificates = Certificates::make();
    let broker = Settings::default().with_tls(&certificates).start();
    let mut first = End::up(secure(&broker, identified(&certificates)), &["x"]).await;
    let mut second = End::up(secure(&broker, identified(&certificates)), &["x"]).await;
    settle(&mut first, &mut second, "x").await;
    let large = vec![7; 64 * 1024];
    first.send("x", large.clone()).await.unwrap();
    assert_eq!(second.hear("x").await, large);
}

#[tokio::test]
async fn an_address_names_certificates() {
    let certificates = Certificates::make();
    let broker = Settings::default().with_tls(&certificates).start();
    let path = |name| certificates.path(name).display().to_string();
    let address = format!(
        "mqtts://127.0.0.1:{}/home?ca-file={}&cert-file={}&key-file={}",
        broker.port(),
        path("ca.pem"),
        path("client.pem"),
        path("client.key"),
    );
    let mut transport = Registry::new().with::<Mqtt>().open(&address).unwrap();
    let (_owner, channels) = Channels::new([]);
    assert!(soon(transport.connect(channels)).await.is_ok());
}

#[tokio::test]
async fn a_broker_of_another_authority_is_not_spoken_to() {
    let (ours, theirs) = (Certificates::make(), Certificates::make());
    let broker = Settings::default().with_tls(&theirs).start();
    let why = refusal(secure(&broker, identified(&ours))).await;
    assert!(why.contains("certificate"), "{why}");
    // Nor is one of an authority that the system does not know.
    let why = refusal(secure(&broker, Tls::new())).await;
    assert!(why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn a_broker_that_asks_for_a_certificate_turns_away_who_has_none() {
    let certificates = Certificates::make();
    let broker = Settings::default().with_tls(&certificates).start();
    let (_owner, channels) = Channels::new([]);
    let mut transport = secure(&broker, trusting(&certificates));
    assert!(soon(transport.connect(channels)).await.is_err());
}

#[tokio::test]
async fn a_password_lets_in_and_a_wrong_one_does_not_and_neither_is_shown() {
    let broker = Settings::default().with_password("gateway", "open sesame").start();
    for version in [Version::V5, Version::V3_1_1] {
        let client = |password: &str| {
            let password = Some(Zeroizing::new(password.to_owned()));
            mqtt(&broker).version(version).login("gateway", password)
        };
        assert!(!format!("{:?}", client("open sesame")).contains("sesame"));
        End::up(client("open sesame"), &["x"]).await;
        let whys =
            [refusal(client("open sésame")).await, refusal(mqtt(&broker).version(version)).await];
        for why in whys {
            assert!(
                why.contains("it is not allowed") || why.contains("password is wrong"),
                "{why}"
            );
            assert!(!why.contains("sésame"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_device_speaks_and_hears_in_its_own_room_alone() {
    let broker = Settings::default()
        .with_password("lamp", "1")
        .with_password("door", "2")
        .with_acl("user lamp\ntopic readwrite home/lamp\nuser door\ntopic readwrite home/+\n")
        .start();
    let login = |user: &str, password: &str| {
        mqtt(&broker).prefix("home").login(user, Some(Zeroizing::new(password.to_owned())))
    };
    let mut lamp = End::up(login("lamp", "1"), &["lamp", "door"]).await;
    let mut door = End::up(login("door", "2"), &["lamp", "door"]).await;
    settle(&mut lamp, &mut door, "lamp").await;
    settle(&mut door, &mut lamp, "lamp").await;

    // This broker lets anybody subscribe to anything, and keeps back what is not for them.
    door.send("door", "for the door alone").await.unwrap();
    lamp.send("door", "from the lamp").await.unwrap();
    assert_eq!(lamp.stats.refused(Refusal::Publishing), 1);
    lamp.send("lamp", "the last").await.unwrap();
    assert_eq!(door.hear("lamp").await, "the last");
    door.send("lamp", "the last").await.unwrap();
    assert_eq!(lamp.hear("lamp").await, "the last");
}

#[tokio::test]
async fn a_refused_subscription_is_listed_and_the_other_channels_go_on() {
    let broker = Settings::default().with_subscriptions_to("home/x").start();
    for version in [Version::V5, Version::V3_1_1] {
        let client = || mqtt(&broker).prefix("home").version(version);
        let mut first = End::up(client(), &["x", "secret", "hidden"]).await;
        let mut second = End::up(client(), &["x"]).await;
        settle(&mut first, &mut second, "x").await;
        settle(&mut second, &mut first, "x").await;
        let stats = first.stats.clone();
        until(|| stats.refused(Refusal::Subscribing) == 2).await;
        assert_eq!(stats.refused_channels(), ["hidden", "secret"].map(support::channel));
        assert!(second.stats.refused_channels().is_empty());

        // What nobody wants any more is no trouble any more.
        first.channels.close(&support::channel("hidden"));
        until(|| stats.refused_channels() == ["secret"].map(support::channel)).await;
        // Somebody may have changed the rules meanwhile, so it is asked again.
        first.connect().await.unwrap();
        until(|| stats.refused(Refusal::Subscribing) == 3).await;
        assert_eq!(stats.refused_channels(), ["secret"].map(support::channel));
    }
}
