//! A transport of one's own in less than 30 lines, held against the conformance suite.
//!
//! The transport is `unix.rs` beside this file. Here the suite checks it against the claims that
//! every adapter has to keep; then two topics talk over it, and the library does the rest, such as
//! connecting again.
//!
//! ```text
//! cargo run --example custom_transport      # on Linux, macOS and other Unixes
//! ```

mod unix;

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use stringphone::transport::conformance::{self, Fixture, Pair};
use stringphone::{Topic, keyfile};
use tokio::net::UnixListener;
use unix::UnixSocket;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let sockets = Sockets {
        listens: UnixSocket::Listens(Arc::new(UnixListener::bind(&path)?)),
        connects: UnixSocket::Connects(path),
    };

    println!("The suite takes some seconds …");
    let report = conformance::run(sockets.clone()).await;
    print!("{report}");
    if !report.holds() {
        return Err("the transport does not keep its claims".into());
    }
    talk(sockets).await
}

#[derive(Clone)]
struct Sockets {
    listens: UnixSocket,
    connects: UnixSocket,
}

#[async_trait]
impl Fixture for Sockets {
    async fn pair(&mut self) -> Pair {
        Pair::new(self.listens.clone(), self.connects.clone())
    }
}

async fn talk(sockets: Sockets) -> Result<(), Box<dyn Error>> {
    let phone = Topic::found("living room", keyfile::ephemeral()?).start()?;
    let lamp = Topic::join("living room", keyfile::ephemeral()?)
        .pin_admitter(phone.participant().fingerprint())
        .start()?;
    let mut introductions = phone.introductions().await?;
    phone.attach(sockets.listens).await?;
    lamp.attach(sockets.connects).await?;

    let who = introductions.next().await.ok_or("the topic stopped")?;
    if who.fingerprint() != lamp.participant().fingerprint() {
        return Err("that is not the lamp".into());
    }
    who.approve().await?;
    lamp.ready().await?;

    let mut inbox = lamp.subscribe_raw().await?;
    phone.publish_raw("on").await?;
    let message = inbox.next().await.ok_or("the topic stopped")??;
    if message.from != phone.participant().id() || message.body != "on" {
        return Err("that is not what the phone said".into());
    }
    println!("The phone said `on` over a Unix socket, and the lamp heard it.");
    Ok(())
}
