//! The transport: a port by its path or by its USB serial number.
//! Not the frames that go through it.

use std::{future::ready, io, sync::Arc};

use async_trait::async_trait;
use futures::StreamExt;
use stringphone_transport::{
    ChannelCount, Channels, Facts, Link, Transport, TransportError,
    framing::{self, Cobs},
};
use tokio::task::spawn_blocking;
use tokio_serial::SerialStream;
use tokio_util::{codec::FramedRead, task::AbortOnDropHandle};

use crate::{
    Settings,
    line::{Line, Reader},
    outgoing::Outgoing,
    ports::{self, Port},
};

/// A transport over a serial port: frames may get lost, and name their channels.
#[derive(Clone, Debug)]
pub struct Serial {
    device: Device,
    settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Path(String),
    /// By serial number.
    Usb(String),
}

impl Serial {
    /// The port at a path, as in `/dev/ttyUSB0`, or of a name, as in `COM3`.
    pub fn at(path: impl Into<String>) -> Self {
        Self::new(Device::Path(path.into()))
    }

    /// The port of the USB device with this serial number, wherever it is plugged in; of a device
    /// with several ports, the one whose path comes first. [`ports`](crate::ports()) tells them.
    pub fn usb(serial_number: impl Into<String>) -> Self {
        Self::new(Device::Usb(serial_number.into()))
    }

    pub(crate) fn new(device: Device) -> Self {
        Self { device, settings: Settings::default() }
    }

    /// The same port with settings of your own.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

#[async_trait]
impl Transport for Serial {
    fn facts(&self) -> Facts {
        let name = match &self.device {
            Device::Path(path) => format!("serial {path}"),
            Device::Usb(serial_number) => format!("serial usb {serial_number}"),
        };
        Facts::new(name, self.settings.max_frame).many_channels()
    }

    /// Opens the port, on a thread of its own, since that may take a while. Where the future is
    /// dropped meanwhile, the port is closed as soon as it is open.
    async fn connect(&mut self, _channels: Channels) -> Result<Link, TransportError> {
        let Self { device, settings } = self.clone();
        let opening = spawn_blocking(move || open(&device, settings.baud));
        let port = AbortOnDropHandle::new(opening).await.map_err(TransportError::other)?;
        let line = Arc::new(Line::new(port.map_err(TransportError::Connect)?));
        Ok(link(&line, settings))
    }
}

fn open(device: &Device, baud: u32) -> io::Result<SerialStream> {
    if baud == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no bits a second"));
    }
    let path = match device {
        Device::Path(path) => path.clone(),
        Device::Usb(serial_number) => usb_path(&ports::ports()?, serial_number)?,
    };
    Ok(SerialStream::open(&tokio_serial::new(path, baud))?)
}

fn usb_path(ports: &[Port], serial_number: &str) -> io::Result<String> {
    let port = ports::with_serial_number(ports, serial_number).ok_or_else(|| {
        let text = format!("no USB serial port with the serial number {serial_number}");
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    Ok(port.path.clone())
}

fn link(line: &Arc<Line>, settings: Settings) -> Link {
    let codec = Cobs::new(settings.max_frame);
    let frames = FramedRead::new(Reader(Arc::clone(line)), codec.clone());
    let echoing = Arc::clone(line);
    let incoming = framing::incoming(frames, ChannelCount::Many).filter(move |item| {
        let echo = item.as_ref().is_ok_and(|frame| echoing.is_echo(frame));
        ready(!echo)
    });
    Link::new(incoming, Outgoing::new(Arc::clone(line), codec, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usb_port_is_looked_up_wherever_it_is_now() {
        let before = [Port::fake("/dev/ttyUSB0", "A1"), Port::fake("/dev/ttyUSB1", "B2")];
        assert_eq!(usb_path(&before, "B2").unwrap(), "/dev/ttyUSB1");
        let replugged = [Port::fake("/dev/ttyUSB0", "A1"), Port::fake("/dev/ttyUSB7", "B2")];
        assert_eq!(usb_path(&replugged, "B2").unwrap(), "/dev/ttyUSB7");
        let unplugged = usb_path(&before[..1], "B2").unwrap_err();
        assert_eq!(unplugged.kind(), io::ErrorKind::NotFound);
        assert!(unplugged.to_string().contains("B2"));
    }
}
