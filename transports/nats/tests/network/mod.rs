//! A network between transports and their server that can fail.
//! Not one that loses single bytes.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

/// Passes connections on until it fails.
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    failures: mpsc::Sender<oneshot::Sender<()>>,
    _task: AbortOnDropHandle<()>,
}

impl Network {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (failures, failing) = mpsc::channel(1);
        let task = tokio::spawn(pass_on(listener, server, failing));
        Self { address, failures, _task: AbortOnDropHandle::new(task) }
    }

    /// Ends all connections.
    pub(crate) async fn cut(&self) {
        let (done, failed) = oneshot::channel();
        self.failures.send(done).await.unwrap();
        failed.await.unwrap();
    }
}

async fn pass_on(
    listener: TcpListener,
    server: String,
    mut failing: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut near, _) = accepted.unwrap();
                let server = server.clone();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    near.set_nodelay(true).unwrap();
                    far.set_nodelay(true).unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
            failed = failing.recv() => {
                connections.shutdown().await;
                let _ = failed.unwrap().send(());
            }
        }
    }
}
