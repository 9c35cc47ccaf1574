//! G6: a thief is locked out again. Not here: what it could read before it stole (G4).

use stringphone_protocol::{Command, Event, Session as _};

use crate::house::House;

/// A house of three, and a thief with all that the second device stored, which listens only.
fn robbed(seed: u8) -> (House, usize) {
    let mut house = House::of(seed, 3);
    let (identity, settings) =
        (house.devices[1].identity.clone(), house.devices[1].settings.clone());
    let store = house.devices[1].store.clone();
    let thief = house.open(identity, store.into_values().collect(), settings);
    house.mute.insert(thief);
    (house, thief)
}

fn hears(house: &mut House, device: usize, body: &[u8]) -> bool {
    house.publish(0, body);
    house.settle();
    assert!(house.heard(2, 0).contains(&body.to_vec()));
    house.heard(device, 0).contains(&body.to_vec())
}

#[test]
fn g6_a_thief_who_listens_is_locked_out_by_the_rekey_after_the_next_kem_key() {
    let (mut house, thief) = robbed(60);
    assert!(hears(&mut house, thief, b"before"), "it has the keys");
    // This rekey is sealed to the stolen KEM key; the robbed device then makes another.
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    assert!(hears(&mut house, thief, b"between"), "that much is lost");
    house.command(0, Command::Rotate).unwrap();
    house.settle();
    assert!(!hears(&mut house, thief, b"after"), "and no more");
    assert!(house.heard(1, 0).contains(&b"after".to_vec()), "unlike the robbed device");
}

#[test]
fn g6_without_anybodys_help_it_takes_a_kem_key_and_a_rekey_by_the_clock() {
    let (mut house, thief) = robbed(61);
    house.run(13 * 3_600_000);
    assert!(hears(&mut house, thief, b"before the daily rekey"));
    house.run(12 * 3_600_000);
    assert!(!hears(&mut house, thief, b"after it"));
}

#[test]
fn g6_a_thief_with_the_identity_is_locked_out_by_its_eviction() {
    let (mut house, thief) = robbed(62);
    house.mute.remove(&thief);
    let id = house.id(1);
    house.command(0, Command::Evict(id)).unwrap();
    house.settle();
    assert!(house.told(thief, &Event::Evicted) && !house.devices[thief].session.is_ready());
    assert!(!hears(&mut house, thief, b"after"));
    house.run(3_600_000);
    house.assert_together(&[0, 2]);
}
