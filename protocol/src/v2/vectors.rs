//! The test vectors of V2: every derivation and every kind of frame, with all that went into it.
//! `tests/data/v2.json` holds them, for those who implement the protocol elsewhere.
//!
//! `STRINGPHONE_WRITE_VECTORS=1 cargo test -p stringphone-protocol --lib vectors` writes the file
//! anew, which is right only where the wire has changed on purpose.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)] // tests may
#![allow(clippy::arithmetic_side_effects)]

extern crate std;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::body::{Run, Shared, Tickets, kind};
use super::crypto::{PSK, hash, kdf, signed};
use super::epoch::Generation;
use super::held::{Certificate, Held, Recipe, generation_id};
use super::invitation::Invitation;
use super::joining::{
    Answer, Asking, Challenge, Claim, Exchange, Handover, Introduction, Position, Reply, introduce,
    transcript,
};
use super::kem::{KemSecret, Sealing, Suite, seal};
use super::message::{Opened, Said};
use super::operation::{self, Action, NONE, Operation};
use super::original::{ADDRESS, Original, parcel_info};
use super::standing::Role;
use super::topic::{Founding, TopicId};
use super::wire::{Reader, Write};
use crate::key::SecretBytes;
use crate::roster::verifying_key;
use crate::{Identity, PublicKey};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/v2.json");

/// The same everywhere: a keeper that founded the topic, and a lamp.
struct World {
    keeper: Identity,
    lamp: Identity,
    founding: Founding,
    topic: TopicId,
    recipe: Recipe,
    bytes: SecretBytes,
    held: Held,
}

impl World {
    fn new() -> Self {
        let (keeper, lamp) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
        let founding = Founding { founder: keeper.public_key(), recovery: None, nonce: [3; 16] };
        let topic = founding.topic(Suite::X25519);
        let recipe = Recipe { number: 7, parent: [4; 32], members: [5; 32], evictions: [6; 32] };
        let bytes = SecretBytes::new(&[7; 32]);
        let secret = recipe.secret(&topic, &bytes);
        let id = generation_id(&topic, &secret);
        let certificate = Certificate::sign(&topic, recipe, &id, &keeper, 0);
        let held = Held::begin(&topic, recipe, certificate, secret);
        Self { keeper, lamp, founding, topic, recipe, bytes, held }
    }

    fn generation(&self) -> Generation {
        Generation::new(self.topic, self.held.clone(), 0)
    }

