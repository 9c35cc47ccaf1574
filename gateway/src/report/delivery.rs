//! What becomes of messages, and of a home that went back, as text for people. Not here: everything
//! else that is told.

use std::fmt;

use super::human::{named, short};
use super::{Named, Report};

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(short(&self.id), self.name.as_deref(), f)
    }
}

fn all(intro: &str, whom: &[Named], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, who) in whom.iter().enumerate() {
        write!(f, "{}{who}", if at == 0 { intro } else { ", " })?;
    }
    Ok(())
}

impl Report {
    pub(super) fn tell_of_recovery(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Recovered { topic, generation, caught_up, rolled_back } = self else {
            return Ok(());
        };
        if *rolled_back {
            f.write_str(
                "What this device has stored had gone back to an old state. It goes on behind all \
                 that it ever sent: nothing was encrypted twice, and nobody takes a message twice.\n",
            )?;
        }
        write!(f, "Topic {topic:?}: ")?;
        f.write_str(if *caught_up {
            "the members have given this device the keys that it lacked"
        } else {
            "no member says that this device lacks any keys (or nobody else is up)"
        })?;
        generation.iter().try_for_each(|keys| write!(f, "; it uses no. {keys}"))?;
        f.write_str(".")
    }

    pub(super) fn tell_of_delivery(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed { number, by, missing } => {
                write!(f, "no. {number}")?;
                if by.is_empty() && missing.is_empty() {
                    return f.write_str("  nobody else is in the topic");
                }
                all("  stored by: ", by, f)?;
                all("  missing: ", missing, f)
            }
            Self::Outbox { unsent: 0, .. } => f.write_str("nothing waits to be sent"),
            Self::Outbox { unsent, .. } => {
                write!(f, "waiting to be sent, until a link is up: {unsent}")
            }
            Self::Unconfirmed { number, sent: false, .. } => {
                write!(f, "no. {number}  not sent yet")
            }
            Self::Unconfirmed { number, missing, .. } => {
                write!(f, "no. {number}")?;
                all("  missing: ", missing, f)
            }
            Self::GivenUp { number } => {
                write!(f, "no. {number} is not sent again; who has it already keeps it")
            }
            Self::Inbox { topic, on: true } => write!(
                f,
                "What is said in topic {topic:?} is kept until `stringphone listen --keep` has told \
                 it. Unread it fills up, and then refuses more: `stringphone inbox off` ends it."
            ),
            Self::Inbox { topic, on: false } => {
                write!(
                    f,
                    "What is said in topic {topic:?} is told to whoever listens, and not kept."
                )
            }
            _ => Ok(()),
        }
    }
}
