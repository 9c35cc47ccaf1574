//! What a Classic session costs beyond the primitives that it can't do without. Not the bus.
//!
//! `cargo bench --bench classic`

mod measure;

use std::error::Error;
use std::hint::black_box;

use crypto_secretbox::aead::generic_array::GenericArray;
use crypto_secretbox::aead::{AeadInPlace, KeyInit};
use crypto_secretbox::{Nonce, Tag, XSalsa20Poly1305};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use measure::{Rounds, cpu, pin, watch};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use stringphone_protocol::classic::{ClassicSession, ClassicState, Settings};
use stringphone_protocol::{Command, Event, Identity, Input, Limits, Moment, Output, Session};

const ROUNDS: usize = 300;
/// Messages of one side in one round.
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    pin();
    for size in [32, 256, 1024] {
        seal(size)?;
        open(size)?;
    }
    for (size, figure) in [(32, "21.4 µs seal, 54.1 µs open"), (1024, "26.5 µs seal, 55.6 µs open")]
    {
        let figure = format!("{figure}, 121 B overhead, on the reference machine");
        watch(&format!("classic.python_{size}"), &figure);
    }
    Ok(())
}

fn seal(size: usize) -> Result<(), Box<dyn Error>> {
    let Pair { mut sender, bare, .. } = Pair::new()?;
    let (body, mut rng, mut bare_rng) = (vec![7; size], rng(3), rng(3));
    let mut rounds = Rounds::default();
    for round in 0..ROUNDS {
        let ours = cpu(round, || {
            for _ in 0..BATCH {
                black_box(publish(&mut sender, black_box(&body), &mut rng));
            }
        });
        let theirs = cpu(round, || {
            for _ in 0..BATCH {
                black_box(bare.seal(black_box(&body), &mut bare_rng));
            }
        });
        rounds.add(BATCH, ours, theirs);
    }
    rounds.print(&format!("classic.seal_{size}"), 1.10, "bare");
    Ok(())
}

fn open(size: usize) -> Result<(), Box<dyn Error>> {
    let Pair { mut sender, mut receiver, bare } = Pair::new()?;
    let (body, mut rng) = (vec![7; size], rng(3));
    let mut rounds = Rounds::default();
    // The first rounds fill the memory of recent frames, which never shrinks again.
    let filling = Limits::default().recent_frames / BATCH + 1;
    for round in 0..filling + ROUNDS {
        let batch = (0..BATCH).map(|_| publish(&mut sender, &body, &mut rng));
        let frames: Vec<Vec<u8>> = batch.collect();
        let ours = cpu(round, || {
            for frame in &frames {
                black_box(receive(&mut receiver, black_box(frame), &mut rng));
            }
        });
        let theirs = cpu(round, || {
            for frame in &frames {
                black_box(bare.open(black_box(frame)));
            }
        });
        if round >= filling {
            rounds.add(BATCH, ours, theirs);
        }
    }
    rounds.print(&format!("classic.open_{size}"), 1.10, "bare");
    Ok(())
}

/// Two members, and the primitives with the first one's keys.
struct Pair {
    sender: ClassicSession,
    receiver: ClassicSession,
    bare: Bare,
}

impl Pair {
    fn new() -> Result<Self, Box<dyn Error>> {
        let (first, second) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
        let founded = ClassicState::found(&mut rng(9));
        let member = |me: &Identity, other: &Identity| {
            let participants = vec![other.public_key()];
            let state = ClassicState { participants, ..founded.clone() };
            ClassicSession::open(me.clone(), state, Settings::default())
        };
        let topic_key = founded.topic_key.as_ref().ok_or("a founder holds the key")?;
        let signing = SigningKey::from_bytes(&first.expose_seed());
        Ok(Self {
            sender: member(&first, &second)?,
            receiver: member(&second, &first)?,
            bare: Bare {
                verifying: signing.verifying_key(),
                signing,
                topic_key: *topic_key.expose_secret(),
                id: *first.id().as_bytes(),
            },
        })
    }
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// What a caller does to publish: one input, and all outputs.
fn publish(session: &mut ClassicSession, body: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let input = Input::Command(Command::Publish(body));
    let handled = session.handle(input, &mut Moment::new(0, rng));
    assert!(handled.is_ok());
    let Some(Output::Send(frame)) = session.poll() else { panic!("no frame") };
    assert!(session.poll().is_none());
    frame
}

fn receive(session: &mut ClassicSession, frame: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let handled = session.handle(Input::Frame(frame), &mut Moment::new(0, rng));
    assert!(handled.is_ok());
    let Some(Output::Event(Event::Message { body, .. })) = session.poll() else {
        panic!("no message")
    };
    assert!(session.poll().is_none());
    body
}

/// The primitives alone: type · signature · sender id · nonce · tag · ciphertext, nothing parsed,
/// nothing remembered.
struct Bare {
    signing: SigningKey,
    verifying: VerifyingKey,
    topic_key: [u8; 32],
    id: [u8; 16],
}

/// Where the parts begin.
const SIGNED: usize = 1 + 64;
const NONCE: usize = SIGNED + 16;
const TAG: usize = NONCE + 24;
const TEXT: usize = TAG + 16;

impl Bare {
    fn cipher(&self) -> XSalsa20Poly1305 {
        XSalsa20Poly1305::new(GenericArray::from_slice(&self.topic_key))
    }

    fn seal(&self, body: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut frame = Vec::with_capacity(TEXT + body.len());
        frame.extend_from_slice(&[0; SIGNED]);
        frame.extend_from_slice(&self.id);
        frame.extend_from_slice(&[0; TEXT - NONCE]);
        frame.extend_from_slice(body);
        let (head, text) = frame.split_at_mut(TEXT);
        let (nonce, tag) = head[NONCE..].split_at_mut(TAG - NONCE);
        rng.fill_bytes(nonce);
        let sealed = self.cipher().encrypt_in_place_detached(Nonce::from_slice(nonce), b"", text);
        tag.copy_from_slice(&sealed.expect("it fits"));
        let signature = self.signing.sign(&frame[SIGNED..]);
        frame[0] = b's';
        frame[1..SIGNED].copy_from_slice(&signature.to_bytes());
        frame
    }

    fn open(&self, frame: &[u8]) -> Vec<u8> {
        let signature = Signature::from_slice(&frame[1..SIGNED]).expect("64 bytes");
        self.verifying.verify_strict(&frame[SIGNED..], &signature).expect("a good signature");
        let mut text = frame[TEXT..].to_vec();
        let (nonce, tag) =
            (Nonce::from_slice(&frame[NONCE..TAG]), Tag::from_slice(&frame[TAG..TEXT]));
        let opened = self.cipher().decrypt_in_place_detached(nonce, b"", &mut text, tag);
        opened.expect("a good box");
        text
    }
}
