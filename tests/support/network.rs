//! A network between a client and its server that can fail: end its connections, or fall silent.
//! Not one that loses single bytes.
#![allow(dead_code, reason = "each test uses its part")]

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
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Counts up with each cut.
    cuts: watch::Sender<u32>,
    _task: AbortOnDropHandle<()>,
}

impl Network {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, sky) = watch::channel(Weather::Fair);
        let (cuts, cut) = watch::channel(0);
        let task = tokio::spawn(pass_on(listener, server, sky, cut));
        Self { address, weather, cuts, _task: AbortOnDropHandle::new(task) }
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets nothing through any more, in either direction, without an end to any connection; those
    /// who connect anew are let in, and hear nothing either.
    pub(crate) fn silence(&self) {
        self.weather.send_replace(Weather::Silent);
    }

    /// Ends the silence, and the connections that lived through it: what was lost in between, no
    /// network brings back.
    pub(crate) fn clear_up(&self) {
        self.cut();
        self.weather.send_replace(Weather::Fair);
    }
}

async fn pass_on(
    listener: TcpListener,
    server: String,
    sky: watch::Receiver<Weather>,
    cut: watch::Receiver<u32>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let (server, sky, mut cut) = (server.clone(), sky.clone(), cut.clone());
        connections.spawn(async move {
            let Ok(far) = TcpStream::connect(server).await else { return };
            cut.mark_unchanged();
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::select! {
                () = copy(near_read, far_write, sky.clone()) => {}
                () = copy(far_read, near_write, sky) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut sky: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // What was under way when the silence fell is gone with the connection.
        if sky.wait_for(|weather| *weather == Weather::Fair).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
