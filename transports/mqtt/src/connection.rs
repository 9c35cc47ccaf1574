//! How a connection comes up: the stream, and the hello of both sides.
//! Not what follows on it.

use std::{io, time::Duration};

use futures::StreamExt;
use stringphone_transport::TransportError;
use tokio::io::{AsyncWriteExt, WriteHalf, split};
use tokio_util::codec::FramedRead;

use crate::{
    reading::Reader,
    settings::Settings,
    stream::Stream,
    wire::{ConnAck, Connect, Packet, Packets, connect, words},
};

/// How long a broker of MQTT 5 keeps what is sent to a link that is down.
const EXPIRY: Duration = Duration::from_secs(300);

/// Connects, says hello under this name, and waits for the broker's answer.
pub(crate) async fn open(
    settings: &Settings,
    client: &str,
    clean: bool,
) -> Result<(Reader, WriteHalf<Stream>, ConnAck), TransportError> {
    let stream = Stream::connect(settings).await.map_err(TransportError::Connect)?;
    let (reader, mut writer) = split(stream);
    let credentials = settings.credentials.as_ref();
    let hello = connect(
        settings.version,
        &Connect {
            client,
            user: credentials.map(|credentials| &*credentials.user),
            password: credentials
                .and_then(|credentials| credentials.password.as_ref())
                .map(|password| password.as_str()),
            keep_alive: settings.keep_alive.get(),
            clean,
            expiry: EXPIRY,
            will: settings.will.as_deref().map(|topic| (topic, "offline")),
        },
    );
    writer.write_all(&hello).await.map_err(TransportError::Connect)?;
    writer.flush().await.map_err(TransportError::Connect)?;

    // In MQTT 5 the broker could be told of that limit, and then keeps larger messages to itself. But
    // mosquitto counts those of QoS 1 as sent and waits for their acknowledgement: after 20 of them
    // it sends nothing more.
    let packets = Packets::new(settings.version, settings.largest_packet());
    let mut reader = FramedRead::new(reader, packets);
    match reader.next().await {
        Some(Ok(Packet::ConnAck(ack))) if ack.code == 0 => Ok((reader, writer, ack)),
        Some(Ok(Packet::ConnAck(ack))) => {
            Err(refused(&format!("the broker refuses: {}", words(settings.version, ack.code))))
        }
        Some(Ok(_)) => Err(refused("the broker does not say hello first")),
        Some(Err(error)) => Err(error),
        None => Err(refused("the broker hangs up on our hello")),
    }
}

fn refused(why: &str) -> TransportError {
    TransportError::Connect(io::Error::other(why.to_owned()))
}
