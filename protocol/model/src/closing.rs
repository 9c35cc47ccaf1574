//! The end of every story: the network becomes orderly, everybody speaks now and then, and after some
//! time all who are still members must be together. Not here: what happened before.

use stringphone_protocol::Session;

use crate::world::World;

/// How often everybody speaks, and how long after each time we look.
const ROUNDS: u8 = 30;
const ROUND_MS: u64 = 30_000;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// After so many rounds.
    Together(u8),
    /// What still was not so in the end.
    Apart(String),
}

pub(crate) fn close(world: &mut World) -> Ending {
    world.step(crate::scenario::Step::Heal);
    world.asleep.fill(false);
    world.run(ROUND_MS);
    let mut why = String::new();
    for round in 1..=ROUNDS {
        world.forget_heard();
        for device in 0..world.count() {
            // Who can't publish yet, or not any more, says nothing.
            world.publish(device, &[b'c', round, device as u8]);
        }
        world.run(ROUND_MS);
        match apart(world, round) {
            None => return Ending::Together(round),
            Some(reason) => why = reason,
        }
    }
    Ending::Apart(why)
}

/// What is not as it should be.
fn apart(world: &World, round: u8) -> Option<String> {
    // The founder is evicted in no scenario.
    let members: Vec<_> =
        world.device(0).session.members().iter().map(|(key, _)| key.id()).collect();
    let generation = world.device(0).current()?.id;
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for device in 0..world.count() {
        let list = if members.contains(&world.id(device)) { &mut inside } else { &mut outside };
        list.push(device);
    }
    for device in 0..world.count() {
        let is_in = inside.contains(&device);
        if is_in && !world.device(device).is_in() {
            if world.may_go >> device & 1 == 1 {
                continue;
            }
            return Some(format!("{device} is out, though nobody evicted it"));
        }
        if is_in && world.must_go >> device & 1 == 1 {
            return Some(format!("{device} is a member, though the founder evicted it"));
        }
        if !is_in && world.may_go >> device & 1 == 0 {
            return Some(format!("{device} is no member, though nobody evicted it"));
        }
    }
    // Whoever was told that it is out has wiped its keys. That its eviction turns out to be void does
    // not bring them back: somebody has to let it in again.
    inside.retain(|device| world.device(*device).is_in());
    for device in inside.iter().copied() {
        let session = &world.device(device).session;
        let theirs: Vec<_> = session.members().iter().map(|(key, _)| key.id()).collect();
        if theirs != members {
            return Some(format!(
                "{device} sees {} members, 0 sees {}",
                theirs.len(),
                members.len()
            ));
        }
        if !session.is_clean() {
            return Some(format!("{device} has no clean generation"));
        }
        if world.device(device).current().map(|held| held.id) != Some(generation) {
            return Some(format!("{device} uses another generation than 0"));
        }
        for from in inside.iter().copied().filter(|from| *from != device) {
            let said = (world.id(from), vec![b'c', round, from as u8]);
            if !world.device(device).heard.contains(&said) {
                return Some(format!("{device} does not hear {from}"));
            }
        }
    }
    let holds = |device: &usize| {
        let held = world.device(*device).session.held_generations();
        held.iter().any(|held| held.id == generation)
    };
    outside.into_iter().find(holds).map(|device| format!("{device} was evicted and holds the key"))
}
