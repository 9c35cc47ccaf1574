//! The actor that moves a relay's frames. Not here: which of them.

use std::collections::BTreeMap;

use actix::prelude::*;
use bytes::Bytes;
use futures::stream::poll_fn;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::{RelayLink, RelayStats};
use crate::carrier::{Inbound, OpenChannel, Outbound, pieces};

pub(super) struct RelayActor {
    engine: Engine,
    /// By channel, one for each link, in their order.
    channels: BTreeMap<String, Vec<Way>>,
    /// Cancelled once nobody holds the relay any more.
    stopped: CancellationToken,
    links: Vec<RelayLink>,
}

/// A channel on a link, as a relay uses it.
struct Way {
    channel: OpenChannel,
    outbound: mpsc::Sender<Outbound>,
}

impl Way {
    /// False where the frame is too large for the link, or the link full: it holds nobody up.
    fn send(&self, frame: Bytes) -> bool {
        frame.len() <= pieces::largest(self.channel.facts().max_frame)
            && self.outbound.try_send(self.channel.frame(frame)).is_ok()
    }
}

impl RelayActor {
    pub(super) fn new(engine: Engine, links: Vec<RelayLink>, stopped: CancellationToken) -> Self {
        Self { engine, channels: BTreeMap::new(), stopped, links }
    }

    fn link_is(&mut self, link: usize, up: bool, reason: &str) {
        if let Some(link) = self.links.get_mut(link) {
            link.up = up;
            tracing::debug!(link = link.name, up, reason, "a relay's link");
        }
    }

    fn forward(&mut self, heard: &Heard, frame: Bytes) {
        let Some(onward) = self.engine.take(heard.link, &heard.channel, frame, Instant::now())
        else {
            return;
        };
        let ways = self.channels.get(&heard.channel).map(Vec::as_slice).unwrap_or_default();
        for (link, way) in ways.iter().enumerate().filter(|(link, _)| *link != heard.link) {
            let Some(side) = self.engine.side(link) else { continue };
            let frame = onward.on(side);
            if !way.send(frame) {
                self.engine.stats.unsent += 1;
            }
        }
    }
}

impl Actor for RelayActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let stopped = self.stopped.clone().cancelled_owned();
        ctx.spawn(stopped.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

/// Something from a link.
struct Heard {
    link: usize,
    channel: String,
    inbound: Inbound,
}

impl StreamHandler<Heard> for RelayActor {
    fn handle(&mut self, mut heard: Heard, _: &mut Self::Context) {
        match std::mem::replace(&mut heard.inbound, Inbound::Up) {
            Inbound::Frame(frame) => self.forward(&heard, frame),
            Inbound::Lost(frames) => {
                self.engine.stats.lost = self.engine.stats.lost.saturating_add(frames);
            }
            Inbound::Up => self.link_is(heard.link, true, ""),
            Inbound::Down(down) => self.link_is(heard.link, false, &down.reason),
        }
    }

    /// One link's end is not the relay's.
    fn finished(&mut self, _: &mut Self::Context) {}
}

/// Relays a channel.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Listen {
    pub(super) channel: String,
    /// One for each link, in their order.
    pub(super) opened: Vec<(OpenChannel, mpsc::Receiver<Inbound>)>,
}

impl Handler<Listen> for RelayActor {
    type Result = ();

    fn handle(&mut self, listen: Listen, ctx: &mut Self::Context) {
        let mut ways = Vec::new();
        for (link, (open, mut inbox)) in listen.opened.into_iter().enumerate() {
            let channel = listen.channel.clone();
            ctx.add_stream(poll_fn(move |cx| {
                inbox.poll_recv(cx).map(|inbound| {
                    inbound.map(|inbound| Heard { link, channel: channel.clone(), inbound })
                })
            }));
            ways.push(Way { outbound: open.outbound(), channel: open });
        }
        self.channels.insert(listen.channel, ways);
    }
}

/// Asks what the relay has done.
#[derive(Message)]
#[rtype(result = "RelayStats")]
pub(super) struct Tell;

impl Handler<Tell> for RelayActor {
    type Result = MessageResult<Tell>;

    fn handle(&mut self, _: Tell, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.engine.stats)
    }
}

/// Asks how the links are.
#[derive(Message)]
#[rtype(result = "Vec<RelayLink>")]
pub(super) struct TellLinks;

impl Handler<TellLinks> for RelayActor {
    type Result = MessageResult<TellLinks>;

    fn handle(&mut self, _: TellLinks, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.links.clone())
    }
}

/// Asks each link that is up to tell once it has taken everything.
#[derive(Message)]
#[rtype(result = "Vec<oneshot::Receiver<()>>")]
pub(super) struct Flush;

impl Handler<Flush> for RelayActor {
    type Result = MessageResult<Flush>;

    fn handle(&mut self, _: Flush, _: &mut Self::Context) -> Self::Result {
        let ways = self.channels.values().flat_map(|ways| ways.iter().zip(&self.links));
        let up = ways.filter(|(_, link)| link.up);
        let flushed = up.filter_map(|(way, _)| {
            let (done, flushed) = oneshot::channel();
            way.outbound.try_send(Outbound::Flush(done)).ok().map(|()| flushed)
        });
        MessageResult(flushed.collect())
    }
}
