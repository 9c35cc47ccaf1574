//! Brokers by URL.
//! Not the connection.

use std::{num::NonZeroU16, path::PathBuf};

use stringphone_transport::address::{Address, AddressError, FromAddress, Scheme};

use crate::{Encoding, Mqtt, Qos, Tls, Version, topics::escaped};

const PLAIN: &str = "mqtt://[USER@]HOST[:1883][/PREFIX][?qos=0|1][&version=5|3.1.1][&client=ID]\
                     [&encoding=raw|hex][&password-file=PATH|&password-env=VARIABLE]\
                     [&keep-alive=SECONDS][&will=TOPIC], a broker";
const SECURE: &str = "mqtts://[USER@]HOST[:8883][/PREFIX][?ca-file=PATH]\
                      [&cert-file=PATH&key-file=PATH], a broker behind TLS, and all that mqtt:// has";

impl FromAddress for Mqtt {
    const SCHEMES: &'static [Scheme] =
        &[Scheme { name: "mqtt", usage: PLAIN }, Scheme { name: "mqtts", usage: SECURE }];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        let secure = address.scheme() == "mqtts";
        let port = if secure { 8883 } else { 1883 };
        let mut mqtt = Self::broker(address.host_and_port(Some(port))?).prefix(address.path());
        if secure {
            mqtt = mqtt.tls(tls(address)?);
        }
        match (address.user()?, address.secret("password")?) {
            (Some(user), password) => mqtt = mqtt.login(user, password),
            (None, Some(_)) => return Err(AddressError::Missing("the user of the password")),
            (None, None) => {}
        }
        if let Some(qos) = choice(address, "qos", "0 or 1", qos)? {
            mqtt = mqtt.qos(qos);
        }
        if let Some(version) = choice(address, "version", "5 or 3.1.1", version)? {
            mqtt = mqtt.version(version);
        }
        if let Some(encoding) = choice(address, "encoding", "raw or hex", encoding)? {
            mqtt = mqtt.encoding(encoding);
        }
        if let Some(client) = choice(address, "client", "a name", name)? {
            mqtt = mqtt.client(client);
        }
        let seconds = address.option::<NonZeroU16>("keep-alive", "1 to 65535 seconds")?;
        if let Some(seconds) = seconds {
            mqtt = mqtt.keep_alive(seconds);
        }
        if let Some(topic) = choice(address, "will", "a topic without wildcards", topic)? {
            mqtt = mqtt.will(topic);
        }
        Ok(mqtt)
    }
}

/// Reads the files too, so that a wrong path shows at once.
fn tls(address: &mut Address) -> Result<Tls, AddressError> {
    let mut path = |name| address.option::<PathBuf>(name, "a path");
    let (ca, chain, key) = (path("ca-file")?, path("cert-file")?, path("key-file")?);
    let mut tls = Tls::new();
    if let Some(ca) = ca {
        tls = tls.ca_file(ca);
    }
    match (chain, key) {
        (Some(chain), Some(key)) => tls = tls.identity(chain, key),
        (Some(_), None) => return Err(AddressError::Missing("the key-file of the cert-file")),
        (None, Some(_)) => return Err(AddressError::Missing("the cert-file of the key-file")),
        (None, None) => {}
    }
    tls.config().map_err(|error| AddressError::Other(format!("no TLS: {error}")))?;
    Ok(tls)
}

/// Takes an option that `read` understands.
fn choice<T>(
    address: &mut Address,
    name: &'static str,
    expected: &'static str,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, AddressError> {
    let Some(value) = address.option::<String>(name, expected)? else { return Ok(None) };
    read(&value).map(Some).ok_or(AddressError::Option { name, expected, value })
}

fn qos(value: &str) -> Option<Qos> {
    match value {
        "0" => Some(Qos::AtMostOnce),
        "1" => Some(Qos::AtLeastOnce),
        _ => None,
    }
}

fn version(value: &str) -> Option<Version> {
    match value {
        "5" => Some(Version::V5),
        "3.1.1" => Some(Version::V3_1_1),
        _ => None,
    }
}

fn encoding(value: &str) -> Option<Encoding> {
    match value {
        "raw" => Some(Encoding::Raw),
        "hex" => Some(Encoding::Hex),
        _ => None,
    }
}

fn name(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn topic(value: &str) -> Option<String> {
    name(value).filter(|topic| escaped(topic) == *topic)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use stringphone_transport::{Transport, address::Registry};

    use super::*;

    fn open(address: &str) -> Result<Box<dyn Transport>, String> {
        Registry::new().with::<Mqtt>().open(address).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_names_broker_and_prefix_and_no_secrets() {
        for (address, name) in [
            ("mqtt://hub", "mqtt hub:1883"),
            ("mqtt://me@hub:1/home/x/?qos=0&client=a", "mqtt hub:1/home/x"),
            ("mqtt://[::1]?encoding=hex&version=3.1.1&keep-alive=5", "mqtt [::1]:1883"),
            ("mqtt://hub/a%20b?will=state/me", "mqtt hub:1883/a b"),
        ] {
            assert_eq!(open(address).unwrap().facts().name, name);
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told() {
        for (address, word) in [
            ("mqtt://hub?qos=2", "0 or 1"),
            ("mqtt://hub?version=4", "5 or 3.1.1"),
            ("mqtt://hub?encoding=base64", "raw or hex"),
            ("mqtt://hub?keep-alive=0", "seconds"),
            ("mqtt://hub?client=", "a name"),
            ("mqtt://hub?will=a/%23", "wildcards"),
            ("mqtt://hub?ca-file=x", "no option ca-file"),
            ("mqtts://hub?cert-file=x", "key-file"),
            ("mqtts://hub?key-file=x", "cert-file"),
            ("mqtts://hub?ca-file=/nowhere.pem", "/nowhere.pem"),
            ("mqtt://hub?password-env=PATH", "user"),
            ("mqtt://me:secret@hub", "password"),
            ("mqtt:///x", "host"),
        ] {
            let why = open(address).err().unwrap();
            assert!(why.contains(word), "{address}: {why}");
            assert!(!why.contains("secret@"), "{why}");
        }
    }
}
