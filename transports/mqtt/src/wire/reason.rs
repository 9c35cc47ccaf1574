//! What a broker's codes mean, in words.
//! Not what follows from them.

use super::Version;

/// Why a broker refuses a CONNECT or anything else, or ends a connection.
pub(crate) fn words(version: Version, code: u8) -> &'static str {
    match (version, code) {
        (Version::V3_1_1, 1) | (_, 0x84) => "it does not speak this version of MQTT",
        (Version::V3_1_1, 2) | (_, 0x85) => "it does not like the client's name",
        (Version::V3_1_1, 3) | (_, 0x88) => "it is not available",
        (Version::V3_1_1, 4) | (_, 0x86) => "the user or the password is wrong",
        (Version::V3_1_1, 5) | (_, 0x87) => "it is not allowed",
        (_, 0x89) => "it is busy",
        (_, 0x8a) => "this client is banned",
        (_, 0x8b) => "it shuts down",
        (_, 0x8d) => "it heard nothing for too long",
        (_, 0x8e) => "another client came under the same name",
        (_, 0x8f | 0x90) => "it does not like the topic",
        (_, 0x93 | 0x96 | 0x97) => "there is too much at a time",
        (_, 0x95) => "a packet is too large",
        (_, 0x9a) => "it keeps no retained messages",
        (_, 0x9f) => "there are too many connections",
        (_, 0x80) => "it does not say why",
        _ => "for a reason that has no words here",
    }
}
