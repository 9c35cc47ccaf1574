//! Transports by URL, of all adapters that are built in. Not the adapters.

use stringphone_transport::address::{AddressError, Registry};

use crate::transport::Transport;

/// The adapters that are built in, by the schemes that they answer to. Add your own with
/// [`Registry::with`].
///
/// ```
/// let known: Vec<_> = stringphone::registry().schemes().map(|scheme| scheme.name).collect();
/// assert!(known.contains(&"tcp"));
/// ```
#[must_use]
pub fn registry() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "tcp")]
    let registry = registry.with::<crate::tcp::TcpClient>().with::<crate::tcp::TcpRoom>();
    #[cfg(feature = "mqtt")]
    let registry = registry.with::<crate::mqtt::Mqtt>();
    #[cfg(feature = "nats")]
    let registry = registry.with::<crate::nats::Nats>();
    #[cfg(feature = "serial")]
    let registry = registry.with::<crate::serial::Serial>();
    #[cfg(feature = "udp")]
    let registry = registry.with::<crate::udp::Udp>();
    #[cfg(feature = "websocket")]
    let registry = registry
        .with::<crate::websocket::WebSocketClient>()
        .with::<crate::websocket::WebSocketRoom>();
    registry
}

/// The transport of this address, as in `tcp://hub:7000`: the same strings as behind the gateway's
/// `--via`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let me = stringphone::keyfile::ephemeral()?;
/// let topic = stringphone::Topic::found("greenhouse", me).start()?;
/// topic.attach(stringphone::via("tcp://hub:7000")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What is wrong with the address. Nothing is connected yet.
pub fn via(address: &str) -> Result<Box<dyn Transport>, AddressError> {
    registry().open(address)
}
