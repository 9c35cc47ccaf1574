//! Addresses as people write them.

use super::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[test]
fn an_address_without_a_kind_says_what_one_looks_like() {
    assert_eq!("hub".parse::<Address>().unwrap_err(), AddressError::NoScheme);
    assert!("".parse::<Address>().is_err());
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    let error = "mqtt://me:hunter2@broker".parse::<Address>().unwrap_err();
    assert_eq!(error, AddressError::Password);
    assert!(!error.to_string().contains("hunter2"));
    let error = "mqtt://broker?password=hunter2".parse::<Address>().unwrap_err();
    assert_eq!(error, AddressError::Password);
}

#[test]
fn hosts_and_ports_are_told_apart() {
    assert_eq!(address("tcp://hub:7000").host_and_port(None).unwrap(), "hub:7000");
    assert_eq!(address("tcp://[::1]:7").host_and_port(Some(9)).unwrap(), "[::1]:7");
    assert_eq!(address("mqtt://hub").host_and_port(Some(1883)).unwrap(), "hub:1883");
    assert!(address("mqtt://hub").host_and_port(None).is_err());
    assert!(address("serial:///dev/tty").host().is_err());
}

#[test]
fn escapes_in_a_path_are_undone() {
    assert_eq!(address("mqtt://hub/up%20stairs").path(), "/up stairs");
    assert!("mqtt://hub/%ff".parse::<Address>().is_err());
}

#[test]
fn an_option_is_what_it_may_be_and_stands_there_once() {
    let mut known = address("serial:///dev/tty?baud=9600&gap=x");
    assert_eq!(known.option("baud", "a number"), Ok(Some(9600_u32)));
    assert_eq!(known.option::<u32>("baud", "a number"), Ok(None), "it was taken");
    assert!(matches!(known.option::<u32>("gap", "a number"), Err(AddressError::Option { .. })));
    assert_eq!("a://b?c=1&c=2".parse::<Address>().unwrap_err(), AddressError::Twice("c".into()));
}

#[test]
fn a_flag_stands_alone_or_says_yes_or_no() {
    for (text, set) in [("a://b?c", true), ("a://b?c=yes", true), ("a://b?c=no", false)] {
        assert_eq!(address(text).flag("c"), Ok(set));
    }
    assert!(address("a://b?c=maybe").flag("c").is_err());
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "hunter2\n").unwrap();
    let named = format!("mqtt://hub?password-file={}", path.display());
    let secret = address(&named).secret("password").unwrap().unwrap();
    assert_eq!(secret.as_str(), "hunter2");
    assert!(address(&format!("{named}&password-env=X")).secret("password").is_err());
    assert!(address("a://b?password-env=NOT_SET_ANYWHERE").secret("password").is_err());
    assert!(address("a://b?password-file=password").secret("password").is_err(), "relative");
    assert!(address("a://b?password-file=/nowhere").secret("password").is_err());
}

#[test]
fn what_an_adapter_has_no_use_for_is_refused() {
    assert_eq!(address("tcp://hub:7000").host_alone(), Ok(()));
    assert_eq!(address("tcp://hub:7000/").host_alone(), Ok(()));
    assert!(address("tcp://me@hub:7000").host_alone().is_err());
    assert!(address("tcp://hub:7000/path").host_alone().is_err());
}
