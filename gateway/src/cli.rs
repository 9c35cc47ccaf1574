//! The command line. Not here: what the commands do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use stringphone::{Admission, Fingerprint, PublicKey};

const EXIT_CODES: &str = "\
First session, in two terminals:
  stringphone up --classic
  stringphone --home ~/lamp join --classic 127.0.0.1:7777
Compare the fingerprints, say yes on both sides, and in a third:
  stringphone send 'hello, lamp'

Exit codes:
  0  done, or stopped in order by Ctrl-C or SIGTERM
  1  it failed; the message says why, and what to do
  2  the command line is wrong
  3  nobody answered in time, or the answer was no";

/// A secure message bus for devices: found a topic, join one, talk.
///
/// Every device has an identity of its own in a home folder. One device is up, and others join it:
/// people compare fingerprints once, and from then on every message is encrypted, and its sender
/// certain.
#[derive(Parser)]
#[command(name = "stringphone", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The folder that holds the identity and topics of this participant
    ///
    /// By default $STRINGPHONE_HOME, else $XDG_STATE_HOME/stringphone, else
    /// ~/.local/state/stringphone. One process owns a home; others speak to it.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Say everything as one JSON object a line, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell on stderr what goes on inside; keys and messages are never told
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the home and an identity, where there are none
    Init,
    /// Tell who lives in this home
    Whoami,
    /// Bring a topic up, for others to join
    ///
    /// Makes whatever is missing: home, identity, topic. Asks about newcomers at the terminal, or
    /// leaves that to `stringphone admit`. Name and addresses that are not given are those of the last
    /// time; the admission policy is chosen anew each time.
    #[command(after_help = "\
Examples:
  stringphone up --classic
  stringphone up --classic --topic greenhouse --listen 0.0.0.0:7000
  stringphone up --classic --admission window:60    # who comes in this minute is admitted")]
    Up(Up),
    /// Join a topic that is up elsewhere
    ///
    /// Shows the fingerprint of this home, to be compared on the other side, and waits to be
    /// admitted; then shows the other side's fingerprint, to be compared here. After that it
    /// stays, and tells what arrives.
    #[command(after_help = "\
Examples:
  stringphone join --classic 127.0.0.1:7777
  stringphone --home ~/lamp join --classic --topic greenhouse hub:7000
  stringphone join --classic hub:7000 --once --timeout 60 \\
      --trust-fingerprint 7Q4K-0ZHN-…    # asks nobody: for scripts")]
    Join(Join),
    /// Publish a message
    ///
    /// Goes through the `up` or `join` of this home where one runs. Otherwise connects to where
    /// the home joined, publishes, and ends once the link has taken everything.
    #[command(after_help = "\
Examples:
  stringphone send 'lights on'
  sensors --follow | stringphone send    # a message for each line")]
    Send(Send),
    /// Tell the messages that arrive, until Ctrl-C
    ///
    /// Goes through the `up` or `join` of this home where one runs, otherwise connects by itself.
    Listen(Listen),
    /// Tell whose messages are believed
    Participants,
    /// Believe the messages of a participant from now on
    ///
    /// Gives it no key: for devices that hold the topic key already.
    Trust {
        /// Its public key, 64 hexadecimal digits, as `whoami` tells it there
        #[arg(value_name = "PUBLICKEY")]
        key: PublicKey,
    },
    /// Believe a participant no longer
    ///
    /// In Classic it keeps the topic key and goes on reading; only its own messages are refused.
    Remove(Who),
    /// Say yes to a question that waits
    ///
    /// Where this home is up: a newcomer gets the topic key. Where this home is joining: whoever
    /// answered is believed, and its key used. Compare the fingerprint before you do.
    #[command(visible_alias = "confirm")]
    Admit(Who),
    /// Say no to a question that waits
    Deny(Who),
    /// Tell how the running `up` or `join` is doing
    Status,
    /// Take a device of the original String phone along, with its keys
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

