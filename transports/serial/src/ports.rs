//! The serial ports of this machine.
//! Not which of them to use.

use std::{io, path::Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_serial::{SerialPortInfo, SerialPortType};

/// Where Linux lists its ports.
const LISTED: &str = "/sys/class/tty";

/// What has a meaning of its own in an address, or may have one.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// A serial port, and how to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Port {
    /// As in `/dev/ttyUSB0`.
    pub path: String,
    /// Who made the USB device, in its own words.
    pub vendor: Option<String>,
    /// What the USB device calls itself.
    pub product: Option<String>,
    /// The serial number of the USB device.
    pub serial_number: Option<String>,
    /// As in `serial://usb/A50285BI`, where that leads to this port, and else as in
    /// `serial:///dev/ttyUSB0`.
    pub address: String,
}

/// All serial ports, ordered by path; none is no error. Reads files, and so may block.
///
/// # Errors
/// What the system says.
pub fn ports() -> io::Result<Vec<Port>> {
    // Where it is missing, as in some containers, the crate would panic.
    if cfg!(target_os = "linux") && !Path::new(LISTED).is_dir() {
        return Ok(vec![]);
    }
    Ok(described(tokio_serial::available_ports()?))
}

/// The first port with this USB serial number.
pub(crate) fn with_serial_number<'a>(ports: &'a [Port], serial_number: &str) -> Option<&'a Port> {
    ports.iter().find(|port| port.serial_number.as_deref() == Some(serial_number))
}

fn described(mut infos: Vec<SerialPortInfo>) -> Vec<Port> {
    infos.sort_by(|a, b| a.port_name.cmp(&b.port_name));
    let mut ports = Vec::with_capacity(infos.len());
    for info in infos {
        let port = Port::new(info, &ports);
        ports.push(port);
    }
    ports
}

impl Port {
    /// A port that comes after these.
    fn new(info: SerialPortInfo, before: &[Self]) -> Self {
        let path = info.port_name;
        let (vendor, product, serial_number) = match info.port_type {
            SerialPortType::UsbPort(usb) => (usb.manufacturer, usb.product, usb.serial_number),
            _ => (None, None, None),
        };
        let serial_number = serial_number.filter(|number| !number.is_empty());
        let leads_here = |number: &&String| with_serial_number(before, number).is_none();
        let address = match serial_number.as_ref().filter(leads_here) {
            Some(number) => {
                format!("serial://usb/{}", utf8_percent_encode(number, NON_ALPHANUMERIC))
            }
            None => {
                let path = path.strip_prefix('/').unwrap_or(&path);
                format!("serial:///{}", utf8_percent_encode(path, ESCAPED))
            }
        };
        Self { path, vendor, product, serial_number, address }
    }

    #[cfg(test)]
    pub(crate) fn fake(path: &str, serial_number: &str) -> Self {
        Self::new(tests::usb(path, Some(serial_number)), &[])
    }
}

#[cfg(test)]
mod tests {
    use stringphone_transport::{Transport, address::Registry};
    use tokio_serial::UsbPortInfo;

    use super::*;
    use crate::Serial;

    pub(super) fn usb(path: &str, serial_number: Option<&str>) -> SerialPortInfo {
        let usb = UsbPortInfo {
            vid: 0x0403,
            pid: 0x6001,
            serial_number: serial_number.map(str::to_owned),
            manufacturer: Some("FTDI".into()),
            product: Some("FT232R USB UART".into()),
        };
        SerialPortInfo { port_name: path.into(), port_type: SerialPortType::UsbPort(usb) }
    }

    fn soldered(path: &str) -> SerialPortInfo {
        SerialPortInfo { port_name: path.into(), port_type: SerialPortType::Unknown }
    }

    #[test]
    fn ports_are_ordered_and_say_what_they_are() {
        let ports = described(vec![usb("/dev/ttyUSB0", Some("A5")), soldered("/dev/ttyS0")]);
        let paths: Vec<_> = ports.iter().map(|port| port.path.as_str()).collect();
        assert_eq!(paths, ["/dev/ttyS0", "/dev/ttyUSB0"]);
        assert_eq!(ports[0].vendor, None);
        assert_eq!(ports[0].address, "serial:///dev/ttyS0");
        assert_eq!(ports[1].vendor.as_deref(), Some("FTDI"));
        assert_eq!(ports[1].product.as_deref(), Some("FT232R USB UART"));
        assert_eq!(ports[1].serial_number.as_deref(), Some("A5"));
        assert_eq!(ports[1].address, "serial://usb/A5");
    }

    #[test]
    fn a_serial_number_that_leads_elsewhere_is_no_address() {
        let twins = [usb("/dev/ttyUSB1", Some("A5")), usb("/dev/ttyUSB0", Some("A5"))];
        let ports = described(twins.to_vec());
        let addresses: Vec<_> = ports.iter().map(|port| port.address.as_str()).collect();
        assert_eq!(addresses, ["serial://usb/A5", "serial:///dev/ttyUSB1"]);
        for nameless in [usb("/dev/ttyUSB0", None), usb("/dev/ttyUSB0", Some(""))] {
            assert_eq!(described(vec![nameless])[0].address, "serial:///dev/ttyUSB0");
        }
    }

    #[test]
    fn an_address_leads_to_its_port_whatever_its_name() {
        let odd = described(vec![soldered("/dev/a b#c?d%e"), usb("/dev/x", Some("1/2&3 ?#é"))]);
        let registry = Registry::new().with::<Serial>();
        let names = odd.iter().map(|port| registry.open(&port.address).unwrap().facts().name);
        assert!(names.eq(["serial /dev/a b#c?d%e", "serial usb 1/2&3 ?#é"]));
    }

    #[test]
    fn listing_the_ports_of_this_machine_works_wherever_it_runs() {
        let ports = ports().unwrap();
        assert!(ports.is_sorted_by(|a, b| a.path < b.path), "{ports:?}");
    }
}
