//! The side that asks. Not here: what becomes of the reply.

use std::io;

use futures::SinkExt;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LinesCodec};

use super::{LINE, Request, lines};
use crate::failure::Failure;
use crate::home::Home;
use crate::report::Report;
use crate::text;

/// A connection to the process that owns the home.
pub(crate) struct Client(Framed<UnixStream, LinesCodec>);

impl Client {
    /// `None` where no process runs.
    pub(crate) async fn connect(home: &Home) -> Result<Option<Self>, Failure> {
        let path = home.socket();
        match UnixStream::connect(&path).await {
            Ok(stream) => Ok(Some(Self(Framed::new(stream, lines())))),
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

    /// Asks, and gives what is replied, line by line.
    pub(crate) async fn ask(
        &mut self,
        request: &Request,
    ) -> Result<BoxStream<'_, Result<Report, Failure>>, Failure> {
        let line = text::json_line(request).map_err(|error| Failure::failed(error.to_string()))?;
        if line.len() > LINE {
            return Err(Failure::failed("the message is too long"));
        }
        // Where this fails, the server may still have said why it hung up.
        let _ = self.0.send(line).await;
        let replies = stream::unfold(Some(self), async |client| {
            let client = client?;
            match client.reply().await {
                Ok(Report::Done) => None,
                Ok(report) => Some((Ok(report), Some(client))),
                Err(failure) => Some((Err(failure), None)),
            }
        });
        Ok(replies.boxed())
    }

    async fn reply(&mut self) -> Result<Report, Failure> {
        let line = self.0.next().await.ok_or_else(gone)?.map_err(|_| gone())?;
        let report = serde_json::from_str(&line).map_err(|error| {
            Failure::failed(format!(
                "the running process replied what this release does not understand: {error}"
            ))
        })?;
        match report {
            Report::Error { code: 2, message } => Err(Failure::Usage(message)),
            Report::Error { code: 3, message } => Err(Failure::Unanswered(message)),
            Report::Error { message, .. } => Err(Failure::Failed(message)),
            report => Ok(report),
        }
    }
}

fn gone() -> Failure {
    Failure::failed("the process that runs this home has stopped")
}
