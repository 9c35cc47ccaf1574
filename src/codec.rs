//! bincode, and the only file that names it. Not the wire: frames have layouts of their own.
//!
//! bincode 2.0.1 is its last real release and is not maintained any more; it is pinned, and it is
//! always given a limit, because without one a hostile length aborts the process.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The bound on payloads: larger than any frame, and all that a hostile length can make us
/// allocate.
pub(crate) const PAYLOAD: usize = 1 << 20;

/// Why a value has no bytes, or bytes no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the value can't be encoded: {0}")]
    Encode(#[from] bincode::error::EncodeError),
    #[error("the bytes hold no such value: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    #[error("{0} bytes are left over behind the value")]
    Trailing(usize),
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(bincode::serde::encode_to_vec(value, bincode::config::standard())?)
}

/// The same for a value that holds secrets, and has at most `room` bytes: a buffer that grows leaves
/// copies behind.
pub(crate) fn encode_secret<T: Serialize + ?Sized>(
    value: &T,
    room: usize,
) -> Result<Zeroizing<Vec<u8>>, CodecError> {
    let mut bytes = Zeroizing::new(vec![0; room]);
    let config = bincode::config::standard();
    let len = bincode::serde::encode_into_slice(value, &mut bytes, config)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// The value of these bytes, which may claim lengths up to `LIMIT` bytes.
pub(crate) fn decode<T: DeserializeOwned, const LIMIT: usize>(
    bytes: &[u8],
) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, read) = bincode::serde::decode_from_slice(bytes, config)?;
    match bytes.len().saturating_sub(read) {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_length_is_an_error_and_no_allocation() {
        // A length of 2^64 - 1 in bincode's variable encoding.
        let hostile = [253, 255, 255, 255, 255, 255, 255, 255, 255, 0];
        assert!(matches!(decode::<Vec<u8>, PAYLOAD>(&hostile), Err(CodecError::Decode(_))));
        assert!(matches!(decode::<String, PAYLOAD>(&hostile), Err(CodecError::Decode(_))));
        assert!(matches!(decode::<Vec<u64>, PAYLOAD>(&hostile), Err(CodecError::Decode(_))));
    }

    #[test]
    fn bytes_behind_a_value_are_refused() {
        let mut bytes = encode(&7u8).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<u8, PAYLOAD>(&bytes), Err(CodecError::Trailing(1))));
    }
}
