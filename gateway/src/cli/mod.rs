//! The command line. Not here: what the commands do.

mod args;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use stringphone::PublicKey;

use crate::via;

pub(crate) use args::{
    Inbox, Init, Invite, Join, Listen, Member, Outbox, Passphrase, Place, Recover, Relay, Send,
    TopicArg, Up, Who,
};

const EXIT_CODES: &str = "\
First session. One device is up:
  stringphone up
In a second terminal, an invitation for the other device:
  stringphone invite
In a third, the other device; it asks for the invitation:
  stringphone --home ~/lamp join --name lamp
From then on both talk, and who is in can be put out again:
  stringphone send 'hello, lamp'
  stringphone members
  stringphone evict lamp

Exit codes:
  0  done, or stopped in order by Ctrl-C or SIGTERM
  1  it failed; the message says why, and what to do
  2  the command line is wrong
  3  nobody answered in time, or the answer was no";

/// A secure message bus for devices: found a topic, invite others into it, talk.
///
/// Every device has an identity of its own in a home folder. One device is up, and others join it:
/// by an invitation, by a PIN, or by people who compare fingerprints. From then on every message is
/// encrypted, and its sender certain.
///
/// Invitations and PINs are secrets: they are typed or pasted where they are asked for, read from
/// standard input or from files, and never given on the command line, which others can see.
#[derive(Parser)]
#[command(name = "stringphone", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The folder that holds the identity and topics of this participant
    ///
    /// By default $STRINGPHONE_HOME, else $XDG_STATE_HOME/stringphone, else
    /// ~/.local/state/stringphone. One process owns a home; others speak to it.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Read the passphrase of the home from this file, which nobody else may read
    ///
    /// A home that is made is sealed with it from the beginning. Without this it is asked for at the
    /// terminal, where one is needed.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Say everything as one JSON object a line, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell on stderr what goes on inside; keys and messages are never told
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Anywhere,
}

const UP_EXAMPLES: &str = "\
Examples:
  stringphone up
  stringphone up --topic greenhouse --listen 0.0.0.0:7000
  stringphone up --via tcp://hub:7000     # in the room of another gateway
  stringphone up --listen 0.0.0.0:7000 --via tcp://hub:7000
  stringphone up --listen 0.0.0.0:7000 --via mqtt://broker/home --relay
  stringphone up --admission window:60    # who introduces itself in this minute is admitted
  stringphone up --classic                # for devices of the original String phone";

const ADDRESSES: &str = "\
Addresses of --via and --peer, each with its options behind a question mark (quote it for the shell):";

const SECRETS: &str = "\
A password has no place in an address. Put it into a file that nobody else can read.";

const RELAY_EXAMPLES: &str = "\
Examples:
  stringphone relay home --via tcp://hub:7000 --via mqtt://broker/house
  stringphone relay home garage --listen 0.0.0.0:7000 --via 'serial:///dev/ttyUSB0?baud=9600'
  stringphone relay home --via tcp://hub:7000 --peer tcp://relay.example.org:7001";

/// The addresses are those of the adapters that are built in.
fn with_addresses(examples: &str) -> String {
    format!("{examples}\n\n{ADDRESSES}{}\n\n{SECRETS}", via::usage())
}

#[derive(Subcommand)]
pub(crate) enum Anywhere {
    #[command(flatten)]
    AtHome(Command),
    /// Forward the frames of topics between links, without being able to read them
    ///
    /// It has no key, no identity and no home. What arrives on one link goes out on all others: on
    /// those of --via and --listen as it is, for participants; on those of --peer wrapped, for other
    /// relays alone. What comes twice goes on once, so that several relays may stand side by side.
    /// It tells what it does, and once a minute, and at the end, how many frames that were.
    #[command(after_help = with_addresses(RELAY_EXAMPLES))]
    Relay(Relay),
}

/// What is done where somebody lives.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the home and an identity, where there are none
    ///
    /// With --topic it founds that topic as well, without bringing it up: invitations can be
    /// written already.
    Init(Init),
    /// Tell who lives in this home
    Whoami,
    /// Seal the keys of this home with a passphrase, or change it, or remove it
    ///
    /// Without it, whoever has the files of this home is this device, and reads what it stores. From
    /// then on it is asked for whenever this home is opened, or read from --passphrase-file. There
    /// is no way back to what is sealed with a passphrase that was forgotten.
    #[command(after_help = "\
Examples:
  stringphone passphrase
  stringphone passphrase --passphrase-file /run/old --new-file /run/new
  stringphone passphrase --remove")]
    Passphrase(Passphrase),
    /// Bring a topic up, for others to join
    ///
    /// Makes whatever is missing: home, identity, topic. Asks about newcomers without an invitation
    /// at the terminal, or leaves that to `stringphone admit`. A name that is not given is that of
    /// the last time; the admission policy is chosen anew each time.
    ///
    /// Others meet us where --listen and --via say, at all of these places, and nowhere else. Without
    /// any of them it is as the last time, or where there was none, we listen on 127.0.0.1:7777.
    ///
    /// With --relay, those who are at one place hear those at the others as well. Given without
    /// addresses, it ties those of the last time together; addresses without it untie them.
    #[command(after_help = with_addresses(UP_EXAMPLES))]
    Up(Up),
    /// Write an invitation: whoever has it can join, once, without any question
    ///
    /// Prints it as a URL, and at a terminal as a QR code as well. Keep it secret until it is used.
    /// It is good for a day, unless --for says otherwise. Only keepers can invite; where this home
    /// is not up, the invitation is written all the same, and good once it is.
    #[command(after_help = "\
