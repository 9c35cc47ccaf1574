//! mosquitto, an MQTT broker, and its clients for the command line.
//! Not a library to speak to it: tests do that through the adapter.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Running, free_port, wait_for};

/// The Debian packages of its programs.
const BROKER: &str = "mosquitto";
const CLIENTS: &str = "mosquitto-clients";

/// What a broker is to be like. It keeps nothing on disk.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Lines of its configuration.
    lines: String,
    passwords: Vec<(String, String)>,
    acl: Option<String>,
    subscribable: Option<String>,
}

impl Settings {
    /// Speaks TLS alone, and only with those whose certificate is of the same authority.
    #[must_use]
    pub fn with_tls(self, certificates: &Certificates) -> Self {
        let path = |name| certificates.path(name).display().to_string();
        self.with_line(format!("cafile {}", path("ca.pem")))
            .with_line(format!("certfile {}", path("server.pem")))
            .with_line(format!("keyfile {}", path("server.key")))
            .with_line("require_certificate true")
    }

    /// Lets in this user, and nobody without a password.
    #[must_use]
    pub fn with_password(mut self, user: &str, password: &str) -> Self {
        self.passwords.push((user.into(), password.into()));
        self
    }

    /// Lets users do what this text says, in the form of mosquitto's `acl_file`.
    #[must_use]
    pub fn with_acl(mut self, acl: &str) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Refuses every subscription but those that match this filter, by mosquitto's dynamic security. An
    /// `acl_file` never refuses one: it only keeps the messages back.
    #[must_use]
    pub fn with_subscriptions_to(mut self, filter: &str) -> Self {
        self.subscribable = Some(filter.into());
        self
    }

    /// Anything else that `mosquitto.conf` knows, as in `max_packet_size 1000`.
    #[must_use]
    pub fn with_line(mut self, line: impl AsRef<str>) -> Self {
        let _ = writeln!(self.lines, "{}", line.as_ref()); // a string takes it
        self
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn start(&self) -> Mosquitto {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        fs::write(folder.path().join("mosquitto.conf"), self.lines(folder.path(), port))
            .expect("a file in it");
        let running = run(folder.path(), port);
        Mosquitto { running, port, folder }
    }

    fn lines(&self, folder: &Path, port: u16) -> String {
        // As root it would become a user who cannot read the folder.
        let mut lines = format!("user root\npersistence false\nlistener {port} 127.0.0.1\n");
        lines += &self.lines;
        let passwords = folder.join("passwords");
        for (user, password) in &self.passwords {
            add_password(&passwords, user, password);
        }
        if self.passwords.is_empty() {
            lines += "allow_anonymous true\n";
        } else {
            lines += &format!("allow_anonymous false\npassword_file {}\n", passwords.display());
        }
        if let Some(acl) = &self.acl {
            let path = folder.join("acl");
            fs::write(&path, acl).expect("a file in the folder");
            lines += &format!("acl_file {}\n", path.display());
        }
        if let Some(filter) = &self.subscribable {
            let path = folder.join("security.json");
            fs::write(&path, security(filter)).expect("a file in the folder");
            let (plugin, path) = (plugin("mosquitto_dynamic_security.so"), path.display());
            lines += &format!("plugin {}\nplugin_opt_config_file {path}\n", plugin.display());
        }
        lines
    }
}

/// Lets everybody publish everything, and subscribe to what matches the filter.
fn security(filter: &str) -> String {
    format!(
        r#"{{
            "defaultACLAccess": {{
                "publishClientSend": true, "publishClientReceive": true,
                "subscribe": false, "unsubscribe": true
            }},
            "clients": [],
            "anonymousGroup": "all",
            "groups": [{{ "groupname": "all", "roles": [{{ "rolename": "reader" }}] }}],
            "roles": [{{ "rolename": "reader", "acls": [
                {{ "acltype": "subscribePattern", "topic": "{filter}", "allow": true }}
            ] }}]
        }}"#
    )
}

/// Where Debian puts a plugin, whatever the architecture.
fn plugin(name: &str) -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a folder of libraries").flatten();
    let mut paths = folders.map(|folder| folder.path().join(name));
    paths.find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is not in /usr/lib/*/"))
}

fn add_password(file: &Path, user: &str, password: &str) {
    let mut adding = Command::new("mosquitto_passwd");
    if !file.exists() {
        adding.arg("-c");
    }
    adding.arg("-b").arg(file).args([user, password]);
    succeed(&mut adding);
}

fn run(folder: &Path, port: u16) -> Running {
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(folder.join("mosquitto.conf"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running::start(&mut command, BROKER);
    wait_for(&mut running, port);
    running
}

fn succeed(command: &mut Command) {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// A broker that runs until it is dropped.
#[derive(Debug)]
pub struct Mosquitto {
    running: Running,
    port: u16,
    folder: TempDir,
}

impl Mosquitto {
    /// One without TLS, which lets everybody do everything.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub fn start() -> Self {
        Settings::default().start()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Ends it as a power cut does, and starts it anew on the same port; it has forgotten everything.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&mut self) {
        self.running.kill();
        self.running = run(self.folder.path(), self.port);
    }

    /// Stops it from running, so that its connections fall silent without an end.
    pub fn freeze(&self) {
        self.running.freeze();
    }

    /// Lets it run again.
    pub fn thaw(&self) {
        self.running.thaw();
    }

    /// The bytes of memory that it has at present.
    pub fn memory(&self) -> u64 {
        self.running.memory()
    }

    /// `mosquitto_pub` or `mosquitto_sub` for this broker; what else it needs is for the caller to
    /// add.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command
    }

    /// Has `mosquitto_pub` publish, and waits until it is done.
    ///
    /// # Panics
    /// Where it is not installed, or fails.
    pub fn publish(&self, arguments: &[&str]) {
        succeed(self.client("mosquitto_pub").args(arguments));
    }

    /// Has `mosquitto_sub` print what it hears to its standard output; it runs until dropped.
    ///
    /// # Panics
    /// Where it is not installed.
    pub fn subscribe(&self, arguments: &[&str], output: Stdio) -> Running {
        let mut command = self.client("mosquitto_sub");
        command.args(arguments).stdout(output);
        Running::start(&mut command, CLIENTS)
    }
}

/// A certificate authority for tests, with certificates for a server and for a client: `ca.pem`,
/// `server.pem`, `server.key`, `client.pem` and `client.key` in one folder.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Has openssl make them, for `localhost` and 127.0.0.1.
    ///
    /// # Panics
    /// Where openssl is not installed, or fails.
    pub fn make() -> Self {
        const EXTENSIONS: &str = "[req]\ndistinguished_name = name\n[name]\n\
            [authority]\nbasicConstraints = critical, CA:TRUE\n\
            [leaf]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n";
        let made = Self(tempfile::tempdir().expect("a folder"));
        fs::write(made.path("openssl.conf"), EXTENSIONS).expect("a file in it");
        made.certificate("ca", &["-extensions", "authority"]);
        for name in ["server", "client"] {
            let signed = ["-extensions", "leaf", "-CA", "ca.pem", "-CAkey", "ca.key"];
            made.certificate(name, &signed);
        }
        made
    }

    fn certificate(&self, name: &str, arguments: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(self.0.path());
        openssl.args(["req", "-x509", "-config", "openssl.conf", "-days", "2", "-nodes"]);
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        openssl.args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")]);
        openssl.args(["-out", &format!("{name}.pem")]).args(arguments);
        succeed(&mut openssl);
    }

    /// Where one of the files is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
