//! A network between a client and its server that can fail: end its connections, or fall silent.
//! Not one that loses single bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing gets through, and nobody is told.
    Silent,
}

/// Passes connections on until it fails.
#[derive(Debug)]
pub struct Network {
    /// Where it takes connections.
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Counts up with each cut.
    cuts: watch::Sender<u32>,
    /// How many connections there are.
    open: watch::Sender<u32>,
    _task: AbortOnDropHandle<()>,
}

impl Network {
    /// A network that leads to `server`, as in `127.0.0.1:7000`.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn to(server: impl ToString) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (weather, sky) = watch::channel(Weather::Fair);
        let (cuts, cut) = watch::channel(0);
        let open = watch::Sender::new(0);
        let task = pass_on(listener, server.to_string(), sky, cut, open.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(task));
        Self { address, weather, cuts, open, _task: task }
    }

    /// Ends all connections, and waits until they are closed.
    pub async fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
        // The sender is ours.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Lets nothing through any more, in either direction, without an end to any connection; those
    /// who connect anew are let in, and hear nothing either.
    pub fn silence(&self) {
        self.weather.send_replace(Weather::Silent);
    }

    /// Ends the silence, and the connections that lived through it: what was lost in between, no
    /// network brings back.
    pub async fn clear_up(&self) {
        self.cut().await;
        self.weather.send_replace(Weather::Fair);
    }
}

async fn pass_on(
    listener: TcpListener,
    server: String,
    sky: watch::Receiver<Weather>,
    cut: watch::Receiver<u32>,
    open: watch::Sender<u32>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { return };
        let (server, sky, mut cut) = (server.clone(), sky.clone(), cut.clone());
        let counted = Counted::new(&open);
        cut.mark_unchanged();
        connections.spawn(async move {
            tokio::select! {
                () = connect(near, &server, sky) => {}
                _ = cut.changed() => {}
            }
            drop(counted);
        });
    }
}

/// A connection, for as long as there is one.
struct Counted(watch::Sender<u32>);

impl Counted {
    fn new(open: &watch::Sender<u32>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn connect(near: TcpStream, server: &str, sky: watch::Receiver<Weather>) {
    let Ok(far) = TcpStream::connect(server).await else { return };
    // Where it does not take, tests are slower.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    // One direction may end before the other does.
    let there = copy(near_read, far_write, sky.clone());
    let back = copy(far_read, near_write, sky);
    tokio::join!(there, back);
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut sky: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // What was under way when the silence fell is gone with the connection.
        let heard = buffer.get(..read).unwrap_or_default();
        if sky.wait_for(|weather| *weather == Weather::Fair).await.is_err()
            || to.write_all(heard).await.is_err()
        {
            return;
        }
    }
    // Whoever hears on the other side learns of the end.
    let _ = to.shutdown().await;
}
