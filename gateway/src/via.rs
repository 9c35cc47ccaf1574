//! The addresses of links, as people write them. Not here: the adapters, nor what is sent.

use stringphone::Transport;

use crate::home::TopicConfig;
use crate::text;

/// Whether there is a host, and a port. Whether that host exists, connecting will tell, and may
/// change.
pub(crate) fn is_host_and_port(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// An address in full: HOST:PORT alone means TCP.
pub(crate) fn in_full(address: &str) -> String {
    if !address.contains("://") && is_host_and_port(address) {
        format!("tcp://{address}")
    } else {
        address.to_owned()
    }
}

/// Whether somebody who writes this means an address, right or wrong.
pub(crate) fn is_meant(text: &str) -> bool {
    let kind = text.split_once(':').map(|(kind, _)| kind);
    let known = |kind| stringphone::registry().schemes().any(|scheme| scheme.name == kind);
    text.contains("://") || is_host_and_port(text) || kind.is_some_and(known)
}

/// Whether it is an address with a password in it, wherever people put one.
pub(crate) fn holds_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let host = place.split(['/', '#']).next().unwrap_or(place);
    let login = host.rsplit_once('@').map(|(login, _)| login);
    let secret = |option: &str| option.starts_with("password=") || option.starts_with("token=");
    login.is_some_and(|login| login.contains(':')) || options.split('&').any(secret)
}

/// The transports of these addresses; nothing is connected yet.
///
/// What is wrong with an address is said without repeating it: there may be a password in it.
pub(crate) fn open(addresses: &[String]) -> Result<Vec<Box<dyn Transport>>, String> {
    let registry = stringphone::registry();
    let opened = addresses.iter().zip(1..).map(|(address, place)| {
        registry.open(address).map_err(|error| match addresses {
            [_] => format!("the address can't be used: {error}"),
            all => format!("address {place} of {} can't be used: {error}", all.len()),
        })
    });
    opened.collect()
}

/// How addresses are written, a line for each kind.
pub(crate) fn usage() -> String {
    stringphone::registry().schemes().map(|scheme| format!("\n  {}", scheme.usage)).collect()
}

/// What to type over there to meet us, for a shell: where we listen, else where we meet others.
pub(crate) fn over_there(how: &TopicConfig) -> String {
    let listening = how.listen.as_deref().map(reached);
    let meeting = || how.via.iter().find_map(|address| meeting_place(address));
    listening
        .or_else(|| meeting().map(|place| text::for_shell(&place)))
        .unwrap_or_else(|| "ADDRESS".into())
}

/// Where others reach an address that we listen on: what means every address of this machine,
/// they can't connect to.
fn reached(address: &str) -> String {
    match address.parse::<std::net::SocketAddr>() {
        Ok(known) if known.ip().is_unspecified() => format!("THIS-MACHINE:{}", known.port()),
        _ => address.into(),
    }
}

/// The same place for others, where they can reach it by the same name. Some options are the same
/// for all, and some must differ: which, only a person knows.
fn meeting_place(address: &str) -> Option<String> {
    let (kind, _) = address.split_once(':')?;
    let shared = kind != "serial" && !kind.ends_with("-listen");
    let place = address.split_once('?').map(|(place, _)| format!("{place}?…"));
    shared.then(|| place.unwrap_or_else(|| address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{Origin, Protocol};

    #[test]
    fn a_host_and_a_port_mean_tcp() {
        assert_eq!(in_full("hub:7000"), "tcp://hub:7000");
        // A host may be called like a kind of address.
        assert_eq!(in_full("tcp:7000"), "tcp://tcp:7000");
        assert_eq!(in_full("[::1]:7"), "tcp://[::1]:7");
        for whole in ["tcp://hub:7000", "mqtt://hub", "serial:/dev/ttyUSB0", "hub"] {
            assert_eq!(in_full(whole), whole);
        }
    }

    #[test]
    fn addresses_are_told_from_names_of_topics() {
        for address in ["hub:7000", "[::1]:7", "tcp:hub", "tcp://", "pigeon://home"] {
            assert!(is_meant(address), "{address}");
        }
        for topic in ["home", "green house", "a:b", "pigeon:home"] {
            assert!(!is_meant(topic), "{topic}");
        }
    }

    #[test]
    fn a_password_is_found_before_anything_repeats_it() {
        for wrong in [
            "mqtt://me:hunter2@broker",
            "tcp://:hunter2@hub:7",
            "x://a:b@c@d/?e",
            "mqtt://me@broker?qos=0&password=hunter2",
            "nats://hub?token=hunter2",
        ] {
            assert!(holds_password(wrong), "{wrong}");
        }
        for right in [
            "mqtt://me@broker:1883",
            "tcp://hub:7000/a@b",
            "a:b@c",
            "mqtt://b/?x=:@",
            "mqtt://b?password-file=/a",
        ] {
            assert!(!holds_password(right), "{right}");
        }
    }

    #[test]
    fn an_address_that_is_refused_is_not_repeated() {
        for wrong in [
            "mqtt://me:hunter2@broker",
            "tcp://me:hunter2@hub:7000",
            "mqtt://me:hunter2@bro ker",
            "tcp://me:hunter2",
            "tcp://hub:7000?password=hunter2",
            "tcp://hub:7000#hunter2",
            "pigeon://hunter2",
        ] {
            let refused = open(&[wrong.into()]).err().unwrap();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn the_page_on_transports_names_every_kind_of_address() {
        let page = include_str!("../../docs/TRANSPORTS.md");
        for scheme in stringphone::registry().schemes() {
            assert!(page.contains(&format!("| `{}://", scheme.name)), "{}", scheme.name);
        }
    }

    #[test]
    fn others_are_told_where_they_meet_us_without_what_is_ours_alone() {
        let told = |listen: Option<&str>, via: &[&str]| {
            let mut how = TopicConfig::new(Protocol::V2, Origin::Founded);
            how.listen = listen.map(Into::into);
            how.via = via.iter().map(ToString::to_string).collect();
            over_there(&how)
        };
        assert_eq!(told(Some("0.0.0.0:7"), &[]), "THIS-MACHINE:7");
        assert_eq!(told(Some("127.0.0.1:7"), &["tcp://hub:7000"]), "127.0.0.1:7");
        assert_eq!(told(None, &["serial:///dev/x", "mqtt://b/a?client=us"]), "'mqtt://b/a?…'");
        assert_eq!(told(None, &["mqtt://b/a'b"]), r"'mqtt://b/a'\''b'");
        assert_eq!(told(None, &["tcp-listen://0.0.0.0:7"]), "ADDRESS");
    }
}
