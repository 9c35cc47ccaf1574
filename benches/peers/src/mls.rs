//! MLS (RFC 9420) as OpenMLS has it, with the suite that is nearest to ours and with its storage in
//! memory. Not the delivery service that has to order commits.

use openmls::prelude::tls_codec::DeserializeBytes;
use openmls::prelude::{
    BasicCredential, Ciphersuite, CredentialWithKey, GroupId, KeyPackage, KeyPackageBundle,
    LeafNodeIndex, MlsGroup, MlsGroupCreateConfig, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider,
    ProcessedMessageContent, StagedWelcome,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use crate::measure::cpu;
use crate::{Done, Pair, Removal};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

struct Mls {
    sender: Member,
    receiver: Member,
}

/// The first and the last of a group of eight.
pub(crate) fn pair() -> Done<Box<dyn Pair>> {
    let (sender, receiver) = group(8, Grown::OneByOne)?;
    Ok(Box::new(Mls { sender, receiver }))
}

impl Pair for Mls {
    fn send(&mut self, body: &[u8]) -> Vec<u8> {
        let Member { me, group } = &mut self.sender;
        let message = group.create_message(&me.provider, &me.signer, body).expect("a message");
        message.to_bytes().expect("it fits")
    }

    fn receive(&mut self, message: &[u8]) -> Vec<u8> {
        match self.receiver.process(message).expect("a good message") {
            ProcessedMessageContent::ApplicationMessage(body) => body.into_bytes(),
            _ => panic!("no message of the application"),
        }
    }
}

/// How a group came to have its members.
#[derive(Clone, Copy)]
pub(crate) enum Grown {
    /// Each was added by the one before it: the tree has all of its inner keys, the best case.
    OneByOne,
    /// The founder added all in one commit: the tree has no inner keys yet, the worst case.
    AtOnce,
}

/// The founder removes somebody in the middle, and the last member hears of it.
pub(crate) fn removal(members: u32, grown: Grown) -> Done<Removal> {
    const ROUNDS: usize = 15;

    let (founder, last) = group(members, grown)?;
    let (founder, last) = (Saved::of(founder), Saved::of(last));
    let mut removal = Removal { bytes: 0, remover: Vec::new(), member: Vec::new() };
    for round in 0..ROUNDS {
        let (mut founder, mut last) = (founder.restored()?, last.restored()?);
        let mut commit = Ok(Vec::new());
        removal.remover.push(cpu(round, || commit = founder.remove(members / 2)));
        let commit = commit?;
        removal.bytes = commit.len();
        let mut followed = Ok(());
        removal.member.push(cpu(round, || followed = last.follow(&commit)));
        followed?;
    }
    Ok(removal)
}

/// The founder and the last member of a group of so many.
fn group(members: u32, grown: Grown) -> Done<(Member, Member)> {
    let mut founder = Member::found(Participant::new(0)?)?;
    match grown {
        Grown::AtOnce => {
            let (mut packages, mut last) = (Vec::new(), None);
            for number in 1..members {
                let newcomer = Participant::new(number)?;
                packages.push(newcomer.key_package()?.key_package().clone());
                last = Some(newcomer);
            }
            let (_, welcome) = founder.add(&packages)?;
            let last = Member::join(last.ok_or("a group of one")?, &welcome, &founder)?;
            Ok((founder, last))
        }
        Grown::OneByOne => {
            let mut last = founder.admit(Participant::new(1)?)?.1;
            for number in 2..members {
                let (commit, newcomer) = last.admit(Participant::new(number)?)?;
                founder.follow(&commit)?;
                last = newcomer;
            }
            Ok((founder, last))
        }
    }
}

/// Somebody with keys.
struct Participant {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Participant {
    /// Its name is as long as an id of ours.
    fn new(number: u32) -> Done<Self> {
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm())?;
        let name = format!("{number:016}").into_bytes();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(name).into(),
            signature_key: signer.to_public_vec().into(),
        };
        Ok(Self { provider: OpenMlsRustCrypto::default(), signer, credential })
    }

    fn key_package(&self) -> Done<KeyPackageBundle> {
        let credential = self.credential.clone();
        Ok(KeyPackage::builder().build(SUITE, &self.provider, &self.signer, credential)?)
    }
}

