//! A conversation whose secrets are all known. Not what is claimed of them.

use std::error::Error;
use std::path::{Path, PathBuf};

use stringphone::{
    Attach, Identity, Invitation, InviteOptions, Topic, TopicError, TopicHandle, keyfile,
};
use tempfile::TempDir;

use crate::memory::Needle;
use crate::store::{Known, Secrets};
use crate::support::{attach, next};

/// A phone and a lamp, with their homes in one folder.
pub(crate) struct House {
    folder: TempDir,
    stored: Secrets,
    pub(crate) seeds: Vec<Needle>,
    pub(crate) bodies: Vec<Needle>,
}

impl House {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let (folder, stored) = (tempfile::tempdir()?, Secrets::default());
        let house = Self { folder, stored, seeds: Vec::new(), bodies: Vec::new() };
        ["phone", "lamp"].into_iter().try_fold(house, Self::with_key)
    }

    fn with_key(mut self, name: &str) -> Result<Self, Box<dyn Error>> {
        let (needle, seed) = Needle::random(&format!("the seed of the {name}"));
        let identity = seed.as_array().map(Identity::from_seed).ok_or("32 bytes")?;
        keyfile::save(self.key(name), &keyfile::Keys::new(identity)?, None)?;
        self.seeds.push(needle);
        Ok(self)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn key(&self, name: &str) -> PathBuf {
        self.folder().join(name).with_extension("key")
    }

    /// Every secret that was ever stored for a topic.
    pub(crate) fn stored(&self) -> Vec<Needle> {
        self.stored.lock().unwrap().iter().cloned().collect()
    }

    fn store(&self, name: &str) -> Known {
        Known::new(self.folder().join(name).with_extension("topic"), &self.stored)
    }

    /// Founds, joins, talks, changes keys, restarts, and talks again.
    pub(crate) async fn converse<L: Into<Attach>>(
        &mut self,
        link: impl Fn(&str) -> L,
    ) -> Result<(TopicHandle, TopicHandle), Box<dyn Error>> {
        let identity = |house: &Self, name| keyfile::load_or_create(house.key(name));
        let phone = Topic::found("house", identity(self, "phone")?);
        let phone = phone.store(self.store("phone")).start()?;
        attach(&phone, link("phone")).await?;
        let invitation = phone.invite(InviteOptions::default()).await?;
        let invitation: Invitation = invitation.expose_url().parse()?;
        let lamp = Topic::invited(invitation, identity(self, "lamp")?);
        let lamp = lamp.store(self.store("lamp")).start()?;
        attach(&lamp, link("lamp")).await?;
        lamp.ready().await?;
        self.talk(&phone, &lamp).await?;
        phone.rotate().await?;
        self.talk(&phone, &lamp).await?;
        lamp.stop().await?;
        let lamp = Topic::join("house", identity(self, "lamp")?);
        let lamp = lamp.store(self.store("lamp")).start()?;
        attach(&lamp, link("lamp again")).await?;
        self.talk(&phone, &lamp).await?;
        Ok((phone, lamp))
    }

    async fn talk(&mut self, phone: &TopicHandle, lamp: &TopicHandle) -> Result<(), TopicError> {
        let (mut here, mut there) = (phone.subscribe_raw().await?, lamp.subscribe_raw().await?);
        for _ in 0..20 {
            let (needle, body) = Needle::random("a message");
            self.bodies.push(needle);
            phone.publish_raw(body.to_vec()).confirm().await?.all().await?;
            assert_eq!(next(&mut there).await.body, body[..]);
            lamp.publish_raw(body.to_vec()).await?;
            assert_eq!(next(&mut here).await.body, body[..]);
        }
        Ok(())
    }
}
