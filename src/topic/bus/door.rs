//! Who listens to a topic. Not here: what there is to hear.

use super::Bus;
use crate::event::Event;
use crate::feed::{Reader, Writer, feed};
use crate::subscription::{Received, Unverified};

impl Bus {
    pub(in crate::topic) fn subscribe(&mut self) -> Reader<Received> {
        add(&mut self.subscribers, self.capacity)
    }

    pub(in crate::topic) fn subscribe_unverified(&mut self) -> Reader<Unverified> {
        add(&mut self.unverified, self.capacity)
    }

    pub(in crate::topic) fn subscribe_events(&mut self) -> Reader<Event> {
        add(&mut self.events, self.capacity)
    }
}

/// Adds a reader, and forgets those that are gone: nothing may ever come that would tell.
fn add<T>(writers: &mut Vec<Writer<T>>, capacity: usize) -> Reader<T> {
    let (writer, reader) = feed(capacity);
    writers.retain(|writer| !writer.is_closed());
    writers.push(writer);
    reader
}