/// A participant with its side of the group.
struct Member {
    me: Participant,
    group: MlsGroup,
}

impl Member {
    fn found(me: Participant) -> Done<Self> {
        let credential = me.credential.clone();
        let group = MlsGroup::new(&me.provider, &me.signer, &config(), credential)?;
        Ok(Self { me, group })
    }

    fn join(me: Participant, welcome: &[u8], with: &Self) -> Done<Self> {
        let welcome = MlsMessageIn::tls_deserialize_exact_bytes(welcome)?;
        let MlsMessageBodyIn::Welcome(welcome) = welcome.extract() else {
            return Err("no welcome".into());
        };
        let tree = with.group.export_ratchet_tree();
        let config = config();
        let join = config.join_config();
        let staged =
            StagedWelcome::new_from_welcome(&me.provider, join, welcome, Some(tree.into()))?;
        let group = staged.into_group(&me.provider)?;
        Ok(Self { me, group })
    }

    /// Adds the newcomer. What the others need of that is returned too.
    fn admit(&mut self, newcomer: Participant) -> Done<(Vec<u8>, Self)> {
        let package = newcomer.key_package()?.key_package().clone();
        let (commit, welcome) = self.add(&[package])?;
        Ok((commit, Self::join(newcomer, &welcome, self)?))
    }

    fn add(&mut self, packages: &[KeyPackage]) -> Done<(Vec<u8>, Vec<u8>)> {
        let Self { me, group } = self;
        let (commit, welcome, _) = group.add_members(&me.provider, &me.signer, packages)?;
        group.merge_pending_commit(&me.provider)?;
        Ok((commit.to_bytes()?, welcome.to_bytes()?))
    }

    fn remove(&mut self, number: u32) -> Done<Vec<u8>> {
        let Self { me, group } = self;
        let whom = [LeafNodeIndex::new(number)];
        let (commit, _, _) = group.remove_members(&me.provider, &me.signer, &whom)?;
        group.merge_pending_commit(&me.provider)?;
        Ok(commit.to_bytes()?)
    }

    /// Takes a commit of somebody else's.
    fn follow(&mut self, commit: &[u8]) -> Done {
        let ProcessedMessageContent::StagedCommitMessage(staged) = self.process(commit)? else {
            return Err("no commit".into());
        };
        Ok(self.group.merge_staged_commit(&self.me.provider, *staged)?)
    }

    fn process(&mut self, message: &[u8]) -> Done<ProcessedMessageContent> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message)?;
        let message = message.try_into_protocol_message()?;
        Ok(self.group.process_message(&self.me.provider, message)?.into_content())
    }
}

fn config() -> MlsGroupCreateConfig {
    MlsGroupCreateConfig::builder().ciphersuite(SUITE).build()
}

/// A member as its storage has it, to begin every round with.
struct Saved {
    member: Participant,
    group: GroupId,
}

impl Saved {
    fn of(member: Member) -> Self {
        Self { group: member.group.group_id().clone(), member: member.me }
    }

    fn restored(&self) -> Done<Member> {
        let Participant { provider, signer, credential } = &self.member;
        let me = Participant {
            provider: OpenMlsRustCrypto::default(),
            signer: signer.clone(),
            credential: credential.clone(),
        };
        let values = provider.storage().values.read().map_err(|_| "poisoned")?.clone();
        *me.provider.storage().values.write().map_err(|_| "poisoned")? = values;
        let group = MlsGroup::load(me.provider.storage(), &self.group)?.ok_or("no group")?;
        Ok(Member { me, group })
    }
}
