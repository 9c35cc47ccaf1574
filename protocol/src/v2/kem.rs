//! Key encapsulation by HPKE (RFC 9180), single-shot: PROTOCOL §3.1. Not here: what is sealed.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use orion::hazardous::hpke::{DHKEM_X25519_SHA256_CHACHA20, ModeBase, ModePsk};
use orion::hazardous::kem::x25519_hkdf_sha256 as x25519;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::crypto::{PSK, TAG, fresh};
use crate::Identity;
use crate::key::SecretBytes;

#[cfg(feature = "post-quantum")]
use orion::hazardous::hpke::MLKEM768_X25519_SHA256_CHACHA20;
#[cfg(feature = "post-quantum")]
use orion::hazardous::kem::xwing;

/// How keys are sealed to participants; chosen when a topic is founded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// X25519: for everything down to a microcontroller.
    #[default]
    X25519,
    /// X-Wing, X25519 and ML-KEM-768 together: what is recorded today stays secret from a quantum
    /// computer of tomorrow (G10). Needs 150 KB of stack and keys of 1.2 KB.
    #[cfg(feature = "post-quantum")]
    XWing,
}

impl Suite {
    /// The suite's byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::X25519 => 1,
            #[cfg(feature = "post-quantum")]
            Self::XWing => 2,
        }
    }

    /// The suite of this byte, if this build knows it.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::X25519),
            #[cfg(feature = "post-quantum")]
            2 => Some(Self::XWing),
            _ => None,
        }
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_key_size(self) -> usize {
        match self {
            Self::X25519 => 32,
            #[cfg(feature = "post-quantum")]
            Self::XWing => 1216,
        }
    }

    /// Bytes that sealing adds: the encapsulated key and the tag.
    pub(super) const fn overhead(self) -> usize {
        self.encapsulated().saturating_add(TAG)
    }

    const fn encapsulated(self) -> usize {
        match self {
            Self::X25519 => 32,
            #[cfg(feature = "post-quantum")]
            Self::XWing => 1120,
        }
    }
}

/// The private half of a KEM key pair, as the 32 bytes that it is made of.
#[derive(Clone)]
pub(super) struct KemSecret {
    suite: Suite,
    secret: SecretBytes,
}

/// A KEM public key.
pub(super) type KemPublic = Box<[u8]>;

impl KemSecret {
    pub(super) fn generate(suite: Suite, identity: &Identity, entropy: &mut dyn CryptoRng) -> Self {
        Self { suite, secret: fresh(identity, "KEM key", &[suite.to_byte()], entropy) }
    }

    pub(super) fn from_bytes(suite: Suite, bytes: &[u8; 32]) -> Self {
        Self { suite, secret: SecretBytes::new(bytes) }
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        self.secret.expose()
    }

    pub(super) fn public(&self) -> KemPublic {
        let bytes = self.secret.expose().as_slice();
        // A private key of 32 bytes always has a public one: see `ExchangeKey::public`.
        let public = match self.suite {
            Suite::X25519 => x25519::PrivateKey::try_from(bytes)
                .and_then(|private| x25519::PublicKey::try_from(&private))
                .map(|public| public.as_ref().into()),
            #[cfg(feature = "post-quantum")]
            Suite::XWing => xwing::DecapsulationKey::try_from(bytes)
                .and_then(|private| xwing::EncapsulationKey::try_from(&private))
                .map(|public| public.as_ref().into()),
        };
        public.unwrap_or_default()
    }

    /// Opens what [`seal`] made. `None` where it was made for another key, `info` or PSK.
    pub(super) fn open(
        &self,
        sealed: &[u8],
        info: &[u8],
        psk: Option<&SecretBytes>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (encapsulated, ciphertext) = sealed.split_at_checked(self.suite.encapsulated())?;
        let len = ciphertext.len().checked_sub(TAG)?;
        let mut out = Zeroizing::new(vec![0; len]);
        let secret = self.secret.expose().as_slice();
        macro_rules! open {
            ($suite:ty, $secret:ty, $encapsulated:ty) => {{
                let secret = <$secret>::try_from(secret).ok()?;
                let encapsulated = <$encapsulated>::try_from(encapsulated).ok()?;
                match psk {
                    Some(psk) => ModePsk::<$suite>::new_recipient(
                        &encapsulated,
                        &secret,
                        info,
                        psk.expose(),
                        PSK.as_bytes(),
                    )
                    .and_then(|mut context| context.open(ciphertext, &[], &mut out)),
                    None => ModeBase::<$suite>::new_recipient(&encapsulated, &secret, info)
                        .and_then(|mut context| context.open(ciphertext, &[], &mut out)),
                }
            }};
        }
        let opened = match self.suite {
            Suite::X25519 => {
                open!(DHKEM_X25519_SHA256_CHACHA20, x25519::PrivateKey, x25519::PublicKey)
            }
            #[cfg(feature = "post-quantum")]
            Suite::XWing => {
                open!(MLKEM768_X25519_SHA256_CHACHA20, xwing::DecapsulationKey, xwing::Ciphertext)
            }
        };
        opened.ok().map(|()| out)
    }
}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemSecret({:?}, [redacted])", self.suite)
    }
}

/// Whom something is sealed to, and how.
pub(super) struct Sealing<'a> {
    pub(super) suite: Suite,
    pub(super) to: &'a [u8],
    pub(super) info: &'a [u8],
    pub(super) psk: Option<&'a SecretBytes>,
}

/// `SEAL`: the encapsulated key and the ciphertext. `None` where `to` is no usable public key.
pub(super) fn seal(
    sealing: &Sealing<'_>,
    plaintext: &[u8],
    identity: &Identity,
    entropy: &mut dyn CryptoRng,
) -> Option<Vec<u8>> {
    let Sealing { suite, to, info, psk } = sealing;
    let mut ciphertext = vec![0; plaintext.len().checked_add(TAG)?];
    let first = fresh(identity, "encapsulation", to, entropy);
    macro_rules! seal {
        ($suite:ty, $public:ty, $ephemeral:expr) => {{
            let public = <$public>::try_from(*to).ok()?;
            let (sealed, encapsulated) = match psk {
                Some(psk) => {
                    let (mut context, encapsulated) = ModePsk::<$suite>::new_sender_deterministic(
                        &public,
                        info,
                        psk.expose(),
                        PSK.as_bytes(),
                        $ephemeral,
                    )
                    .ok()?;
                    (context.seal(plaintext, &[], &mut ciphertext), encapsulated)
                }
                None => {
                    let (mut context, encapsulated) =
                        ModeBase::<$suite>::new_sender_deterministic(&public, info, $ephemeral)
                            .ok()?;
                    (context.seal(plaintext, &[], &mut ciphertext), encapsulated)
                }
            };
            sealed.ok()?;
            [encapsulated.as_ref(), ciphertext.as_slice()].concat()
        }};
    }
    Some(match suite {
        Suite::X25519 => seal!(
            DHKEM_X25519_SHA256_CHACHA20,
            x25519::PublicKey,
            x25519::PrivateKey::try_from(first.expose().as_slice()).ok()?
        ),
        #[cfg(feature = "post-quantum")]
        Suite::XWing => {
            let second = fresh(identity, "encapsulation", to, entropy);
            let seed =
                Zeroizing::new([first.expose().as_slice(), second.expose().as_slice()].concat());
            seal!(
                MLKEM768_X25519_SHA256_CHACHA20,
                xwing::EncapsulationKey,
                xwing::Eseed::try_from(seed.as_slice()).ok()?
            )
        }
    })
}
