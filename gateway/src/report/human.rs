//! Reports as text for people. Not here: what makes text safe for a terminal.

use std::fmt;

use super::{About, Body, Report, Status, Who};
use crate::text;

/// Digits of an id that tell senders apart at a glance. Whoever must be sure compares fingerprints.
const SHORT: usize = 12;

impl Who {
    fn short(&self) -> &str {
        short(&self.id)
    }
}

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// Messages begin with their sender, all else that happens with a star: no message can
/// pass for an event.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity { who, home } => write!(
                f,
                "id           {}\npublic key   {}\nfingerprint  {}\nhome         {home}",
                who.id, who.public_key, who.fingerprint
            ),
            Self::Up { .. } | Self::Joining { .. } | Self::Question { .. } => self.greet(f),
            Self::Message { from, body } => write!(f, "{}{body}", short(from)),
            Self::Participant { who } => write!(f, "{}  {}", who.id, who.fingerprint),
            Self::Sent { messages, .. } => write!(f, "sent {messages}"),
            Self::Imported { topic, participants, who } => write!(
                f,
                "Imported {} with topic {topic:?} and {participants} trusted participants.\n\
                 Fingerprint: {}",
                who.id, who.fingerprint
            ),
            Self::Status(status) => status.fmt(f),
            Self::Done => f.write_str("done"),
            Self::Error { message, .. } => f.write_str(message),
            event => {
                f.write_str("* ")?;
                event.tell(f)
            }
        }
    }
}

impl Report {
    fn greet(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { topic, address, who, invitation } => write!(
                f,
                "Topic {topic:?} is up on {address}. To join it from another terminal:\n\n    \
                 {invitation}\n\nFingerprint of this side, to be compared over there:\n\n    {}\n",
                who.fingerprint
            ),
            Self::Joining { topic, address, who } => write!(
                f,
                "Asking to join topic {topic:?} at {address}.\n\nFingerprint of this side, to be \
                 compared over there:\n\n    {}\n\nWaiting for somebody there to admit it …",
                who.fingerprint
            ),
            Self::Question { about, who, answer } => {
                let asks = match about {
                    About::Newcomer => "wants to join",
                    About::Admitter => "answered and offers the topic key",
                };
                write!(
                    f,
                    "* {} {asks}; its fingerprint: {}\n  Compare it with what that side shows. If \
                     it is the same: {answer}",
                    who.short(),
                    who.fingerprint
                )
            }
            _ => Ok(()),
        }
    }

    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged { missed } => write!(f, "{missed} lines were missed: too slow a reader"),
            Self::Ready => f.write_str("joined: the topic key is here, messages can be exchanged"),
            Self::Introduced { who } => {
                write!(f, "{} introduced itself; {}", who.short(), who.fingerprint)
            }
            Self::Lapsed { id } => write!(f, "nobody decided about {} in time", short(id)),
            Self::Joined { who } => {
                write!(f, "{} is trusted from now on", who.short())
            }
            Self::Removed { id } => write!(f, "{} is trusted no longer", short(id)),
            Self::Denied { id } => write!(f, "{} was turned down", short(id)),
            Self::LinkUp { link } => write!(f, "link up: {link}"),
            Self::LinkDown { link, reason, retry_in_ms } => write!(
                f,
                "link down: {link}: {reason}; next try in {}.{} s",
                retry_in_ms / 1000,
                retry_in_ms % 1000 / 100
            ),
            Self::Refused { reason } => write!(f, "a frame was refused: {reason}"),
            Self::Lost { link, frames } => write!(f, "{frames} frames were lost on {link}"),
            _ => Ok(()),
        }
    }
}

/// What follows a sender: printable text as it is, all else as hex digits.
impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text::is_printable(text) => write!(f, ": {text}"),
            Self::Text(text) => write!(f, " (hex): {}", text::hex(text.as_bytes())),
            Self::Hex(hex) => write!(f, " (hex): {hex}"),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.ready { "ready" } else { "not joined yet" };
        write!(f, "topic      {} ({state})", self.topic)?;
        for link in &self.links {
            let up = if link.up { "up" } else { "down" };
            write!(f, "\nlink       {} ({up})", link.name)?;
        }
        if let Some(peers) = self.peers {
            write!(f, "\npeers      {peers} connected here")?;
        }
        write!(f, "\npublished  {}\nreceived   {}", self.published, self.received)?;
        write!(f, "\nlost       {}\nunsent     {}", self.lost, self.unsent)?;
        for (reason, frames) in &self.refused {
            write!(f, "\nrefused    {frames} × {reason}")?;
        }
        Ok(())
    }
}
