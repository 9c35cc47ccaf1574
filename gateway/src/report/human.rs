//! Reports as text for people. Not here: what makes text safe for a terminal.

use std::fmt;

use super::{About, Body, By, Report, Standing, Status, Who};
use crate::text;

/// Digits of an id that tell senders apart at a glance. Whoever must be sure compares fingerprints.
const SHORT: usize = 12;

impl Who {
    fn short(&self) -> &str {
        short(&self.id)
    }
}

pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// Who it is, with what it calls itself behind: a name may look like anything.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.short(), self.name.as_deref(), f)
    }
}

pub(super) fn named(id: &str, name: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{id} ({})", text::in_line(name)),
        None => f.write_str(id),
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Member => "member",
            Self::Keeper => "keeper",
        })
    }
}

/// All the places where a topic is met.
fn places(listening: Option<&String>, via: &[String]) -> String {
    let places: Vec<_> = listening.into_iter().chain(via).map(String::as_str).collect();
    if places.is_empty() { "links to other relays alone".into() } else { places.join(", ") }
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
            Self::Message { from, name, redelivered, body, .. } => {
                named(short(from), name.as_deref(), f)?;
                if *redelivered == Some(true) {
                    f.write_str(", again")?;
                }
                body.fmt(f)
            }
            Self::Participant { who } => write!(f, "{}  {}", who.id, who.fingerprint),
            Self::Member { role, who, us } => {
                write!(f, "{}  {role:6}  {}", who.short(), who.fingerprint)?;
                if *us {
                    return f.write_str("  (this side)");
                }
                who.name.iter().try_for_each(|name| write!(f, "  {}", text::in_line(name)))
            }
            Self::Invitation { url, .. } => f.write_str(url.expose()),
            Self::Pin { pin, .. } => f.write_str(pin.expose()),
            Self::Passphrase { set: true } => f.write_str(
                "The keys of this home are sealed with the passphrase. What the disk, backups or \
                 snapshots kept of them from before is not.",
            ),
            Self::Passphrase { set: false } => {
                f.write_str("The keys of this home are not sealed any more.")
            }
            Self::Founded { topic } => write!(f, "Founded topic {topic:?}."),
            Self::Sent { messages, .. } => write!(f, "sent {messages}"),
            Self::Confirmed { .. }
            | Self::Outbox { .. }
            | Self::Unconfirmed { .. }
            | Self::GivenUp { .. }
            | Self::Inbox { .. } => self.tell_of_delivery(f),
            Self::Recovered { .. } => self.tell_of_recovery(f),
            Self::Imported { topic, participants, who } => write!(
                f,
                "Imported {} with topic {topic:?} and {participants} trusted participants.\n\
                 Fingerprint: {}",
                who.id, who.fingerprint
            ),
            Self::Status(status) => status.fmt(f),
            Self::Relaying(between) => write!(f, "Relaying {between}."),
            Self::Port { path, device, address } => {
                write!(f, "{path:14}  {address}")?;
                device.iter().try_for_each(|device| write!(f, "  ({})", text::in_line(device)))
            }
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
            Self::Up { topic, address, via, who, invite: Some(invite), join } => write!(
                f,
                "Topic {topic:?} is up on {}. To let a device in, write an invitation, from \
                 another terminal:\n\n    {invite}\n\nand give it to the device, when that asks for \
                 it:\n\n    {join}\n\nFingerprint of this side:\n\n    {}\n",
                places(address.as_ref(), via),
                who.fingerprint
            ),
            Self::Up { topic, address, via, who, invite: None, join } => write!(
                f,
                "Topic {topic:?} is up on {}. To join it from another terminal:\n\n    \
                 {join}\n\nFingerprint of this side, to be compared over there:\n\n    {}\n",
                places(address.as_ref(), via),
                who.fingerprint
            ),
            Self::Joining { topic, via, who, by: By::Fingerprint } => write!(
                f,
                "Asking to join topic {topic:?} at {}.\n\nFingerprint of this side, to be \
                 compared over there:\n\n    {}\n\nWaiting for somebody there to admit it …",
                places(None, via),
                who.fingerprint
            ),
            Self::Joining { topic, via, by: By::Invitation, .. } => {
                write!(f, "Joining topic {topic:?} at {}, as invited …", places(None, via))
            }
            Self::Joining { topic, via, by: By::Pin, .. } => {
                write!(f, "Joining topic {topic:?} at {} with the PIN …", places(None, via))
            }
            Self::Question { about, who, answer } => {
                let asks = match about {
                    About::Newcomer => "wants to join",
                    About::Admitter => "answered and offers the topic key",
                };
                write!(
                    f,
                    "* {who} {asks}; its fingerprint: {}\n  Compare it with what that side shows. If \
                     it is the same: {answer}",
                    who.fingerprint
                )
            }
            _ => Ok(()),
        }
    }

    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged { missed } => write!(f, "{missed} lines were missed: too slow a reader"),
            Self::Ready => f.write_str("joined: the keys are here, messages can be exchanged"),
            Self::Introduced { who } => write!(f, "{who} introduced itself; {}", who.fingerprint),
            Self::Lapsed { id } => write!(f, "nobody decided about {} in time", short(id)),
            Self::Admitted { who } => write!(f, "{who} is let in, once that side says yes as well"),
            Self::Joined { who } => write!(f, "{who} is trusted from now on"),
            Self::Removed { id, name, evicted } => {
                named(short(id), name.as_deref(), f)?;
                f.write_str(if *evicted {
                    " is no member any more; the others have new keys"
                } else {
                    " is trusted no longer"
                })
            }
            Self::Appointed { who } => write!(f, "{who} is a keeper from now on"),
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
            Self::Relayed(relayed) => write!(f, "{relayed}"),
            other => other.tell_of_v2(f),
        }
    }

    fn tell_of_v2(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncertain { from, body } => {
                write!(f, "perhaps for the second time, from {}{body}", short(from))
            }
            Self::Rekeyed { generation } => write!(f, "everybody has new keys (no. {generation})"),
            Self::Expired { from, messages } => {
                write!(f, "{messages} × {} came too late to be acted on", short(from))
            }
            Self::Unverifiable { from, messages } => write!(
                f,
                "{messages} × {} may have come too late: what time it is, nobody here knows",
                short(from)
            ),
            Self::Gap { from, frames } => {
                write!(f, "{frames} frames from {} are missing, and no longer waited for", short(from))
            }
            Self::Dropped { messages } => write!(
                f,
                "{messages} messages of ours were given up unsent: there were too many, or they grew \
                 too old"
            ),
            Self::PinBurnt => {
                f.write_str("the PIN is void: used, too old, or guessed at. `stringphone pin` shows another")
            }
            Self::Behind => f.write_str("the topic went on without us: asking its members for the keys"),
            Self::CaughtUp { id } => write!(f, "{} was away, and has been given the keys", short(id)),
            Self::Evicted => f.write_str("this device is no member any more: its keys are gone"),
            Self::Cloned { id } => write!(
                f,
                "ALARM: two devices speak with the key of {0}. One is a copy, or was put back to an \
                 old backup. Unless you know why: `stringphone evict {0}`, and invite the true one anew",
                short(id)
            ),
            Self::RolledBack => f.write_str(
                "ALARM: what this device has stored went back to an old state; was a backup put \
                 back? Nothing was encrypted twice, but messages may come again here. `stringphone \
                 recover` makes sure that it is back in its topic",
            ),
            Self::InsiderAlarm => f.write_str(
                "ALARM: a member sends what no honest device would. `stringphone status` counts it; \
                 evict whom you don't know",
            ),
            Self::Left { topic } => write!(f, "this device has left topic {topic:?}"),
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
        if let Some(keys) = self.generation {
            write!(f, "\nkeys       no. {keys}")?;
        }
        for link in &self.links {
            let up = if link.up { "up" } else { "down" };
            write!(f, "\nlink       {} ({up})", link.name)?;
        }
        if let Some(relay) = &self.relay {
            write!(f, "\nrelay      {}", relay.between)?;
            write!(f, "\nrelayed    {}", relay.relayed)?;
            for link in &relay.down {
                write!(f, "\ndown       {}", text::in_line(link))?;
            }
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
