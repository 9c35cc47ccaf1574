//! `recover`: makes sure that a home is back in its topic, after an old copy of it was put back. Not
//! here: catching up, which happens by itself.

use std::time::Duration;

use super::App;
use super::access::{Access, tell};
use crate::cli::Recover;
use crate::control::Request;
use crate::failure::Failure;

/// What a running process may take beyond the time that it has.
const REPLY: Duration = Duration::from_secs(10);

pub(super) async fn recover(app: &App<'_>, args: Recover) -> Result<(), Failure> {
    let mut access = Access::open(app, "recover", args.topic.topic.as_deref()).await?;
    let timeout_ms = u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX);
    match &mut access {
        Access::Here(here) => here.links(app)?.up().await?,
        Access::Running(client) => client.wait(args.timeout.saturating_add(REPLY)),
    }
    let told = async { tell(app, access.ask(Request::Recover { timeout_ms }).await?).await }.await;
    // Frames that found no link are said anew; what became of the topic is told above.
    let closed = access.close().await;
    told.and(closed)
}
