//! nats-server, with JetStream.
//! Not a client: tests speak to it through the adapter, or by the client library.

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Running, free_port, wait_for};

/// Its Debian package, and its program.
const PROGRAM: &str = "nats-server";

/// What a server is to be like.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    jetstream: bool,
    login: Option<String>,
    cluster: Option<Cluster>,
    max_payload: Option<usize>,
    tls: Option<PathBuf>,
}

/// Where a server of a cluster is found by the others.
#[derive(Clone, Debug)]
struct Cluster {
    number: usize,
    port: u16,
    routes: Vec<u16>,
}

impl Settings {
    /// Streams are kept in its folder.
    #[must_use]
    pub fn with_jetstream(mut self) -> Self {
        self.jetstream = true;
        self
    }

    /// Only this user gets in.
    #[must_use]
    pub fn with_password(self, user: &str, password: &str) -> Self {
        self.with_user(user, password, "")
    }

    /// Only this user gets in, with permissions as its configuration has them.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: &str, permissions: &str) -> Self {
        let user = format!("user: {user:?}, password: {password:?}, {permissions}");
        self.login = Some(format!("users: [ {{ {user} }} ]"));
        self
    }

    /// Only who knows this token gets in.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.login = Some(format!("token: {token:?}"));
        self
    }

    /// Speaks TLS alone, with those whom its authority vouches for: `ca.pem`, `server.pem` and
    /// `server-key.pem` in this folder.
    #[must_use]
    pub fn with_tls(mut self, folder: impl Into<PathBuf>) -> Self {
        self.tls = Some(folder.into());
        self
    }

    /// The largest message in bytes; 1 MiB otherwise.
    #[must_use]
    pub fn with_max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = Some(bytes);
        self
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn start(self) -> Nats {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let configuration = folder.path().join("nats.conf");
        fs::write(&configuration, self.configuration(port, folder.path().join("store")))
            .expect("a file");
        let server = run(&configuration, port);
        Nats { server, port, configuration, _folder: folder }
    }

    fn configuration(&self, port: u16, store: PathBuf) -> String {
        let mut text = format!("listen: 127.0.0.1:{port}\nserver_name: n{port}\n");
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string");
        if self.jetstream {
            line(format_args!("jetstream {{ store_dir: {store:?} }}"));
        }
        if let Some(login) = &self.login {
            line(format_args!("authorization {{ {login} }}"));
        }
        if let Some(folder) = &self.tls {
            let [ca, cert, key] =
                ["ca.pem", "server.pem", "server-key.pem"].map(|file| folder.join(file));
            line(format_args!(
                "tls {{ ca_file: {ca:?}, cert_file: {cert:?}, key_file: {key:?}, verify: true }}"
            ));
        }
        if let Some(bytes) = self.max_payload {
            line(format_args!("max_payload: {bytes}"));
        }
        if let Some(Cluster { number, port, routes }) = &self.cluster {
            let others = routes.iter().enumerate().filter(|(other, _)| other != number);
            let routes: Vec<_> =
                others.map(|(_, route)| format!("nats://127.0.0.1:{route}")).collect();
            let routes = routes.join(", ");
            line(format_args!(
                "cluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
            ));
        }
        text
    }
}

fn run(configuration: &std::path::Path, port: u16) -> Running {
    let mut command = Command::new(PROGRAM);
    command.arg("-c").arg(configuration).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Running::start(&mut command, PROGRAM);
    wait_for(&mut server, port);
    server
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Nats {
    server: Running,
    port: u16,
    configuration: PathBuf,
    _folder: TempDir,
}

impl Nats {
    /// A server without streams and without a password.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn start() -> Self {
        Settings::default().start()
    }

    /// A server with streams.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn with_jetstream() -> Self {
        Settings::default().with_jetstream().start()
    }

    /// As many servers with streams, which know each other.
    ///
    /// # Panics
    /// Where they are not installed, or do not start.
    pub fn cluster(servers: usize) -> Vec<Self> {
        let routes: Vec<u16> = (0..servers).map(|_| free_port()).collect();
        let server = |(number, port): (usize, &u16)| {
            let cluster = Cluster { number, port: *port, routes: routes.clone() };
            Settings { cluster: Some(cluster), ..Settings::default() }.with_jetstream().start()
        };
        routes.iter().enumerate().map(server).collect()
    }

    /// Where it listens, as in `127.0.0.1:4222`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a chance to say goodbye or to write anything.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again where it was, with what it had on disk; kills it if it still runs.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&mut self) {
        self.kill();
        self.server = run(&self.configuration, self.port);
    }

    /// Stops it from running; its connections stay.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Lets it run again.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn thaw(&self) {
        self.server.thaw();
    }
}