    fn invitation(&self) -> Invitation {
        Invitation {
            suite: Suite::X25519,
            role: Role::Member,
            issuer: self.keeper.public_key(),
            topic: self.topic,
            expiry: 1_790_000_000_000,
            secret: SecretBytes::new(&[8; 16]),
            name: "greenhouse".into(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn primitives() -> Value {
    let identity = Identity::from_seed(&[1; 32]);
    json!({
        "hash": { "label": "stringphone/2 topic", "data": hex(b"data"),
            "out": hex(&hash("stringphone/2 topic", &[b"data"])) },
        "kdf": { "key": hex(&[9; 32]), "label": "stringphone/2 step", "data": hex(b"data"),
            "out": hex(kdf(&[9; 32], "stringphone/2 step", &[b"data"]).expose()) },
        "sign": { "seed": hex(&[1; 32]), "public_key": identity.public_key().to_string(),
            "id": identity.id().to_string(), "label": "stringphone/2 message",
            "data": hex(b"data"),
            "signature": hex(&signed("stringphone/2 message", &[b"data"]).sign(&identity)) },
    })
}

fn topic(world: &World) -> Value {
    json!({ "suite": 1, "founding_record": hex(&world.founding.to_bytes()),
        "topic_id": world.topic.to_string() })
}

fn epochs(world: &World) -> Value {
    let mut generation = world.generation();
    let mut steps = Vec::new();
    for step in 0..3 {
        generation.advance(step, 0, 0);
        let held = generation.held();
        steps.push(json!({ "step": step, "secret": hex(held.secret.expose()),
            "epoch_id": hex(&generation.present.id), "hint": hex(&generation.present.hint),
            "message_key": hex(kdf(held.secret.expose(), "stringphone/2 message key",
                &[world.topic.as_bytes()]).expose()) }));
    }
    let mut certificate = Vec::new();
    world.held.certificate.write(&mut certificate);
    json!({ "topic_id": world.topic.to_string(), "recipe": hex(&world.recipe.to_bytes()),
        "n": hex(world.bytes.expose()), "generation_id": hex(&world.held.id),
        "catch_up_key": hex(world.held.catch_up.expose()),
        "keeper_seed": hex(&[1; 32]), "keeper_incarnation": 0,
        "certificate": hex(&certificate), "steps": steps })
}

fn operations(world: &World) -> Value {
    let admit = Operation {
        action: Action::Member,
        subject: world.lamp.public_key(),
        incarnation: 0,
        author: world.keeper.id(),
        author_incarnation: 0,
        previous: NONE,
        name: "lamp",
    };
    let admitted = admit.sign(&world.topic, &world.keeper);
    let first = operation::id(&world.topic, &admitted);
    let keeper = Operation { action: Action::Keeper, previous: first, name: "", ..admit.clone() };
    let appointed = keeper.sign(&world.topic, &world.keeper);
    let second = operation::id(&world.topic, &appointed);
    let evict =
        Operation { action: Action::Evicted { last: NONE }, previous: second, ..keeper.clone() };
    let evicted = evict.sign(&world.topic, &world.keeper);
    let all = [("member", admitted), ("keeper", appointed), ("evicted", evicted)];
    let all = all.map(|(what, bytes)| {
        json!({ "what": what, "operation": hex(&bytes),
            "id": hex(&operation::id(&world.topic, &bytes)) })
    });
    json!({ "topic_id": world.topic.to_string(), "author_seed": hex(&[1; 32]), "operations": all })
}

/// The bodies of all kinds.
fn bodies(world: &World) -> Vec<(&'static str, u8, Vec<u8>)> {
    let run = |shared: Shared, messages: &[&[u8]]| {
        let mut run = Run::new(shared);
        messages.iter().for_each(|message| run.push(message, Tickets::default()));
        run.to_body()
    };
    let plain = Shared::default();
    let all = Shared { expiry: Some(1_790_000_005_000), confirm: true, by: Vec::new() };
    let (one, one_body) = run(plain.clone(), &[b"on"]);
    let (many, many_body) = run(plain, &[b"on", b"", &[7; 200]]);
    let (with, with_body) = run(all, &[b"open", b"close"]);
    let kem = KemSecret::from_bytes(Suite::X25519, &[10; 32]);
    let lamp = super::message::sender_hint(world.lamp.id());
    let mut hello = vec![1];
    hello.u40(1_024).u32(1).put(&[11; 32]).put(&world.keeper.id().as_bytes()[..8]).u16(1);
    let mut mark = lamp.to_vec();
    mark.u32(0).u40(4_096);
    let mut receipt = lamp.to_vec();
    receipt.u40(17).u16(3);
    let mut answer = vec![12; 8];
    answer.u48(1_790_000_000_000);
    let mut question = vec![1];
    question.put(&world.held.id[..8]).u32(3).put(&lamp).u40(17).u8(1).u40(14).u40(15);
    let mut announcement = lamp.to_vec();
    announcement.u32(2);
    vec![
        ("one message", one, one_body),
        ("a run of three", many, many_body),
        ("a run of two that expires and wants receipts", with, with_body),
        ("KEM key", kind::KEM_KEY, kem.public().to_vec()),
        ("hello", kind::HELLO, hello),
        ("mark", kind::MARK, mark),
        ("receipt", kind::RECEIPT, receipt),
        ("time question", kind::TIME_QUESTION, vec![12; 8]),
        ("time answer", kind::TIME_ANSWER, answer),
        ("question", kind::QUESTION, question),
        ("announcement", kind::ANSWER, announcement),
    ]
}

fn messages(world: &World) -> Value {
    let generation = world.generation();
    let frames: Vec<Value> = (0..)
        .zip(bodies(world))
        .map(|(counter, (what, kind, body))| {
            let said = Said { incarnation: 0, counter, kind, body: &body };
            let frame = said.seal(&world.topic, &generation.present, &world.lamp).unwrap();
            json!({ "what": what, "counter": counter, "kind": kind, "body": hex(&body),
                "frame": hex(&frame) })
        })
        .collect();
    json!({ "topic_id": world.topic.to_string(), "epoch_secret": hex(world.held.secret.expose()),
        "sender_seed": hex(&[2; 32]), "incarnation": 0, "frames": frames })
}

/// A frame with one thing wrong with it, at the step of §3.4 that it fails.
fn spoilt_messages(world: &World) -> Value {
    let generation = world.generation();
    let said = Said { incarnation: 0, counter: 5, kind: 0, body: b"on" };
    let good = said.seal(&world.topic, &generation.present, &world.lamp).unwrap();
    let changed = |at: usize| {
        let mut frame = good.clone();
        frame[at] ^= 1;
        hex(&frame)
    };
    let other = Founding { nonce: [4; 16], ..world.founding.clone() }.topic(Suite::X25519);
    let elsewhere = said.seal(&other, &generation.present, &world.lamp).unwrap();
    let stranger = Identity::from_seed(&[9; 32]);
    let forged = said.seal(&world.topic, &generation.present, &stranger).unwrap();
    let again = Said { incarnation: 1, ..said };
    let again = again.seal(&world.topic, &generation.present, &world.lamp).unwrap();
    json!([
        { "what": "one byte too short for any body", "frame": hex(&good[..96]), "fails": "length" },
        { "what": "another hint", "frame": changed(1), "fails": "hint" },
        { "what": "another nonce", "frame": changed(3), "fails": "open" },
        { "what": "another ciphertext", "frame": changed(40), "fails": "open" },
        { "what": "another tag", "frame": changed(good.len() - 1), "fails": "open" },
        { "what": "cut off", "frame": hex(&good[..good.len() - 1]), "fails": "open" },
        { "what": "of another topic", "frame": hex(&elsewhere), "fails": "open" },
        { "what": "of no member", "frame": hex(&forged), "fails": "sender" },
        { "what": "of the sender's next incarnation", "frame": hex(&again), "fails": "signature" },
    ])
}

fn joining(world: &World) -> Value {
    let mut entropy = ChaCha20Rng::from_seed([13; 32]);
    let kem = KemSecret::from_bytes(Suite::X25519, &[14; 32]);
    let public = kem.public();
    let asking = Asking {
        suite: Suite::X25519,
        topic_name: "greenhouse",
        kem: &public,
        nonce: [15; 16],
        name: "lamp",
    };
    let invitation = world.invitation();
    let (key, catch_up) = (invitation.key(), &world.held.catch_up);
    let generation = *world.held.id.first_chunk().unwrap();
    let position = Position { generation, step: 2 };
    let pin_key = SecretBytes::new(&[16; 32]);
    let share = [[0x41; 1].as_slice(), &[17; 32]].concat();
    let topic = world.topic;
    let claims = [
        ("fingerprint", Claim::Fingerprint, None, None),
        (
            "invitation",
            Claim::Proof { id: invitation.id(), position: None, topic, secret: &key },
            None,
            Some(&key),
        ),
        ("PIN", Claim::Pin(&share), Some([0; 16]), Some(&pin_key)),
        (
            "catch-up",
            Claim::Proof { id: generation, position: Some(position), topic, secret: catch_up },
            Some(*topic.as_bytes()),
            Some(catch_up),
        ),
    ];
    let ways = claims.map(|(way, claim, challenged, secret)| {
        let frame = introduce(&asking, &claim, &world.lamp);
        let introduction = Introduction::parse(&frame).unwrap();
        assert!(introduction.is_signed(&frame));
        let mut entry = json!({ "way": way, "introduction": hex(&frame),
            "introduction_hash": hex(&introduction.hash) });
        let mut x = introduction.hash;
        if let Some(topic) = challenged {
            let share =
                if way == "PIN" { [[0x42; 1].as_slice(), &[18; 32]].concat() } else { vec![] };
            let challenge =
                Challenge::build(&introduction, &[19; 16], &share, &topic, &world.keeper);
            x = transcript(&introduction.hash, &challenge);
            let secret = secret.unwrap();
            let answer = Answer::build(world.keeper.id(), &x, secret, &world.lamp);
            entry["challenge"] = hex(&challenge).into();
            entry["transcript"] = hex(&x).into();
            entry["secret"] = hex(secret.expose()).into();
            entry["answer"] = hex(&answer).into();
        }
        let exchange = Exchange {
            suite: Suite::X25519,
            way: introduction.evidence.way(),
            x: &x,
            recipient: &introduction.key,
            kem: &introduction.kem,
        };
        let handover = Handover {
            founding: world.founding.clone(),
            admitter: world.keeper.public_key(),
            admitter_incarnation: 0,
            incarnation: 0,
            role: Role::Member,
            held: world.held.clone(),
        };
        let plaintext = handover.to_bytes(&exchange, &world.keeper);
        let (info, psk) = (exchange.info(), secret.map(|secret| exchange.psk(secret)));
        let sealing = Sealing { suite: Suite::X25519, to: &public, info: &info, psk: psk.as_ref() };
        let sealed = seal(&sealing, &plaintext, &world.keeper, &mut entropy).unwrap();
        let reply = Reply::build(world.lamp.id(), &introduction.hash, &sealed);
        entry["hpke_info"] = hex(&info).into();
        entry["hpke_psk"] = psk.map(|psk| hex(psk.expose())).into();
        entry["hpke_psk_id"] = PSK.into();
        entry["reply_plaintext"] = hex(&plaintext).into();
        entry["reply"] = hex(&reply).into();
        entry
    });
    json!({ "newcomer_seed": hex(&[2; 32]), "admitter_seed": hex(&[1; 32]),
        "kem_private_key": hex(kem.expose()), "kem_public_key": hex(&public),
        "invitation": { "bytes": hex(&invitation.to_bytes()),
            "url": invitation.expose_url().to_string(),
            "id": hex(&invitation.id()), "secret": hex(key.expose()) },
        "ways": ways })
}

/// A message of the lamp's that the keeper hands on to a third member.
fn parcel(world: &World) -> Value {
    let generation = world.generation();
    let said = Said { incarnation: 0, counter: 5, kind: 0, body: b"on" };
    let original = Original {
        epoch: generation.present.id,
        sender: world.lamp.id(),
        incarnation: 0,
        counter: 5,
        kind: 0,
        signature: said.sign(&world.topic, &generation.present, &world.lamp),
        body: b"on".to_vec(),
    };
    let (recipient, kem) = (
        Identity::from_seed(&[20; 32]).public_key(),
        KemSecret::from_bytes(Suite::X25519, &[10; 32]),
    );
    let info = parcel_info(&world.topic, &world.keeper.public_key(), &recipient, 0);
    let sealing = Sealing { suite: Suite::X25519, to: &kem.public(), info: &info, psk: None };
    let mut entropy = ChaCha20Rng::from_seed([21; 32]);
    let sealed = seal(&sealing, &original.to_bytes(), &world.keeper, &mut entropy).unwrap();
    json!({ "sender_seed": hex(&[2; 32]), "carrier_seed": hex(&[1; 32]),
        "recipient_seed": hex(&[20; 32]), "kem_private_key": hex(kem.expose()),
        "hpke_info": hex(&info), "original": hex(&original.to_bytes()),
        "body": hex(&[&recipient.id().as_bytes()[..8], &sealed].concat()) })
}

fn all() -> Value {
    let world = World::new();
    json!({
        "about": "Test vectors of String phone V2, docs/PROTOCOL.md §3. All bytes are in hex. \
            `reply`, and a parcel's `body`, depend on HPKE's ephemeral key: open them, don't compare \
            them.",
        "primitives": primitives(),
        "topic": topic(&world),
        "epochs": epochs(&world),
        "operations": operations(&world),
        "messages": messages(&world),
        "spoilt_messages": spoilt_messages(&world),
        "joining": joining(&world),
        "parcel": parcel(&world),
    })
}

fn stored() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

#[test]
fn the_vectors_are_what_this_release_makes() {
    let made = all();
    if std::env::var_os("STRINGPHONE_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let stored = stored();
    for part in made.as_object().unwrap().keys() {
        assert_eq!(stored[part], made[part], "{part}");
    }
}

#[test]
fn the_messages_of_the_vectors_open_and_verify() {
    let (world, stored) = (World::new(), stored());
    let (generation, lamp) = (world.generation(), verifying_key(&world.lamp.public_key()).unwrap());
    for vector in stored["messages"]["frames"].as_array().unwrap() {
        let frame = unhex(&vector["frame"]);
        let opened = Opened::open(&frame, &world.topic, &generation.present).unwrap();
        assert_eq!(opened.body(), unhex(&vector["body"]));
        assert_eq!(opened.counter, vector["counter"].as_u64().unwrap());
        let signed = opened.signed_by(&world.topic, &generation.present, &lamp, 0);
        assert!(opened.verifies(&signed, &lamp), "{}", vector["what"]);
    }
}

#[test]
fn the_spoilt_messages_of_the_vectors_fail_where_they_should() {
    let (world, stored) = (World::new(), stored());
    let (epoch, lamp) = (world.generation().present, world.lamp.public_key());
    let lamp_key = verifying_key(&lamp).unwrap();
    for vector in stored["spoilt_messages"].as_array().unwrap() {
        let frame = unhex(&vector["frame"]);
        let opened = Opened::open(&frame, &world.topic, &epoch);
        let found = match (super::message::hint(&frame), opened) {
            (None, _) => "length",
            (Some(hint), _) if hint != epoch.hint => "hint",
            (_, None) => "open",
            (_, Some(opened)) if opened.sender != lamp.id().as_bytes()[..8] => "sender",
            (_, Some(opened)) => {
                let signed = opened.signed_by(&world.topic, &epoch, &lamp_key, 0);
                if opened.verifies(&signed, &lamp_key) { "nowhere" } else { "signature" }
            }
        };
        assert_eq!(found, vector["fails"], "{}", vector["what"]);
    }
}

#[test]
fn the_replies_of_the_vectors_open_and_are_signed() {
    let (world, stored) = (World::new(), stored());
    let joining = &stored["joining"];
    let kem = KemSecret::from_bytes(
        Suite::X25519,
        unhex(&joining["kem_private_key"])[..].try_into().unwrap(),
    );
    for vector in joining["ways"].as_array().unwrap() {
        let (introduction, frame) = (unhex(&vector["introduction"]), unhex(&vector["reply"]));
        let introduction = Introduction::parse(&introduction).unwrap();
        let reply = Reply::parse(&frame).unwrap();
        assert_eq!(reply.recipient, world.lamp.id());
        let psk = vector["hpke_psk"].as_str().map(|_| unhex(&vector["hpke_psk"]));
        let psk = psk.map(|psk| SecretBytes::new(psk[..].try_into().unwrap()));
        let opened = kem.open(reply.sealed, &unhex(&vector["hpke_info"]), psk.as_ref()).unwrap();
        assert_eq!(opened[..], unhex(&vector["reply_plaintext"]), "{}", vector["way"]);
        let x = vector["transcript"]
            .as_str()
            .map_or(introduction.hash, |_| unhex(&vector["transcript"])[..].try_into().unwrap());
        let exchange = Exchange {
            suite: Suite::X25519,
            way: introduction.evidence.way(),
            x: &x,
            recipient: &introduction.key,
            kem: &introduction.kem,
        };
        let handover = Handover::open(&opened, &exchange).unwrap();
        assert_eq!(handover.founding, world.founding);
        let key: PublicKey = handover.admitter;
        assert_eq!(key, world.keeper.public_key());
    }
}

#[test]
fn the_parcel_of_the_vectors_opens_and_its_sender_signed_what_is_in_it() {
    let (world, stored) = (World::new(), stored());
    let vector = &stored["parcel"];
    let kem = KemSecret::from_bytes(
        Suite::X25519,
        unhex(&vector["kem_private_key"])[..].try_into().unwrap(),
    );
    let sealed = &unhex(&vector["body"])[ADDRESS..];
    let opened = kem.open(sealed, &unhex(&vector["hpke_info"]), None).unwrap();
    assert_eq!(opened[..], unhex(&vector["original"]));
    let original = Original::read(Reader::new(&opened)).unwrap();
    let lamp = verifying_key(&world.lamp.public_key()).unwrap();
    assert!(original.verified(&world.topic, &lamp).is_some());
    assert_eq!(original.body, b"on");
}
