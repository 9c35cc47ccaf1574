//! Every message is delivered at most once, was sent by whom it names, and has a name of its own.
//! Not whether it is delivered at all.

use std::collections::BTreeMap;
use std::time::Duration;

use stringphone_protocol::{MessageId, ParticipantId};

use super::Devices;
use crate::report::Reason;
use crate::schedule::DeviceId;

/// How long the bodies of messages are.
const BODY: usize = 32;
const MAGIC: &[u8; 4] = b"sim:";

/// Whose message it is, and which.
type Name = (DeviceId, u64);

#[derive(Default)]
pub(super) struct Deliveries {
    /// What each device was given, and when.
    heard: BTreeMap<DeviceId, BTreeMap<Name, Duration>>,
    /// What each message is called on the wire.
    names: BTreeMap<(ParticipantId, MessageId), Name>,
    /// Messages of applications, by receiver.
    others: BTreeMap<(DeviceId, ParticipantId, MessageId), Duration>,
}

/// The 32 bytes of a device's message of this number.
pub(crate) fn body(device: DeviceId, number: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY);
    body.extend_from_slice(MAGIC);
    body.extend_from_slice(&u64::try_from(device).unwrap_or(u64::MAX).to_le_bytes());
    body.extend_from_slice(&number.to_le_bytes());
    // What is changed anywhere is no body at all.
    let fill = body.iter().fold(number, |sum, byte| sum.rotate_left(9) ^ u64::from(*byte));
    body.extend(fill.to_le_bytes().iter().cycle().take(BODY - body.len()));
    body
}

fn name(bytes: &[u8]) -> Option<Name> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (device, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    let device = DeviceId::try_from(u64::from_le_bytes(*device)).ok()?;
    (body(device, number) == bytes).then_some((device, number))
}

/// The number of the message that has this body.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    name(bytes).map(|(_, number)| number)
}

impl Deliveries {
    /// Whether a device was given the message that has this body.
    pub(super) fn has_body(&self, by: DeviceId, body: &[u8]) -> bool {
        name(body).is_some_and(|(from, number)| self.has(by, from, number))
    }

    pub(super) fn take(
        &mut self,
        now: Duration,
        to: DeviceId,
        from: ParticipantId,
        id: Option<MessageId>,
        body: &[u8],
        devices: &Devices,
    ) -> Result<(), Reason> {
        // An application's own message: nothing is known of it but its name.
        if !body.starts_with(MAGIC) {
            let Some(id) = id else { return Ok(()) };
            let again = self.others.insert((to, from, id), now).is_some();
            let sender = devices.iter().find(|(_, device)| device.identity.id() == from);
            let twice = Reason::DeliveredTwice {
                from: sender.map_or(DeviceId::MAX, |(number, _)| *number),
                number: id.counter,
            };
            return if again { Err(twice) } else { Ok(()) };
        }
        let never = |why: &str| Err(Reason::NeverSent(format!("{why}, in the name of {from}")));
        let Some((sender, number)) = name(body) else { return never("a body nobody has made") };
        let Some(device) = devices.get(&sender) else { return never("from no device") };
        if device.identity.id() != from || number >= device.said {
            return never("another's body, or one not sent yet");
        }
        if let Some(id) = id {
            let named = *self.names.entry((from, id)).or_insert((sender, number));
            if named != (sender, number) && !device.tainted {
                return Err(Reason::CounterReused { from: sender, numbers: [named.1, number] });
            }
        }
        let heard = self.heard.entry(to).or_default();
        match heard.insert((sender, number), now) {
            Some(_) => Err(Reason::DeliveredTwice { from: sender, number }),
            None => Ok(()),
        }
    }

    pub(super) fn forget(&mut self, device: DeviceId, since: Duration) {
        if let Some(heard) = self.heard.get_mut(&device) {
            heard.retain(|_, at| *at < since);
        }
        self.others.retain(|(to, ..), at| *to != device || *at < since);
    }

    pub(super) fn has(&self, by: DeviceId, from: DeviceId, number: u64) -> bool {
        self.heard.get(&by).is_some_and(|heard| heard.contains_key(&(from, number)))
    }
}
