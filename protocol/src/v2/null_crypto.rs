//! **NO CRYPTOGRAPHY AT ALL.** Takes the place of [`primitives`](super::primitives) in builds for a
//! model checker (`--cfg stringphone_null_crypto`) or a fuzzer (`--cfg fuzzing`), and in no others:
//! anybody can read, forge and decrypt whatever these functions make. Not here: any secrecy.
//!
//! It is faithful in what it refuses. A changed byte, another key, nonce, topic, epoch, label,
//! recipient, signer, PSK or PIN fails to open or to verify, as with the real primitives: each tag
//! is a fast hash of 64 bits over all of that, spread over as many bytes as the real one has. So a
//! search gets past authentication in nanoseconds, and not around it by accident; a fuzzer that
//! learns the hash could forge, and what it finds by that is no finding.

use alloc::vec;
use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::crypto::{Digest, PSK, TAG};
use super::kem::{KemPublic, Sealing, Suite};
use super::pin::SHARE;
use crate::Identity;
use crate::key::SecretBytes;

// It takes a flag of the compiler, which no `Cargo.toml` can set, and a feature that no product has.
#[cfg(all(stringphone_null_crypto, not(feature = "model")))]
compile_error!(
    "--cfg stringphone_null_crypto takes ALL cryptography away. It is for the model checker, which \
     sets the feature `model` as well; nobody else may set it."
);

/// As BLAKE2b is used: over all parts together, wherever one ends.
pub(super) fn hash(label: &str, parts: &[&[u8]]) -> Digest {
    Mixer::new("hash").part(label.as_bytes()).parts(parts).spread()
}

