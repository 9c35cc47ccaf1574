//! The primitives that nobody who signs and seals can do without. Not a protocol: nothing is
//! parsed, looked up or remembered.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, Tag, XChaCha20Poly1305};

use crate::{Done, Pair};

struct Bare {
    signing: SigningKey,
    verifying: VerifyingKey,
    key: SecretKey,
}

pub(crate) fn pair() -> Done<Box<dyn Pair>> {
    let signing = SigningKey::from_bytes(&[1; 32]);
    let key = SecretKey::try_from(&[2; 32])?;
    Ok(Box::new(Bare { verifying: signing.verifying_key(), signing, key }))
}

/// The signature's first bytes are the nonce, the others are sealed behind the body.
const NONCE: usize = 24;
const REST: usize = 64 - NONCE;
const TAG: usize = 16;

impl Pair for Bare {
    fn send(&mut self, body: &[u8]) -> Vec<u8> {
        let signature = self.signing.sign(body).to_bytes();
        let (nonce, rest) = signature.split_at(NONCE);
        let mut message = Vec::with_capacity(NONCE + body.len() + REST + TAG);
        message.extend_from_slice(nonce);
        message.extend_from_slice(body);
        message.extend_from_slice(rest);
        let nonce = Nonce::try_from(nonce).expect("24 bytes");
        let text = &mut message[NONCE..];
        let tag = XChaCha20Poly1305::seal_inplace(&self.key, &nonce, None, text).expect("it fits");
        message.extend_from_slice(tag.unprotected_as_ref());
        message
    }

    fn receive(&mut self, message: &[u8]) -> Vec<u8> {
        let (nonce, sealed) = message.split_at(NONCE);
        let (text, tag) = sealed.split_at(sealed.len() - TAG);
        let mut text = text.to_vec();
        let tag = Tag::try_from(tag).expect("16 bytes");
        let from = Nonce::try_from(nonce).expect("24 bytes");
        let opened = XChaCha20Poly1305::open_inplace(&self.key, &from, &tag, None, &mut text);
        opened.expect("a good seal");
        let rest = text.split_off(text.len() - REST);
        let signature = Signature::from_slice(&[nonce, &rest].concat()).expect("64 bytes");
        self.verifying.verify_strict(&text, &signature).expect("a good signature");
        text
    }
}
