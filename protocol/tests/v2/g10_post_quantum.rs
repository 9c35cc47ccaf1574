//! G10: with suite X-Wing everything that is handed over is sealed to a hybrid key. Not here: the
//! arithmetic, which is the library's.

use stringphone_protocol::Refusal;
use stringphone_protocol::v2::Entry;

use crate::house::House;

#[test]
fn g10_an_introduction_for_another_suite_is_refused() {
    let mut house = House::of(200, 1);
    let lamp = house.newcomer(Entry::default());
    let mut introduction = house.introduction(lamp);
    for suite in [0, 2, 3] {
        introduction[1] = suite;
        let refusal = house.inject(0, &introduction);
        let known = cfg!(feature = "post-quantum") && suite == 2;
        let wanted = if known { Refusal::Malformed } else { Refusal::OtherSuite };
        assert_eq!(refusal, Some(wanted));
    }
}

#[cfg(feature = "post-quantum")]
mod hybrid {
    use stringphone_protocol::v2::{FoundOptions, Settings, Suite, V2State};
    use stringphone_protocol::{Command, Identity};

    use super::*;
    use crate::house::TOPIC;

    fn join(house: &mut House, suite: Suite, entry: Entry) -> usize {
        let identity = Identity::generate(&mut house.rng);
        let records = V2State::join(TOPIC, &identity, suite).records().to_vec();
        let settings = Settings { entry, ..Settings::default() };
        let device = house.open(identity, records, settings);
        house.command(device, Command::Introduce).unwrap();
        device
    }

    fn found(seed: u8) -> House {
        let options = FoundOptions { suite: Suite::XWing, ..FoundOptions::default() };
        House::found_with(seed, options, Settings::default())
    }

    #[test]
    fn g10_all_ways_in_evictions_and_catch_ups_work_with_hybrid_keys() {
        let mut house = found(201);
        let invitation = house.invitation(0);
        let first = join(&mut house, Suite::XWing, Entry::Invitation(invitation));
        house.settle();
        let pin = house.pin(0);
        let second = join(&mut house, Suite::XWing, Entry::Pin(pin));
        house.settle();
        let pinned = Entry::Fingerprint(vec![house.fingerprint(0)]);
        let third = join(&mut house, Suite::XWing, pinned);
        house.settle();
        let id = house.id(third);
        house.command(0, Command::Admit(id)).unwrap();
        house.settle();
        house.assert_together(&[0, first, second, third]);
        house.devices[third].asleep = true;
        let id = house.id(second);
        house.command(0, Command::Evict(id)).unwrap();
        house.settle();
        house.devices[third].asleep = false;
        house.publish(0, b"wake up");
        house.run(60_000);
        house.assert_together(&[0, first, third]);
        // Everything that hands a secret over carries 1,120 bytes of encapsulated key.
        let sizes: Vec<_> = house
            .recorded
            .iter()
            .filter(|(_, frame)| frame[0] == 0x24)
            .map(|(_, f)| f.len())
            .collect();
        assert!(sizes.len() >= 4 && sizes.iter().all(|size| *size == 33 + 1_120 + 485));
    }

    #[test]
    fn g10_a_device_of_the_other_suite_does_not_weaken_the_topic() {
        let mut house = found(202);
        let lamp = join(&mut house, Suite::X25519, Entry::default());
        house.settle();
        assert!(house.refused(0, Refusal::OtherSuite) > 0);
        let id = house.id(lamp);
        assert!(house.command(0, Command::Admit(id)).is_err());
    }

    #[test]
    fn g10_a_rekey_in_many_parts_reaches_everybody() {
        use stringphone_protocol::Input;
        let mut house = found(203);
        for _ in 0..5 {
            let invitation = house.invitation(0);
            join(&mut house, Suite::XWing, Entry::Invitation(invitation));
            house.settle();
        }
        // One entry fits a frame.
        house.input(0, Input::FrameLimit(stringphone_protocol::FrameLimit::of(2_000))).unwrap();
        house.command(0, Command::Rotate).unwrap();
        house.settle();
        house.assert_together(&[0, 1, 2, 3, 4, 5]);
    }
}