pub(super) fn kdf(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> SecretBytes {
    SecretBytes::new(&Mixer::new("kdf").part(key).part(label.as_bytes()).parts(parts).spread())
}

/// Its first half differs for every string that a key signs, as Ed25519's does.
pub(super) fn sign(identity: &Identity, message: &[u8]) -> [u8; 64] {
    signature(identity.public_key().as_bytes(), message)
}

pub(super) fn verifies(key: &VerifyingKey, message: &[u8], given: &[u8; 64]) -> bool {
    signature(key.as_bytes(), message) == *given
}

fn signature(key: &[u8; 32], message: &[u8]) -> [u8; 64] {
    Mixer::new("signature").part(key).part(message).spread()
}

/// A key that seals without hiding anything.
#[derive(Clone)]
pub(super) struct MessageKey([u8; 32]);

impl MessageKey {
    pub(super) fn new(bytes: &SecretBytes) -> Self {
        Self(*bytes.expose())
    }

    /// `Some`, always, as the real one wants to be able to refuse.
    pub(super) fn seal(&self, nonce: [u8; 24], ad: &[u8], bytes: &mut [u8]) -> Option<[u8; TAG]> {
        Some(self.tag(&nonce, ad, bytes))
    }

    pub(super) fn open(&self, nonce: [u8; 24], ad: &[u8], bytes: &mut [u8], tag: &[u8]) -> bool {
        self.tag(&nonce, ad, bytes) == *tag
    }

    fn tag(&self, nonce: &[u8; 24], ad: &[u8], bytes: &[u8]) -> [u8; TAG] {
        Mixer::new("seal").part(&self.0).part(nonce).part(ad).part(bytes).spread()
    }
}

pub(super) fn kem_public(suite: Suite, secret: &[u8; 32]) -> KemPublic {
    let mut public = vec![0; suite.public_key_size()];
    Mixer::new("public key").part(&[suite.to_byte()]).part(secret).fill(&mut public);
    public.into()
}

pub(super) fn kem_open(
    suite: Suite,
    secret: &[u8; 32],
    sealed: &[u8],
    info: &[u8],
    psk: Option<&SecretBytes>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (encapsulated, rest) = sealed.split_at_checked(suite.encapsulated())?;
    let (plaintext, tag) = rest.split_last_chunk::<TAG>()?;
    let public = kem_public(suite, secret);
    let sealing = Sealing { suite, to: &public, info, psk };
    let opened = kem_tag(&sealing, encapsulated, plaintext) == *tag;
    opened.then(|| Zeroizing::new(plaintext.to_vec()))
}

pub(super) fn kem_seal(
    sealing: &Sealing<'_>,
    plaintext: &[u8],
    mut fresh: impl FnMut() -> SecretBytes,
) -> Option<Vec<u8>> {
    let weak = sealing.to.iter().all(|byte| *byte == 0);
    if weak || sealing.to.len() != sealing.suite.public_key_size() {
        return None;
    }
    let mut encapsulated = vec![0; sealing.suite.encapsulated()];
    Mixer::new("encapsulated").part(fresh().expose()).fill(&mut encapsulated);
    let tag = kem_tag(sealing, &encapsulated, plaintext);
    Some([encapsulated.as_slice(), plaintext, &tag].concat())
}

fn kem_tag(sealing: &Sealing<'_>, encapsulated: &[u8], plaintext: &[u8]) -> [u8; TAG] {
    let psk = sealing.psk.map(|psk| psk.expose().as_slice()).unwrap_or_default();
    let mixer = Mixer::new(PSK).part(&[sealing.suite.to_byte()]).part(sealing.to);
    mixer.part(encapsulated).part(sealing.info).part(psk).part(plaintext).spread()
}

/// One side of an exchange over a PIN: both shares, the PIN and the name make the key.
#[derive(Clone)]
pub(super) struct PinExchange {
    side: u8,
    pin: Vec<u8>,
    name: Vec<u8>,
    share: Vec<u8>,
}

const SIDE_A: u8 = b'A';
const SIDE_B: u8 = b'B';

impl PinExchange {
    pub(super) fn newcomer(pin: &str, key: &[u8], entropy: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        Self::start(SIDE_A, pin, key, entropy)
    }

    pub(super) fn keeper(pin: &str, key: &[u8], entropy: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        Self::start(SIDE_B, pin, key, entropy)
    }

    fn start(side: u8, pin: &str, name: &[u8], entropy: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let random = SecretBytes::random(entropy);
        let mut share = vec![side; SHARE];
        if let Some(rest) = share.get_mut(1..) {
            Mixer::new("share").part(pin.as_bytes()).part(random.expose()).fill(rest);
        }
        let (pin, name) = (pin.as_bytes().to_vec(), name.to_vec());
        (Self { side, pin, name, share: share.clone() }, share)
    }

    pub(super) fn finish(self, share: &[u8]) -> Option<SecretBytes> {
        let other = if self.side == SIDE_A { SIDE_B } else { SIDE_A };
        if share.len() != SHARE || share.first() != Some(&other) {
            return None;
        }
        let (a, b) =
            if self.side == SIDE_A { (&*self.share, share) } else { (share, &*self.share) };
        let mixer = Mixer::new("PIN").part(&self.pin).part(&self.name).part(a).part(b);
        Some(SecretBytes::new(&mixer.spread()))
    }
}

/// A hash of 64 bits. Fast, and worth nothing against anybody who wants to collide it.
struct Mixer(u64);

impl Mixer {
    fn new(purpose: &str) -> Self {
        Self(0x9e37_79b9_7f4a_7c15).part(purpose.as_bytes())
    }

    /// Some bytes, and where they end.
    fn part(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let mixed = words.iter().fold(self, |mixer, word| mixer.word(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        mixed.word(u64::from_le_bytes(last)).word(length)
    }

    /// All of these as if they were one.
    fn parts(self, parts: &[&[u8]]) -> Self {
        match parts {
            [one] => self.part(one),
            many => self.part(&many.concat()),
        }
    }

    fn word(self, word: u64) -> Self {
        // Multiplied to twice the size, and folded: each bit of the word reaches all of the state.
        let product = u128::from(self.0 ^ word ^ 0xa076_1d64_78bd_642f)
            .wrapping_mul(0xe703_7ed1_a0b4_28db_8ebc_6af0_9c88_c6e3);
        let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
        Self(u64::try_from(low ^ high).unwrap_or(0).rotate_left(23) ^ word)
    }

    fn spread<const N: usize>(self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    fn fill(self, out: &mut [u8]) {
        let mut mixer = self;
        for chunk in out.chunks_mut(8) {
            mixer = mixer.word(0x5851_f42d_4c95_7f2d);
            for (to, from) in chunk.iter_mut().zip(mixer.0.to_le_bytes()) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
#[path = "null_crypto/tests.rs"]
mod tests;
