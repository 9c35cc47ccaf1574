//! What arrives on a core link: a subscription for each open channel.
//! Not what a stream keeps: see `durable`.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_nats::{Client, Message, Subscriber};
use futures::{FutureExt, Stream, StreamExt, stream::SelectAll};
use stringphone_transport::{
    ChannelChanges, ChannelName, Channels, Frame, Incoming, TransportError,
};

use crate::{
    connection::{Connection, Health, next_symptom},
    incoming::{Source, all_of, frame},
    subject::subject,
};

/// Subscribes to the channels that are open, and tells what arrives on them and on later ones.
pub(crate) async fn incoming(
    connection: &Connection,
    prefix: &str,
    channels: Channels,
) -> Result<Incoming, TransportError> {
    let mut core = Core {
        client: connection.client.clone(),
        health: connection.health.clone(),
        lost: 0,
        prefix: prefix.to_owned(),
        channels,
        subscriptions: SelectAll::new(),
    };
    if let Some(changes) = core.channels.changed().now_or_never() {
        core.apply(changes).await?;
    }
    // A link that is up hears what others send from now on.
    core.client.flush().await.map_err(TransportError::other)?;
    Ok(all_of(core))
}

struct Core {
    client: Client,
    health: Health,
    /// How many lost frames were told.
    lost: u64,
    prefix: String,
    channels: Channels,
    subscriptions: SelectAll<Subscription>,
}

impl Core {
    async fn apply(&mut self, changes: ChannelChanges) -> Result<(), TransportError> {
        for channel in changes.opened {
            let subscribed = self.client.subscribe(subject(&self.prefix, &channel)).await;
            let subscriber = subscribed.map_err(TransportError::other)?;
            self.subscriptions.push(Subscription { channel, subscriber });
        }
        for subscription in self.subscriptions.iter_mut() {
            if changes.closed.contains(&subscription.channel) {
                // What has arrived comes out of it still; then it ends by itself.
                subscription.subscriber.unsubscribe().await.map_err(TransportError::other)?;
            }
        }
        Ok(())
    }
}

impl Source for Core {
    async fn next(&mut self) -> Result<Frame, TransportError> {
        loop {
            tokio::select! {
                biased;
                symptom = next_symptom(&mut self.health, &mut self.lost) => return Err(symptom),
                changes = self.channels.changed() => self.apply(changes).await?,
                Some((channel, message)) = self.subscriptions.next() => {
                    if let Some(frame) = frame(&channel, &message) {
                        return frame;
                    }
                }
            }
        }
    }
}

/// What arrives on one channel.
struct Subscription {
    channel: ChannelName,
    subscriber: Subscriber,
}

impl Stream for Subscription {
    type Item = (ChannelName, Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = self.subscriber.poll_next_unpin(cx);
        message.map(|message| Some((self.channel.clone(), message?)))
    }
}
