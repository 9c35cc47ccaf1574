//! How values of the command line are read. Not here: which command takes them.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use stringphone::Admission;
use stringphone::transport::ChannelName;

use crate::via;

/// What `join` is told to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Topic(String),
    /// In full.
    Address(String),
}

const NO_ADDRESS: &str = "an address is HOST:PORT, such as 127.0.0.1:7777 or [::1]:7777";

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    // More than a century is nobody's wish, and beyond what clocks can add.
    text.parse::<u32>()
        .map(|seconds| Duration::from_secs(seconds.into()))
        .map_err(|_| "expected whole seconds".into())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let unit = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds.into())),
        _ => Err("expected a number and its unit, such as 90s, 10m, 24h or 7d".into()),
    }
}

pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    if via::is_host_and_port(text) { Ok(text.into()) } else { Err(NO_ADDRESS.into()) }
}

/// What is wrong with it is not for the parser to say, which would repeat it.
pub(super) fn address(text: &str) -> Result<String, Infallible> {
    Ok(via::in_full(text))
}

pub(super) fn channel(text: &str) -> Result<String, String> {
    ChannelName::try_from(text).map_err(|_| "a channel's name has 1 to 64 bytes".to_owned())?;
    Ok(text.into())
}

/// None at all would be no relay.
pub(super) fn rate() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

pub(super) fn place(text: &str) -> Result<Place, String> {
    // Whoever forgot the port means no topic of that name.
    if text == "localhost" || text.parse::<IpAddr>().is_ok() {
        return Err(NO_ADDRESS.into());
    }
    let address = || Place::Address(via::in_full(text));
    Ok(if via::is_meant(text) { address() } else { Place::Topic(text.into()) })
}

pub(super) fn device_name(text: &str) -> Result<String, String> {
    match text.len() {
        1..=64 => Ok(text.into()),
        _ => Err("a device's name has 1 to 64 bytes".into()),
    }
}

pub(super) fn admission(text: &str) -> Result<Admission, String> {
    if let Some(open) = text.strip_prefix("window:") {
        return seconds(open).map(Admission::Window);
    }
    if let Some(ids) = text.strip_prefix("allow:") {
        let ids = ids.split(',').map(str::parse);
        let ids = ids.collect::<Result<_, _>>();
        return ids
            .map(Admission::AllowList)
            .map_err(|error| format!("an id in the list is none: {error}"));
    }
    match text {
        "ask" => Ok(Admission::Ask),
        "nobody" => Ok(Admission::Nobody),
        _ => Err("expected ask, window:SECONDS, nobody, or allow:ID,ID,…".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_policies_are_read() {
        let id = "9d5ace7c5e03eb9eb4c6cf2dbc6b4c5b";
        assert_eq!(admission("ask"), Ok(Admission::Ask));
        assert_eq!(admission("nobody"), Ok(Admission::Nobody));
        let minute = Admission::Window(Duration::from_secs(60));
        assert_eq!(admission("window:60"), Ok(minute));
        let allowed = Admission::AllowList([id.parse().unwrap()].into());
        assert_eq!(admission(&format!("allow:{id}")), Ok(allowed));
        for wrong in ["", "window", "window:-1", "allow:", "allow:12", "everybody"] {
            assert!(admission(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "10", "m", "0h", "-1h", "1w", "1.5h", "99999999d", "5ü"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_and_topics_are_told_apart() {
        assert_eq!(place("hub:7000"), Ok(Place::Address("tcp://hub:7000".into())));
        assert_eq!(place("tcp://hub:7000"), Ok(Place::Address("tcp://hub:7000".into())));
        assert_eq!(place("green house"), Ok(Place::Topic("green house".into())));
        for forgotten in ["127.0.0.1", "::1", "localhost"] {
            assert!(place(forgotten).is_err(), "{forgotten}");
        }
    }
}
