//! Sealing what is kept at rest: XChaCha20-Poly1305, and keys derived from keys. Not the wire, which
//! is the protocol's.

use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, Tag, XChaCha20Poly1305};
use zeroize::Zeroizing;

pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 24;
/// Bytes that a sealed text has over the open one.
pub(crate) const TAG: usize = 16;

/// Seals this text. `None` only for more bytes than fit the cipher.
pub(crate) fn seal(key: &Key, nonce: &[u8; NONCE], ad: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    // With room for all of it from the start: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(text.len().checked_add(TAG)?);
    bytes.extend_from_slice(text);
    let (key, nonce) = (SecretKey::from(**key), Nonce::from(*nonce));
    let tag = XChaCha20Poly1305::seal_inplace(&key, &nonce, Some(ad), &mut bytes).ok()?;
    bytes.extend_from_slice(tag.unprotected_as_ref());
    Some(bytes)
}

/// What [`seal`] sealed. `None` where key, nonce or `ad` are others, or a bit is.
pub(crate) fn open(
    key: &Key,
    nonce: &[u8; NONCE],
    ad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
    let mut text = Zeroizing::new(text.to_vec());
    let (key, nonce, tag) = (SecretKey::from(**key), Nonce::from(*nonce), Tag::try_from(tag).ok()?);
    XChaCha20Poly1305::open_inplace(&key, &nonce, &tag, Some(ad), &mut text).ok()?;
    Some(text)
}

/// Keyed BLAKE2b-256 of a label and what follows it.
#[cfg(any(feature = "redb", test))]
pub(crate) fn derive(key: &Key, label: &str, about: &[u8]) -> Key {
    use orion::hazardous::mac::blake2b;

    let mut out = Zeroizing::new([0; 32]);
    // It fails only for keys of other lengths, and beyond 2^64 bytes, which no slice holds.
    let tag = blake2b::SecretKey::try_from(key.as_slice()).and_then(|key| {
        let mut state = blake2b::Blake2b::new(&key, 32)?;
        state.update(&[u8::try_from(label.len()).unwrap_or(u8::MAX)])?;
        state.update(label.as_bytes())?;
        state.update(about)?;
        state.finalize()
    });
    if let Ok(tag) = tag {
        out.copy_from_slice(tag.unprotected_as_ref());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_nonce_and_surroundings_open_what_was_sealed() {
        let (key, other) = (Zeroizing::new([1; 32]), Zeroizing::new([2; 32]));
        let sealed = seal(&key, &[3; NONCE], b"here", b"secret").unwrap();
        assert_eq!(open(&key, &[3; NONCE], b"here", &sealed).unwrap().as_slice(), b"secret");
        assert!(open(&other, &[3; NONCE], b"here", &sealed).is_none());
        assert!(open(&key, &[4; NONCE], b"here", &sealed).is_none());
        assert!(open(&key, &[3; NONCE], b"there", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(open(&key, &[3; NONCE], b"here", &bad).is_none(), "byte {at}");
            assert!(open(&key, &[3; NONCE], b"here", &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn keys_for_different_purposes_differ() {
        let key = Zeroizing::new([1; 32]);
        let derived = [derive(&key, "a", b"b"), derive(&key, "a", b"c"), derive(&key, "ab", b"")];
        assert!(derived[0] != derived[1] && derived[0] != derived[2] && derived[1] != derived[2]);
        assert!(derived.iter().all(|derived| **derived != [0; 32]));
    }
}
