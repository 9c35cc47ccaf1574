//! The transport itself: how it is set up, and how its links come up.
//! Not the halves of a link.

use std::{fmt, path::PathBuf, time::Duration};

use async_nats::{
    Client,
    jetstream::{self, stream::Stream},
};
use async_trait::async_trait;
use stringphone_transport::{Channels, Facts, Incoming, Link, Transport, TransportError};
use zeroize::Zeroizing;

use crate::{
    JetStream,
    connection::{Connection, Login, Servers, Tls},
    consumers::Consumers,
    core,
    durable::{self, FROM, Heard},
    incoming::MAX_FRAME,
    outgoing::{Outgoing, Receipts},
    subject::{is_name, is_prefix},
};

/// What every subject begins with, unless told otherwise.
const PREFIX: &str = "stringphone";
/// How often a server that says nothing is asked whether it is there.
const PING: Duration = Duration::from_secs(10);
/// How long the server may take for each question about stream and consumers. A cluster that elects
/// a leader does not answer, and the next try finds the new one.
const ASKING: Duration = Duration::from_secs(2);
/// What NATS puts around a header's name and value.
const AROUND_HEADER: usize = "NATS/1.0\r\n: \r\n\r\n".len();

/// A transport that connects to a NATS server, or to a cluster of them. The crate's front page says
/// what its links promise.
pub struct Nats {
    servers: Servers,
    prefix: String,
    jetstream: Option<JetStream>,
    heard: Heard,
}

impl Nats {
    /// Connects to the server at `address`, as in `hub:4222`. The others of its cluster it tells
    /// itself.
    pub fn connect(address: impl Into<String>) -> Self {
        let servers = Servers {
            named: vec![address.into()],
            learned: vec![],
            login: Login::Nobody,
            tls: Tls::default(),
            ping: PING,
        };
        let (jetstream, heard) = (None, Heard::default());
        Self { servers, prefix: PREFIX.into(), jetstream, heard }
    }

    /// Another server of the cluster, in case that the first one is down at the start.
    #[must_use]
    pub fn or(mut self, address: impl Into<String>) -> Self {
        self.servers.named.push(address.into());
        self
    }

    /// What the subjects begin with, in one or more tokens: `stringphone` by default. What can't be
    /// a subject fails when the link is to come up.
    #[must_use]
    pub fn prefix(mut self, subject: impl Into<String>) -> Self {
        self.prefix = subject.into();
        self
    }

    /// Frames go through a stream.
    #[must_use]
    pub fn jetstream(mut self, jetstream: JetStream) -> Self {
        self.jetstream = Some(jetstream);
        self
    }

    /// Logs in by name and password.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: Zeroizing<String>) -> Self {
        self.servers.login = Login::User(name.into(), password);
        self
    }

    /// Logs in by token.
    #[must_use]
    pub fn token(mut self, token: Zeroizing<String>) -> Self {
        self.servers.login = Login::Token(token);
        self
    }

    /// Speaks TLS or not at all. Without this, the server decides.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.servers.tls.required = true;
        self
    }

    /// Speaks TLS with servers that this authority vouches for, a file in PEM, instead of those that
    /// the operating system trusts.
    #[must_use]
    pub fn authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.servers.tls.authority = Some(file.into());
        self.tls()
    }

    /// Speaks TLS and shows this certificate, with its key: files in PEM.
    #[must_use]
    pub fn certificate(mut self, file: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.servers.tls.certificate = Some((file.into(), key.into()));
        self.tls()
    }

    /// How often a server that says nothing is asked whether it is there: every 10 s by default. The
    /// third question without an answer ends the link.
    #[must_use]
    pub fn ping_every(mut self, interval: Duration) -> Self {
        self.servers.ping = interval;
        self
    }

    fn check_names(&self) -> Result<(), TransportError> {
        if !is_prefix(&self.prefix) {
            return Err(TransportError::other("the prefix is no subject"));
        }
        match &self.jetstream {
            Some(jetstream) if !is_name(&jetstream.stream) => {
                Err(TransportError::other("the stream's name has other than letters, digits, - _"))
            }
            Some(jetstream) if !is_name(&jetstream.durable) => {
                Err(TransportError::other("the durable name has other than letters, digits, - _"))
            }
            _ => Ok(()),
        }
    }

    async fn core_link(
        &self,
        connection: Connection,
        channels: Channels,
    ) -> Result<Link, TransportError> {
        let incoming = core::incoming(&connection, &self.prefix, channels).await?;
        let max_frame = MAX_FRAME.min(connection.client.max_payload());
        let outgoing = Outgoing::new(connection.client, &self.prefix, max_frame, None);
        Ok(Link { incoming, outgoing: Box::pin(outgoing) })
    }

    async fn durable_link(
        &self,
        connection: Connection,
        jetstream: &JetStream,
        channels: Channels,
    ) -> Result<Link, TransportError> {
        let mut context = jetstream::new(connection.client.clone());
        context.set_timeout(ASKING);
        let stream = jetstream.open(&context, &self.prefix).await?;
        let max_frame = largest_frame(&connection.client, &stream, &jetstream.durable);
        let consumers = Consumers::new(stream, &self.prefix, jetstream);
        let incoming: Incoming = durable::incoming(
            &connection,
            consumers,
            &jetstream.durable,
            self.heard.clone(),
            self.servers.ping,
            channels,
        )
        .await?;
        let receipts = Receipts::new(&connection.client, &jetstream.durable).await?;
        let outgoing = Outgoing::new(connection.client, &self.prefix, max_frame, Some(receipts));
        Ok(Link { incoming, outgoing: Box::pin(outgoing) })
    }
}

/// The header counts against what server and stream take.
fn largest_frame(client: &Client, stream: &Stream, me: &str) -> usize {
    let limits = &stream.cached_info().config;
    let of_stream = usize::try_from(limits.max_message_size).ok().filter(|max| *max > 0);
    let message = client.max_payload().min(of_stream.unwrap_or(usize::MAX));
    MAX_FRAME.min(message.saturating_sub(AROUND_HEADER + FROM.len() + me.len()))
}

#[async_trait]
impl Transport for Nats {
    fn facts(&self) -> Facts {
        let servers = self.servers.named.join(",");
        let name = match &self.jetstream {
            None => format!("nats {servers}"),
            Some(JetStream { stream, durable, .. }) => format!("nats {servers} {stream} {durable}"),
        };
        Facts::new(name, MAX_FRAME).many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        self.check_names()?;
        let connection = self.servers.connect().await?;
        match &self.jetstream {
            None => self.core_link(connection, channels).await,
            Some(jetstream) => self.durable_link(connection, jetstream, channels).await,
        }
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("servers", &self.servers.named)
            .field("login", &self.servers.login)
            .field("tls", &self.servers.tls)
            .field("prefix", &self.prefix)
            .field("jetstream", &self.jetstream)
            .finish_non_exhaustive()
    }
}
