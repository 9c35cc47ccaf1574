//! G12: every signature and key names version, purpose, topic and epoch. Not here: what each is for.

use ed25519_dalek::{Signer as _, SigningKey};
use stringphone_protocol::{Identity, Refusal};

use crate::forge::{Forge, Operation, ROSTER, Said, hash, roster, sign};
use crate::house::House;

fn signed_as(identity: &Identity, label: &str, hashed: &str, fields: &[u8]) -> [u8; 64] {
    let key = SigningKey::from_bytes(&identity.expose_seed());
    key.sign(&[label.as_bytes(), &hash(hashed, &[fields])].concat()).to_bytes()
}

#[test]
fn g12_a_message_signed_for_another_version_or_purpose_is_refused() {
    let mut house = House::of(220, 2);
    let mut forge = Forge::of(&house.devices[1]);
    let labels = [
        ("stringphone/1 message", "message"),
        ("stringphone/3 message", "message"),
        ("stringphone/2 operation", "message"),
        ("stringphone/2 message", "operation"),
        ("message", "message"),
        ("", "message"),
    ];
    for (label, hashed) in labels {
        let said = forge.said(0, b"x");
        let signature = signed_as(&forge.identity, label, hashed, &said.fields(&forge.epoch));
        let frame = forge.epoch.seal(&said, &signature);
        assert_eq!(house.inject(0, &frame), Some(Refusal::BadSignature), "{label:?} {hashed:?}");
    }
    let said = forge.said(0, b"x");
    let fields = said.fields(&forge.epoch);
    let signature = signed_as(&forge.identity, "stringphone/2 message", "message", &fields);
    assert_eq!(house.inject(0, &forge.epoch.seal(&said, &signature)), None);
}

#[test]
fn g12_a_message_signed_for_another_topic_or_epoch_is_refused() {
    let mut house = House::of(221, 2);
    let mut forge = Forge::of(&house.devices[1]);
    let epoch = forge.epoch.clone();
    let mut others = vec![epoch.next(), forge.epoch.clone()];
    others[1].topic[3] ^= 1;
    for other in others {
        let said = forge.said(0, b"x");
        let signature = sign(&forge.identity, "message", &[&said.fields(&other)]);
        let frame = epoch.seal(&said, &signature);
        assert_eq!(house.inject(0, &frame), Some(Refusal::BadSignature));
    }
    let said = forge.said(0, b"x");
    let other = Said { incarnation: 1, ..said.clone() };
    let signature = sign(&forge.identity, "message", &[&other.fields(&epoch)]);
    assert_eq!(house.inject(0, &epoch.seal(&said, &signature)), Some(Refusal::BadSignature));
}

#[test]
fn g12_an_operation_of_another_topic_is_none() {
    let mut house = House::of(222, 3);
    let mut forge = Forge::of(&house.devices[0]);
    let victim = house.devices[2].identity.public_key();
    let operation = |forge: &Forge, purpose: &str, topic: [u8; 16]| {
        let mut other = forge.clone();
        other.topic = topic;
        let previous = crate::forge::operations(&house.devices[0].store)
            .last()
            .map_or([0; 16], |last| forge.operation_id(last));
        let operation = Operation {
            action: 3,
            subject: victim,
            incarnation: 0,
            previous,
            last: [0; 16],
            name: "",
        };
        let mut bytes = other.operation(&operation);
        let fields = bytes.len() - 64;
        if purpose != "operation" {
            let signature = sign(&forge.identity, purpose, &[&topic, &bytes[..fields]]);
            bytes.truncate(fields);
            bytes.extend(signature);
        }
        bytes
    };
    let mut elsewhere = forge.topic;
    elsewhere[0] ^= 1;
    let topic = forge.topic;
    let bad = [
        operation(&forge, "operation", elsewhere),
        operation(&forge, "message", topic),
        operation(&forge, "reply", topic),
    ];
    let good = operation(&forge, "operation", topic);
    let members = house.members(1);
    for bytes in bad {
        let frame = forge.frame(ROSTER, &roster(&[bytes]));
        assert_eq!(house.inject(1, &frame), None);
        assert_eq!(house.members(1), members);
    }
    let frame = forge.frame(ROSTER, &roster(&[good]));
    assert_eq!(house.inject(1, &frame), None);
    assert_eq!(house.members(1).len(), members.len() - 1, "by the book it is taken");
}

#[test]
fn g12_the_same_people_in_two_topics_are_two_topics() {
    let (mut one, mut other) = (House::of(223, 2), House::of(223, 2));
    // The same identities; the second topic was founded again.
    let founder = one.devices[0].identity.clone();
    let mut rng = one.rng.clone();
    let state = stringphone_protocol::v2::V2State::found(
        crate::house::TOPIC,
        &founder,
        Default::default(),
        &mut rng,
    );
    let again = other.open(founder, state.records().to_vec(), Default::default());
    let frame = one.frame(0, b"for one");
    assert_eq!(other.inject(again, &frame), Some(Refusal::UnknownEpoch));
    assert_ne!(one.devices[0].session.topic(), other.devices[again].session.topic());
}

/// Every label is its own: keys for two purposes are never one key.
#[test]
fn g12_keys_for_two_purposes_are_two_keys() {
    let house = House::of(224, 1);
    let forge = Forge::of(&house.devices[0]);
    let labels = ["message key", "epoch id", "hint", "catch-up key", "step", "proof", "reply"];
    let keys: std::collections::BTreeSet<_> = labels
        .iter()
        .map(|label| crate::forge::kdf(&forge.epoch.bytes, label, &[&forge.topic]))
        .collect();
    assert_eq!(keys.len(), labels.len());
    let (id, catch_up) = forge.catch_up[0];
    let first = crate::forge::secrets(&house.devices[0].store).pop().unwrap();
    assert_eq!(first.step, 0, "nothing was admitted yet");
    assert_eq!(first.id(), id, "a generation is called after its first epoch");
    assert_eq!(crate::forge::kdf(&first.bytes, "catch-up key", &[&forge.topic]), catch_up);
}