/// The protocol, chosen out loud.
#[derive(Args)]
pub(crate) struct Protocol {
    /// Speak Classic, the original's protocol; see SECURITY.md for what that means
    #[arg(long)]
    pub(crate) classic: bool,
}

#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) protocol: Protocol,
    /// The topic's name, 1 to 64 bytes, visible on the network [default: home]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Where others connect to, HOST:PORT; port 0 is any [default: 127.0.0.1:7777]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<String>,
    /// Also connect to the topic at this address; may be given several times
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) connect: Vec<String>,
    /// What becomes of newcomers: ask, window:SECONDS, nobody, or allow:ID,ID,…
    #[arg(long, value_name = "POLICY", default_value = "ask", value_parser = admission)]
    pub(crate) admission: Admission,
}

#[derive(Args)]
pub(crate) struct Join {
    #[command(flatten)]
    pub(crate) protocol: Protocol,
    /// The topic's name, as on the other side [default: home]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Where the topic is up, HOST:PORT
    #[arg(value_name = "ADDR", value_parser = address)]
    pub(crate) address: String,
    /// Take the topic key from the side with this fingerprint and from nobody else, without asking
    #[arg(long, value_name = "XXXX-…")]
    pub(crate) trust_fingerprint: Option<Fingerprint>,
    /// End once joined
    #[arg(long)]
    pub(crate) once: bool,
    /// Give up if not admitted after this long, with exit code 3 [default: never]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct Send {
    /// The message; without it, each line of standard input is one
    pub(crate) text: Option<String>,
    /// Wait this long for the `up` or `join` of this home, or for a link where none runs
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Args)]
pub(crate) struct Listen {
    /// Tell also what happens around the topic: links, newcomers, refused frames
    #[arg(long)]
    pub(crate) events: bool,
}

#[derive(Args)]
pub(crate) struct Who {
    /// A whole id or a whole fingerprint; parts of them others could have too
    #[arg(value_name = "ID")]
    pub(crate) who: String,
}

fn seconds(text: &str) -> Result<Duration, String> {
    // More than a century is nobody's wish, and beyond what clocks can add.
    text.parse::<u32>()
        .map(|seconds| Duration::from_secs(seconds.into()))
        .map_err(|_| "expected whole seconds".into())
}

/// Whether the host exists, connecting will tell, and may change; that there is one, and a port,
/// can be seen at once.
fn address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.into()),
        _ => Err("an address is HOST:PORT, such as 127.0.0.1:7777 or [::1]:7777".into()),
    }
}

fn admission(text: &str) -> Result<Admission, String> {
    if let Some(open) = text.strip_prefix("window:") {
        return seconds(open).map(Admission::Window);
    }
    if let Some(ids) = text.strip_prefix("allow:") {
        let ids = ids.split(',').map(str::parse);
        let ids = ids.collect::<Result<_, _>>();
        return ids
            .map(Admission::AllowList)
            .map_err(|error| format!("an id in the list is none: {error}"));
    }
    match text {
        "ask" => Ok(Admission::Ask),
        "nobody" => Ok(Admission::Nobody),
        _ => Err("expected ask, window:SECONDS, nobody, or allow:ID,ID,…".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn admission_policies_are_read() {
        let id = "9d5ace7c5e03eb9eb4c6cf2dbc6b4c5b";
        assert_eq!(admission("ask"), Ok(Admission::Ask));
        assert_eq!(admission("nobody"), Ok(Admission::Nobody));
        let minute = Admission::Window(Duration::from_secs(60));
        assert_eq!(admission("window:60"), Ok(minute));
        let allowed = Admission::AllowList([id.parse().unwrap()].into());
        assert_eq!(admission(&format!("allow:{id}")), Ok(allowed));
        for wrong in ["", "window", "window:-1", "allow:", "allow:12", "everybody"] {
            assert!(admission(wrong).is_err(), "{wrong}");
        }
    }
}
