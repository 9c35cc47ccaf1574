//! The side that answers. Not here: the answers.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};
use tokio_util::task::AbortOnDropHandle;

use super::{Request, lines};
use crate::failure::Failure;
use crate::home::{Home, Lock};
use crate::node::{Node, acknowledge};
use crate::report::Report;
use crate::text;

/// Clients at the same time.
const CLIENTS: usize = 32;
/// A client that asks nothing for this long gives its seat back.
const IDLE: Duration = Duration::from_secs(10);
/// What is left to reply when the topic has ended has this long.
const LAST: Duration = Duration::from_millis(500);
/// A failed `accept` is tried again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers as long as it is held.
pub(crate) struct Server {
    path: PathBuf,
    seats: Arc<Semaphore>,
    accepting: AbortOnDropHandle<()>,
}

impl Server {
    /// Whoever holds the lock may throw away the socket of a process that is gone.
    pub(crate) fn start(home: &Home, _: &Lock, node: &Node) -> Result<Self, Failure> {
        let path = home.socket();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => Failure::failed(format!(
                "{}: too long a path for a socket; choose a shorter --home",
                path.display()
            )),
            _ => Failure::file(&path, &error),
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        // Until here the folder's own mode keeps others out.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let seats = Arc::new(Semaphore::new(CLIENTS));
        let accepting = tokio::spawn(accept(listener, seats.clone(), node.clone()));
        Ok(Self { path, seats, accepting: AbortOnDropHandle::new(accepting) })
    }

    /// Ends once those who asked have their replies, or have had time enough for them.
    pub(crate) async fn end(self) {
        self.accepting.abort();
        let all = u32::try_from(CLIENTS).unwrap_or(u32::MAX);
        drop(timeout(LAST, self.seats.acquire_many(all)).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The next process removes it if we can't.
        let _ = fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, seats: Arc<Semaphore>, node: Node) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let mut client = Framed::new(stream, lines());
        let (seat, node) = (seats.clone().try_acquire_owned(), node.clone());
        tokio::spawn(async move {
            let served = match seat {
                // The seat is taken as long as the client stays.
                Ok(_seat) => serve(&mut client, &node).await,
                Err(_) => say(&mut client, &(&busy()).into()).await,
            };
            // A client that is gone needs nothing more.
            drop(served);
        });
    }
}

fn busy() -> Failure {
    Failure::failed(format!("{CLIENTS} commands are served already; try again"))
}

type Lines = Framed<UnixStream, LinesCodec>;

async fn serve(client: &mut Lines, node: &Node) -> Result<(), LinesCodecError> {
    loop {
        let Ok(line) = timeout(IDLE, client.next()).await else {
            let failure = Failure::Unanswered("no request came in time".into());
            return say(client, &(&failure).into()).await;
        };
        let Some(line) = line else {
            return Ok(());
        };
        let request = match line {
            Ok(line) => serde_json::from_str(&line)
                .map_err(|error| Failure::Usage(format!("no request: {error}"))),
            Err(LinesCodecError::MaxLineLengthExceeded) => {
                let failure = Failure::Usage("the line is too long".into());
                return say(client, &(&failure).into()).await;
            }
            // What is no UTF-8.
            Err(LinesCodecError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                let failure = Failure::Usage("no request: the line is not UTF-8".into());
                return say(client, &(&failure).into()).await;
            }
            Err(error) => return Err(error),
        };
        let replied = match request {
            Ok(Request::Inbox) => hand_out(client, node).await,
            Ok(request) => reply(client, node, request).await,
            Err(failure) => Ok(Err(failure)),
        };
        match replied? {
            Ok(()) => say(client, &Report::Done).await?,
            Err(failure) => say(client, &(&failure).into()).await?,
        }
    }
}

async fn reply(
    client: &mut Lines,
    node: &Node,
    request: Request,
) -> Result<Result<(), Failure>, LinesCodecError> {
    let mut reports = match node.answer(request).await {
        Ok(reports) => reports,
        Err(failure) => return Ok(Err(failure)),
    };
    loop {
        tokio::select! {
            // What is there goes first, whatever the client has sent meanwhile.
            biased;
            report = reports.next() => match report {
                Some(report) => say(client, &report).await?,
                None => return Ok(Ok(())),
            },
            // Nothing more is asked before the reply has ended, so this is a client that left.
            _ = client.next() => return Err(LinesCodecError::Io(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

/// Hands out what is kept, and has it acknowledged as the client says that it dealt with it.
async fn hand_out(client: &mut Lines, node: &Node) -> Result<Result<(), Failure>, LinesCodecError> {
    let mut handing = match node.hand_out().await {
        Ok(handing) => handing,
        Err(failure) => return Ok(Err(failure)),
    };
    loop {
        let handed = tokio::select! {
            biased;
            handed = handing.next() => handed,
            _ = client.next() => return Err(LinesCodecError::Io(io::ErrorKind::BrokenPipe.into())),
        };
        let Some(handed) = handed else { return Ok(Ok(())) };
        for message in &handed {
            say(client, &message.report).await?;
        }
        let mut dealt_with = 0;
        for message in &handed {
            let Some(Ok(line)) = client.next().await else { break };
            let wanted = Request::Ack { id: message.id.clone() };
            if serde_json::from_str::<Request>(&line).ok() != Some(wanted) {
                break;
            }
            dealt_with += 1;
        }
        let (dealt_with, left) = handed.split_at_checked(dealt_with).unwrap_or_default();
        if let Err(error) = acknowledge(dealt_with).await {
            return Ok(Err(error.into()));
        }
        if !left.is_empty() {
            return Ok(Err(Failure::Usage("each message is acknowledged in its turn".into())));
        }
    }
}

async fn say(client: &mut Lines, report: &Report) -> Result<(), LinesCodecError> {
    let line = text::json_line(report).map_err(io::Error::from)?;
    client.send(line).await
}
