//! A second implementation of what `docs/PROTOCOL.md` §3 writes down, made from a device's storage: for
//! frames that no honest device sends, and to see what a thief can open. Not here: any session.

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, Tag, XChaCha20Poly1305};
use orion::hazardous::hash::blake2::blake2b::Blake2b;
use orion::hazardous::hash::sha2::sha512::Sha512;
use orion::hazardous::hpke::{DHKEM_X25519_SHA256_CHACHA20, ModeBase};
use orion::hazardous::kem::x25519_hkdf_sha256 as x25519;
use orion::hazardous::mac::blake2b;
use std::collections::BTreeMap;
use stringphone_protocol::{Identity, ParticipantId, PublicKey, Record};

use crate::house::Device;

pub(crate) const ROSTER: u8 = 0x10;
pub(crate) const REKEY: u8 = 0x11;
pub(crate) const KEM_KEY: u8 = 0x12;
pub(crate) const HELLO: u8 = 0x13;
pub(crate) const MARK: u8 = 0x14;
pub(crate) const RECEIPT: u8 = 0x15;
pub(crate) const TIME_QUESTION: u8 = 0x16;
pub(crate) const TIME_ANSWER: u8 = 0x17;
pub(crate) const QUESTION: u8 = 0x18;
pub(crate) const ANSWER: u8 = 0x19;
pub(crate) const PARCEL: u8 = 0x1a;

pub(crate) fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Blake2b::new(32).unwrap();
    let label = format!("stringphone/2 {label}");
    state.update(&[label.len() as u8]).unwrap();
    state.update(label.as_bytes()).unwrap();
    parts.iter().for_each(|part| state.update(part).unwrap());
    state.finalize().unwrap().as_ref().try_into().unwrap()
}

pub(crate) fn kdf(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let key = blake2b::SecretKey::try_from(key.as_slice()).unwrap();
    let mut state = blake2b::Blake2b::new(&key, 32).unwrap();
    let label = format!("stringphone/2 {label}");
    state.update(&[label.len() as u8]).unwrap();
    state.update(label.as_bytes()).unwrap();
    parts.iter().for_each(|part| state.update(part).unwrap());
    state.finalize().unwrap().unprotected_as_ref().try_into().unwrap()
}

/// What is signed for a purpose.
pub(crate) fn what_is_signed(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let label = format!("stringphone/2 {purpose}");
    [label.as_bytes(), &hash(purpose, parts)].concat()
}

pub(crate) fn sign(identity: &Identity, purpose: &str, parts: &[&[u8]]) -> [u8; 64] {
    signing_key(identity).sign(&what_is_signed(purpose, parts)).to_bytes()
}

fn signing_key(identity: &Identity) -> SigningKey {
    SigningKey::from_bytes(&identity.expose_seed())
}

/// A signature whose R has a part of small order: only a verifier that multiplies by the cofactor
/// takes it.
pub(crate) fn torsioned(identity: &Identity, message: &[u8]) -> [u8; 64] {
    let key = signing_key(identity);
    let wide = |parts: &[&[u8]]| {
        let digest: [u8; 64] =
            Sha512::digest(&parts.concat()).unwrap().as_ref().try_into().unwrap();
        Scalar::from_bytes_mod_order_wide(&digest)
    };
    let nonce = wide(&[b"nonce", message]);
    let point = (ED25519_BASEPOINT_TABLE * &nonce + EIGHT_TORSION[1]).compress();
    let public = key.verifying_key().to_bytes();
    let challenge = wide(&[point.as_bytes(), &public, message]);
    let scalar = nonce + challenge * key.to_scalar();
    let signature: [u8; 64] = [*point.as_bytes(), scalar.to_bytes()].concat().try_into().unwrap();
    let lenient = (&scalar * ED25519_BASEPOINT_TABLE
        - curve25519_dalek::edwards::CompressedEdwardsY(public).decompress().unwrap() * challenge
        - point.decompress().unwrap())
    .mul_by_cofactor();
    assert_eq!(lenient, curve25519_dalek::EdwardsPoint::default(), "the cofactor would hide it");
    signature
}

