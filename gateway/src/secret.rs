//! Secrets that people bring along: invitations and PINs. Where they are read from, and where they
//! are refused. Not here: what they open.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stringphone::{Invitation, Pin};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::{text, via};

/// What an invitation begins with.
const SCHEME: &str = "stringphone:v2/";
/// More than any secret has.
const LIMIT: usize = 4_096;

/// A secret as text: redacted in output, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Refuses secrets on the command line. This comes before the parser, whose errors would repeat
/// what they are about.
pub(crate) fn refuse_in(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let arguments: Vec<Zeroizing<String>> =
        arguments.map(|argument| Zeroizing::new(argument.to_string_lossy().into_owned())).collect();
    let joining = arguments.iter().any(|argument| argument.as_str() == "join");
    let by_pin = arguments.iter().any(|argument| argument.starts_with("--pin"));
    // A message may be what it likes.
    let opening =
        arguments.iter().any(|argument| matches!(argument.as_str(), "up" | "join" | "relay"));
    let refused = |what: &str, instead: &str| {
        Err(Failure::Usage(format!(
            "{what} does not belong on the command line: everybody on this machine can see it \
             there. Take this one as seen, have a new one made, and {instead}"
        )))
    };
    let mut standing = standing(&arguments);
    if standing.next() == Some("passphrase") && standing.next().is_some() {
        let instead = "type it when `stringphone passphrase` asks, or give it with --new-file PATH";
        return refused("a passphrase", instead);
    }
    for argument in &arguments {
        if is_invitation(argument) {
            let instead = "give it to `stringphone join` when that asks, on standard input, or \
                           with --invitation-file PATH";
            return refused("an invitation", instead);
        }
        if opening && via::holds_password(argument) {
            let instead = "put it into a file that nobody else can read: behind the address, \
                           ?password-file=PATH names it";
            return refused("a password", instead);
        }
        let value = argument.strip_prefix("--pin=").unwrap_or(argument);
        if joining && by_pin && value.parse::<Pin>().is_ok() {
            let instead = "type it when `stringphone join --pin` asks, give it on standard input, \
                           or with --pin-file PATH";
            return refused("a PIN", instead);
        }
    }
    Ok(())
}

/// What is no option and, as far as commands about passphrases go, no option's value.
fn standing(arguments: &[Zeroizing<String>]) -> impl Iterator<Item = &str> {
    let before = [""].into_iter().chain(arguments.iter().map(|argument| argument.as_str()));
    let valued = ["--home", "--passphrase-file", "--new-file"];
    before.zip(arguments).filter_map(move |(before, argument)| {
        (!argument.starts_with('-') && !valued.contains(&before)).then_some(argument.as_str())
    })
}

fn is_invitation(argument: &str) -> bool {
    // Without the scheme, or behind the name of an option, it is as secret.
    let value = argument.rsplit('=').next().unwrap_or(argument);
    let whole = Zeroizing::new(format!("{SCHEME}{value}"));
    argument.to_ascii_lowercase().contains(SCHEME) || whole.parse::<Invitation>().is_ok()
}

/// Reads a secret from a file that nobody else may read.
pub(crate) fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::file(path, &error);
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    let mode = found.permissions().mode() & 0o777;
    if found.is_file() && mode & 0o077 != 0 {
        let shown = path.display().to_string();
        return Err(Failure::failed(format!(
            "others can read {shown} (mode {mode:o}), and it holds a secret. If nobody can have \
             read it: chmod 600 {} mends it; otherwise have a new one made",
            text::for_shell(&shown)
        )));
    }
    line_of(&file).map_err(failed)
}

/// Reads a secret from standard input: its first line.
pub(crate) async fn from_input() -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::failed(format!("standard input: {error}"));
    // A read that never ends must not keep signals from ending us.
    let (done, read) = oneshot::channel();
    thread::spawn(move || {
        // Nobody waits any longer where this fails.
        let _ = done.send(line_of(io::stdin()));
    });
    let read = read.await.map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))?;
    read.map_err(failed)
}

/// The first line, in one allocation: a buffer that grows, or that others use as well, would leave
/// copies behind.
fn line_of(input: impl AsFd) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; LIMIT]);
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
        let read = match rustix::io::read(&input, &mut *room) {
            Err(rustix::io::Errno::INTR) => continue,
            read => read?,
        };
        let ends = room.iter().take(read).any(|byte| *byte == b'\n');
        length += read;
        if read == 0 || ends {
            break;
        }
    }
    let whole = bytes.get(..length).unwrap_or_default();
    let line = whole.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = str::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Zeroizing::new(text.trim().into()))
}

/// The terminal does not show what is typed, as long as this is held.
pub(crate) struct Unseen(Termios);

impl Unseen {
    /// `None` where standard input is no terminal.
    pub(crate) fn begin() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        // What was typed before was meant for something else.
        tcsetattr(&stdin, OptionalActions::Flush, &unseen).ok()?;
        Some(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> bool {
        refuse_in(arguments.iter().map(OsString::from)).is_err()
    }

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        for wrong in [
            &["join", "stringphone:v2/AgEB"][..],
            &["join", "Stringphone:V2/AgEB"],
            &["send", "--topic=stringphone:v2/AgEB"],
            &["join", "--pin", "402917"],
            &["join", "--pin=402 917"],
            &["join", "402-917", "--pin"],
            &["up", "--via", "mqtt://me:hunter2@broker"],
            &["up", "--via=mqtt://me:hunter2@broker"],
            &["join", "home", "mqtt://me:hunter2@broker"],
            &["relay", "home", "--peer=mqtt://me:hunter2@broker"],
            &["passphrase", "hunter2"],
            &["--home", "/home", "passphrase", "--json", "hunter2"],
        ] {
            assert!(refused(wrong), "{wrong:?}");
        }
        for right in [
            &["join", "home"][..],
            &["send", "402917"],
            &["join", "--pin"],
            &["join", "--pin-file", "/run/pin", "hub:7000"],
            &["send", "call stringphone: v2"],
            &["passphrase", "--new-file", "/run/new", "--home", "/home"],
            &["evict", "passphrase", "home"],
            &["send", "http://me:hunter2@printer"],
            &["up", "--via", "mqtt://me@broker:1883/a@b"],
        ] {
            assert!(!refused(right), "{right:?}");
        }
    }
}
