//! The side that asks. Not here: what becomes of the reply.

use std::io;
use std::time::Duration;

use futures::SinkExt;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LinesCodec};

use super::{LINE, Request, lines};
use crate::failure::Failure;
use crate::home::Home;
use crate::report::Report;
use crate::text;

/// How long the running process may take to reply.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the process that owns the home. Each request has a connection of its own: one that
/// idles in between would be closed.
pub(crate) struct Client {
    home: Home,
    patience: Duration,
}

/// The messages that the running process keeps.
pub(crate) struct Kept(Connection);

struct Connection {
    lines: Framed<UnixStream, LinesCodec>,
    /// None where it may take forever.
    patience: Option<Duration>,
}

impl Client {
    /// `None` where no process runs.
    pub(crate) async fn connect(home: &Home) -> Result<Option<Self>, Failure> {
        let running = connect(home).await?;
        Ok(running.map(|_| Self { home: home.clone(), patience: PATIENCE }))
    }

    /// Waits this long for replies, instead of the usual time.
    pub(crate) fn wait(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Asks, and gives what is replied, line by line.
    pub(crate) async fn ask(
        &self,
        request: &Request,
    ) -> Result<BoxStream<'static, Result<Report, Failure>>, Failure> {
        let endless = matches!(request, Request::Listen { .. });
        let connection = self.begin(request, (!endless).then_some(self.patience)).await?;
        let replies = stream::unfold(Some(connection), async |connection| {
            let mut connection = connection?;
            match connection.reply().await {
                Ok(Report::Done) => None,
                Ok(report) => Some((Ok(report), Some(connection))),
                Err(failure) => Some((Err(failure), None)),
            }
        });
        Ok(replies.boxed())
    }

    /// Asks for the messages that are kept.
    pub(crate) async fn kept(&self) -> Result<Kept, Failure> {
        self.begin(&Request::Inbox, None).await.map(Kept)
    }

    async fn begin(
        &self,
        request: &Request,
        patience: Option<Duration>,
    ) -> Result<Connection, Failure> {
        let stream = connect(&self.home).await?.ok_or_else(gone)?;
        let mut connection = Connection { lines: Framed::new(stream, lines()), patience };
        connection.send(request).await?;
        Ok(connection)
    }
}

impl Kept {
    /// The next one; an error once there is no more.
    pub(crate) async fn next(&mut self) -> Result<Report, Failure> {
        match self.0.reply().await? {
            Report::Done => Err(gone()),
            report => Ok(report),
        }
    }

    /// The message of this id was dealt with.
    pub(crate) async fn acknowledge(&mut self, id: String) -> Result<(), Failure> {
        self.0.send(&Request::Ack { id }).await
    }
}

async fn connect(home: &Home) -> Result<Option<UnixStream>, Failure> {
    let path = home.socket();
    match UnixStream::connect(&path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            // Or one that was killed and left its socket behind.
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            // A path this long is nobody's socket.
            | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(Failure::file(&path, &error)),
        },
    }
}

impl Connection {
    async fn send(&mut self, request: &Request) -> Result<(), Failure> {
        let line = text::json_line(request).map_err(|error| Failure::failed(error.to_string()))?;
        if line.len() > LINE {
            return Err(Failure::failed("the message is too long"));
        }
        let sent = in_time(self.patience, self.lines.send(line)).await?;
        // Where this fails, the server may still have said why it hung up.
        drop(sent);
        Ok(())
    }

    async fn reply(&mut self) -> Result<Report, Failure> {
        let line = in_time(self.patience, self.lines.next()).await?;
        let line = line.ok_or_else(gone)?.map_err(|_| gone())?;
        let report: Report = serde_json::from_str(&line).map_err(|error| {
            Failure::failed(format!(
                "the running process replied what this release does not understand: {error}"
            ))
        })?;
        report.into_result()
    }
}

/// A process that was paused accepts connections, and never replies.
async fn in_time<T>(
    patience: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let Some(patience) = patience else {
        return Ok(work.await);
    };
    timeout(patience, work).await.map_err(|_| {
        Failure::Unanswered(format!(
            "the process that runs this home has not replied in {} s; is it paused or busy? \
             Whether it has done what was asked is not known",
            patience.as_secs()
        ))
    })
}

fn gone() -> Failure {
    Failure::failed("the process that runs this home has stopped")
}
