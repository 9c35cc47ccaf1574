//! How a broker answers a hello, and what it says of itself.
//! Not what follows from it.

use bytes::Buf;

use super::{
    Qos, Version,
    decode::{Short, take, take_properties, take_text},
    property,
};

/// How a broker answers a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConnAck {
    /// 0 if the client is welcome.
    pub(crate) code: u8,
    /// Whether the broker still knows what this client has subscribed to.
    pub(crate) session_present: bool,
    /// How many frames of QoS 1 may wait for their acknowledgement.
    pub(crate) receive_maximum: u16,
    /// The best QoS that the broker offers.
    pub(crate) max_qos: Qos,
    /// The largest packet that the broker takes, in bytes.
    pub(crate) max_packet: usize,
    /// The seconds within which the broker wants to hear something, if it has a mind of its own.
    pub(crate) keep_alive: Option<u16>,
}

impl ConnAck {
    pub(super) fn read(version: Version, mut body: &[u8]) -> Result<Self, Short> {
        let flags = body.try_get_u8()?;
        let mut ack = Self {
            code: body.try_get_u8()?,
            session_present: flags & 1 == 1,
            receive_maximum: u16::MAX,
            max_qos: Qos::AtLeastOnce,
            max_packet: usize::MAX,
            keep_alive: None,
        };
        let mut properties = take_properties(&mut body, version)?;
        while let Ok(name) = properties.try_get_u8() {
            match name {
                property::RECEIVE_MAXIMUM => ack.receive_maximum = properties.try_get_u16()?.max(1),
                property::MAXIMUM_QOS => {
                    if properties.try_get_u8()? == 0 {
                        ack.max_qos = Qos::AtMostOnce;
                    }
                }
                property::MAXIMUM_PACKET => {
                    ack.max_packet =
                        usize::try_from(properties.try_get_u32()?).unwrap_or(usize::MAX);
                }
                property::SERVER_KEEP_ALIVE => ack.keep_alive = Some(properties.try_get_u16()?),
                name => pass_over(name, &mut properties)?,
            }
        }
        Ok(ack)
    }
}

/// Passes over a property of a CONNACK that is not heeded.
fn pass_over(name: u8, properties: &mut &[u8]) -> Result<(), Short> {
    match name {
        // Whether there are retained messages, wildcards, subscription identifiers, and shares.
        0x25 | 0x28 | 0x29 | 0x2a => take(properties, 1)?,
        // The most topic aliases.
        0x22 => take(properties, 2)?,
        property::SESSION_EXPIRY => take(properties, 4)?,
        // A pair of the user's.
        0x26 => {
            take_text(properties)?;
            take_text(properties)?
        }
        // An id, information, another server, reasons, and authentication.
        0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => take_text(properties)?,
        _ => return Err(Short),
    };
    Ok(())
}
