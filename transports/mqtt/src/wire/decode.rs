//! Packets that a broker sends, out of the bytes of a stream.
//! Not what they mean to a session.

use bytes::{Buf, Bytes, BytesMut};
use stringphone_transport::TransportError;
use tokio_util::codec::Decoder;

use super::{ConnAck, Qos, Version, kind};

/// What a broker sends.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet {
    ConnAck(ConnAck),
    Publish(Publish),
    /// A PUBLISH that is larger than any that is taken, with its id; it is skipped.
    Oversized(Option<u16>),
    /// An id, and whether the broker refused what it stands for.
    PubAck(u16, Option<u8>),
    /// An id, and a code for each filter.
    SubAck(u16, Vec<u8>),
    UnsubAck(u16),
    PingResp,
    /// The broker ends the connection, and says why.
    Disconnect(u8),
}

/// A message of somebody.
#[derive(Debug, PartialEq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// With QoS 1.
    pub(crate) id: Option<u16>,
    pub(crate) retained: bool,
}

/// Takes packets out of a stream. It holds at most the bytes of the largest one that is taken, and
/// of the largest topic that MQTT has.
#[derive(Debug)]
pub(crate) struct Packets {
    version: Version,
    /// The largest packet that is taken, in bytes without its first two to five.
    largest: usize,
    /// Bytes of an oversized packet that are still to come.
    skipping: usize,
}

impl Packets {
    pub(crate) fn new(version: Version, largest: usize) -> Self {
        Self { version, largest, skipping: 0 }
    }

    /// Skips what is left of an oversized packet; whether that was all.
    fn skip(&mut self, from: &mut BytesMut) -> bool {
        let skipped = self.skipping.min(from.len());
        from.advance(skipped);
        self.skipping -= skipped;
        self.skipping == 0
    }

    /// Finds the id of a packet that is too large, so that the broker does not send it again.
    fn oversized(
        &mut self,
        header: Header,
        from: &mut BytesMut,
    ) -> Result<Option<Packet>, TransportError> {
        if header.kind() != kind::PUBLISH {
            return Err(TransportError::Framing("a packet is larger than any that was asked for"));
        }
        let id = match header.qos()? {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce => {
                let mut body = from.get(header.size..).unwrap_or_default();
                let Ok(topic) = body.try_get_u16() else { return Ok(None) };
                let Some(mut id) = body.get(usize::from(topic)..) else { return Ok(None) };
                let Ok(id) = id.try_get_u16() else { return Ok(None) };
                Some(id)
            }
        };
        self.skipping = header.size + header.body;
        self.skip(from);
        Ok(Some(Packet::Oversized(id)))
    }
}

impl Decoder for Packets {
    type Item = Packet;
    type Error = TransportError;

    fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Packet>, TransportError> {
        if !self.skip(from) {
            return Ok(None);
        }
        let Some(header) = Header::read(from)? else { return Ok(None) };
        if header.body > self.largest {
            return self.oversized(header, from);
        }
        let whole = header.size + header.body;
        if from.len() < whole {
            from.reserve(whole - from.len());
            return Ok(None);
        }
        from.advance(header.size);
        let body = from.split_to(header.body);
        packet(self.version, header, &body).map(Some)
    }
}

/// What every packet begins with.
#[derive(Clone, Copy)]
struct Header {
    first: u8,
    /// Bytes of the header itself.
    size: usize,
    /// Bytes that follow it.
    body: usize,
}

impl Header {
    fn read(from: &[u8]) -> Result<Option<Self>, TransportError> {
        let Some((&first, mut rest)) = from.split_first() else { return Ok(None) };
        let before = rest.len();
        match length(&mut rest) {
            Ok(body) => Ok(Some(Self { first, size: 1 + before - rest.len(), body })),
            Err(Short) if before < 4 => Ok(None),
            Err(Short) => Err(TransportError::Framing("the length of a packet has no end")),
        }
    }

