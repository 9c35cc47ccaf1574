//! Packets against the bytes that the standards give them. Not sessions.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use stringphone_transport::TransportError;
use tokio_util::codec::Decoder;

use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![];
    write(&mut bytes);
    bytes
}

/// All packets in these bytes, which arrive in pieces of so many.
fn read(packets: &mut Packets, bytes: &[u8], piece: usize) -> Result<Vec<Packet>, TransportError> {
    let mut buffer = BytesMut::new();
    let mut read = vec![];
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        while let Some(packet) = packets.decode(&mut buffer)? {
            read.push(packet);
        }
    }
    assert!(buffer.is_empty(), "{} bytes are left", buffer.len());
    Ok(read)
}

fn hello<'a>(will: Option<(&'a str, &'a str)>, password: Option<&'a str>) -> Connect<'a> {
    Connect {
        client: "me",
        user: password.map(|_| "u"),
        password,
        keep_alive: 30,
        clean: will.is_none(),
        expiry: Duration::from_secs(300),
        will,
    }
}

#[test]
fn hellos_are_as_the_standards_say() {
    let bytes = connect(Version::V3_1_1, &hello(None, None));
    assert_eq!(&**bytes, b"\x10\x0e\0\x04MQTT\x04\x02\0\x1e\0\x02me");
    let bytes = connect(Version::V3_1_1, &hello(Some(("t", "off")), Some("pw")));
    assert_eq!(
        &**bytes,
        b"\x10\x1d\0\x04MQTT\x04\xec\0\x1e\0\x02me\0\x01t\0\x03off\0\x01u\0\x02pw"
    );
    let bytes = connect(Version::V5, &hello(Some(("t", "off")), None));
    let properties = b"\x05\x11\0\0\x01\x2c";
    let expected =
        [b"\x10\x1d\0\x04MQTT\x05\x2c\0\x1e", &properties[..], b"\0\x02me\0\0\x01t\0\x03off"];
    assert_eq!(**bytes, expected.concat());
}

#[test]
fn frames_are_as_the_standards_say_and_as_long_as_was_said() {
    let what = Publication { topic: "a/b", payload: b"xyz", id: None, again: false, retain: false };
    for (version, what, expected) in [
        (Version::V3_1_1, what, &b"\x30\x08\0\x03a/bxyz"[..]),
        (Version::V5, what, b"\x30\x09\0\x03a/b\0xyz"),
        (Version::V5, Publication { retain: true, ..what }, b"\x31\x09\0\x03a/b\0xyz"),
        (Version::V5, Publication { id: Some(258), ..what }, b"\x32\x0b\0\x03a/b\x01\x02\0xyz"),
        (
            Version::V3_1_1,
            Publication { id: Some(1), again: true, ..what },
            b"\x3a\x0a\0\x03a/b\0\x01xyz",
        ),
    ] {
        assert_eq!(written(|to| publish(to, version, what)), expected);
        let qos = if what.id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        assert_eq!(publish_len(version, 3, qos, 3), expected.len());
    }
    for payload in [120, 121, 122, 123, 16_376, 16_377, 16_378, 2_097_144, 2_097_145, 2_097_146] {
        let what = Publication { payload: &vec![7; payload], ..what };
        let bytes = written(|to| publish(to, Version::V5, what));
        assert_eq!(publish_len(Version::V5, 3, Qos::AtMostOnce, payload), bytes.len());
        let mut packets = Packets::new(Version::V5, usize::MAX);
        let read = read(&mut packets, &bytes, usize::MAX).unwrap();
        assert!(
            matches!(&read[..], [Packet::Publish(publish)] if publish.payload.len() == payload)
        );
    }
}

#[test]
fn requests_are_as_the_standards_say() {
    let filters = [("a", Qos::AtMostOnce), ("b", Qos::AtLeastOnce)];
    let asked = |version| written(|to| subscribe(to, version, 0x8001, &filters));
    assert_eq!(asked(Version::V3_1_1), b"\x82\x0a\x80\x01\0\x01a\0\0\x01b\x01");
    // In MQTT 5, with no-local.
    assert_eq!(asked(Version::V5), b"\x82\x0b\x80\x01\0\0\x01a\x04\0\x01b\x05");
    let left = |version| written(|to| unsubscribe(to, version, 1, &["a", "b"]));
    assert_eq!(left(Version::V3_1_1), b"\xa2\x08\0\x01\0\x01a\0\x01b");
    assert_eq!(left(Version::V5), b"\xa2\x09\0\x01\0\0\x01a\0\x01b");
    assert_eq!(written(|to| puback(to, 258)), b"\x40\x02\x01\x02");
    assert_eq!((PINGREQ, DISCONNECT), ([0xc0, 0], [0xe0, 0]));
}

fn message(payload: &'static [u8], id: Option<u16>, retained: bool) -> Packet {
    let payload = Bytes::from_static(payload);
    Packet::Publish(Publish { topic: "a".into(), payload, id, retained })
}

