//! What devices tell is carried on, and checked. Not what they are told.

use bytes::Bytes;

use super::{Event, Run};
use crate::machine::{Happening, Machines};
use crate::report::Reason;
use crate::schedule::DeviceId;

/// So many frames from before its admission each newcomer is tried with.
const TRIED: usize = 64;

impl Run {
    pub(crate) fn take_happenings(&mut self, machines: &mut impl Machines) {
        while let Some((number, happening)) = machines.next() {
            if let Some(tell) = self.house.tell {
                tell(self.now, number, &happening);
            }
            if let Err(reason) = self.happened(number, happening, machines) {
                self.violated(number, reason);
            }
        }
    }

    fn happened(
        &mut self,
        number: DeviceId,
        happening: Happening,
        machines: &mut impl Machines,
    ) -> Result<(), Reason> {
        match happening {
            Happening::Sent(frame) => return self.sent(number, &frame),
            Happening::Delivered { from, id, body, again } => {
                self.trace.add(self.now, 7, number, &body);
                if again && self.checks.has(number, &body) {
                    return Ok(());
                }
                self.report.delivered += 1;
                return self.checks.delivered(self.now, number, from, id, &body, &self.devices);
            }
            Happening::Confirmed { tickets, by } => {
                self.report.confirmed += 1;
                return self.checks.confirmed(number, &tickets, by, &self.devices);
            }
            Happening::Wake(at) => {
                let life = self.devices.get(&number).map_or(0, |device| device.life);
                self.agenda.plan(at, Event::Wake(number, life));
            }
            Happening::Invited(invitation) => {
                self.trace.add(self.now, 8, number, &[u8::from(invitation.is_some())]);
                let inviting = self.devices.get_mut(&number).map(|device| &mut device.inviting);
                let newcomer = inviting.filter(|all| !all.is_empty()).map(|all| all.remove(0));
                if let (Some(newcomer), Some(invitation)) = (newcomer, invitation) {
                    self.enter(newcomer, invitation, machines);
                }
            }
            Happening::Ready => return self.ready(number),
            Happening::Evicted => {
                self.trace.add(self.now, 9, number, &[]);
                self.kill(number, machines);
                self.put_out(number);
            }
            Happening::Joined(id) => {
                if let Some(device) = self.devices.get_mut(&number) {
                    device.applied.remove(&id);
                }
            }
            Happening::Removed(id) => {
                if let Some(device) = self.devices.get_mut(&number) {
                    device.applied.insert(id);
                }
            }
            Happening::Stopped => {
                let stopped = self.devices.get(&number);
                if stopped.is_some_and(|device| !device.on && device.restarts) {
                    self.start(number, machines);
                }
            }
            Happening::Alarm => self.report.alarms += 1,
            Happening::Uncertain => self.report.uncertain += 1,
            Happening::Dropped(count) => self.report.dropped += count,
            Happening::Other(_) => {}
            Happening::Broken(error) => return Err(Reason::DoesNotStart(error)),
        }
        Ok(())
    }

    fn sent(&mut self, number: DeviceId, frame: &Bytes) -> Result<(), Reason> {
        self.trace.add(self.now, 6, number, frame);
        self.report.frames += 1;
        let Some(device) = self.devices.get(&number) else { return Ok(()) };
        let (node, room) = (device.node, device.room);
        let checked = self.checks.sent(self.now, device, frame);
        if let Some(room) = self.rooms.get_mut(&room) {
            let heard = room.attacker.heard();
            self.checks.answered(device.room, frame, heard);
            room.attacker.record(frame);
        }
        self.send(node, frame);
        checked
    }

    /// It has joined: it must not read what was sent before it was let in.
    fn ready(&mut self, number: DeviceId) -> Result<(), Reason> {
        self.trace.add(self.now, 10, number, &[]);
        let Some(device) = self.devices.get_mut(&number) else { return Ok(()) };
        device.out = false;
        self.report.joined += 1;
        let room = self.rooms.get(&device.room);
        let heard = self.checks.let_in(device.room, device.identity.id());
        let (Some(room), Some(heard)) = (room, heard) else { return Ok(()) };
        self.checks.try_newcomer(self.now, device, room.attacker.before(heard, TRIED))
    }
}
