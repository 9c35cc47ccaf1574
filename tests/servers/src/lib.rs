//! Real servers for tests: each on a free port of the loopback, in a folder of its own, and ended
//! with the value that stands for it.
//! Not the tests, and nothing that a user runs.
//!
//! A server that is not installed fails the test that wants it, and says how to install it.

pub mod mosquitto;
pub mod nats;
pub mod network;
pub mod pty;

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to listen.
const STARTING: Duration = Duration::from_secs(10);

/// A process that ends with this value.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a program; `package` is the Debian package that it comes in.
    ///
    /// # Panics
    /// Where it is not installed.
    pub fn start(command: &mut Command, package: &str) -> Self {
        // Debian puts servers where only root's PATH leads.
        let path = std::env::var("PATH").unwrap_or_default();
        match command.env("PATH", format!("{path}:/usr/sbin:/sbin")).spawn() {
            Ok(child) => Self(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => panic!(
                "{:?} is not installed: `cargo xtask test` installs it, and so does `apt-get \
                 install {package}`",
                command.get_program()
            ),
            Err(error) => panic!("{:?} does not start: {error}", command.get_program()),
        }
    }

    /// Ends it without a chance to say goodbye, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Stops it from running, so that its connections fall silent without an end.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it run again.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has an id"), signal).expect("it is ours");
    }

    /// The bytes of memory that it has at present, as Linux counts them.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.0.id());
        let pages = std::fs::read_to_string(path).expect("it runs");
        let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        resident.expect("the second number") * 4096
    }

    /// Whether it has ended by itself.
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of the loopback that nobody listens on.
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until a server listens.
///
/// # Panics
/// Where it has ended, or takes too long.
pub fn wait_for(server: &mut Running, port: u16) {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(!server.has_ended(), "the server ended before it listened on {port}");
        assert!(start.elapsed() < STARTING, "the server does not listen on {port}");
        sleep(Duration::from_millis(10));
    }
}
