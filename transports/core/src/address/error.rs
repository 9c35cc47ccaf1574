//! What can be wrong with an address. Not the errors of links.

/// Why an address names no transport, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no scheme in front.
    #[error("an address begins with its kind, as in tcp://hub:7000")]
    NoScheme,

    /// It is no URL.
    #[error("not an address: {0}")]
    Syntax(String),

    /// No adapter answers to this scheme.
    #[error("nothing here speaks {scheme}://. There is {known}")]
    UnknownScheme {
        /// What was asked for.
        scheme: String,
        /// What there is, for a person to read.
        known: String,
    },

    /// It holds a password, which others could read where addresses stand.
    #[error(
        "a password has no place in an address, where others can read it: put it into a file and \
         write ?password-file=PATH, or into a variable and write ?password-env=VARIABLE"
    )]
    Password,

    /// Something that has to be there is not.
    #[error("the address lacks {0}")]
    Missing(&'static str),

    /// An option is not what it may be.
    #[error("{name}={value}: expected {expected}")]
    Option {
        /// Which.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        value: String,
    },

    /// No adapter of this scheme knows the option.
    #[error("{scheme}:// has no option {name}. Usage: {usage}")]
    UnknownOption {
        /// Whose.
        scheme: String,
        /// Which.
        name: String,
        /// How an address of this scheme is written.
        usage: &'static str,
    },

    /// An option stands there twice.
    #[error("the option {0} stands there twice")]
    Twice(String),

    /// A secret could not be read.
    #[error("no {name}: {why}")]
    Secret {
        /// What it is for.
        name: &'static str,
        /// Why not.
        why: String,
    },

    /// Anything else that the adapter can't work with.
    #[error("{0}")]
    Other(String),
}