/// One epoch, with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) topic: [u8; 16],
    pub(crate) number: u32,
    pub(crate) step: u32,
    pub(crate) bytes: [u8; 32],
}

impl Secret {
    pub(crate) fn next(&self) -> Self {
        let step = self.step + 1;
        let (number, counted) = (self.number.to_be_bytes(), step.to_be_bytes());
        let bytes = kdf(&self.bytes, "step", &[&self.topic, &number, &counted]);
        Self { step, bytes, ..self.clone() }
    }

    pub(crate) fn ahead(&self, steps: u32) -> Self {
        (0..steps).fold(self.clone(), |secret, _| secret.next())
    }

    fn derive(&self, label: &str) -> [u8; 32] {
        kdf(&self.bytes, label, &[&self.topic])
    }

    pub(crate) fn id(&self) -> [u8; 32] {
        self.derive("epoch id")
    }

    pub(crate) fn hint(&self) -> [u8; 2] {
        self.derive("hint")[..2].try_into().unwrap()
    }

    fn associated(&self, header: &[u8]) -> Vec<u8> {
        [header, &self.topic, &self.id()].concat()
    }

    /// Seals what was signed, by whomever.
    pub(crate) fn seal(&self, said: &Said, signature: &[u8; 64]) -> Vec<u8> {
        let header = [&[0x20], self.hint().as_slice(), &signature[..24]].concat();
        let mut sealed = [
            &signature[24..32],
            &said.sender.as_bytes()[..8],
            &said.counter.to_be_bytes()[3..],
            &[said.kind],
            &said.body,
            &signature[32..],
        ]
        .concat();
        let key = SecretKey::from(self.derive("message key"));
        let nonce = Nonce::from(<[u8; 24]>::try_from(&signature[..24]).unwrap());
        let ad = self.associated(&header);
        let tag = XChaCha20Poly1305::seal_inplace(&key, &nonce, Some(&ad), &mut sealed).unwrap();
        [header.as_slice(), &sealed, tag.unprotected_as_ref()].concat()
    }

    /// Opens a message frame: what it says, and the signature. Nothing is verified.
    pub(crate) fn open(&self, frame: &[u8]) -> Option<Opened> {
        if frame.len() < 97 || frame[0] != 0x20 || frame[1..3] != self.hint() {
            return None;
        }
        let (header, sealed) = frame.split_at(27);
        let (sealed, tag) = sealed.split_at(sealed.len() - 16);
        let mut plain = sealed.to_vec();
        let key = SecretKey::from(self.derive("message key"));
        let nonce = Nonce::from(<[u8; 24]>::try_from(&header[3..]).unwrap());
        let (ad, tag) = (self.associated(header), Tag::try_from(tag).unwrap());
        XChaCha20Poly1305::open_inplace(&key, &nonce, &tag, Some(&ad), &mut plain).ok()?;
        let end = plain.len() - 32;
        let counter = plain[16..21].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Some(Opened {
            sender: plain[8..16].try_into().unwrap(),
            counter,
            kind: plain[21],
            body: plain[22..end].to_vec(),
            signature: [&header[3..], &plain[..8], &plain[end..]].concat().try_into().unwrap(),
        })
    }
}

/// What stands in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) sender: [u8; 8],
    pub(crate) counter: u64,
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: [u8; 64],
}

/// What somebody says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) sender: ParticipantId,
    pub(crate) key: PublicKey,
    pub(crate) incarnation: u32,
    pub(crate) counter: u64,
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// What is signed, after the purpose.
    pub(crate) fn fields(&self, epoch: &Secret) -> Vec<u8> {
        [
            epoch.topic.as_slice(),
            &epoch.id(),
            self.key.as_bytes(),
            &self.incarnation.to_be_bytes(),
            &self.counter.to_be_bytes()[3..],
            &[self.kind],
            &self.body,
        ]
        .concat()
    }

    pub(crate) fn verifies(&self, epoch: &Secret, signature: &[u8; 64]) -> bool {
        let key = VerifyingKey::from_bytes(self.key.as_bytes()).unwrap();
        let signed = what_is_signed("message", &[&self.fields(epoch)]);
        key.verify_strict(&signed, &Signature::from_bytes(signature)).is_ok()
    }
}

