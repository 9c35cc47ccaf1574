//! After the last fault and a quiet time, all honest members of a room agree on who is in it and
//! on its keys, and hear each other. Not who ought to be in it: that is the keepers' business.

use std::collections::BTreeMap;

use super::Devices;
use crate::machine::View;
use crate::report::Reason;
use crate::run::Device;
use crate::schedule::DeviceId;

type Verdict = (DeviceId, Reason);

pub(super) fn judge(
    devices: &Devices,
    views: &BTreeMap<DeviceId, View>,
    heard: impl Fn(DeviceId, DeviceId) -> bool,
) -> Result<u64, Verdict> {
    let mut rooms: BTreeMap<usize, Vec<Seen<'_>>> = BTreeMap::new();
    // Who was put out, or wiped, may be a member by name until it is let in again.
    let honest = devices.iter().filter(|(_, device)| !device.out && device.copy_of.is_none());
    for (number, device) in honest {
        let view = views.get(number);
        let seen = Seen { number: *number, device, view };
        rooms.entry(device.room).or_default().push(seen);
    }
    let mut together = 0;
    for room in rooms.values() {
        together += judge_room(room, &heard)?;
    }
    Ok(together)
}

struct Seen<'a> {
    number: DeviceId,
    device: &'a Device,
    view: Option<&'a View>,
}

fn judge_room(
    room: &[Seen<'_>],
    heard: impl Fn(DeviceId, DeviceId) -> bool,
) -> Result<u64, Verdict> {
    let Some(common) = common(room) else { return Ok(0) };
    let is_in = |seen: &&Seen<'_>| common.members.contains(&seen.device.identity.id());
    let members: Vec<&Seen<'_>> = room.iter().filter(is_in).collect();
    for seen in &members {
        let Some(view) = seen.view.filter(|view| view.ready) else {
            return Err((seen.number, Reason::Apart("it is not ready".into())));
        };
        if view.members != common.members {
            let (own, all) = (view.members.len(), common.members.len());
            let apart = format!("it knows {own} members, which are not the others' {all}");
            return Err((seen.number, Reason::Apart(apart)));
        }
        if generation(view) != generation(common) {
            let (own, all) = (view.epoch, common.epoch);
            return Err((seen.number, Reason::Apart(format!("in {own:?}, the others in {all:?}"))));
        }
    }
    for by in &members {
        for from in members.iter().filter(|from| from.number != by.number) {
            if !heard(by.number, from.number) {
                return Err((by.number, Reason::Unheard { from: from.number }));
            }
        }
    }
    Ok(u64::try_from(members.len()).unwrap_or(u64::MAX))
}

fn generation(view: &View) -> Option<u32> {
    view.epoch.map(|epoch| epoch.generation)
}

/// What most believe, of those who believe that they are in; of as many, what the first does.
fn common<'a>(room: &[Seen<'a>]) -> Option<&'a View> {
    let views: Vec<&View> =
        room.iter().filter_map(|seen| seen.view).filter(|view| view.ready).collect();
    let votes = |view: &View| views.iter().filter(|other| other.members == view.members).count();
    views.iter().rev().max_by_key(|view| votes(view)).copied()
}
