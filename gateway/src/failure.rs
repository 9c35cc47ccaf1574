//! Why a command did not succeed, and the exit code for it. Not here: where it is printed.

use std::fmt;
use std::io;
use std::path::Path;

use stringphone::{CommandError, TopicError};

/// The end of a command that did not succeed. Its text says what to do next.
#[derive(Debug)]
pub(crate) enum Failure {
    Failed(String),
    /// The command was not given as it must be.
    Usage(String),
    /// Somebody did not answer, or said no, in the time there was.
    Unanswered(String),
    /// Whoever read our output has gone; there is nobody to tell.
    Unheard,
}

impl Failure {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// What the operating system said about a file.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unanswered(_) => 3,
            Self::Unheard => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Usage(text) | Self::Unanswered(text) => f.write_str(text),
            Self::Unheard => f.write_str("nobody reads the output"),
        }
    }
}

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        if matches!(error, TopicError::PinRejected) {
            return Self::Unanswered(
                "the PIN was not taken: it was mistyped, or is void by now. Have `stringphone pin` \
                 show a new one over there, and join again"
                    .into(),
            );
        }
        Self::Failed(match error {
            TopicError::NotReady | TopicError::Command(CommandError::NotReady) => {
                "this home has not joined its topic yet: run `stringphone join` again, with an \
                 invitation or a PIN, or have somebody admit it"
                    .into()
            }
            TopicError::Evicted => {
                "this device was evicted from the topic, and its keys are gone. To come back it \
                 needs a new invitation: `stringphone join` asks for it"
                    .into()
            }
            // It says itself what failed.
            TopicError::Store(error) => error.to_string(),
            TopicError::Unsent { messages } => {
                format!("messages not sent: {messages}; a link was down, or took nothing")
            }
            other => other.to_string(),
        })
    }
}
