//! Devices that are whole topics, as actors on a clock that stands still: in the same houses, on
//! the same links, with the same faults and checks as bare sessions. Not another simulation.
//!
//! [`House::run_actors`] runs the house's own devices. [`House::run_apps`] puts an application onto
//! each of them: see `docs/SIMULATION.md`.

mod device;
mod store;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{LocalBoxFuture, select};
use stringphone::TopicHandle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::house::House;
use crate::machine::{Boot, Happening, Machines, Order, View};
use crate::report::{Failure, Report};
use crate::run::Run;
use crate::schedule::DeviceId;
use device::Device;

/// A device of the house that has just started, for the application on it.
#[derive(Debug)]
#[non_exhaustive]
pub struct App {
    /// Which device.
    pub device: DeviceId,
    /// How often it has started, this time included. What an application keeps outside of its
    /// future, as on a disk, outlives a crash; all else does not.
    pub life: u32,
    /// Its topic, which is attached; wait until it is [`ready`](TopicHandle::ready).
    pub topic: TopicHandle,
}

type Start = Rc<dyn Fn(App) -> LocalBoxFuture<'static, ()>>;

impl House {
    /// Runs the house with topics as actors, all on this thread, in virtual time.
    ///
    /// # Errors
    ///
    /// The first thing that must not happen, and the house that it happened in.
    ///
    /// # Panics
    ///
    /// Where the operating system gives no runtime, or within another one.
    pub fn run_actors(&self) -> Result<Report, Failure> {
        self.on_actors(None)
    }

    /// Runs the house with an application on each device: the future that `app` returns is started
    /// whenever the device starts, and dropped when it crashes or stops. It may be called at any
    /// moment; what the application has to keep true is checked by whoever wrote it.
    ///
    /// # Errors
    ///
    /// As [`run_actors`](Self::run_actors).
    ///
    /// # Panics
    ///
    /// As [`run_actors`](Self::run_actors), and where the application does.
    pub fn run_apps<F>(&self, app: impl Fn(App) -> F + 'static) -> Result<Report, Failure>
    where
        F: Future<Output = ()> + 'static,
    {
        self.on_actors(Some(Rc::new(move |device| app(device).boxed_local())))
    }

    fn on_actors(&self, app: Option<Start>) -> Result<Report, Failure> {
        let mut run = Run::new(self.clone());
        let system = actix::System::with_tokio_rt(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build();
            #[allow(clippy::panic, reason = "nothing can be simulated without, and it is said")]
            runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
        });
        let views = system.block_on(drive(&mut run, app));
        run.conclude(views)
    }
}

/// Runs a house to its end; tells what the devices believe then.
async fn drive(run: &mut Run, app: Option<Start>) -> BTreeMap<DeviceId, View> {
    let news = Arc::new(News::new());
    let mut actors = Actors { app, news: news.clone(), devices: BTreeMap::new() };
    while let Some(at) = run.next_at() {
        select(pin!(sleep_until(news.zero + at)), pin!(news.come.notified())).await;
        run.pass(news.now());
        run.take_happenings(&mut actors);
        while run.next_at().is_some_and(|at| at <= news.now()) {
            run.step(&mut actors);
        }
    }
    let mut views = BTreeMap::new();
    for (number, device) in &actors.devices {
        views.insert(*number, device.view().await);
    }
    views
}

/// What devices tell, each of one of its lives.
struct News {
    zero: Instant,
    queue: Mutex<VecDeque<(DeviceId, u32, Happening)>>,
    come: Notify,
}

impl News {
    fn new() -> Self {
        Self { zero: Instant::now(), queue: Mutex::default(), come: Notify::new() }
    }

    fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    fn tell(&self, number: DeviceId, life: u32, happening: Happening) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back((number, life, happening));
        self.come.notify_one();
    }

    fn next(&self) -> Option<(DeviceId, u32, Happening)> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct Actors {
    app: Option<Start>,
    news: Arc<News>,
    devices: BTreeMap<DeviceId, Device>,
}

impl Machines for Actors {
    fn start(&mut self, now: Duration, number: usize, boot: Boot) {
        let life = boot.life;
        match Device::start(now, number, boot, self.app.clone(), self.news.clone()) {
            Ok(device) => drop(self.devices.insert(number, device)),
            Err(error) => self.news.tell(number, life, Happening::Broken(error.to_string())),
        }
    }

    fn kill(&mut self, number: usize) {
        self.devices.remove(&number);
    }

    fn stop(&mut self, _: Duration, number: usize) {
        if let Some(device) = self.devices.get_mut(&number) {
            device.stop();
        }
    }

    fn hear(&mut self, _: Duration, number: usize, frame: Bytes) {
        if let Some(device) = self.devices.get(&number) {
            device.hear(frame);
        }
    }

    fn say(&mut self, _: Duration, number: usize, body: Vec<u8>, expires: Option<Duration>) {
        if let Some(device) = self.devices.get_mut(&number) {
            device.say(body, expires);
        }
    }

    fn order(&mut self, _: Duration, number: usize, order: Order) {
        if let Some(device) = self.devices.get_mut(&number) {
            device.order(order);
        }
    }

    /// Actors have timers of their own.
    fn wake(&mut self, _: Duration, _: usize) {}

    /// The calendar of a topic is set when it starts.
    fn set_clock(&mut self, _: Duration, _: usize, _: Clock) {}

    fn next(&mut self) -> Option<(usize, Happening)> {
        loop {
            let (number, life, happening) = self.news.next()?;
            let lives = self.devices.get(&number).is_some_and(|device| device.life == life);
            if lives || matches!(happening, Happening::Broken(_)) {
                return Some((number, happening));
            }
        }
    }
}
