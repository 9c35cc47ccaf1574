//! `ports`: the serial ports of this machine. Not here: which of them a topic uses.

use stringphone::serial;

use super::App;
use crate::failure::Failure;
use crate::report::Report;

pub(super) async fn ports(app: &App<'_>) -> Result<(), Failure> {
    let ports = serial::ports()
        .map_err(|error| Failure::failed(format!("the serial ports can't be listed: {error}")))?;
    if ports.is_empty() {
        return app.console.note("(there is no serial port; is the device plugged in?)").await;
    }
    for port in ports {
        app.console.say(&told(port)).await?;
    }
    Ok(())
}

fn told(port: serial::Port) -> Report {
    let words: Vec<_> = port.vendor.into_iter().chain(port.product).collect();
    let device = (!words.is_empty()).then(|| words.join(" "));
    Report::Port { path: port.path, device, address: port.address }
}
