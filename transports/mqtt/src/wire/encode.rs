//! Packets that a client sends, as bytes.
//! Not the choice of what to send.

use std::time::Duration;

use bytes::BufMut;
use zeroize::Zeroizing;

use super::{Qos, Version, kind, property};

/// A sign of life.
pub(crate) const PINGREQ: [u8; 2] = [kind::PINGREQ << 4, 0];
/// A goodbye, after which the broker publishes no will.
pub(crate) const DISCONNECT: [u8; 2] = [kind::DISCONNECT << 4, 0];

/// How a client introduces itself.
pub(crate) struct Connect<'a> {
    pub(crate) client: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) keep_alive: u16,
    /// Whether the broker is to forget what it knows of this client.
    pub(crate) clean: bool,
    /// How long the broker is to remember the client once it is gone, in MQTT 5.
    pub(crate) expiry: Duration,
    /// What the broker publishes once the client is gone without a goodbye: a topic and its
    /// payload, retained.
    pub(crate) will: Option<(&'a str, &'a str)>,
}

/// A CONNECT packet, which is wiped since it holds the password.
pub(crate) fn connect(version: Version, connect: &Connect<'_>) -> Zeroizing<Vec<u8>> {
    let Connect { client, user, password, will, .. } = *connect;
    let (will_topic, will_payload) = will.unwrap_or_default();
    let texts = [client, user.unwrap_or(""), password.unwrap_or(""), will_topic, will_payload];
    // Enough that nothing moves, for what moves leaves a copy behind.
    let room = 64 + texts.iter().map(|text| text.len()).sum::<usize>();
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    put_text(&mut *body, "MQTT");
    body.put_u8(if version == Version::V5 { 5 } else { 4 });
    body.put_u8(flags(connect));
    body.put_u16(connect.keep_alive);
    if version == Version::V5 {
        body.put_u8(5); // bytes of properties
        body.put_u8(property::SESSION_EXPIRY);
        body.put_u32(u32::try_from(connect.expiry.as_secs()).unwrap_or(u32::MAX));
    }
    put_text(&mut *body, client);
    if will.is_some() {
        put_no_properties(&mut *body, version);
        put_text(&mut *body, will_topic);
        put_text(&mut *body, will_payload);
    }
    for text in [user, password].into_iter().flatten() {
        put_text(&mut *body, text);
    }
    let mut packet = Zeroizing::new(Vec::with_capacity(room + 5));
    put_header(&mut *packet, kind::CONNECT << 4, body.len());
    packet.put_slice(&body);
    packet
}

fn flags(connect: &Connect<'_>) -> u8 {
    /// A will, retained, of QoS 1.
    const WILL: u8 = 0b0010_1100;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    flag(connect.clean, 0b10)
        | flag(connect.will.is_some(), WILL)
        | flag(connect.password.is_some(), 0b0100_0000)
        | flag(connect.user.is_some(), 0b1000_0000)
}

/// What a client publishes.
#[derive(Clone, Copy)]
pub(crate) struct Publication<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// Its QoS is 1 if it has one.
    pub(crate) id: Option<u16>,
    /// Whether it was sent before under this id.
    pub(crate) again: bool,
    pub(crate) retain: bool,
}

pub(crate) fn publish(to: &mut impl BufMut, version: Version, what: Publication<'_>) {
    let flags =
        u8::from(what.again) << 3 | u8::from(what.id.is_some()) << 1 | u8::from(what.retain);
    let len = publish_body_len(version, what.topic.len(), what.id.is_some(), what.payload.len());
    put_header(to, kind::PUBLISH << 4 | flags, len);
    put_text(to, what.topic);
    if let Some(id) = what.id {
        to.put_u16(id);
    }
    put_no_properties(to, version);
    to.put_slice(what.payload);
}

/// Bytes of a whole PUBLISH packet.
pub(crate) fn publish_len(version: Version, topic: usize, qos: Qos, payload: usize) -> usize {
    let body = publish_body_len(version, topic, qos == Qos::AtLeastOnce, payload);
    1 + body_len_len(body) + body
}

fn publish_body_len(version: Version, topic: usize, has_id: bool, payload: usize) -> usize {
    2 + topic + 2 * usize::from(has_id) + usize::from(version == Version::V5) + payload
}

pub(crate) fn puback(to: &mut impl BufMut, id: u16) {
    put_header(to, kind::PUBACK << 4, 2);
    to.put_u16(id);
}

/// One packet for all these filters. In MQTT 5, the broker is to return no echoes.
pub(crate) fn subscribe(
    to: &mut impl BufMut,
    version: Version,
    id: u16,
    filters: &[(impl AsRef<str>, Qos)],
) {
    const NO_LOCAL: u8 = 0b100;
    let mut body = filters_of(version, id, filters.len());
    for (filter, qos) in filters {
        put_text(&mut body, filter.as_ref());
        let qos = u8::from(*qos == Qos::AtLeastOnce);
        body.put_u8(if version == Version::V5 { qos | NO_LOCAL } else { qos });
    }
    put_header(to, kind::SUBSCRIBE << 4 | 0b10, body.len());
    to.put_slice(&body);
}

/// One packet for all these filters.
pub(crate) fn unsubscribe(
    to: &mut impl BufMut,
    version: Version,
    id: u16,
    filters: &[impl AsRef<str>],
) {
    let mut body = filters_of(version, id, filters.len());
    for filter in filters {
        put_text(&mut body, filter.as_ref());
    }
    put_header(to, kind::UNSUBSCRIBE << 4 | 0b10, body.len());
    to.put_slice(&body);
}

/// What stands before the filters, with some room for them.
fn filters_of(version: Version, id: u16, filters: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(3 + 32 * filters);
    body.put_u16(id);
    put_no_properties(&mut body, version);
    body
}

fn put_no_properties(to: &mut impl BufMut, version: Version) {
    if version == Version::V5 {
        to.put_u8(0);
    }
}

/// What MQTT cannot say, since it is longer than 65,535 bytes, is cut off.
fn put_text(to: &mut impl BufMut, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    to.put_u16(len);
    to.put_slice(text.as_bytes().get(..usize::from(len)).unwrap_or_default());
}

fn put_header(to: &mut impl BufMut, first: u8, mut len: usize) {
    to.put_u8(first);
    loop {
        let low = (len & 0x7f) as u8;
        len >>= 7;
        if len == 0 {
            return to.put_u8(low);
        }
        to.put_u8(low | 0x80);
    }
}

fn body_len_len(len: usize) -> usize {
    match len {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}
