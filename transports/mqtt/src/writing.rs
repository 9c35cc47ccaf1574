//! What is written to a broker, and when.
//! Not the frames, which the outbox has, nor what becomes of answers.

use std::time::Duration;

use stringphone_transport::{ChannelChanges, ChannelName, Channels, TransportError};
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    select,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{
    session::Session,
    stream::Stream,
    wire::{DISCONNECT, PINGREQ, Publication, puback, publish, subscribe, unsubscribe},
};

/// Packets are gathered up to this many bytes for one write.
const BATCH: usize = 64 * 1024;

/// So many filters stand in a packet at most, and so many bytes of them unless the broker takes
/// less.
const FILTERS: usize = 512;
const FILTER_BYTES: usize = 16 * 1024;

/// Writes packets until the connection is down, or closed and done.
pub(crate) struct Writing<'a> {
    pub(crate) session: &'a Session,
    pub(crate) writer: WriteHalf<Stream>,
    /// What goes out with the next write.
    pub(crate) buffer: Vec<u8>,
}

impl Writing<'_> {
    pub(crate) async fn run(
        mut self,
        mut channels: Channels,
        mut acks: mpsc::Receiver<u16>,
    ) -> Result<(), TransportError> {
        let session = self.session;
        self.tell_state("online");
        let unwanted = session.subscriptions().unwanted(|channel| channels.contains(channel));
        self.unsubscribe(unwanted);
        self.write().await?;
        let pause = self.ping_interval();
        let mut pings = interval_at(Instant::now() + pause, pause);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                Some(id) = acks.recv() => self.acknowledge(id, &mut acks),
                _ = pings.tick() => self.buffer.extend_from_slice(&PINGREQ),
                changes = channels.changed() => self.follow(changes),
                () = session.outbox.work(session.window()) => {}
            }
            while self.buffer.len() < BATCH && session.write_next(&mut self.buffer) {}
            self.write().await?;
            if session.outbox.is_closed() {
                self.tell_state("offline");
                self.buffer.extend_from_slice(&DISCONNECT);
                self.write().await?;
                return self.writer.shutdown().await.map_err(|error| session.error(error.into()));
            }
        }
    }

    async fn write(&mut self) -> Result<(), TransportError> {
        let written = async {
            self.writer.write_all(&self.buffer).await?;
            self.writer.flush().await
        };
        written.await.map_err(|error| self.session.error(error.into()))?;
        self.buffer.clear();
        self.buffer.shrink_to(2 * BATCH);
        self.session.outbox.written();
        Ok(())
    }

    /// Half of what either side waits for a sign of life.
    fn ping_interval(&self) -> Duration {
        let ours = self.session.settings.keep_alive.get();
        let theirs = self.session.broker.keep_alive.filter(|seconds| *seconds > 0);
        Duration::from_secs(theirs.unwrap_or(ours).min(ours).into()) / 2
    }

    /// All that wait now go out in one write.
    fn acknowledge(&mut self, id: u16, acks: &mut mpsc::Receiver<u16>) {
        puback(&mut self.buffer, id);
        while let Ok(id) = acks.try_recv() {
            puback(&mut self.buffer, id);
        }
    }

    /// For those who want to know whether we are here.
    fn tell_state(&mut self, state: &str) {
        let settings = &self.session.settings;
        if let Some(topic) = &settings.will {
            // By QoS 0: it counts towards no window, and the will says it again.
            let payload = state.as_bytes();
            let what = Publication { topic, payload, id: None, again: false, retain: true };
            publish(&mut self.buffer, settings.version, what);
        }
    }

    fn follow(&mut self, changes: ChannelChanges) {
        for channel in &changes.closed {
            self.session.stats.set_deaf(channel, false);
        }
        self.unsubscribe(changes.closed);
        let missing = self.session.subscriptions().missing(changes.opened);
        self.subscribe(missing);
    }

    fn subscribe(&mut self, channels: Vec<ChannelName>) {
        for channels in self.packets_of(channels) {
            let settings = &self.session.settings;
            let filter = |channel| (settings.topics.topic(channel), self.session.qos(channel));
            let filters: Vec<_> = channels.iter().map(filter).collect();
            let id = self.session.subscriptions().ask(channels);
            subscribe(&mut self.buffer, settings.version, id, &filters);
        }
    }

    fn unsubscribe(&mut self, channels: Vec<ChannelName>) {
        for channels in self.packets_of(channels) {
            let settings = &self.session.settings;
            let filters: Vec<_> =
                channels.iter().map(|channel| settings.topics.topic(channel)).collect();
            let id = self.session.subscriptions().leave(channels);
            unsubscribe(&mut self.buffer, settings.version, id, &filters);
        }
    }

    /// Splits channels into as many as fit a packet each.
    fn packets_of(&self, channels: Vec<ChannelName>) -> Vec<Vec<ChannelName>> {
        let most = FILTER_BYTES.min(self.session.broker.max_packet);
        let mut packets: Vec<Vec<_>> = vec![];
        let mut bytes = 0;
        for channel in channels {
            let len = 3 + self.session.settings.topics.topic(&channel).len();
            match packets.last_mut() {
                Some(packet) if bytes + len <= most && packet.len() < FILTERS => {
                    bytes += len;
                    packet.push(channel);
                }
                _ => {
                    bytes = 16 + len; // with what stands before the filters
                    packets.push(vec![channel]);
                }
            }
        }
        packets
    }
}
