//! What a link shares between its halves and its tasks, and leaves to the next link.
//! Not the connection.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use stringphone_transport::{ChannelName, TransportError};

use crate::{
    echoes::Echoes,
    outbox::{Message, Outbox},
    settings::Settings,
    stats::MqttStats,
    subscriptions::Subscriptions,
    wire::{ConnAck, Publication, Qos, Version, publish},
};

/// How many frames of QoS 1 wait for their acknowledgement at most, wherever the broker allows more.
const WINDOW: u16 = 128;

/// One link's state.
pub(crate) struct Session {
    pub(crate) settings: Arc<Settings>,
    /// What the broker said at the beginning.
    pub(crate) broker: ConnAck,
    pub(crate) stats: MqttStats,
    pub(crate) outbox: Outbox,
    subscriptions: Mutex<Subscriptions>,
    echoes: Mutex<Echoes>,
}

impl Session {
    /// The session of a new connection, with what a former link left: its subscriptions only if
    /// that is known to be the session that the broker has.
    pub(crate) fn new(
        settings: Arc<Settings>,
        broker: ConnAck,
        stats: MqttStats,
        former: Option<&Self>,
        subscribed: bool,
    ) -> Arc<Self> {
        let present = broker.session_present;
        let mut subscriptions = Subscriptions::default();
        let mut outbox = Outbox::default();
        if let Some(former) = former {
            outbox = Outbox::resume(&former.outbox, present);
            subscriptions = std::mem::take(&mut *former.subscriptions());
        }
        subscriptions.resume(present && subscribed);
        stats.forget_refused_channels();
        let (subscriptions, echoes) = (Mutex::new(subscriptions), Mutex::default());
        Arc::new(Self { settings, broker, stats, outbox, subscriptions, echoes })
    }

    /// No code panics while it holds the lock.
    pub(crate) fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many frames of QoS 1 may wait for their acknowledgement.
    pub(crate) fn window(&self) -> usize {
        self.broker.receive_maximum.min(WINDOW).into()
    }

    /// The next frame to write, as a packet behind those that are in `to`; false if there is none.
    pub(crate) fn write_next(&self, to: &mut Vec<u8>) -> bool {
        let Some(message) = self.outbox.next(self.window(), self.broker.max_qos) else {
            return false;
        };
        self.expect_echo(&message);
        let Message { topic, payload, id, again, .. } = &message;
        let (id, again) = (*id, *again);
        let what = Publication { topic, payload, id, again, retain: false };
        publish(to, self.settings.version, what);
        true
    }

    /// In MQTT 5, brokers return nothing to its sender.
    fn expect_echo(&self, message: &Message) {
        if self.settings.version == Version::V3_1_1
            && let Some(channel) = self.settings.topics.channel(&message.topic)
            && self.subscriptions().contains(&channel)
        {
            self.echoes().expect(&message.topic, &message.payload);
        }
    }

    /// Whether a message is one of our own that came back.
    pub(crate) fn is_echo(&self, topic: &str, payload: &[u8]) -> bool {
        self.settings.version == Version::V3_1_1 && self.echoes().is_one(topic, payload)
    }

    fn echoes(&self) -> MutexGuard<'_, Echoes> {
        self.echoes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a broken connection is called.
    pub(crate) fn error(&self, error: TransportError) -> TransportError {
        match error {
            TransportError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                let after = Duration::from_secs(self.settings.keep_alive.get().into());
                TransportError::Timeout { what: "a sign of life of the broker", after }
            }
            error => error,
        }
    }

    /// The QoS that is asked for and used for this channel.
    pub(crate) fn qos(&self, channel: &ChannelName) -> Qos {
        self.settings.qos(channel).min(self.broker.max_qos)
    }
}
