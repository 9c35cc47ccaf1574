//! Questions to whoever sits at the terminal. Not here: what becomes of the answers.

use std::io::{self, BufRead, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::sync::mpsc;

use super::App;
use crate::failure::Failure;
use crate::node::{Node, Question};
use crate::report::Report;

/// Nobody compares a fingerprint faster: what is typed sooner was meant for something else.
const READING: Duration = Duration::from_millis(500);
/// The longest line that is read as an answer, more or less.
const LINE: u64 = 1024;

/// Whether somebody sees questions, and can answer them. A process in the background that read its
/// terminal would be stopped, and the topic with it.
pub(super) fn at_terminal() -> bool {
    let stdin = io::stdin();
    // A terminal that does not control this process, which is an error here, stops nobody.
    let foreground = || tcgetpgrp(&stdin).map_or(true, |group| group == getpgrp());
    stdin.is_terminal() && io::stderr().is_terminal() && foreground()
}

/// Puts each question. Those that are put to nobody wait for `admit` and `deny`.
pub(super) async fn ask(app: &App<'_>, node: &Node) -> Result<(), Failure> {
    let mut typed = Typed(None);
    loop {
        let question = node.questions().next().await;
        if at_terminal() {
            put(app, node, &question, &mut typed).await?;
        }
        // Answered by now, or elsewhere, or lapsed.
        node.questions().gone(&question).await;
    }
}

async fn put(
    app: &App<'_>,
    node: &Node,
    question: &Question,
    typed: &mut Typed,
) -> Result<(), Failure> {
    let text = question.text(node);
    app.console.prompt(&text).await?;
    let yes = tokio::select! {
        () = node.questions().gone(question) => {
            app.console.answered().await?;
            return app.console.note("\n(no answer is needed any more)").await;
        }
        answer = answer(app, typed) => answer?,
    };
    app.console.answered().await?;
    let Some(yes) = yes else {
        let note = "\n(nobody at the terminal; answer with `stringphone admit` or `deny`)";
        return app.console.note(note).await;
    };
    match node.decide(*question, yes).await {
        // What follows from a yes is told as an event.
        Ok(Report::Joined { .. }) => Ok(()),
        Ok(told) => app.console.note(&told.to_string()).await,
        Err(failure) => app.console.note(&failure.to_string()).await,
    }
}

/// Yes or no; `None` where nobody will ever answer.
async fn answer(app: &App<'_>, typed: &mut Typed) -> Result<Option<bool>, Failure> {
    let put = Instant::now();
    while let Some(line) = typed.line().await {
        if put.elapsed() >= READING {
            let line = line.trim().to_lowercase();
            return Ok(Some(line == "y" || line == "yes"));
        }
        let again = "That was typed before anybody can have compared. Is it the same? [y/N] ";
        app.console.prompt(again).await?;
    }
    Ok(None)
}

/// What is typed, read from the first question on.
struct Typed(Option<mpsc::Receiver<String>>);

impl Typed {
    async fn line(&mut self) -> Option<String> {
        self.0.get_or_insert_with(read).recv().await
    }
}

fn read() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(1);
    thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let read = io::Read::take(io::stdin().lock(), LINE).read_until(b'\n', &mut line);
            let line = String::from_utf8_lossy(&line).into_owned();
            if !read.is_ok_and(|bytes| bytes > 0) || lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}
