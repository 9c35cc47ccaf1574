//! Groups by URL.
//! Not their sockets.

use stringphone_transport::address::{Address, AddressError, FromAddress, Scheme};

use crate::{
    Udp,
    transport::{GROUP, PORT},
};

impl FromAddress for Udp {
    const SCHEMES: &'static [Scheme] = &[Scheme {
        name: "udp",
        usage: "udp://[239.77.83.80][:7700][?interface=ADDRESS][&ttl=1][&max-frame=1327], a multicast \
                group; of an IPv6 group the interface is a number",
    }];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        let group = match address.host() {
            Ok(_) => address.host_and_port(Some(PORT))?,
            Err(_) => format!("{GROUP}:{PORT}"),
        };
        let mut udp = Self::multicast(&group)?;
        if let Some(interface) = address.option::<String>("interface", "an interface")? {
            udp = udp.interface(&interface)?;
        }
        if udp.group().lacks_interface() {
            return Err(AddressError::Missing("the number of an interface, as in ?interface=2"));
        }
        if let Some(ttl) = address.option("ttl", "0 to 255 networks")? {
            udp = udp.ttl(ttl);
        }
        let (name, expected) = ("max-frame", "16 to 65434 bytes");
        if let Some(bytes) = address.option(name, expected)? {
            if !Self::MAX_FRAMES.contains(&bytes) {
                return Err(AddressError::Option { name, expected, value: bytes.to_string() });
            }
            udp = udp.max_frame(bytes);
        }
        Ok(udp)
    }
}

#[cfg(test)]
mod tests {
    use stringphone_transport::{Transport, address::Registry};

    use super::*;

    fn open(address: &str) -> Result<Box<dyn Transport>, String> {
        Registry::new().with::<Udp>().open(address).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_names_a_group_or_means_the_usual_one() {
        for (address, name) in [
            ("udp://", "udp 239.77.83.80:7700"),
            ("udp://?ttl=0", "udp 239.77.83.80:7700"),
            ("udp://239.1.2.3", "udp 239.1.2.3:7700"),
            ("udp://239.1.2.3:4?interface=192.0.2.1&ttl=32", "udp 239.1.2.3:4"),
            ("udp://[ff05::4d53]", "udp [ff05::4d53]:7700"),
            ("udp://[ff02::4d53]:4?interface=2", "udp [ff02::4d53%2]:4"),
        ] {
            assert_eq!(open(address).unwrap().facts().name, name);
        }
    }

    #[test]
    fn the_usual_frame_fits_a_packet_and_an_address_may_name_another() {
        assert_eq!(open("udp://").unwrap().facts().max_frame, 1327);
        for bytes in [16, 512, 65_434] {
            let address = format!("udp://?max-frame={bytes}");
            assert_eq!(open(&address).unwrap().facts().max_frame, bytes);
        }
        assert_eq!(*Udp::MAX_FRAMES.end(), 65_434);
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told() {
        for (address, word) in [
            ("udp://192.0.2.1", "multicast"),
            ("udp://[::1]", "multicast"),
            ("udp://hub", "multicast"),
            ("udp://239.1.2.3:0", "multicast"),
            ("udp://?interface=eth0", "IPv4 address"),
            ("udp://[ff02::1]?interface=fe80::1", "its number"),
            ("udp://[ff02::1]", "number of an interface"),
            ("udp://?ttl=256", "networks"),
            ("udp://?max-frame=15", "16 to 65434"),
            ("udp://?max-frame=65435", "16 to 65434"),
            ("udp://?port=7", "no option port"),
        ] {
            let why = open(address).err().unwrap();
            assert!(why.contains(word), "{address}: {why}");
        }
    }
}
