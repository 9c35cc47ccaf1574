//! One connection to one server of a cluster, which ends when it is lost.
//! Not what goes over it.

use std::{fmt, io, path::PathBuf, time::Duration};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use stringphone_transport::TransportError;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Frames that wait for the socket: 4 MiB of the largest.
pub(crate) const QUEUE: usize = 64;
/// Frames of one subscription that wait for its reader: 64 MiB of the largest.
pub(crate) const CAPACITY: usize = 1024;
/// How long each server may take to answer.
const CONNECTING: Duration = Duration::from_secs(5);
/// Nobody listens on port 0, so that the client library fails at once when it tries to reconnect.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// How servers are found and spoken to.
#[derive(Clone)]
pub(crate) struct Servers {
    /// As in `hub:4222`: the first ones to try.
    pub(crate) named: Vec<String>,
    /// What the cluster has told of itself.
    pub(crate) learned: Vec<ServerAddr>,
    pub(crate) login: Login,
    pub(crate) tls: Tls,
    pub(crate) ping: Duration,
}

/// Who we are to the server.
#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    User(String, Zeroizing<String>),
    Token(Zeroizing<String>),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::User(user, _) => f.debug_tuple("User").field(user).finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

/// Files in PEM; the certificate and its key for servers that want to know us by them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    pub(crate) required: bool,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
}

/// A connection that is up.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) health: Health,
}

/// What the client library tells of a connection. It ends with it.
pub(crate) type Health = watch::Receiver<Symptoms>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Symptoms {
    /// Messages that a subscription had no room for; some more may have gone uncounted.
    pub(crate) lost: u64,
    /// What the server objected to last, as to a subject that is not allowed.
    pub(crate) objection: Option<String>,
}

impl Servers {
    /// Connects to any of them, and remembers the others of its cluster.
    pub(crate) async fn connect(&mut self) -> Result<Connection, TransportError> {
        let addresses = self.addresses().map_err(TransportError::Connect)?;
        let (symptoms, health) = watch::channel(Symptoms::default());
        let client = self
            .options(addresses.len(), symptoms)
            .connect(addresses)
            .await
            .map_err(|error| TransportError::Connect(io_error(error)))?;
        client.set_server_pool(NOWHERE).await.map_err(TransportError::other)?;
        self.learn(&client);
        Ok(Connection { client, health })
    }

    fn addresses(&self) -> io::Result<Vec<ServerAddr>> {
        let named = self.named.iter().map(|name| format!("nats://{name}").parse());
        let named: Vec<ServerAddr> = named.collect::<io::Result<_>>()?;
        let learned = self.learned.iter().filter(|server| !named.contains(server));
        Ok(learned.chain(&named).cloned().collect())
    }

    fn options(&self, servers: usize, symptoms: watch::Sender<Symptoms>) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .name("stringphone")
            .no_echo()
            .ignore_discovered_servers()
            .max_reconnects(servers)
            .reconnect_delay_callback(|_| Duration::ZERO)
            .connection_timeout(CONNECTING)
            .ping_interval(self.ping)
            .client_capacity(QUEUE)
            .subscription_capacity(CAPACITY)
            .event_callback(move |event| {
                note(&symptoms, event);
                std::future::ready(())
            });
        options = match &self.login {
            Login::Nobody => options,
            Login::User(user, password) => {
                options.user_and_password(user.clone(), password.to_string())
            }
            Login::Token(token) => options.token(token.to_string()),
        };
        let Tls { required, authority, certificate } = &self.tls;
        options = options.require_tls(*required);
        if let Some(authority) = authority {
            options = options.add_root_certificates(authority.clone());
        }
        if let Some((certificate, key)) = certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        options
    }

    /// The library forgets the other servers with the connection.
    fn learn(&mut self, client: &Client) {
        let told = client.server_info().connect_urls;
        let told: Vec<ServerAddr> = told.iter().filter_map(|url| url.parse().ok()).collect();
        if !told.is_empty() {
            self.learned = told;
        }
    }
}

fn note(symptoms: &watch::Sender<Symptoms>, event: Event) {
    match event {
        Event::SlowConsumer(_) => symptoms.send_modify(|symptoms| symptoms.lost += 1),
        Event::ServerError(error) => {
            symptoms.send_modify(|symptoms| symptoms.objection = Some(error.to_string()));
        }
        event => tracing::debug!(%event, "nats"),
    }
}

fn io_error(error: async_nats::ConnectError) -> io::Error {
    let kind = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            io::ErrorKind::PermissionDenied
        }
        ConnectErrorKind::TimedOut => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// What has happened to the connection, once something has: frames were lost, or it is down.
pub(crate) async fn next_symptom(health: &mut Health, told: &mut u64) -> TransportError {
    loop {
        if health.changed().await.is_err() {
            return TransportError::Closed;
        }
        let Symptoms { lost, objection } = health.borrow_and_update().clone();
        if let Some(objection) = objection {
            return TransportError::other(objection);
        }
        if lost > *told {
            let dropped = lost - std::mem::replace(told, lost);
            return TransportError::Malformed {
                dropped,
                reason: "the reader was too slow for them",
            };
        }
    }
}
