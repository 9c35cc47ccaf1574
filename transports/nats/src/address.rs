//! Transports by URL, as in `nats://hub:4222?stream=STRINGPHONE&durable=lamp`.
//! Not the connection.

use std::{path::PathBuf, str::FromStr, time::Duration};

use stringphone_transport::address::{Address, AddressError, FromAddress, Scheme};

use crate::{
    JetStream, Nats,
    subject::{is_name, is_prefix},
};

/// The port that NATS listens on.
const PORT: u16 = 4222;

const USAGE: &str = "nats://[USER@]HOST[:PORT][?servers=HOST:PORT,..][&prefix=SUBJECT]\
    [&stream=NAME&durable=NAME[&deliver=all][&max-age=1h][&replicas=N]]\
    [&password-file=PATH | &password-env=VARIABLE | &token-file=PATH | &token-env=VARIABLE]\
    [&tls][&ca-file=PATH][&cert-file=PATH&key-file=PATH], a server of a cluster that tells the \
    others; with a stream, what was missed arrives later";

/// There is no `tls://`, as NATS itself has it: among transports of all kinds it would not say which.
impl FromAddress for Nats {
    const SCHEMES: &'static [Scheme] = &[Scheme { name: "nats", usage: USAGE }];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        if !matches!(address.path(), "" | "/") {
            return Err(AddressError::Other("there is no path; write ?prefix=SUBJECT".into()));
        }
        let mut nats = Self::connect(address.host_and_port(Some(PORT))?);
        let servers = address.option::<String>("servers", "HOST:PORT,..")?;
        for server in servers.iter().flat_map(|servers| servers.split(',')) {
            nats = nats.or(server);
        }
        if let Some(Prefix(prefix)) = address.option("prefix", "a subject without wildcards")? {
            nats = nats.prefix(prefix);
        }
        if let Some(jetstream) = jetstream(address)? {
            nats = nats.jetstream(jetstream);
        }
        tls(login(nats, address)?, address)
    }
}

/// Options of a stream are left for the caller to refuse where there is none.
fn jetstream(address: &mut Address) -> Result<Option<JetStream>, AddressError> {
    const NAME: &str = "1 to 32 letters, digits, - or _";
    let Some(Name(stream)) = address.option("stream", NAME)? else { return Ok(None) };
    let Some(Name(durable)) = address.option("durable", NAME)? else {
        return Err(AddressError::Missing("durable=NAME, which a stream remembers us by"));
    };
    let mut jetstream = JetStream::new(stream, durable);
    if let Some(Deliver { all: true }) = address.option("deliver", "all or new")? {
        jetstream = jetstream.from_start();
    }
    if let Some(Age(age)) = address.option("max-age", "a time as in 90s, 15m, 1h or 7d")? {
        jetstream = jetstream.max_age(age);
    }
    if let Some(replicas) = address.option("replicas", "a number of servers")? {
        jetstream = jetstream.replicas(replicas);
    }
    Ok(Some(jetstream))
}

fn login(nats: Nats, address: &mut Address) -> Result<Nats, AddressError> {
    let password = address.secret("password")?;
    let token = address.secret("token")?;
    match (address.user()?, password, token) {
        (None, None, None) => Ok(nats),
        (Some(user), Some(password), None) => Ok(nats.user(user, password)),
        (None, None, Some(token)) => Ok(nats.token(token)),
        (Some(_), None, _) => Err(AddressError::Missing("a password for its user")),
        (None, Some(_), _) => Err(AddressError::Missing("a user for its password")),
        (Some(_), Some(_), Some(_)) => {
            Err(AddressError::Other("log in by password or by token, not both".into()))
        }
    }
}

fn tls(mut nats: Nats, address: &mut Address) -> Result<Nats, AddressError> {
    const FILE: &str = "a file in PEM";
    if address.flag("tls")? {
        nats = nats.tls();
    }
    if let Some(file) = address.option::<PathBuf>("ca-file", FILE)? {
        nats = nats.authority(file);
    }
    let certificate = address.option::<PathBuf>("cert-file", FILE)?;
    match (certificate, address.option::<PathBuf>("key-file", FILE)?) {
        (None, None) => Ok(nats),
        (Some(certificate), Some(key)) => Ok(nats.certificate(certificate, key)),
        (Some(_), None) => Err(AddressError::Missing("key-file, the key of its certificate")),
        (None, Some(_)) => Err(AddressError::Missing("cert-file, the certificate of its key")),
    }
}

struct Prefix(String);

impl FromStr for Prefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if is_prefix(text) { Ok(Self(text.into())) } else { Err(()) }
    }
}

struct Name(String);

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(()) }
    }
}

struct Deliver {
    all: bool,
}

impl FromStr for Deliver {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "all" => Ok(Self { all: true }),
            "new" => Ok(Self { all: false }),
            _ => Err(()),
        }
    }
}

/// A number and its unit, above zero: for a server, zero is for ever.
struct Age(Duration);

impl FromStr for Age {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(())?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(()),
        };
        let number = number.parse::<u32>().map_err(|_| ())?;
        if number == 0 {
            Err(())
        } else {
            Ok(Self(Duration::from_secs(seconds * u64::from(number))))
        }
    }
}

#[cfg(test)]
mod tests {
    use stringphone_transport::{Transport, address::Registry};

    use super::*;

    fn opened(address: &str) -> Result<String, String> {
        let opened = Registry::new().with::<Nats>().open(address);
        opened.map(|nats| nats.facts().name).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_names_servers_and_stream() {
        for (address, name) in [
            ("nats://hub", "nats hub:4222"),
            ("nats://[::1]:7000?tls&prefix=home.lamps", "nats [::1]:7000"),
            ("nats://a?servers=b:1,c:2&ca-file=/ca.pem", "nats a:4222,b:1,c:2"),
            ("nats://a?stream=HOME&durable=lamp", "nats a:4222 HOME lamp"),
            (
                "nats://a?stream=HOME&durable=lamp&deliver=all&max-age=7d&replicas=3",
                "nats a:4222 HOME lamp",
            ),
        ] {
            assert_eq!(opened(address).as_deref(), Ok(name), "{address}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told() {
        for (address, told) in [
            ("nats://lamp:secret@a", "a password has no place in an address"),
            ("nats://lamp@a", "a password for its user"),
            ("nats://a?password-env=PATH", "a user for its password"),
            ("nats://lamp@a?password-env=PATH&token-env=PATH", "not both"),
            ("nats://a?stream=HOME", "durable=NAME"),
            ("nats://a?durable=lamp", "no option durable"),
            ("nats://a?replicas=3", "no option replicas"),
            ("nats://a?stream=H.E&durable=lamp", "expected 1 to 32 letters"),
            ("nats://a?stream=HOME&durable=la~mp", "expected 1 to 32 letters"),
            ("nats://a?stream=HOME&durable=lamp&deliver=some", "expected all or new"),
            ("nats://a?stream=HOME&durable=lamp&max-age=1", "expected a time"),
            ("nats://a?stream=HOME&durable=lamp&max-age=0h", "expected a time"),
            ("nats://a?stream=HOME&durable=lamp&max-age=%C3%BC", "expected a time"),
            ("nats://a?prefix=home.*", "expected a subject"),
            ("nats://a?cert-file=x.pem", "key-file"),
            ("nats://a?key-file=x.pem", "cert-file"),
            ("nats://?tls", "a host"),
            ("nats://a/home", "?prefix=SUBJECT"),
        ] {
            let error = opened(address).unwrap_err();
            assert!(error.contains(told), "{address}: {error}");
        }
    }
}
