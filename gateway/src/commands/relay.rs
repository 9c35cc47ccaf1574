//! `relay`: frames forwarded between links, without a key, an identity or a home. Not here: a topic
//! whose own links are tied together, which is `up --relay`.

use std::time::Duration;

use stringphone::{RelayHandle, RelayLimits};
use tokio::time::sleep;

use super::stay::Signals;
use crate::cli::Relay;
use crate::console::Console;
use crate::ends::{Ends, distinct};
use crate::failure::Failure;
use crate::report::{Relayed, Relaying, Report};

/// The counts are told that often, where something changed.
const PAUSE: Duration = Duration::from_secs(60);

pub(super) async fn relay(console: &Console, args: Relay) -> Result<(), Failure> {
    let mut ends = Ends::open(&args.via, &args.peer).map_err(Failure::Usage)?;
    let signals = Signals::catch()?;
    let mut address = None;
    if let Some(listen) = &args.listen {
        address = Some(ends.listen(listen).await?.to_string());
    }
    ends.enough_to_relay()?;
    let channels = distinct(args.channels.iter().map(String::as_str));
    let between = Relaying { channels, address, via: args.via, peers: args.peer };
    let limits = RelayLimits { frames: args.frames, bytes: args.bytes };
    let relay = ends.relay(limits).start(&between.channels).await?;
    console.say(&Report::Relaying(between)).await?;
    count(console, &relay, signals).await
}

/// Tells the counts now and then, and once more at the end.
async fn count(
    console: &Console,
    relay: &RelayHandle,
    mut signals: Signals,
) -> Result<(), Failure> {
    let mut told = Relayed::default();
    loop {
        let over = tokio::select! {
            () = signals.caught() => true,
            () = console.closed() => return Err(Failure::Unheard),
            () = sleep(PAUSE) => false,
        };
        let relayed = relay.stats().await?.into();
        if over || relayed != told {
            console.say(&Report::Relayed(relayed)).await?;
        }
        if over {
            return Ok(());
        }
        told = relayed;
    }
}
