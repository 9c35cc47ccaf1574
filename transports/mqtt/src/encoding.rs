//! How a frame stands in the payload of a message: as it is, or as hexadecimal text.
//! Not what is in the frame.

use bytes::Bytes;

/// How frames stand in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    #[default]
    Raw,
    /// As hexadecimal text in lower case, for devices that build on the MQTT example of the original
    /// String phone. Upper case and white space around it are understood.
    Hex,
}

impl Encoding {
    /// The bytes of a payload with a frame of so many.
    pub(crate) fn len(self, frame: usize) -> usize {
        match self {
            Self::Raw => frame,
            Self::Hex => frame.saturating_mul(2),
        }
    }

    /// The bytes of the largest frame in a payload of so many.
    pub(crate) fn fits(self, payload: usize) -> usize {
        match self {
            Self::Raw => payload,
            Self::Hex => payload / 2,
        }
    }

    pub(crate) fn encode(self, frame: Bytes) -> Bytes {
        match self {
            Self::Raw => frame,
            Self::Hex => frame.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect(),
        }
    }

    /// The frame, unless the payload is none.
    pub(crate) fn decode(self, payload: Bytes) -> Option<Bytes> {
        match self {
            Self::Raw => Some(payload),
            Self::Hex => {
                let (pairs, []) = payload.trim_ascii().as_chunks() else { return None };
                pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
            }
        }
    }
}

fn digit(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

fn value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn hex_of_all_bytes_is_lower_case_and_leads_back() {
        let all: Bytes = (0..=255).collect();
        let text = Encoding::Hex.encode(all.clone());
        assert_eq!(text.len(), Encoding::Hex.len(256));
        assert!(text.starts_with(b"000102") && text.ends_with(b"fdfeff"));
        assert_eq!(Encoding::Hex.decode(text), Some(all));
    }

    #[test]
    fn upper_case_and_white_space_around_are_understood_and_nothing_else_is() {
        let decoded = |text: &'static str| Encoding::Hex.decode(Bytes::from(text));
        assert_eq!(decoded(" \t0aFF\r\n").unwrap(), &[0x0a, 0xff][..]);
        assert_eq!(decoded("").unwrap(), &[][..]);
        for text in ["0", "0g", "0x0a", "0a 0b", "+a", "é0"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