    fn kind(self) -> u8 {
        self.first >> 4
    }

    fn qos(self) -> Result<Qos, TransportError> {
        match self.first >> 1 & 0b11 {
            0 => Ok(Qos::AtMostOnce),
            1 => Ok(Qos::AtLeastOnce),
            _ => Err(TransportError::Framing("a message has a QoS that was not asked for")),
        }
    }
}

/// The bytes end too early.
pub(super) struct Short;

impl From<bytes::TryGetError> for Short {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

/// A number of one to four bytes, seven bits in each.
fn length(from: &mut &[u8]) -> Result<usize, Short> {
    let mut length = 0;
    for place in 0..4 {
        let byte = from.try_get_u8()?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(Short)
}

pub(super) fn take<'a>(from: &mut &'a [u8], len: usize) -> Result<&'a [u8], Short> {
    let (taken, rest) = from.split_at_checked(len).ok_or(Short)?;
    *from = rest;
    Ok(taken)
}

/// Text or bytes behind their length.
pub(super) fn take_text<'a>(from: &mut &'a [u8]) -> Result<&'a [u8], Short> {
    let len = from.try_get_u16()?;
    take(from, usize::from(len))
}

pub(super) fn take_properties<'a>(
    from: &mut &'a [u8],
    version: Version,
) -> Result<&'a [u8], Short> {
    match version {
        // What has nothing to say may leave even the length out.
        Version::V5 if !from.is_empty() => {
            let len = length(from)?;
            take(from, len)
        }
        _ => Ok(&[]),
    }
}

fn packet(version: Version, header: Header, body: &[u8]) -> Result<Packet, TransportError> {
    let short = |_| TransportError::Framing("a packet is shorter than what it holds");
    match header.kind() {
        kind::PUBLISH => {
            let qos = header.qos()?;
            let (topic, publish) = published(version, header, qos, body).map_err(short)?;
            let topic = std::str::from_utf8(topic)
                .map_err(|_| TransportError::Framing("a topic is not UTF-8"))?;
            Ok(Packet::Publish(Publish { topic: topic.to_owned(), ..publish }))
        }
        kind::CONNACK => ConnAck::read(version, body).map(Packet::ConnAck).map_err(short),
        kind::PUBACK => pub_ack(body).map_err(short),
        kind::SUBACK => sub_ack(version, body).map_err(short),
        kind::UNSUBACK => {
            let id = { body }.try_get_u16().map_err(|error| short(error.into()))?;
            Ok(Packet::UnsubAck(id))
        }
        kind::PINGRESP => Ok(Packet::PingResp),
        kind::DISCONNECT => Ok(Packet::Disconnect({ body }.try_get_u8().unwrap_or(0))),
        _ => Err(TransportError::Framing("a packet is of no kind that a broker sends")),
    }
}

/// The topic, and the rest of the message with a copy of the payload: one that shared the read
/// buffer would keep all of it in memory.
fn published(
    version: Version,
    header: Header,
    qos: Qos,
    mut body: &[u8],
) -> Result<(&[u8], Publish), Short> {
    let topic = take_text(&mut body)?;
    let id = match qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce => Some(body.try_get_u16()?),
    };
    if version == Version::V5 {
        let len = length(&mut body)?;
        take(&mut body, len)?;
    }
    let payload = Bytes::copy_from_slice(body);
    Ok((topic, Publish { topic: String::new(), payload, id, retained: header.first & 1 == 1 }))
}

fn pub_ack(mut body: &[u8]) -> Result<Packet, Short> {
    let id = body.try_get_u16()?;
    let code = body.try_get_u8().unwrap_or(0);
    Ok(Packet::PubAck(id, (code >= 0x80).then_some(code)))
}

fn sub_ack(version: Version, mut body: &[u8]) -> Result<Packet, Short> {
    let id = body.try_get_u16()?;
    take_properties(&mut body, version)?;
    Ok(Packet::SubAck(id, body.to_vec()))
}
