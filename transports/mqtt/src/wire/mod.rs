//! The packets of MQTT 5 and 3.1.1, as far as a client needs them that sends and hears frames by
//! QoS 0 and 1.
//! Not QoS 2, wildcards, topic aliases or authentication exchanges, and no state of a session.

mod connack;
mod decode;
mod encode;
mod reason;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    connack::ConnAck,
    decode::{Packet, Packets, Publish},
    encode::{
        Connect, DISCONNECT, PINGREQ, Publication, connect, puback, publish, publish_len,
        subscribe, unsubscribe,
    },
    reason::words,
};

/// Which MQTT a broker is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// MQTT 5: the broker returns no echoes and keeps what is sent to a link that is down for a
    /// while.
    #[default]
    V5,
    /// MQTT 3.1.1, for older brokers.
    V3_1_1,
}

/// How hard MQTT tries to deliver a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0: sent once, and lost with the connection.
    AtMostOnce,
    /// QoS 1: sent again until the broker has it, so that it may arrive twice.
    #[default]
    AtLeastOnce,
}

/// The kind of a packet, in the upper half of its first byte.
mod kind {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const CONNACK: u8 = 2;
    pub(super) const PUBLISH: u8 = 3;
    pub(super) const PUBACK: u8 = 4;
    pub(super) const SUBSCRIBE: u8 = 8;
    pub(super) const SUBACK: u8 = 9;
    pub(super) const UNSUBSCRIBE: u8 = 10;
    pub(super) const UNSUBACK: u8 = 11;
    pub(super) const PINGREQ: u8 = 12;
    pub(super) const PINGRESP: u8 = 13;
    pub(super) const DISCONNECT: u8 = 14;
}

/// The properties of MQTT 5 that are written or heeded here.
mod property {
    pub(super) const SESSION_EXPIRY: u8 = 0x11;
    pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(super) const MAXIMUM_QOS: u8 = 0x24;
    pub(super) const MAXIMUM_PACKET: u8 = 0x27;
}