Examples:
  stringphone invite
  stringphone invite --for 10m
  stringphone invite greenhouse --keeper > /run/user/1000/invitation
  stringphone invite | ssh lamp stringphone join hub:7000 --once")]
    Invite(Invite),
    /// Show a PIN of six digits, with which one device can join within five minutes
    ///
    /// For devices that are near, and have no way to be given an invitation. Three wrong tries, and
    /// the PIN is void.
    #[command(after_help = "\
Example:
  stringphone pin         # and over there: stringphone join --pin hub:7000")]
    Pin(TopicArg),
    /// Join a topic that is up elsewhere, and stay to tell what arrives
    ///
    /// Without a topic it asks for an invitation, without showing what is pasted; where standard
    /// input is no terminal, its first line is the invitation. With --pin it asks for the PIN that
    /// `stringphone pin` shows over there. With the name of a topic, and neither of these, it
    /// introduces itself: people compare fingerprints on both sides.
    ///
    /// Where this home has joined already it asks nothing, and goes on; with --again it joins anew.
    #[command(after_help = "\
Examples:
  stringphone join hub:7000 --name 'kitchen lamp'
  stringphone join hub:7000 --once < invitation
  stringphone join mqtt://broker/home
  stringphone join hub:7000 --pin
  stringphone join greenhouse hub:7000 --once --timeout 60 \\
      --trust-fingerprint 7Q4K-0ZHN-…    # asks nobody: for scripts
  stringphone join --classic hub:7000    # into a topic of the original String phone")]
    Join(Join),
    /// Publish a message
    ///
    /// Goes through the `up` or `join` of this home where one runs. Otherwise connects to where
    /// the home joined, publishes, and ends once the link has taken everything.
    ///
    /// While no link is up the message is kept, over restarts too, for seven days, and sent once one
    /// is. Who is away when it is sent gets it later, if it keeps what it hears (`listen --keep`); with
    /// --confirm it is sent again to everybody who lacks it, for as long, while this home is up.
    #[command(after_help = "\
Examples:
  stringphone send 'lights on'
  stringphone send --confirm --to lamp 'lights on'
  sensors --follow | stringphone send    # a message for each line")]
    Send(Send),
    /// Tell the messages that arrive, until Ctrl-C
    ///
    /// Goes through the `up` or `join` of this home where one runs, otherwise connects by itself.
    ///
    /// With --keep each message is stored until it was written: what was not, when this ends, comes
    /// the next time, marked as told again; and what was said while this home was away is asked for.
    /// The first time turns that on for good, see `stringphone inbox`. With --json each message has
    /// an `id` that no other ever has.
    Listen(Listen),
    /// Tell what is not sent yet, or not confirmed by all that it was to be
    ///
    /// While this home is up, it goes on trying, for seven days.
    Outbox(Outbox),
    /// Keep messages until `listen --keep` has told them, or no longer
    ///
    /// Only for homes where somebody runs that now and then: an inbox of 10,000 messages is full, and
    /// refuses what comes. What is in it stays there when it is turned off.
    Inbox(Inbox),
    /// Make sure that this home is back in its topic, after an old copy of it was put back
    ///
    /// It comes back by itself once it meets the others: they notice, it goes on behind all that it
    /// ever sent, and they give it the keys that it missed. This waits for that, and tells. Where
    /// nobody can, it says what to do. What waited to be sent when the copy was made is sent again.
    Recover(Recover),
    /// Tell who is in the topic: id, role, fingerprint, name
    ///
    /// In Classic, whose messages are believed.
    #[command(visible_alias = "participants")]
    Members(TopicArg),
    /// Put a member out for good
    ///
    /// Everybody else gets new keys, and refuses what it says. Only keepers can do that, and only to
    /// those who stand behind them: a keeper behind whoever appointed it.
    #[command(after_help = "\
Examples:
  stringphone evict lamp
  stringphone evict 6151853aa7f7")]
    Evict(Member),
    /// Make a member a keeper, which invites, admits, evicts and appoints as we do
    Appoint(Member),
    /// Give everybody new keys now; it happens once a day by itself
    Rotate(TopicArg),
    /// Leave the topic for good; its keys go from this home
    Leave {
        #[command(flatten)]
        topic: TopicArg,
        /// Even where nobody is left who could invite or evict
        #[arg(long)]
        anyway: bool,
    },
    /// Say yes to a question that waits
    ///
    /// Where this home is up: a newcomer gets in. Where this home is joining: whoever answered is
    /// believed, and its keys used. Compare the fingerprint before you do.
    #[command(visible_alias = "confirm")]
    Admit(Who),
    /// Say no to a question that waits
    Deny(Who),
    /// Tell how the running `up` or `join` is doing
    Status,
    /// List the serial ports of this machine, each with its address for --via
    #[cfg(feature = "serial")]
    Ports,
    /// Believe the messages of a participant from now on (Classic)
    ///
    /// Gives it no key: for devices that hold the topic key already.
    Trust {
        /// Its public key, 64 hexadecimal digits, as `whoami` tells it there
        #[arg(value_name = "PUBLICKEY")]
        key: PublicKey,
    },
    /// Believe a participant no longer (Classic)
    ///
    /// In Classic it keeps the topic key and goes on reading; only its own messages are refused.
    Remove(Who),
    /// Take a device of the original String phone along, with its keys (Classic)
    ///
    /// FILE is JSON, from wherever the old device keeps its keys:
    ///
    ///   {
    ///     "topic": "home",
    ///     "seed": "…64 hexadecimal digits…",
    ///     "topic_key": "…64 hexadecimal digits…",
    ///     "participants": ["…public key, 64 hexadecimal digits…", "…"]
    ///   }
    ///
    /// `participants` may also be the original's own map from ids to public keys. The home must be
    /// empty. Keys are read from a file or standard input only: other users see command lines.
    #[command(verbatim_doc_comment)]
    Import {
        /// The file, or - for standard input
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