#[test]
fn answers_are_read_however_they_are_cut_up() {
    let ack = ConnAck {
        code: 0,
        session_present: true,
        receive_maximum: 20,
        max_qos: Qos::AtMostOnce,
        max_packet: 1000,
        keep_alive: Some(5),
    };
    let v5 = [
        // With properties that are not heeded in between: a user's, an id, topic aliases, retain.
        &b"\x20\x26\x01\0\x23\x26\0\x01k\0\x01v\x12\0\x02id\x22\0\x0a\x25\x01\x21\0\x14\x24\0\
           \x27\0\0\x03\xe8\x13\0\x05\x11\0\0\0\x01"[..],
        b"\x30\x06\0\x01a\0hi",
        b"\x33\x0a\0\x01a\x01\x02\x02\x01\x01hi",
        b"\x30\x04\0\x01a\0",
        b"\x40\x02\0\x01\x40\x04\0\x02\x87\0",
        b"\x90\x05\x80\x01\0\x01\x87\xb0\x04\x80\x02\0\0\xd0\0\xe0\x01\x8e\xe0\0",
    ];
    let expected = || {
        vec![
            Packet::ConnAck(ack),
            message(b"hi", None, false),
            message(b"hi", Some(258), true),
            message(b"", None, false),
            Packet::PubAck(1, None),
            Packet::PubAck(2, Some(0x87)),
            Packet::SubAck(0x8001, vec![1, 0x87]),
            Packet::UnsubAck(0x8002),
            Packet::PingResp,
            Packet::Disconnect(0x8e),
            Packet::Disconnect(0),
        ]
    };
    for piece in [1, 2, 3, 7, usize::MAX] {
        let mut packets = Packets::new(Version::V5, 100);
        assert_eq!(read(&mut packets, &v5.concat(), piece).unwrap(), expected());
    }
    let v3 = [&b"\x20\x02\0\x05"[..], b"\x32\x07\0\x01a\0\x01hi", b"\x90\x04\x80\x01\x01\x80"];
    let mut packets = Packets::new(Version::V3_1_1, 100);
    let read = read(&mut packets, &v3.concat(), 1).unwrap();
    assert!(matches!(&read[0], Packet::ConnAck(ConnAck { code: 5, session_present: false, .. })));
    assert_eq!(read[1..], [message(b"hi", Some(1), false), Packet::SubAck(0x8001, vec![1, 0x80])]);
}

#[test]
fn a_giant_is_skipped_without_being_held_and_its_id_is_known() {
    for (what, id) in [(0x30, None), (0x32, Some(7))] {
        let mut packets = Packets::new(Version::V3_1_1, 100);
        // 2 MiB, on the longest of topics.
        let mut giant = vec![what, 0x80, 0x80, 0x80, 0x01, 0xff, 0xff];
        giant.extend(vec![b't'; 0xffff]);
        giant.extend([0, 7]);
        giant.resize(5 + 2 * 1024 * 1024, 0);
        giant.extend_from_slice(b"\x30\x05\0\x01ahi");
        let mut buffer = BytesMut::new();
        let mut read = vec![];
        for piece in giant.chunks(1000) {
            buffer.extend_from_slice(piece);
            read.extend(packets.decode(&mut buffer).unwrap());
            assert!(buffer.len() < 0x1_0000 + 2000, "{} bytes are held", buffer.len());
        }
        read.extend(packets.decode(&mut buffer).unwrap());
        assert_eq!(read, [Packet::Oversized(id), message(b"hi", None, false)]);
    }
}

#[test]
fn what_no_broker_sends_takes_the_link_down() {
    for bytes in [
        &b"\x34\x07\0\x01a\0\x01hi"[..], // QoS 2
        b"\x30\x01\0",                   // a topic without an end
        b"\x30\x04\0\x01\xff\0",         // one that is not UTF-8
        b"\x30\x04\0\x01a\x05",          // properties without an end
        b"\x30\xff\xff\xff\xff\x01",     // a length of five bytes
        b"\x20\x05\0\0\x02\x99\0",       // a property that there is not
        b"\x20\x01\0",                   // too short
        b"\x40\x01\0",
        b"\x90\x01\0",
        b"\xb0\x01\0",
        b"\x90\xff\x7f", // too large for what it is
        b"\x10\0",       // a hello of a client
        b"\0\0",
        b"\xf0\0",
    ] {
        let read = read(&mut Packets::new(Version::V5, 100), bytes, usize::MAX);
        assert!(matches!(read, Err(TransportError::Framing(_))), "{bytes:x?}: {read:?}");
    }
}

#[test]
fn no_bytes_make_it_panic_or_hold_more_than_a_packet() {
    let mut chance = 1_u64;
    let mut byte = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (chance >> 56) as u8
    };
    for round in 0..20_000 {
        let version = if round % 2 == 0 { Version::V5 } else { Version::V3_1_1 };
        let mut packets = Packets::new(version, 50);
        // Kinds that there are, and short lengths, for most others end at once.
        let mut buffer: BytesMut = (0..40).map(|_| byte()).collect();
        buffer[0] = [0x20, 0x30, 0x32, 0x40, 0x90, 0xb0, 0xe0][round % 7];
        buffer[1] &= 0x1f;
        while let Ok(Some(_)) = packets.decode(&mut buffer) {}
    }
}
