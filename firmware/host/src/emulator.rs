//! The emulator's process: its serial line, its words, its end. Not here: what the frames mean.
//!
//! The firmware's UART is the process's stdin and stdout, framed as `docs/PROTOCOL.md` §1.4 says for
//! lines that lose bytes; what the firmware prints (semihosting) comes on stderr. Whatever happens,
//! the process is ended with this value, or by the firmware itself.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use stringphone_transport::framing::Cobs;
use stringphone_transport::{ChannelName, Frame};
use tokio_util::codec::{Decoder, Encoder};

use crate::report::Report;

const PROGRAM: &str = "qemu-system-arm";
/// The longest that one run may take. The firmware gives up by itself after as long.
const LIMIT: Duration = Duration::from_secs(120);
pub(crate) const MAX_FRAME: usize = 2_048;
const TOPIC: &str = "topic";
const CONTROL: &str = "control";

pub(crate) struct Emulator {
    process: Child,
    input: ChildStdin,
    frames: Receiver<Result<Vec<u8>, String>>,
    lines: Receiver<String>,
    deadline: Instant,
}

impl Emulator {
    pub(crate) fn start(firmware: &Path) -> Result<Self, String> {
        let mut process = command(firmware).spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!(
                "{PROGRAM} is not installed. `cargo xtask firmware` does that; by hand on Debian:\n    \
                 sudo apt-get install --no-install-recommends {PROGRAM}"
            ),
            _ => format!("cannot start {PROGRAM}: {error}"),
        })?;
        eprintln!(
            "the emulator runs as process {}, for {} s at most",
            process.id(),
            LIMIT.as_secs()
        );
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(input), Some(output), Some(words)) = pipes else {
            return Err(format!("{PROGRAM} has no pipes"));
        };
        let (frames_in, frames) = mpsc::channel();
        let (lines_in, lines) = mpsc::channel();
        // Both end when the process does, which closes its side of the pipes.
        thread::spawn(move || decode(output, &frames_in));
        thread::spawn(move || repeat(words, &lines_in));
        Ok(Self { process, input, frames, lines, deadline: Instant::now() + LIMIT })
    }

    /// When this run has taken too long.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The text for when it has.
    pub(crate) fn timed_out(&self, what: &str) -> String {
        let (limit, id) = (LIMIT.as_secs(), self.process.id());
        format!(
            "The firmware took more than {limit} s; what did not come is {what}. The emulator \
             (process {id}) is ended. What was said so far stands above."
        )
    }

    /// Sends frames of the topic, all of them at once: the first may make the firmware end.
    pub(crate) fn send(&mut self, frames: Vec<Vec<u8>>) -> Result<(), String> {
        self.write(TOPIC, frames)
    }

    /// Tells the firmware what to do, beside the topic.
    pub(crate) fn order(&mut self, order: Vec<u8>) -> Result<(), String> {
        self.write(CONTROL, vec![order])
    }

    fn write(&mut self, channel: &str, packets: Vec<Vec<u8>>) -> Result<(), String> {
        let channel = ChannelName::try_from(channel).map_err(|error| error.to_string())?;
        let mut wire = BytesMut::new();
        for packet in packets {
            Cobs::new(MAX_FRAME)
                .encode(Frame::on(channel.clone(), packet), &mut wire)
                .map_err(|error| format!("a frame for the firmware: {error}"))?;
        }
        let written = self.input.write_all(&wire).and_then(|()| self.input.flush());
        written.map_err(|error| self.ended(&format!("cannot write to it any more ({error})")))
    }

    /// The next frame of the topic; none if the time comes first.
    pub(crate) fn receive(&mut self, until: Instant) -> Result<Option<Vec<u8>>, String> {
        match self.frames.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(frame) => frame.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended("it closed its line")),
        }
    }

    /// Waits for the emulator's own end, which has to be a success, and for the report.
    pub(crate) fn finish(mut self) -> Result<Report, String> {
        let success = loop {
            match self.process.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if Instant::now() >= self.deadline => {
                    return Err(self.timed_out("its end"));
                }
                Ok(None) => thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(format!("cannot wait for {PROGRAM}: {error}")),
            }
        };
        if !success {
            return Err(self.ended("it failed at the very end"));
        }
        let report = self.lines.iter().find_map(|line| Report::parse(&line));
        report.ok_or_else(|| "The firmware ended without a line `report: …`.".into())
    }

    /// The text for an end that nobody wanted; what the firmware said last stands in it.
    fn ended(&mut self, how: &str) -> String {
        let status = self.stop();
        let words: Vec<String> = self.lines.iter().collect();
        let last = match words.as_slice() {
            [] => "It said nothing.".to_owned(),
            // A fault that can't even be handled, as there is no stack to do it on.
            [line, ..] if line.contains("Lockup") => format!(
                "It said:\n    {line}\nMost likely the firmware's stack overflowed: see memory.x."
            ),
            words => format!("It said:\n    {}", words.join("\n    ")),
        };
        format!("The emulator ended too early: {how}; {status}. {last}")
    }

    /// Gives the process a moment to end by itself, which tells more, then ends it.
    fn stop(&mut self) -> String {
        for _ in 0..100 {
            if let Ok(Some(status)) = self.process.try_wait() {
                return status.to_string();
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // By the id of our own child, and of no effect where it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(firmware: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["-machine", "mps2-an386", "-cpu", "cortex-m4"]);
    command.args(["-display", "none", "-monitor", "none"]);
    command.args(["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]);
    command.args(["-semihosting-config", "enable=on,target=native"]);
    command.arg("-kernel").arg(firmware);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Hands on the topic's frames, until the line or the conversation ends.
fn decode(mut output: ChildStdout, frames: &Sender<Result<Vec<u8>, String>>) {
    let mut codec = Cobs::new(MAX_FRAME);
    let mut wire = BytesMut::new();
    let mut chunk = [0; 4_096];
    while let Ok(len @ 1..) = output.read(&mut chunk) {
        wire.extend(chunk.iter().take(len));
        while let Some(frame) = codec.decode(&mut wire).transpose() {
            let frame = match frame.flatten() {
                Ok(Frame { channel: Some(channel), bytes }) if channel.as_str() == TOPIC => {
                    Ok(bytes.to_vec())
                }
                Ok(frame) => Err(format!("the firmware sends on a wrong channel: {frame:?}")),
                Err(error) => Err(format!("the firmware sends garbage: {error}")),
            };
            if frames.send(frame).is_err() {
                return;
            }
        }
    }
}

/// Hands on what the firmware, or the emulator itself, prints.
fn repeat(words: ChildStderr, lines: &Sender<String>) {
    for line in BufReader::new(words).lines().map_while(Result::ok) {
        eprintln!("firmware: {line}");
        if lines.send(line).is_err() {
            return;
        }
    }
}
