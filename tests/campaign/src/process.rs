//! The processes that are killed: devices, and where they meet. Not when that happens.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stringphone_servers::free_port;
use stringphone_servers::mosquitto::Mosquitto;
use tokio::time::sleep;

use crate::Failure;
use crate::killer::Over;

/// A device's process, gone with this value.
pub(crate) struct Device {
    program: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

impl Device {
    pub(crate) fn start(
        program: &Path,
        home: &Path,
        address: &str,
        role: &str,
        rotation: Option<u64>,
    ) -> Result<Self, Failure> {
        let home = home.display().to_string();
        let mut arguments =
            ["--home", &home, "--via", address, "--role", role].map(String::from).to_vec();
        arguments.extend(rotation.map(|every| format!("--rotation={every}")));
        let child = spawn(program, &arguments)?;
        Ok(Self { program: program.into(), arguments, child })
    }

    /// Kills it, and starts it anew after this pause.
    pub(crate) async fn kill_for(&mut self, pause: Duration) -> Result<(), Failure> {
        self.check_alive()?;
        self.kill();
        sleep(pause).await;
        self.child = spawn(&self.program, &self.arguments)?;
        Ok(())
    }

    /// Nobody but us may have ended it.
    pub(crate) fn check_alive(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("{:?} ended: {status}", self.arguments).into()),
        }
    }

    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &Path, arguments: &[String]) -> Result<Child, Failure> {
    Ok(Command::new(program).args(arguments).stdin(Stdio::piped()).spawn()?)
}

/// Where devices meet.
pub(crate) enum Place {
    Room(Device),
    Broker(Mosquitto),
}

impl Place {
    /// Starts it, and returns its address for devices.
    pub(crate) fn start(over: Over, program: &Path) -> Result<(Self, String), Failure> {
        match over {
            Over::Tcp => {
                let at = format!("127.0.0.1:{}", free_port());
                let listen = format!("tcp-listen://{at}");
                let room = Device::start(program, Path::new("nowhere"), &listen, "room", None)?;
                Ok((Self::Room(room), format!("tcp://{at}")))
            }
            Over::Mqtt => {
                let broker = Mosquitto::start();
                let address = format!("mqtt://127.0.0.1:{}", broker.port());
                Ok((Self::Broker(broker), address))
            }
        }
    }

    /// Kills it, and starts it anew after this pause.
    pub(crate) async fn kill_for(&mut self, pause: Duration) -> Result<(), Failure> {
        match self {
            Self::Room(room) => room.kill_for(pause).await?,
            Self::Broker(broker) => {
                broker.kill();
                sleep(pause).await;
                broker.restart();
            }
        }
        Ok(())
    }
}
