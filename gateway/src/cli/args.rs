//! What each command is given. Not here: how a value is read.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stringphone::{Admission, Fingerprint, RelayLimits};

pub(crate) use super::values::Place;
use super::values::{
    address, admission, channel, device_name, duration, host_and_port, place, rate, seconds,
};

/// The protocol, chosen out loud where it is not the usual one.
#[derive(Args)]
pub(crate) struct Protocol {
    /// Speak Classic, the original's protocol, for old devices; see SECURITY.md for its weaknesses
    #[arg(long)]
    pub(crate) classic: bool,
}

#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) protocol: Protocol,
    /// Found this topic as well; its name has 1 to 64 bytes, and is visible on the network
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
}

#[derive(Args)]
pub(crate) struct Passphrase {
    /// Have no passphrase any more
    #[arg(long, conflicts_with = "new_file")]
    pub(crate) remove: bool,
    /// Read the new one from this file, which nobody else may read, instead of asking for it
    #[arg(long, value_name = "PATH")]
    pub(crate) new_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) protocol: Protocol,
    /// The topic's name, 1 to 64 bytes, visible on the network [default: home]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Listen here, for others to connect by TCP; port 0 is any [default without --via: 127.0.0.1:7777]
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) listen: Option<String>,
    /// Meet others at this address, such as tcp://hub:7000; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) via: Vec<String>,
    /// Forward what arrives at one of these places to all others, as `stringphone relay` does
    #[arg(long)]
    pub(crate) relay: bool,
    /// Forward also the frames of this channel, whose topic we may be unable to read
    #[arg(long, value_name = "CHANNEL", value_parser = channel, requires = "relay")]
    pub(crate) also: Vec<String>,
    /// Forward to and from other relays at this address, where nobody else may be
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = "relay")]
    pub(crate) peer: Vec<String>,
    /// What becomes of those who introduce themselves: ask, window:SECONDS, nobody, or allow:ID,ID,…
    #[arg(long, value_name = "POLICY", default_value = "ask", value_parser = admission)]
    pub(crate) admission: Admission,
}

#[derive(Args)]
pub(crate) struct Relay {
    /// What to forward: a topic's channel is its name, unless it was told otherwise
    #[arg(value_name = "CHANNEL", value_parser = channel, required = true)]
    pub(crate) channels: Vec<String>,
    /// Meet participants at this address, such as tcp://hub:7000; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) via: Vec<String>,
    /// Listen here, for participants to connect by TCP; port 0 is any
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) listen: Option<String>,
    /// Meet other relays at this address, where nobody else may be; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) peer: Vec<String>,
    /// Take that many frames a second from each source; twice as many may come at once
    #[arg(long, value_name = "N", value_parser = rate(), default_value_t = RelayLimits::default().frames)]
    pub(crate) frames: u32,
    /// Take that many bytes a second from each source; twice as many may come at once
    #[arg(long, value_name = "N", value_parser = rate(), default_value_t = RelayLimits::default().bytes)]
    pub(crate) bytes: u32,
}

#[derive(Args)]
pub(crate) struct Join {
    #[command(flatten)]
    pub(crate) protocol: Protocol,
    /// The topic's name, to introduce ourselves there, and the address where it is up
    ///
    /// HOST:PORT for TCP, or any of those that `stringphone up --help` lists. Without an address:
    /// those of the last time, else 127.0.0.1:7777.
    #[arg(value_name = "TOPIC|ADDRESS", value_parser = place, num_args = 0..=2)]
    pub(crate) places: Vec<Place>,
    /// An address to join at, as for `up`; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) via: Vec<String>,
    /// The topic's name, where it could be taken for an address or an option
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Join by the PIN that `stringphone pin` shows over there; it is asked for
    #[arg(long, conflicts_with_all = ["classic", "invitation_file"])]
    pub(crate) pin: bool,
    /// Read the PIN from this file, which nobody else may read; - is standard input
    #[arg(long, value_name = "PATH", conflicts_with_all = ["classic", "invitation_file"])]
    pub(crate) pin_file: Option<PathBuf>,
    /// Read the invitation from this file, which nobody else may read; - is standard input
    #[arg(long, value_name = "PATH", conflicts_with = "classic")]
    pub(crate) invitation_file: Option<PathBuf>,
    /// What this device calls itself, such as 'kitchen lamp': members see it, and whoever listens
    #[arg(long, value_name = "NAME", value_parser = device_name, conflicts_with = "classic")]
    pub(crate) name: Option<String>,
    /// Be let in by the side with this fingerprint and by nobody else, without asking
    #[arg(long, value_name = "XXXX-…")]
    pub(crate) trust_fingerprint: Option<Fingerprint>,
    /// Join anew a topic that this home is in, where it can't catch up any more: what it stored of the
    /// topic goes
    #[arg(long, conflicts_with = "classic")]
    pub(crate) again: bool,
    /// End once joined
    #[arg(long)]
    pub(crate) once: bool,
    /// Give up if not admitted after this long, with exit code 3 [default: never]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct Invite {
    #[command(flatten)]
    pub(crate) topic: TopicArg,
    /// Invite a keeper, which invites, admits, evicts and appoints as we do
    #[arg(long)]
    pub(crate) keeper: bool,
    /// How long it is good, such as 90s, 10m, 24h or 7d
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub(crate) lifetime: Duration,
}

#[derive(Args)]
pub(crate) struct TopicArg {
    /// The topic [default: that of the last `up` or `join`]
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
}

#[derive(Args)]
pub(crate) struct Member {
    /// Its id or the beginning of it, its fingerprint, or its name, as `members` shows them
    #[arg(value_name = "WHO")]
    pub(crate) who: String,
    #[command(flatten)]
    pub(crate) topic: TopicArg,
}

#[derive(Args)]
pub(crate) struct Send {
    /// The message; without it, each line of standard input is one
    pub(crate) text: Option<String>,
    /// The topic [default: that of the last `up` or `join`]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Wait until all members have stored the message, and tell who has; exit code 3 where some
    /// have not in time: it is sent to them later
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Wait for this member alone, named as for `evict`; may be given several times
    #[arg(long, value_name = "WHO", requires = "confirm")]
    pub(crate) to: Vec<String>,
    /// Wait this long for the `up` or `join` of this home, for a link where none runs, and for those
    /// who confirm
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Args)]
pub(crate) struct Outbox {
    #[command(flatten)]
    pub(crate) topic: TopicArg,
    /// Send the message of this number to nobody any more
    #[arg(long, value_name = "NUMBER")]
    pub(crate) give_up: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Recover {
    #[command(flatten)]
    pub(crate) topic: TopicArg,
    /// Wait this long
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Args)]
pub(crate) struct Inbox {
    /// Whether messages are kept; without it, tell
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    pub(crate) keep: Option<String>,
    /// The topic [default: that of the last `up` or `join`]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
}

#[derive(Args)]
pub(crate) struct Listen {
    /// The topic [default: that of the last `up` or `join`]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Tell also what happens around the topic: links, newcomers, refused frames
    #[arg(long, conflicts_with = "keep")]
    pub(crate) events: bool,
    /// Lose nothing: what is not told when this ends comes the next time. One at a time
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Args)]
pub(crate) struct Who {
    /// A whole id or a whole fingerprint; parts of them others could have too
    #[arg(value_name = "ID")]
    pub(crate) who: String,
}
