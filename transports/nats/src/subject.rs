//! How a channel becomes a token of a subject, and part of a consumer's name.
//! Not the other way round: every subscription knows its channel.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use stringphone_transport::ChannelName;

/// What a token can't hold; `%` begins an escape, and what is not ASCII is always escaped.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'*').add(b'.').add(b'>');

/// What a consumer's name can't hold; `=` begins an escape, for a server takes a `%` in the name for
/// one of its own format strings.
const ESCAPED_IN_NAME: &AsciiSet = &ESCAPED.add(b'/').add(b'\\').add(b'=');

/// The channel as one token; its case stays.
fn token(channel: &ChannelName) -> String {
    utf8_percent_encode(channel.as_str(), ESCAPED).to_string()
}

/// The subject of a channel.
pub(crate) fn subject(prefix: &str, channel: &ChannelName) -> String {
    format!("{prefix}.{}", token(channel))
}

/// The consumer of a channel. A durable name holds no tilde, so no two of these are the same.
pub(crate) fn consumer(durable: &str, channel: &ChannelName) -> String {
    let channel = utf8_percent_encode(channel.as_str(), ESCAPED_IN_NAME).to_string();
    format!("{durable}~{}", channel.replace('%', "="))
}

/// Whether this can be a prefix: tokens without wildcards or white space, between dots.
pub(crate) fn is_prefix(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '>');
    text.split('.').all(|token| !token.is_empty() && token.chars().all(fits))
}

/// Whether this can name a stream or a durable consumer.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=32).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(channel: &str) -> String {
        token(&ChannelName::try_from(channel).unwrap())
    }

    #[test]
    fn a_channel_is_one_token_whatever_its_name() {
        for (channel, token) in [
            ("Greenhouse-2_b", "Greenhouse-2_b"),
            ("living room", "living%20room"),
            ("a.b", "a%2Eb"),
            ("*", "%2A"),
            (">", "%3E"),
            ("100%", "100%25"),
            ("a/b\\c=d", "a/b\\c=d"),
            ("tab\tend\r\n", "tab%09end%0D%0A"),
            ("dürr", "d%C3%BCrr"),
            ("\u{85}\u{a0}\u{2028}", "%C2%85%C2%A0%E2%80%A8"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(token_of(channel), token);
        }
    }

    #[test]
    fn no_two_channels_share_a_consumer() {
        for (channel, name) in [
            ("living room", "lamp~living=20room"),
            ("a.b", "lamp~a=2Eb"),
            ("a=2Eb", "lamp~a=3D2Eb"),
            ("a%2Eb", "lamp~a=252Eb"),
            ("a/b\\c", "lamp~a=2Fb=5Cc"),
            ("~", "lamp~~"),
        ] {
            assert_eq!(consumer("lamp", &ChannelName::try_from(channel).unwrap()), name);
        }
    }

    #[test]
    fn what_could_break_a_subject_or_a_consumers_name_is_refused() {
        for prefix in ["stringphone", "home.lamps", "$x"] {
            assert!(is_prefix(prefix), "{prefix}");
        }
        for prefix in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "ä", "a\n"] {
            assert!(!is_prefix(prefix), "{prefix}");
        }
        for name in ["GW1", "lamp-7_b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a~b", "a.b", "a b", "a/b", &"a".repeat(33)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
