//! Where output goes: stdout for results, stderr for the rest. Not here: what is said.

use std::io::{self, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use tokio::sync::mpsc;

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
    Diagnostic(String),
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
            while let Some(line) = queue.blocking_recv() {
                match write(line) {
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
        let line = if self.json {
            text::json_line(report).map_err(|error| Failure::failed(error.to_string()))?
        } else {
            let line = text::for_terminal(&report.to_string());
            match (report, columns()) {
                (Report::Message { .. }, Some(columns)) => text::in_rows(&line, columns),
                _ => line,
            }
        };
        self.write(Line::Out(line + "\n")).await
    }

    /// Says something on stderr, for people.
    pub(crate) async fn note(&self, note: &str) -> Result<(), Failure> {
        let line = Line::Diagnostic(text::for_terminal(note) + "\n");
        self.write(line).await
    }

    /// Asks something at the terminal; the answer is typed on the same line.
    pub(crate) async fn prompt(&self, question: &str) -> Result<(), Failure> {
        self.write(Line::Diagnostic(text::for_terminal(question))).await
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
fn columns() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    // Some terminals don't know.
    Some(if size.ws_col == 0 { COLUMNS } else { size.ws_col.into() })
}

fn write(line: Line) -> io::Result<()> {
    match line {
        Line::Out(line) => {
            let mut out = io::stdout().lock();
            out.write_all(line.as_bytes())?;
            out.flush()
        }
        Line::Diagnostic(line) => {
            // Without stderr the results are still worth having.
            let _ = io::stderr().write_all(line.as_bytes());
            Ok(())
        }
    }
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
