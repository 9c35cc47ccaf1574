//! Transports named by a URL, as in `mqtts://broker.lan/home?client=gateway`: on a command line, in a
//! configuration, in code.
//! Not the transports: each says itself which schemes it answers to.

mod error;
mod registry;
#[cfg(test)]
mod tests;

pub use self::{
    error::AddressError,
    registry::{Registry, Scheme},
};

use std::{collections::BTreeMap, env, fmt, fs, path::Path, str::FromStr};

use url::Url;
use zeroize::Zeroizing;

use crate::Transport;

/// Options that somebody may take for the place of a secret.
const SECRETS: &[&str] = &["password", "token", "secret"];
/// A secret in a file has at most this many bytes.
const LARGEST_SECRET: u64 = 4096;

/// An adapter that a URL can name.
pub trait FromAddress: Transport + Sized {
    /// The schemes it answers to, each with what a user has to know of it.
    const SCHEMES: &'static [Scheme];

    /// Reads the URL. Options that nobody took by the end are refused for all adapters alike.
    ///
    /// # Errors
    /// What is wrong with the address, in words for the person who wrote it.
    fn from_address(address: &mut Address) -> Result<Self, AddressError>;
}

/// A URL that names a transport, taken apart.
///
/// Addresses stand on command lines and in logs, so they hold no secrets: a URL with a password is
/// refused, and [`secret`](Self::secret) reads one from a file or from the environment.
///
/// ```
/// use stringphone_transport::address::Address;
///
/// let mut address: Address = "serial:///dev/ttyUSB0?baud=115200".parse()?;
/// assert_eq!(address.scheme(), "serial");
/// assert_eq!(address.path(), "/dev/ttyUSB0");
/// assert_eq!(address.option("baud", "a number of bits a second")?, Some(115_200_u32));
/// # Ok::<(), stringphone_transport::address::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    url: Url,
    path: String,
    /// Those that nobody took yet.
    options: BTreeMap<String, String>,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => AddressError::NoScheme,
            error => AddressError::Syntax(error.to_string()),
        })?;
        if url.password().is_some() {
            return Err(AddressError::Password);
        }
        if url.fragment().is_some() {
            return Err(AddressError::Syntax("a # has no meaning here; write %23".into()));
        }
        let mut options = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if SECRETS.contains(&&*name) {
                return Err(AddressError::Password);
            }
            if options.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(AddressError::Twice(name.into_owned()));
            }
        }
        let path = decoded(url.path())?;
        Ok(Self { url, path, options })
    }
}

/// What stands in a URL, without its escapes.
fn decoded(text: &str) -> Result<String, AddressError> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| AddressError::Syntax("the path is not UTF-8".into()))?;
    Ok(decoded.into_owned())
}

impl Address {
    /// What stands before the colon, in small letters.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host, as in `hub` or `[::1]`.
    ///
    /// # Errors
    /// [`AddressError::Missing`] where there is none.
    pub fn host(&self) -> Result<&str, AddressError> {
        let host = self.url.host_str().filter(|host| !host.is_empty());
        host.ok_or(AddressError::Missing("a host"))
    }

    /// `HOST:PORT`, with this port where the address names none.
    ///
    /// # Errors
    /// [`AddressError::Missing`] where there is no host, or no port at all.
    pub fn host_and_port(&self, default: Option<u16>) -> Result<String, AddressError> {
        let host = self.host()?;
        let port = self.url.port_or_known_default().or(default);
        Ok(format!("{host}:{}", port.ok_or(AddressError::Missing("a port"))?))
    }

    /// Whoever logs in, if anybody.
    ///
    /// # Errors
    /// [`AddressError::Syntax`] where it is not UTF-8.
    pub fn user(&self) -> Result<Option<String>, AddressError> {
        let user = self.url.username();
        if user.is_empty() { Ok(None) } else { decoded(user).map(Some) }
    }

    /// The path with its first slash, without escapes; empty where there is none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Refuses a user and a path, for adapters that have no use for them.
    ///
    /// # Errors
    /// [`AddressError::Other`] where there is one.
    pub fn host_alone(&self) -> Result<(), AddressError> {
        match (self.url.username(), self.path.trim_start_matches('/')) {
            ("", "") => Ok(()),
            (user, path) => Err(AddressError::Other(format!(
                "{}:// has no use for {}",
                self.scheme(),
                if user.is_empty() { path } else { user }
            ))),
        }
    }

    /// Takes an option from behind the question mark; `expected` says what it may be.
    ///
    /// # Errors
    /// [`AddressError::Option`] where it is something else.
    pub fn option<T: FromStr>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, AddressError> {
        let Some(value) = self.options.remove(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| AddressError::Option { name, expected, value })
    }

    /// Takes an option that is `yes` or `no`; standing alone means `yes`.
    ///
    /// # Errors
    /// [`AddressError::Option`] where it is something else.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, AddressError> {
        match self.options.remove(name).as_deref() {
            None | Some("no") => Ok(false),
            Some("yes" | "") => Ok(true),
            Some(value) => {
                Err(AddressError::Option { name, expected: "yes or no", value: value.into() })
            }
        }
    }

    /// Takes the secret that `NAME-file=PATH` or `NAME-env=VARIABLE` names. A line end at the end of
    /// a file does not belong to it.
    ///
    /// # Errors
    /// [`AddressError::Secret`] where there is none to be read, or both are given.
    pub fn secret(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Zeroizing<String>>, AddressError> {
        let file = self.options.remove(&format!("{name}-file"));
        let variable = self.options.remove(&format!("{name}-env"));
        let failed = |why: String| AddressError::Secret { name, why };
        match (file, variable) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(failed("name a file or a variable, not both".into())),
            (Some(file), None) => read_secret(Path::new(&file)).map(Some).map_err(failed),
            (None, Some(variable)) => {
                // The error itself would show what is in it.
                let value = env::var(&variable).map(Zeroizing::new).map_err(|error| match error {
                    env::VarError::NotPresent => format!("{variable} is not set"),
                    env::VarError::NotUnicode(_) => format!("{variable} is not UTF-8"),
                });
                value.map(Some).map_err(failed)
            }
        }
    }

    /// The first option that nobody took.
    fn left_over(&self) -> Option<&str> {
        self.options.keys().next().map(String::as_str)
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    if path.is_relative() {
        // An address may be remembered, and used from another folder.
        return Err(format!("{}: write its whole path, from the root", path.display()));
    }
    let shown = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let size = fs::metadata(path).map_err(|error| shown(&error))?.len();
    if size > LARGEST_SECRET {
        return Err(shown(&"larger than any password"));
    }
    let mut secret = Zeroizing::new(fs::read_to_string(path).map_err(|error| shown(&error))?);
    while secret.ends_with(['\n', '\r']) {
        // What is cut off is a line end.
        secret.pop();
    }
    Ok(secret)
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.url)
    }
}
