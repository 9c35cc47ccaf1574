//! The transport: its settings one by one, and its connections one after the other.
//! Not what happens on a connection.

use std::{io, num::NonZeroU16, sync::Arc, time::Duration};

use async_trait::async_trait;
use stringphone_transport::{ChannelName, Channels, Facts, Link, Transport, TransportError};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    Encoding, MqttStats, Qos, Tls, Version, connection, link,
    session::Session,
    settings::{Credentials, LARGEST_FRAME, Settings},
    topics::{Topics, escaped},
};

/// How long a connection may take to come up.
const CONNECTING: Duration = Duration::from_secs(10);

/// A transport by way of an MQTT broker: with many channels, and not reliable.
///
/// It keeps what is not acknowledged, and the name that the broker knows it by, from one link to the
/// next. Two at a time under the same name put each other out.
pub struct Mqtt {
    settings: Arc<Settings>,
    stats: MqttStats,
    /// The name that the broker knows us by, once it was needed.
    client: Option<String>,
    /// The last link's.
    session: Option<Arc<Session>>,
    /// Whether the last attempt to connect had no answer.
    unheard: bool,
}

impl Mqtt {
    /// A transport by way of the broker at `address`, as in `broker.lan:1883`.
    ///
    /// The name is looked up again at every [`connect`](Transport::connect).
    pub fn broker(address: impl ToString) -> Self {
        Self {
            settings: Arc::new(Settings::new(address.to_string())),
            stats: MqttStats::default(),
            client: None,
            session: None,
            unheard: false,
        }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Channels are topics below this one.
    #[must_use]
    pub fn prefix(self, prefix: impl AsRef<str>) -> Self {
        self.set(|settings| settings.topics = Topics::below(prefix.as_ref()))
    }

    /// Logs in with this name and password.
    #[must_use]
    pub fn login(self, user: impl Into<String>, password: Option<Zeroizing<String>>) -> Self {
        let credentials = Credentials { user: user.into(), password };
        self.set(|settings| settings.credentials = Some(credentials))
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        self.set(|settings| settings.tls = Some(tls))
    }

    /// Sends and hears by this QoS, by default [`Qos::AtLeastOnce`].
    #[must_use]
    pub fn qos(self, qos: Qos) -> Self {
        self.set(|settings| settings.qos = qos)
    }

    /// Sends and hears by this QoS on one channel.
    #[must_use]
    pub fn channel_qos(self, channel: ChannelName, qos: Qos) -> Self {
        self.set(|settings| {
            settings.channel_qos.insert(channel, qos);
        })
    }

    /// Speaks this version, by default MQTT 5.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        self.set(|settings| settings.version = version)
    }

    /// Goes by this name at the broker, which nobody else may use at the same time. By default that
    /// is one by chance, for as long as this value lives.
    #[must_use]
    pub fn client(self, client: impl Into<String>) -> Self {
        self.set(|settings| settings.client = Some(client.into()))
    }

    /// Puts frames into messages like this, by default as they are.
    #[must_use]
    pub fn encoding(self, encoding: Encoding) -> Self {
        self.set(|settings| settings.encoding = encoding)
    }

    /// The largest frame that is sent and heard, in bytes, by default 64 KiB and at most 64 MiB. A
    /// broker that takes less says so once connected, and larger frames are refused from then on.
    #[must_use]
    pub fn max_frame(self, bytes: usize) -> Self {
        self.set(|settings| settings.max_frame = bytes.min(LARGEST_FRAME))
    }

    /// A link is down once nothing came from the broker for so many seconds, by default 30; half of
    /// that passes between signs of life.
    #[must_use]
    pub fn keep_alive(self, seconds: NonZeroU16) -> Self {
        self.set(|settings| settings.keep_alive = seconds)
    }

    /// Has this topic say whether the link is up: `online` once it is, and `offline` once it is
    /// closed or the broker misses it. Both are retained. What no topic may have is escaped.
    #[must_use]
    pub fn will(self, topic: impl AsRef<str>) -> Self {
        self.set(|settings| settings.will = Some(escaped(topic.as_ref())))
    }

    /// The counters, to keep a hold of when the transport is given away.
    pub fn stats(&self) -> MqttStats {
        self.stats.clone()
    }

    /// The name that the broker knows us by.
    fn name(&mut self) -> io::Result<String> {
        if let Some(client) = self.client.as_ref().or(self.settings.client.as_ref()) {
            return Ok(client.clone());
        }
        let mut chance = [0; 6];
        getrandom::fill(&mut chance).map_err(io::Error::other)?;
        let digits: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        // Of 23 letters and digits, which is what all brokers have to take.
        let client = format!("stringphone{digits}");
        self.client = Some(client.clone());
        Ok(client)
    }
}

#[async_trait]
impl Transport for Mqtt {
    fn facts(&self) -> Facts {
        Facts::new(self.settings.name(), self.settings.max_frame).many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let client = self.name().map_err(TransportError::Connect)?;
        // What some former process left at the broker is none of ours.
        let clean = self.session.is_none() || self.settings.version == Version::V3_1_1;
        let opening = connection::open(&self.settings, &client, clean);
        // A broker that takes us and is not heard may have made a session without subscriptions.
        let unheard = std::mem::replace(&mut self.unheard, true);
        let (reader, writer, broker) = timeout(CONNECTING, opening)
            .await
            .map_err(|_| TransportError::Timeout { what: "connecting", after: CONNECTING })??;
        let former = self.session.as_deref();
        let (settings, stats) = (Arc::clone(&self.settings), self.stats.clone());
        self.unheard = false;
        let session = Session::new(settings, broker, stats, former, !unheard);
        self.session = Some(Arc::clone(&session));
        Ok(link::link(session, reader, writer, channels))
    }
}

/// Without secrets.
impl std::fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mqtt").field("settings", &self.settings).finish_non_exhaustive()
    }
}
