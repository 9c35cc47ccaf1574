//! The topic as an actix actor: a thin shell. Not here: what a topic does, which is the bus.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task;

use actix::fut::ActorFuture;
use actix::prelude::*;
use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::STOPPING;
use super::admission::Policy;
use super::bus::Bus;
use super::open::Opening;
use super::publish::{Conditions, Outgoing};
use super::shared::Alive;
use crate::error::TopicError;

/// The actor of a topic. It owns the topic's keys; nobody else sees them.
///
/// Most users hold a [`TopicHandle`](crate::TopicHandle). Actix users get its address there.
pub struct TopicActor {
    /// What the actor is made of, until it has started; boxed, so that it leaves no room behind.
    seed: Option<Box<Seed>>,
    /// The living topic, until it has stopped.
    bus: Option<Bus>,
    /// The way into the topic's queue, while anybody holds a handle.
    door: mpsc::WeakSender<Outgoing>,
    alive: Alive,
}

pub(super) struct Seed {
    pub(super) opening: Opening,
    pub(super) policy: Policy,
    pub(super) queue: mpsc::Receiver<Outgoing>,
    pub(super) capacity: usize,
}

impl TopicActor {
    pub(super) fn new(seed: Seed, door: mpsc::WeakSender<Outgoing>, alive: Alive) -> Self {
        Self { seed: Some(Box::new(seed)), bus: None, door, alive }
    }
}

impl Actor for TopicActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(seed) = self.seed.take() else { return };
        let Seed { opening, policy, queue, capacity } = *seed;
        let shared = self.alive.0.clone();
        let opened = opening.open().into_actor(self).map(move |opened, actor, ctx| match opened {
            Ok(opened) => {
                actor.bus = Some(Bus::new(opened, policy, queue, capacity, shared));
                ctx.spawn(Turns);
            }
            Err(error) => {
                tracing::error!(%error, topic = %shared.name, "the topic can't be opened");
                shared.stopped(error);
                ctx.stop();
            }
        });
        // Nothing in the mailbox is looked at before the topic is open.
        ctx.wait(opened);
    }
}

/// The actor's own activity: one turn of the bus whenever something woke it, which includes every
/// message from the mailbox.
struct Turns;

impl ActorFuture<TopicActor> for Turns {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut TopicActor,
        ctx: &mut Context<TopicActor>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        let Some(bus) = &mut actor.bus else { return task::Poll::Ready(()) };
        // The bus bounds its turns itself; with tokio's budget on top, whatever it polls last
        // would starve.
        let turn = pin!(unconstrained(poll_fn(|cx| bus.turn(cx)))).poll(cx);
        if let task::Poll::Ready(why) = turn {
            let closing = bus.closing();
            // Subscriptions end here, and links close.
            actor.bus = None;
            let shared = actor.alive.0.clone();
            shared.ends(why.clone());
            let closed = async move {
                let closed = join_all(closing.iter().map(CancellationToken::cancelled));
                // Adapters that can't close in time are dropped by their carriers meanwhile.
                let _ = timeout(STOPPING, closed).await;
                shared.stopped(why);
            };
            ctx.spawn(closed.into_actor(actor).map(|(), _, ctx| ctx.stop()));
            return task::Poll::Ready(());
        }
        task::Poll::Pending
    }
}

/// Something that a handle wants done by the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Call(pub(super) Box<dyn FnOnce(&mut Bus) + Send>);

impl Handler<Call> for TopicActor {
    type Result = ();

    fn handle(&mut self, call: Call, _: &mut Self::Context) {
        // Without a bus the call is dropped, and whoever waits for its answer learns that.
        if let Some(bus) = &mut self.bus {
            (call.0)(bus);
        }
    }
}

/// Publishes bytes, for actix users who hold the topic's address. Answered as
/// [`publish_raw`](crate::TopicHandle::publish_raw) is; mind that `do_send` waits for nothing.
#[derive(Message)]
#[rtype(result = "Result<(), TopicError>")]
pub struct PublishMessage(pub Bytes);

impl Handler<PublishMessage> for TopicActor {
    type Result = ResponseFuture<Result<(), TopicError>>;

    fn handle(&mut self, message: PublishMessage, _: &mut Self::Context) -> Self::Result {
        let (door, shared) = (self.door.upgrade(), self.alive.0.clone());
        Box::pin(async move {
            let queue = door.ok_or(TopicError::Stopped)?;
            shared.enqueue(queue, message.0, Conditions::default()).await
        })
    }
}
