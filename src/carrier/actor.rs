//! The actor that owns a transport. Not here: the handle that others hold, the link it serves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::life::Life;
use super::route::Route;
use super::{CarrierSettings, Inbound, Outbound, State};
use crate::error::TopicError;
use crate::event::LinkId;
use crate::transport::{ChannelCount, ChannelName, Channels, ChannelsOwner, Transport};

pub(crate) struct CarrierActor {
    routes: Rc<Routes>,
    life: Option<Life>,
    /// However the actor ends: nobody waits for it in vain.
    _closing: DropGuard,
}

impl CarrierActor {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        queue: mpsc::Receiver<Outbound>,
        settings: CarrierSettings,
        stopped: CancellationToken,
        closing: DropGuard,
    ) -> Self {
        let routes = Rc::new(Routes {
            many: transport.facts().channels == ChannelCount::Many,
            channels: Channels::new([]).0,
            routes: RefCell::default(),
            state: RefCell::default(),
        });
        let life = Life::new(transport, queue, settings, stopped, routes.clone());
        Self { routes, life: Some(life), _closing: closing }
    }
}

impl Actor for CarrierActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(life) = self.life.take() {
            ctx.spawn(life.live().into_actor(self).map(|(), _, ctx| ctx.stop()));
        }
    }
}

/// A topic wants to hear a channel.
#[derive(Message)]
#[rtype(result = "Result<(), TopicError>")]
pub(crate) struct Open {
    pub(super) id: LinkId,
    pub(super) name: ChannelName,
    pub(super) inbox: mpsc::Sender<Inbound>,
}

impl Handler<Open> for CarrierActor {
    type Result = Result<(), TopicError>;

    fn handle(&mut self, open: Open, _: &mut Self::Context) -> Self::Result {
        self.routes.open(open)
    }
}

/// A topic does not want to hear a channel any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Close {
    pub(super) id: LinkId,
    pub(super) name: ChannelName,
}

impl Handler<Close> for CarrierActor {
    type Result = ();

    fn handle(&mut self, close: Close, _: &mut Self::Context) {
        self.routes.close(&close);
    }
}

/// Who listens to which channel, and whether there is anything to hear.
pub(super) struct Routes {
    many: bool,
    pub(super) channels: ChannelsOwner,
    routes: RefCell<BTreeMap<ChannelName, Route>>,
    state: RefCell<Option<State>>,
}

impl Routes {
    fn open(&self, open: Open) -> Result<(), TopicError> {
        let mut routes = self.routes.borrow_mut();
        // A topic that is gone holds no channel, even if it did not come to say so.
        let taken = if self.many {
            routes.get(&open.name).is_some_and(|route| !route.is_closed())
        } else {
            routes.values().any(|route| !route.is_closed())
        };
        if taken {
            return Err(TopicError::ChannelTaken(open.name.to_string()));
        }
        if !self.many {
            for gone in std::mem::take(&mut *routes).into_keys() {
                self.channels.close(&gone);
            }
        }
        let route = Route::new(open.id, open.inbox, self.state.borrow().clone());
        routes.insert(open.name.clone(), route);
        self.channels.open(open.name);
        Ok(())
    }

    /// Waits for somebody to listen.
    pub(super) async fn first_channel(&self) {
        // What changes first, for somebody who was told nothing, is that a channel opens.
        self.channels.watch().changed().await;
    }

    fn close(&self, close: &Close) {
        let mut routes = self.routes.borrow_mut();
        // The channel may have a new listener by now.
        if routes.get(&close.name).is_some_and(|route| route.id == close.id) {
            routes.remove(&close.name);
            self.channels.close(&close.name);
        }
    }

    /// Hands a frame to the topic that listens. While that topic is busy the link waits, and its
    /// own flow control slows the senders down; but not for ever, because others share it.
    pub(super) async fn deliver(&self, channel: Option<ChannelName>, frame: Bytes) {
        let offered = self.with_route(channel.as_ref(), |route| route.offer(frame));
        if let Some(Err(waiting)) = offered
            && !waiting.deliver().await
        {
            self.lose(channel.as_ref(), 1);
        }
    }

    /// Whether somebody listens to this channel.
    pub(super) fn has(&self, channel: Option<&ChannelName>) -> bool {
        !self.many || channel.is_some_and(|channel| self.routes.borrow().contains_key(channel))
    }

    /// A frame of this channel was lost, or of all where it is not known whose it was.
    pub(super) fn lose(&self, channel: Option<&ChannelName>, frames: u64) {
        if channel.is_some() {
            self.with_route(channel, |route| route.lose(frames));
        } else {
            self.routes.borrow_mut().values_mut().for_each(|route| route.lose(frames));
        }
    }

    pub(super) fn tell(&self, state: &State) {
        *self.state.borrow_mut() = Some(state.clone());
        self.routes.borrow_mut().values_mut().for_each(|route| route.tell(state.clone()));
    }

    fn with_route<T>(
        &self,
        channel: Option<&ChannelName>,
        work: impl FnOnce(&mut Route) -> T,
    ) -> Option<T> {
        let mut routes = self.routes.borrow_mut();
        let route = match channel {
            Some(channel) if self.many => routes.get_mut(channel),
            None if self.many => None,
            _ => routes.values_mut().next(),
        };
        route.map(work)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn on_a_link_of_one_channel_a_topic_that_is_gone_makes_place_and_leaves_nothing_open() {
        let routes = Routes {
            many: false,
            channels: Channels::new([]).0,
            routes: RefCell::default(),
            state: RefCell::default(),
        };
        let open = |number, name| {
            let (inbox, listening) = mpsc::channel(1);
            let name = ChannelName::try_from(name).unwrap();
            routes.open(Open { id: LinkId(number), name, inbox }).map(|()| listening)
        };
        let first = open(1, "first").unwrap();
        assert!(matches!(open(2, "second"), Err(TopicError::ChannelTaken(_))));
        drop(first);
        let _second = open(2, "second").unwrap();
        let told = routes.channels.watch().changed().now_or_never().unwrap_or_default();
        assert_eq!(told.opened, [ChannelName::try_from("second").unwrap()]);
    }
}
