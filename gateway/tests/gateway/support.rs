//! Homes, processes and terminals for the claims. Nothing sleeps: every wait is for a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty place for a home, gone with the test.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("home")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stringphone"));
        command.arg("--home").arg(self.path()).args(args);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, b"")
    }

    /// Runs a command to its end, with this as its standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(args);
        let mut running = Running::start(command.stdin(Stdio::piped()));
        let mut stdin = running.child.stdin.take().unwrap();
        let input = input.to_vec();
        thread::spawn(move || stdin.write_all(&input));
        running.end()
    }

    /// Starts a command that stays, and tells JSON.
    pub(crate) fn stay(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        Running::start(command.arg("--json").stdin(Stdio::null()))
    }

    /// A topic on any free port, and what it told.
    pub(crate) fn up(&self, args: &[&str]) -> (Running, Value) {
        let all = [&["up", "--listen", "127.0.0.1:0"], args].concat();
        let mut up = self.stay(&all);
        let told = up.json("up");
        (up, told)
    }

    /// The same, as old devices speak.
    pub(crate) fn up_classic(&self, args: &[&str]) -> (Running, Value) {
        self.up(&[&["--classic"], args].concat())
    }

    /// An invitation, as a pipe gets it.
    pub(crate) fn invitation(&self, args: &[&str]) -> String {
        let invited = self.run(&[&["invite"], args].concat());
        assert_eq!((invited.code, invited.err.as_str()), (0, ""));
        invited.out
    }

    /// Joins by an invitation of that home, and ends.
    pub(crate) fn joins(&self, inviting: &Self, args: &[&str]) {
        let join = [&["join", "--once", "--json"], args].concat();
        let ended = self.run_with(&join, inviting.invitation(&[]).as_bytes());
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.out.trim_end().ends_with("{\"type\":\"ready\"}"), "{}", ended.out);
    }

    pub(crate) fn id(&self) -> String {
        text(&self.told(&["whoami"])[0], "id").to_owned()
    }

    /// What the command tells, which must succeed.
    pub(crate) fn told(&self, args: &[&str]) -> Vec<Value> {
        let ended = self.run(&[args, &["--json"]].concat());
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that runs; killed with the test.
pub(crate) struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self { child, out, err, seen: Vec::new() }
    }

    /// A relay, which lives nowhere, and what it told.
    pub(crate) fn relay(args: &[&str]) -> (Self, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stringphone"));
        for home in ["HOME", "XDG_STATE_HOME", "STRINGPHONE_HOME"] {
            command.env_remove(home);
        }
        let command = command.args(["relay", "--json"]).args(args);
        let mut relay = Self::start(command.stdin(Stdio::null()));
        let told = relay.json("relaying");
        (relay, told)
    }

    /// Waits for a line of JSON that is wanted.
    pub(crate) fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.out.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let value: Value = serde_json::from_str(&line).unwrap();
                    self.seen.push(line);
                    if wanted(&value) {
                        return value;
                    }
                }
                Err(error) => {
                    let err: Vec<_> = self.err.try_iter().collect();
                    panic!("{error}; told so far: {:#?} {err:#?}", self.seen);
                }
            }
        }
    }

    /// Waits for a line of JSON of this type.
    pub(crate) fn json(&mut self, kind: &str) -> Value {
        self.find(|value| value["type"] == kind)
    }

    /// Waits for a message with this text.
    pub(crate) fn message(&mut self, text: &str) -> Value {
        self.find(|value| value["type"] == "message" && value["text"] == text)
    }

    /// Has this text sent again and again, until it is heard here.
    pub(crate) fn hears_from(&mut self, home: &Home, text: &str) {
        while !self.has_told_of(text) {
            let sent = home.run(&["send", text]);
            assert_eq!(sent.code, 0, "{}", sent.err);
        }
    }

    /// Whether there is a line with this, among those that nobody has looked at.
    pub(crate) fn has_told_of(&mut self, text: &str) -> bool {
        let told = self.out.try_iter().collect::<Vec<_>>();
        let found = told.iter().any(|line| line.contains(text));
        self.seen.extend(told);
        found
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.join("\n")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// SIGTERM, and all that it told on standard error.
    pub(crate) fn terminated(self) -> String {
        self.signal(Signal::TERM);
        self.end().err
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(self) -> i32 {
        self.signal(Signal::TERM);
        let ended = self.end();
        // Shown where the code is not the one that was claimed.
        eprintln!("{}", ended.err);
        ended.code
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let out = drain(&self.out);
        let err = drain(&self.err);
        let code = self.child.wait().unwrap().code();
        Ended { code: code.unwrap_or(-1), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8(line).unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn drain(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => text = text + &line + "\n",
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(error) => panic!("{error}: it does not end; {text}"),
        }
    }
}

/// A command at a terminal of its own; killed with the test.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    screen: Receiver<u8>,
    pub(crate) shown: String,
}

impl Terminal {
    pub(crate) fn start(home: &Home, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = || {
            let path = Path::new(name.to_str().unwrap());
            File::options().read(true).write(true).open(path).unwrap()
        };
        let mut command = home.command(args);
        let child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        drop(command);
        let keys = File::from(master);
        let (sender, screen) = mpsc::channel();
        let bytes = BufReader::new(keys.try_clone().unwrap()).bytes();
        thread::spawn(move || {
            for byte in bytes.map_while(Result::ok) {
                if sender.send(byte).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, screen, shown: String::new() }
    }

    /// Waits until the screen shows this, and gives the line from there on.
    pub(crate) fn shows(&mut self, wanted: &str) -> String {
        let from = self.answering(wanted, "");
        let rest = self.shown[from..].find('\n').map(|end| from + end);
        let end = rest.unwrap_or_else(|| self.answering_from(from, "\n", ""));
        self.shown[from..end].trim().to_owned()
    }

    /// Whether the screen shows this by now.
    pub(crate) fn shows_by_now(&mut self, wanted: &str) -> bool {
        self.shown.extend(self.screen.try_iter().map(char::from));
        self.shown.contains(wanted)
    }

    /// Answers every question like this, until the screen shows that.
    pub(crate) fn answering(&mut self, wanted: &str, answer: &str) -> usize {
        self.answering_from(0, wanted, answer)
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }

    pub(crate) fn interrupt(&self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
    }

    /// Whether it shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.keys).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end, and gives the exit code.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        // All that it wrote is in the terminal by now, and there is nobody left to write more.
        while let Ok(byte) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.shown.push(char::from(byte));
        }
        code
    }

    fn answering_from(&mut self, from: usize, wanted: &str, answer: &str) -> usize {
        let mut asked = self.shown.matches("[y/N] ").count();
        if asked > 0 && !answer.is_empty() {
            writeln!(self.keys, "{answer}").unwrap();
        }
        loop {
            if let Some(at) = self.shown[from..].find(wanted) {
                return from + at + wanted.len();
            }
            let byte = self.screen.recv_timeout(PATIENCE);
            let byte = byte.unwrap_or_else(|error| panic!("{error}: {wanted:?}: {}", self.shown));
            // Byte by byte: nothing that tests look for is beyond ASCII.
            self.shown.push(char::from(byte));
            let asks = self.shown.matches("[y/N] ").count();
            if asks > asked && !answer.is_empty() {
                writeln!(self.keys, "{answer}").unwrap();
            }
            asked = asks;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// A topic that is up, and a device that joined it.
pub(crate) struct Pair {
    pub(crate) gateway: Home,
    pub(crate) up: Running,
    pub(crate) address: String,
    pub(crate) lamp: Home,
    pub(crate) lamp_id: String,
}

impl Pair {
    /// By an invitation; the device does not run.
    pub(crate) fn joined() -> Self {
        let (gateway, lamp) = (Home::new(), Home::new());
        let (up, told) = gateway.up(&[]);
        let address = text(&told, "address").to_owned();
        lamp.joins(&gateway, &[&address, "--name", "lamp"]);
        let lamp_id = lamp.id();
        Self { gateway, up, address, lamp, lamp_id }
    }

    /// In Classic, without questions; the device does not run.
    pub(crate) fn classic() -> Self {
        let (gateway, lamp) = (Home::new(), Home::new());
        let (up, told) = gateway.up_classic(&["--admission", "window:300"]);
        let (address, pin) = (text(&told, "address").to_owned(), text(&told, "fingerprint"));
        let join = ["join", "--classic", &address, "--once", "--trust-fingerprint", pin];
        let ready = lamp.told(&join);
        assert_eq!(ready.last().unwrap()["type"], "ready");
        let lamp_id = lamp.id();
        Self { gateway, up, address, lamp, lamp_id }
    }

    /// The device runs, and the gateway has heard of it: a room forwards to those who have spoken.
    pub(crate) fn device(&mut self) -> Running {
        // Nothing but the home is told: it has joined before.
        let mut device = self.lamp.stay(&["join"]);
        device.json("link_up");
        assert_eq!(self.lamp.run(&["send", "here I am"]).code, 0);
        self.up.message("here I am");
        device
    }
}