/// Everything that a device's storage holds, in the hands of somebody else.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) identity: Identity,
    pub(crate) topic: [u8; 16],
    pub(crate) founding: Vec<u8>,
    pub(crate) incarnation: u32,
    pub(crate) counter: u64,
    /// The epoch in use.
    pub(crate) epoch: Secret,
    /// All epochs held.
    pub(crate) secrets: Vec<Secret>,
    /// Catch-up keys, with their generations' ids.
    pub(crate) catch_up: Vec<([u8; 32], [u8; 32])>,
}

fn value(store: &BTreeMap<String, Record>, name: &str) -> Option<Vec<u8>> {
    store.get(name)?.value.as_ref().map(|value| value.to_vec())
}

/// The epochs in a storage.
pub(crate) fn secrets(store: &BTreeMap<String, Record>) -> Vec<Secret> {
    let (topic, _) = topic(store);
    let mut secrets = Vec::new();
    for (_, record) in store.range("generation/".to_string()..) {
        let (true, Some(value)) = (record.key.starts_with("generation/"), &record.value) else {
            continue;
        };
        let number = u32::from_be_bytes(value[..4].try_into().unwrap());
        for step in value[248..].chunks_exact(36) {
            let (step, bytes) = step.split_at(4);
            let step = u32::from_be_bytes(step.try_into().unwrap());
            secrets.push(Secret { topic, number, step, bytes: bytes.try_into().unwrap() });
        }
    }
    secrets
}

fn topic(store: &BTreeMap<String, Record>) -> ([u8; 16], Vec<u8>) {
    let membership = value(store, "membership").expect("a member");
    let suite = value(store, "topic").unwrap()[0];
    let founding = membership[..80].to_vec();
    (hash("topic", &[&[suite], &founding])[..16].try_into().unwrap(), founding)
}

/// Whether anything in a storage opens a frame, up to so many steps ahead.
pub(crate) fn opens(store: &BTreeMap<String, Record>, frame: &[u8], ahead: u32) -> bool {
    secrets(store)
        .iter()
        .any(|secret| (0..=ahead).any(|steps| secret.ahead(steps).open(frame).is_some()))
}

impl Forge {
    pub(crate) fn of(device: &Device) -> Self {
        use stringphone_protocol::Session as _;
        let store = &device.store;
        let (topic, founding) = topic(store);
        let membership = value(store, "membership").unwrap();
        let (secrets, current) = (secrets(store), device.session.epoch().expect("an epoch"));
        let epoch = secrets
            .iter()
            .find(|secret| (secret.number, secret.step) == (current.generation, current.step))
            .expect("the epoch in use is stored")
            .clone();
        let counter = value(store, "counter").unwrap();
        let mut catch_up = Vec::new();
        for (_, record) in store.range("generation/".to_string()..) {
            if let (true, Some(value)) = (record.key.starts_with("generation/"), &record.value) {
                let id = value[100..132].try_into().unwrap();
                catch_up.push((id, value[216..248].try_into().unwrap()));
            }
        }
        Self {
            identity: device.identity.clone(),
            topic,
            founding,
            incarnation: u32::from_be_bytes(membership[80..84].try_into().unwrap()),
            counter: u64::from_be_bytes(counter.try_into().unwrap()) + 10_000,
            epoch,
            secrets,
            catch_up,
        }
    }

    /// What this device would say next.
    pub(crate) fn said(&mut self, kind: u8, body: &[u8]) -> Said {
        self.counter += 1;
        Said {
            sender: self.identity.id(),
            key: self.identity.public_key(),
            incarnation: self.incarnation,
            counter: self.counter,
            kind,
            body: body.to_vec(),
        }
    }

