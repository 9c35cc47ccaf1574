//! Rooms by URL.
//! Not the connection.

use std::path::PathBuf;

use stringphone_transport::address::{Address, AddressError, FromAddress, Scheme};

use crate::{WebSocket, WebSocketClient};

impl FromAddress for WebSocketClient {
    const SCHEMES: &'static [Scheme] = &[
        Scheme { name: "ws", usage: "ws://HOST[:80][/PATH], a room to connect to through HTTP" },
        Scheme {
            name: "wss",
            usage: "wss://HOST[:443][/PATH][?ca-file=PATH], a room to connect to through HTTPS",
        },
    ];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        let client = WebSocket::connect(address.host_and_port(None)?).path(address.path());
        if address.user()?.is_some() {
            return Err(AddressError::Other("a room by WebSocket knows no users".into()));
        }
        if address.scheme() == "ws" {
            return Ok(client);
        }
        let client = match address.option::<PathBuf>("ca-file", "a path")? {
            Some(path) => client.ca_file(path),
            None => client.tls(),
        };
        // A wrong path shows at once.
        if let Some(trust) = client.trust() {
            trust.config().map_err(|error| AddressError::Other(format!("no TLS: {error}")))?;
        }
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use stringphone_transport::{Transport, address::Registry};

    use super::*;
    use crate::WebSocketRoom;

    fn open(address: &str) -> Result<Box<dyn Transport>, String> {
        let registry = Registry::new().with::<WebSocketClient>().with::<WebSocketRoom>();
        registry.open(address).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_names_host_port_and_path() {
        for (address, name) in [
            ("ws://hub", "ws hub:80/"),
            ("ws://hub:7780/a%20b/c", "ws hub:7780/a b/c"),
            ("ws://[::1]:7/x", "ws [::1]:7/x"),
            ("wss://hub/x", "wss hub:443/x"),
            ("ws-listen://0.0.0.0:7780", "ws room 0.0.0.0:7780"),
        ] {
            assert_eq!(open(address).unwrap().facts().name, name);
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told() {
        for (address, word) in [
            ("ws://hub?ca-file=x", "no option ca-file"),
            ("wss://hub?ca-file=/nowhere.pem", "/nowhere.pem"),
            ("wss://hub?proxy=x", "no option proxy"),
            ("ws://me@hub", "users"),
            ("ws-listen://0.0.0.0", "a port"),
            ("ws-listen://0.0.0.0:7780/x", "no use for x"),
            ("ws://me:secret@hub", "password"),
        ] {
            let why = open(address).err().unwrap();
            assert!(why.contains(word), "{address}: {why}");
        }
    }
}
