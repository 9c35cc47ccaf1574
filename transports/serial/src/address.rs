//! Serial lines by URL.
//! Not the lookup of USB serial numbers, which is made at every connect.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use stringphone_transport::address::{Address, AddressError, FromAddress, Scheme};

use crate::{Serial, Settings, serial::Device};

impl FromAddress for Serial {
    const SCHEMES: &'static [Scheme] = &[Scheme {
        name: "serial",
        usage: "serial:///PATH or serial://usb/SERIALNUMBER, with \
                [?baud=115200][&max-frame=1024][&gap=MILLISECONDS][&half-duplex]",
    }];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        let device = device(address)?;
        let mut settings = Settings::default();
        let bits = "a number of bits a second";
        if let Some(baud) = address.option::<NonZeroU32>("baud", bits)? {
            settings.baud = baud.get();
        }
        let bytes = "a number of bytes, 65535 at most";
        if let Some(max_frame) = address.option::<NonZeroU16>("max-frame", bytes)? {
            settings.max_frame = max_frame.get().into();
        }
        if let Some(millis) = address.option("gap", "a number of milliseconds")? {
            settings.gap = Duration::from_millis(millis);
        }
        settings.half_duplex = address.flag("half-duplex")?;
        Ok(Self::new(device).settings(settings))
    }
}

fn device(address: &Address) -> Result<Device, AddressError> {
    let host = address.host().unwrap_or_default();
    let name = address.path().strip_prefix('/').unwrap_or_default();
    match (host, name) {
        ("usb", "") => Err(AddressError::Missing("a USB serial number")),
        ("usb", serial_number) => Ok(Device::Usb(serial_number.to_owned())),
        ("", "") => Err(AddressError::Missing("a path")),
        // The names of Windows have no slash in front.
        ("", name) if cfg!(windows) => Ok(Device::Path(name.to_owned())),
        ("", _) => Ok(Device::Path(address.path().to_owned())),
        _ => Err(AddressError::Other(format!(
            "expected serial:///PATH or serial://usb/SERIALNUMBER: {host} is no part of a path"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use stringphone_transport::{Transport, address::Registry};

    use super::*;

    fn read(address: &str) -> Result<Serial, AddressError> {
        Serial::from_address(&mut address.parse()?)
    }

    #[test]
    fn a_port_has_a_path_or_a_usb_serial_number() {
        let name = |address| read(address).unwrap().facts().name;
        assert_eq!(name("serial:///dev/ttyUSB0?baud=9600"), "serial /dev/ttyUSB0");
        assert_eq!(name("serial://usb/A50285BI"), "serial usb A50285BI");
        for address in ["serial://usb", "serial://usb/", "serial://", "serial:///"] {
            assert!(matches!(read(address), Err(AddressError::Missing(_))), "{address}");
        }
        assert!(matches!(read("serial://dev/ttyUSB0"), Err(AddressError::Other(_))));
    }

    #[test]
    fn options_are_settings() {
        let options = "serial:///dev/x?baud=9600&max-frame=256&gap=20&half-duplex";
        let settings = format!("{:?}", read(options).unwrap());
        let gap = Duration::from_millis(20);
        let expected = Settings { baud: 9600, max_frame: 256, gap, half_duplex: true };
        assert!(settings.contains(&format!("{expected:?}")), "{settings}");
        let plain = format!("{:?}", read("serial:///dev/x").unwrap());
        assert!(plain.contains(&format!("{:?}", Settings::default())), "{plain}");
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        for option in
            ["baud=0", "baud=fast", "max-frame=0", "max-frame=65536", "gap=1s", "half-duplex=maybe"]
        {
            let refused = read(&format!("serial:///dev/x?{option}"));
            assert!(matches!(refused, Err(AddressError::Option { .. })), "{option}");
        }
        let registry = Registry::new().with::<Serial>();
        assert!(registry.open("serial:///dev/x?parity=even").is_err());
    }
}