    /// A frame of this device's with any body.
    pub(crate) fn frame(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        let (said, epoch) = (self.said(kind, body), self.epoch.clone());
        self.seal(&said, &epoch)
    }

    pub(crate) fn seal(&self, said: &Said, epoch: &Secret) -> Vec<u8> {
        let signature = sign(&self.identity, "message", &[&said.fields(epoch)]);
        epoch.seal(said, &signature)
    }

    /// A parcel of this device's for another, with a message in anybody's name that it signed
    /// itself.
    pub(crate) fn parcel(
        &mut self,
        recipient: &Device,
        sender: ParticipantId,
        counter: u64,
        body: &[u8],
    ) -> Vec<u8> {
        let epoch = self.epoch.clone();
        let said = Said { counter, ..self.said(0, body) };
        let signature = sign(&self.identity, "message", &[&said.fields(&epoch)]);
        let message = [
            epoch.id().as_slice(),
            sender.as_bytes(),
            &0_u32.to_be_bytes(),
            &counter.to_be_bytes()[3..],
            &[0],
            &signature,
            body,
        ]
        .concat();
        let info = [
            b"stringphone/2 parcel".as_slice(),
            &self.topic,
            self.identity.public_key().as_bytes(),
            recipient.identity.public_key().as_bytes(),
            &0_u32.to_be_bytes(),
        ]
        .concat();
        let private = value(&recipient.store, "kem").unwrap();
        let private = x25519::PrivateKey::try_from(&private[..32]).unwrap();
        let (mut context, encapsulated) =
            ModeBase::<DHKEM_X25519_SHA256_CHACHA20>::new_sender_deterministic(
                &x25519::PublicKey::try_from(&private).unwrap(),
                &info,
                x25519::PrivateKey::try_from([5; 32].as_slice()).unwrap(),
            )
            .unwrap();
        let mut sealed = vec![0; message.len() + 16];
        context.seal(&message, &[], &mut sealed).unwrap();
        let id = recipient.identity.id();
        self.frame(PARCEL, &[&id.as_bytes()[..8], encapsulated.as_ref(), &sealed].concat())
    }

    /// An operation of this device's.
    pub(crate) fn operation(&self, operation: &Operation<'_>) -> Vec<u8> {
        let mut bytes = vec![operation.action];
        bytes.extend(operation.subject.as_bytes());
        bytes.extend(operation.incarnation.to_be_bytes());
        bytes.extend(self.identity.id().as_bytes());
        bytes.extend(self.incarnation.to_be_bytes());
        bytes.extend(operation.previous);
        bytes.extend(operation.last);
        bytes.push(operation.name.len() as u8);
        bytes.extend(operation.name.as_bytes());
        let signature = sign(&self.identity, "operation", &[&self.topic, &bytes]);
        bytes.extend(signature);
        bytes
    }

    pub(crate) fn operation_id(&self, bytes: &[u8]) -> [u8; 16] {
        hash("operation id", &[&self.topic, &bytes[..bytes.len() - 64]])[..16].try_into().unwrap()
    }
}

/// What an operation says besides its author.
pub(crate) struct Operation<'a> {
    pub(crate) action: u8,
    pub(crate) subject: PublicKey,
    pub(crate) incarnation: u32,
    pub(crate) previous: [u8; 16],
    pub(crate) last: [u8; 16],
    pub(crate) name: &'a str,
}

/// The body of a roster message.
pub(crate) fn roster(operations: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for operation in operations {
        body.extend((operation.len() as u16).to_be_bytes());
        body.extend(operation);
    }
    body
}

/// The operations in a device's storage.
pub(crate) fn operations(store: &BTreeMap<String, Record>) -> Vec<Vec<u8>> {
    store
        .range("operation/".to_string().."operation0".to_string())
        .filter_map(|(_, record)| record.value.as_ref().map(|value| value.to_vec()))
        .collect()
}
