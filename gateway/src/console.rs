//! Where output goes: stdout for results, stderr for the rest. Not here: what is said.

use std::io::{self, IsTerminal, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::report::Report;
use crate::text;

/// Lines that wait for a slow reader, such as a terminal that was paused.
const QUEUE: usize = 256;
/// How long the end of the process waits for one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a terminal has that does not say.
const COLUMNS: usize = 80;

enum Line {
    Out(String),
    /// The same, and somebody waits until it was written.
    Certain(String, oneshot::Sender<()>),
    Diagnostic(String),
    /// A question, after which somebody types on the same line.
    Prompt(String),
    /// It needs no answer any more.
    Answered,
}

/// Writes on a thread of its own: a terminal that was paused holds up nothing but its lines.
#[derive(Clone)]
pub(crate) struct Console {
    lines: mpsc::Sender<Line>,
    json: bool,
}

/// The thread that writes.
pub(crate) struct Writing(JoinHandle<io::Result<()>>, std::sync::mpsc::Receiver<()>);

impl Console {
    pub(crate) fn start(json: bool) -> (Self, Writing) {
        let (lines, mut queue) = mpsc::channel(QUEUE);
        let (done, finished) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let _until_the_end = done;
            let mut open = None;
            while let Some(line) = queue.blocking_recv() {
                match write(line, &mut open) {
                    // Whoever read has heard enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written?,
                }
            }
            Ok(())
        });
        (Self { lines, json }, Writing(thread, finished))
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Says something on stdout.
    pub(crate) async fn say(&self, report: &Report) -> Result<(), Failure> {
        self.write(Line::Out(self.line(report)?)).await
    }

    /// The same, and waits until it was written and flushed.
    pub(crate) async fn say_for_certain(&self, report: &Report) -> Result<(), Failure> {
        let (written, done) = oneshot::channel();
        self.write(Line::Certain(self.line(report)?, written)).await?;
        done.await.map_err(|_| Failure::Unheard)
    }

    fn line(&self, report: &Report) -> Result<String, Failure> {
        let line = if self.json {
            text::json_line(report).map_err(|error| Failure::failed(error.to_string()))?
        } else {
            let line = text::for_terminal(&report.to_string());
            match columns() {
                Some(columns) if report.quotes_others() => text::in_rows(&line, columns),
                _ => line,
            }
        };
        Ok(line + "\n")
    }

    /// Says something on stderr, for people.
    pub(crate) async fn note(&self, note: &str) -> Result<(), Failure> {
        let line = Line::Diagnostic(text::for_terminal(note) + "\n");
        self.write(line).await
    }

    /// Shows something on stdout, for people.
    pub(crate) async fn show(&self, text: &str) -> Result<(), Failure> {
        self.write(Line::Out(text::for_terminal(text) + "\n")).await
    }

    /// Asks something at the terminal; the answer is typed on the same line. Until `answered`, its
    /// last line is put again below whatever else is said.
    pub(crate) async fn prompt(&self, question: &str) -> Result<(), Failure> {
        self.write(Line::Prompt(text::for_terminal(question))).await
    }

    pub(crate) async fn answered(&self) -> Result<(), Failure> {
        self.write(Line::Answered).await
    }

    /// Waits until nothing can be said any more.
    pub(crate) async fn closed(&self) {
        self.lines.closed().await;
    }

    /// The last words of a command.
    pub(crate) fn failed(&self, failure: &Failure) {
        if !matches!(failure, Failure::Unheard) {
            let words = text::for_terminal(&format!("stringphone: {failure}"));
            // No room means that nobody reads.
            let _ = self.lines.try_send(Line::Diagnostic(words + "\n"));
        }
    }

    async fn write(&self, line: Line) -> Result<(), Failure> {
        self.lines.send(line).await.map_err(|_| Failure::Unheard)
    }
}

/// How wide the terminal is that stdout goes to, if it is one.
pub(crate) fn columns() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    // Some terminals don't know.
    Some(if size.ws_col == 0 { COLUMNS } else { size.ws_col.into() })
}

/// Writes a line; where a question is open on the terminal, below it, with its last line again.
fn write(line: Line, open: &mut Option<String>) -> io::Result<()> {
    let mut waits = None;
    let (lands, line) = match line {
        Line::Prompt(question) => {
            say(&question);
            *open = question.lines().next_back().map(String::from);
            return Ok(());
        }
        Line::Answered => {
            *open = None;
            return Ok(());
        }
        Line::Out(line) => (io::stdout().is_terminal(), Ok(line)),
        Line::Certain(line, written) => {
            waits = Some(written);
            (io::stdout().is_terminal(), Ok(line))
        }
        Line::Diagnostic(line) => (true, Err(line)),
    };
    let prompt = open.as_ref().filter(|_| lands);
    if prompt.is_some() {
        say("\n");
    }
    match line {
        Ok(line) => {
            let mut out = io::stdout().lock();
            out.write_all(line.as_bytes())?;
            out.flush()?;
        }
        Err(line) => say(&line),
    }
    if let Some(prompt) = prompt {
        say(prompt);
    }
    if let Some(written) = waits {
        // Whoever waited may be gone.
        let _ = written.send(());
    }
    Ok(())
}

fn say(text: &str) {
    // Without stderr the results are still worth having.
    let _ = io::stderr().write_all(text.as_bytes());
}

impl Writing {
    /// Waits for what is left to be written, for a while. Gives, and tells, what is wrong with
    /// stdout.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self(thread, finished) = self;
        // Nothing is ever sent: it ends with the thread, or the patience does.
        let ended = finished.recv_timeout(PATIENCE);
        if ended == Err(std::sync::mpsc::RecvTimeoutError::Disconnected) {
            // A thread that panicked has told so.
            if let Ok(Err(error)) = thread.join() {
                let failure = Failure::failed(format!("standard output: {error}"));
                let words = text::for_terminal(&format!("stringphone: {failure}"));
                // Where stderr is broken as well, the exit code has to do.
                let _ = writeln!(io::stderr(), "{words}");
                return Err(failure);
            }
        }
        Ok(())
    }
}
