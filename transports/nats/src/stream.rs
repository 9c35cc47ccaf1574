//! The stream that keeps frames, and what a transport is on it.
//! Not the consumers: see `consumers`.

use std::time::Duration;

use async_nats::jetstream::{
    Context, ErrorCode,
    context::GetStreamErrorKind,
    stream::{Config, Stream},
};
use stringphone_transport::TransportError;

/// How long a stream that we make keeps a frame, unless told otherwise.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A stream, and the name under which it remembers how far this transport has come.
///
/// ```
/// use std::time::Duration;
/// use stringphone_nats::JetStream;
///
/// let three_servers = JetStream::new("STRINGPHONE", "gateway-1")
///     .max_age(Duration::from_secs(24 * 3600))
///     .replicas(3);
/// ```
#[derive(Clone, Debug)]
pub struct JetStream {
    pub(crate) stream: String,
    pub(crate) durable: String,
    pub(crate) max_age: Duration,
    pub(crate) replicas: usize,
    pub(crate) from_start: bool,
}

impl JetStream {
    /// A stream, and a durable name that no other transport on it bears: each 1 to 32 letters,
    /// digits, `-` or `_`. Other names fail when the link is to come up.
    pub fn new(stream: impl Into<String>, durable: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            durable: durable.into(),
            max_age: MAX_AGE,
            replicas: 1,
            from_start: false,
        }
    }

    /// How long the stream keeps a frame if it is not there and has to be made: 1 h by default.
    /// One that is there stays as it is.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// On how many servers the stream is kept if it has to be made: 1 by default, 3 to survive the
    /// loss of one.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// The first time that this durable name listens to a channel, it hears all that the stream has
    /// of it; by default, what comes from then on.
    #[must_use]
    pub fn from_start(mut self) -> Self {
        self.from_start = true;
        self
    }

    /// The stream; makes it where there is none, for all subjects below the prefix.
    pub(crate) async fn open(
        &self,
        context: &Context,
        prefix: &str,
    ) -> Result<Stream, TransportError> {
        let missing = match context.get_stream(&self.stream).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        match missing.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            _ => return Err(TransportError::other(missing)),
        }
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![format!("{prefix}.>")],
            max_age: self.max_age,
            num_replicas: self.replicas,
            ..Config::default()
        };
        match context.create_stream(config).await {
            Ok(stream) => Ok(stream),
            // Somebody else may have made it meanwhile.
            Err(error) => {
                let found = context.get_stream(&self.stream).await;
                found.map_err(|_| TransportError::other(error))
            }
        }
    }
}
