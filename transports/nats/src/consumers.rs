//! The durable consumers: where each channel goes on.
//! Not what comes out of them: see `durable`.

use async_nats::jetstream::{
    ErrorCode,
    consumer::{AckPolicy, Consumer, DeliverPolicy, Info, pull},
    context::ConsumerInfoErrorKind,
    stream::{ConsumerErrorKind, Stream},
};
use stringphone_transport::{ChannelName, TransportError};

use crate::{
    stream::JetStream,
    subject::{consumer, subject},
};

/// Opens the consumers of one durable name.
#[derive(Clone)]
pub(crate) struct Consumers {
    stream: Stream,
    prefix: String,
    settings: JetStream,
}

impl Consumers {
    pub(crate) fn new(stream: Stream, prefix: &str, settings: &JetStream) -> Self {
        Self { stream, prefix: prefix.to_owned(), settings: settings.clone() }
    }

    /// The consumer of a channel, which goes on behind the last frame that was acknowledged.
    ///
    /// Where another link left frames or requests under way, the server would deliver newer frames
    /// first. So the consumer is made anew.
    pub(crate) async fn open(
        &self,
        channel: &ChannelName,
    ) -> Result<Consumer<pull::Config>, TransportError> {
        let name = consumer(&self.settings.durable, channel);
        let mark = format!("~{name}");
        // One of the two always knows the place, whenever this is interrupted.
        let place = match self.info(&name).await? {
            Some(info) if info.num_ack_pending == 0 && info.num_waiting == 0 => {
                return self.stream.get_consumer(&name).await.map_err(TransportError::other);
            }
            Some(info) => {
                self.delete(&mark).await?;
                self.create(&mark, channel, behind(&info)).await?;
                self.delete(&name).await?;
                Some(behind(&info))
            }
            None => self.info(&mark).await?.as_ref().map(behind),
        };
        let first = if self.settings.from_start { DeliverPolicy::All } else { DeliverPolicy::New };
        let consumer = self.create(&name, channel, place.unwrap_or(first)).await?;
        if place.is_some() {
            self.delete(&mark).await?;
        }
        Ok(consumer)
    }

    async fn info(&self, name: &str) -> Result<Option<Info>, TransportError> {
        match self.stream.consumer_info(name).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if matches!(error.kind(), ConsumerInfoErrorKind::NotFound) => Ok(None),
            Err(error) => Err(TransportError::other(error)),
        }
    }

    async fn create(
        &self,
        name: &str,
        channel: &ChannelName,
        deliver_policy: DeliverPolicy,
    ) -> Result<Consumer<pull::Config>, TransportError> {
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            deliver_policy,
            ack_policy: AckPolicy::All,
            filter_subject: subject(&self.prefix, channel),
            ..pull::Config::default()
        };
        self.stream.create_consumer(config).await.map_err(TransportError::other)
    }

    async fn delete(&self, name: &str) -> Result<(), TransportError> {
        match self.stream.delete_consumer(name).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(missing)
                    if missing.error_code() == ErrorCode::CONSUMER_NOT_FOUND =>
                {
                    Ok(())
                }
                _ => Err(TransportError::other(error)),
            },
        }
    }
}

/// Behind the last frame that was acknowledged.
fn behind(info: &Info) -> DeliverPolicy {
    DeliverPolicy::ByStartSequence { start_sequence: info.ack_floor.stream_sequence + 1 }
}
