//! Invitations: PROTOCOL §3.13. Not here: redeeming them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::crypto::{INVITATION, INVITATION_SECRET, hash};
use super::kem::Suite;
use super::standing::Role;
use super::topic::TopicId;
use super::wire::{Reader, Write};
use crate::PublicKey;
use crate::key::SecretBytes;

const VERSION: u8 = 2;
/// What an invitation begins with as a URL.
const SCHEME: &str = "stringphone:v2/";
/// With the longest name.
const MAX_SIZE: usize = 138;

/// An invitation's id, by which its issuer finds it.
pub(super) type InvitationId = [u8; 8];

/// A one-time invitation into a topic: whoever holds it can join, once.
///
/// It is a secret until it is redeemed, so its text is only had by
/// [`expose_url`](Self::expose_url).
///
/// ```
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # use stringphone_protocol::{Command, Event, Identity, Input, Moment, Output, Session};
/// # use stringphone_protocol::v2::{FoundOptions, InviteOptions, Invitation, Settings, V2Session, V2State};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut rng = ChaCha20Rng::from_seed([7; 32]);
/// # let phone = Identity::generate(&mut rng);
/// let state = V2State::found("greenhouse", &phone, FoundOptions::default(), &mut rng);
/// let mut moment = Moment::new(0, &mut rng);
/// let mut phone = V2Session::open(phone, &state, Settings::default(), &mut moment)?;
/// phone.handle(Input::Command(Command::Invite(InviteOptions::default())), &mut moment)?;
/// let invited = std::iter::from_fn(|| {
///     let output = phone.poll()?;
///     if matches!(output, Output::Store(_)) {
///         let _ = phone.handle(Input::Stored, &mut moment);
///     }
///     Some(output)
/// })
/// .find_map(|output| match output {
///     Output::Event(Event::Invited(invitation)) => Some(invitation),
///     _ => None,
/// });
/// let invitation = invited.expect("an invitation");
/// let url = invitation.expose_url();
/// assert!(url.starts_with("stringphone:v2/"));
/// assert_eq!(url.parse::<Invitation>()?, invitation);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Invitation {
    pub(super) suite: Suite,
    pub(super) role: Role,
    pub(super) issuer: PublicKey,
    pub(super) topic: TopicId,
    /// Milliseconds since 1970 UTC; zero: none.
    pub(super) expiry: u64,
    pub(super) secret: SecretBytes<16>,
    pub(super) name: String,
}

impl Invitation {
    /// The name of the topic, which is its channel's by default.
    #[must_use]
    pub fn topic_name(&self) -> &str {
        &self.name
    }

    /// Who invites.
    #[must_use]
    pub const fn issuer(&self) -> PublicKey {
        self.issuer
    }

    /// What the newcomer will be.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// How keys are sealed in the topic.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// When it expires, in milliseconds since 1970 UTC, if it does by the calendar.
    #[must_use]
    pub fn expiry(&self) -> Option<u64> {
        Some(self.expiry).filter(|expiry| *expiry > 0)
    }

    /// The invitation as a URL: whoever sees it can join in the invited one's place.
    #[must_use]
    pub fn expose_url(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(Base64UrlUnpadded::encode_string(&self.to_bytes()));
        let mut url = Zeroizing::new(String::with_capacity(256));
        url.push_str(SCHEME);
        url.push_str(&digits);
        url
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // One allocation, so that no half-written copy of the secret is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SIZE));
        bytes.u8(VERSION).u8(self.suite.to_byte()).u8(self.role.to_byte());
        bytes.put(self.issuer.as_bytes()).put(&self.topic.0).u48(self.expiry);
        bytes.put(self.secret.expose()).text(&self.name);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ParseInvitationError> {
        let wrong = ParseInvitationError::Damaged;
        let mut reader = Reader::new(bytes);
        if reader.u8().ok_or(wrong)? != VERSION {
            return Err(ParseInvitationError::Version);
        }
        let suite = Suite::from_byte(reader.u8().ok_or(wrong)?);
        let suite = suite.ok_or(ParseInvitationError::Suite)?;
        let mut parse = || {
            let role = Role::from_byte(reader.u8()?)?;
            let (issuer, topic) = (PublicKey::from_bytes(reader.array()?), reader.array()?);
            let expiry = reader.u48()?;
            let secret = SecretBytes::new(reader.take(16)?.as_array()?);
            let name = String::from(reader.text().filter(|name| !name.is_empty())?);
            reader.end()?;
            Some(Self { suite, role, issuer, topic: TopicId(topic), expiry, secret, name })
        };
        parse().ok_or(wrong)
    }

    pub(super) fn id(&self) -> InvitationId {
        let [a, b, c, d, e, f, g, h, ..] = hash(INVITATION, &[self.secret.expose()]);
        [a, b, c, d, e, f, g, h]
    }

    /// The 32 bytes that proofs and replies are made with.
    pub(super) fn key(&self) -> SecretBytes {
        let key = Zeroizing::new(hash(INVITATION_SECRET, &[&self.to_bytes()]));
        SecretBytes::new(&key)
    }
}

impl PartialEq for Invitation {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.to_bytes().ct_eq(&other.to_bytes()).into()
    }
}

impl Eq for Invitation {}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({:?} as {:?}, [redacted])", self.name, self.role)
    }
}

/// Why a text is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseInvitationError {
    /// It does not begin as one.
    #[error("an invitation begins with `{SCHEME}`")]
    Scheme,
    /// It is cut off, or was changed on the way.
    #[error("the invitation is damaged; was it copied whole?")]
    Damaged,
    /// It was made by a release that speaks another protocol.
    #[error("the invitation is of another version than this release speaks")]
    Version,
    /// It needs a suite that this build lacks.
    #[error("the invitation's topic uses a suite that this build lacks (`post-quantum`?)")]
    Suite,
}

/// Reads the URL.
impl FromStr for Invitation {
    type Err = ParseInvitationError;

    fn from_str(text: &str) -> Result<Self, ParseInvitationError> {
        let digits = text.trim().strip_prefix(SCHEME).ok_or(ParseInvitationError::Scheme)?;
        let mut bytes = Zeroizing::new([0; MAX_SIZE]);
        let bytes = Base64UrlUnpadded::decode(digits, bytes.as_mut_slice())
            .map_err(|_| ParseInvitationError::Damaged)?;
        Self::from_bytes(bytes)
    }
}

/// What an invitation allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteOptions {
    /// What the newcomer will be (default: a member).
    pub role: Role,
    /// Milliseconds for which it is good (default: a day).
    pub lifetime_ms: u64,
}

impl Default for InviteOptions {
    fn default() -> Self {
        Self { role: Role::Member, lifetime_ms: 86_400_000 }
    }
}
