//! Who is in a topic, who comes in, and who goes. Not here: newcomers that a person decides about.

use std::sync::atomic::Ordering;

use stringphone::{
    CommandError, InviteOptions, Member, Participant, ParticipantId, Role, TopicError,
};

use super::Node;
use super::questions::is;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::report::{Report, Who};
use crate::secret::Secret;

/// The digits of an id that are too few to name anybody by.
const BEGINNING: usize = 4;
/// How long a PIN is good: the protocol's own.
const PIN_MS: u64 = 300_000;

impl Node {
    pub(super) async fn members(&self) -> Result<Vec<Report>, Failure> {
        if self.0.protocol == Protocol::Classic {
            let participants = self.0.topic.participants().await?;
            let told = participants.iter().map(|who| Report::Participant { who: who.into() });
            return Ok(told.collect());
        }
        let us = self.participant();
        let members = self.0.topic.members().await?.into_iter();
        let told = members.map(|member| Report::Member {
            role: member.role.into(),
            us: member.participant == us,
            who: Who::from(&member.participant).called(member.name),
        });
        Ok(told.collect())
    }

    pub(super) async fn invite(
        &self,
        keeper: bool,
        lifetime_ms: u64,
    ) -> Result<Vec<Report>, Failure> {
        let role = if keeper { Role::Keeper } else { Role::Member };
        let options = InviteOptions { role, lifetime_ms };
        let invited = self.0.topic.invite(options).await;
        let invitation = invited.map_err(|error| self.refused("invite", error))?;
        Ok(vec![Report::Invitation {
            topic: self.name().into(),
            url: Secret::new(&invitation.expose_url()),
            role: role.into(),
            lifetime_ms,
        }])
    }

    pub(super) async fn offer_pin(&self) -> Result<Vec<Report>, Failure> {
        let offered = self.0.topic.offer_pin().await;
        let pin = offered.map_err(|error| self.refused("show a PIN", error))?;
        let pin = Secret::new(pin.expose_digits());
        Ok(vec![Report::Pin { topic: self.name().into(), pin, lifetime_ms: PIN_MS }])
    }

    pub(super) async fn evict(&self, who: &str) -> Result<Vec<Report>, Failure> {
        let member = self.find(who, "evict").await?;
        let id = member.participant.id();
        if member.participant == self.participant() {
            return Err(Failure::failed("that is this very device: `stringphone leave` leaves"));
        }
        let evicted = self.0.topic.evict(id).await;
        evicted.map_err(|error| match error {
            TopicError::Command(CommandError::NotAllowed) if member.role == Role::Keeper => {
                Failure::failed(format!(
                    "{id} can't be evicted from here: only keepers evict, and a keeper only those \
                     that stand behind it. Whoever appointed {id} can, or the founder"
                ))
            }
            error => self.refused("evict", error),
        })?;
        Ok(vec![Report::Removed { id: id.to_string(), name: member.name, evicted: true }])
    }

    pub(super) async fn appoint(&self, who: &str) -> Result<Vec<Report>, Failure> {
        let member = self.find(who, "appoint").await?;
        if member.role != Role::Member {
            return Err(Failure::failed(format!(
                "{} is a keeper already",
                member.participant.id()
            )));
        }
        let appointed = self.0.topic.appoint(member.participant.id()).await;
        appointed.map_err(|error| self.refused("appoint", error))?;
        Ok(vec![Report::Appointed { who: Who::from(&member.participant).called(member.name) }])
    }

    pub(super) async fn rotate(&self) -> Result<Vec<Report>, Failure> {
        let rotated = self.0.topic.rotate().await;
        rotated.map_err(|error| self.refused("give everybody new keys", error))?;
        let epoch = self.0.topic.epoch().await?;
        Ok(epoch
            .map(|epoch| Report::Rekeyed { generation: epoch.generation })
            .into_iter()
            .collect())
    }

    pub(super) async fn leave(&self, anyway: bool) -> Result<Vec<Report>, Failure> {
        let us = self.participant();
        let members = self.0.topic.members().await?;
        let others = || members.iter().filter(|member| member.participant != us);
        let kept = others().any(|member| member.role != Role::Member);
        if !anyway && others().next().is_some() && !kept {
            return Err(Failure::failed(
                "this device is the topic's only keeper: without it nobody can invite or evict any \
                 more. Make another one keeper first, with `stringphone appoint WHO`, or leave with \
                 --anyway",
            ));
        }
        // Before it is over: whoever sees the end wants to know why.
        self.0.left.store(true, Ordering::Relaxed);
        self.0.topic.leave().await.map_err(|error| {
            self.0.left.store(false, Ordering::Relaxed);
            self.refused("leave", error)
        })?;
        Ok(vec![Report::Left { topic: self.name().into() }])
    }

    pub(super) async fn trust(&self, key: &str) -> Result<Vec<Report>, Failure> {
        let key = key.parse().map_err(|error| Failure::Usage(format!("no public key: {error}")))?;
        self.0.topic.trust(key).await.map_err(|error| self.refused("trust", error))?;
        Ok(vec![Report::Joined { who: (&Participant::new(key)).into() }])
    }

    pub(super) async fn remove(&self, who: &str) -> Result<Vec<Report>, Failure> {
        let known = self.0.topic.participants().await?;
        let found = known.iter().find(|participant| is(who, participant));
        let found = found.ok_or_else(|| {
            Failure::failed(format!(
                "{who} is nobody who is trusted here. Give a whole id or fingerprint, as \
                 `stringphone members --json` shows them"
            ))
        })?;
        let id = found.id();
        self.0.topic.remove(id).await.map_err(|error| self.refused("remove", error))?;
        Ok(vec![Report::Removed { id: id.to_string(), name: None, evicted: false }])
    }

    /// The one member that is meant: by its id or the beginning of it, its fingerprint, or its name,
    /// which others may have chosen as well.
    pub(super) async fn find(&self, who: &str, verb: &str) -> Result<Member, Failure> {
        if self.0.protocol == Protocol::Classic {
            return Err(self.classic(verb));
        }
        let mut members = self.0.topic.members().await?;
        if let Some(at) = members.iter().position(|member| is(who, &member.participant)) {
            return Ok(members.swap_remove(at));
        }
        members.retain(|member| {
            begins(member.participant.id(), who) || member.name.as_deref() == Some(who)
        });
        match members.as_slice() {
            [_] => members.pop().ok_or_else(|| nobody(who)),
            [] => Err(nobody(who)),
            several => {
                let several: Vec<_> =
                    several.iter().map(|member| member.participant.id().to_string()).collect();
                Err(Failure::failed(format!(
                    "{who:?} may mean several members: {}. Compare the fingerprints that \
                     `stringphone members` shows, and give the whole id",
                    several.join(", ")
                )))
            }
        }
    }

    /// Why something about the roster could not be done.
    fn refused(&self, verb: &str, error: TopicError) -> Failure {
        match error {
            TopicError::Command(CommandError::NotAllowed) => self.no_keeper(verb),
            TopicError::Command(CommandError::Unsupported) if self.0.protocol == Protocol::V2 => {
                Failure::failed(format!(
                    "in topic {:?} whoever is a member is trusted: `stringphone invite` lets \
                     somebody in, `stringphone evict WHO` puts somebody out",
                    self.name()
                ))
            }
            TopicError::Command(CommandError::Unsupported) => self.classic(verb),
            TopicError::Command(CommandError::TooMany(limit)) => Failure::failed(format!(
                "{limit} invitations are out already: wait until some are used, or have expired"
            )),
            other => other.into(),
        }
    }

    pub(super) fn classic(&self, verb: &str) -> Failure {
        Failure::failed(format!(
            "topic {:?} speaks Classic, in which nobody can {verb}. A topic of another name, \
             brought up without --classic, can",
            self.name()
        ))
    }

    /// Only keepers can do that.
    pub(super) fn no_keeper(&self, verb: &str) -> Failure {
        Failure::failed(format!(
            "only keepers can {verb}, and this device is none in topic {:?}. Do it on one of those \
             that `stringphone members` calls keeper, or have this one appointed there: \
             `stringphone appoint {}`",
            self.name(),
            self.participant().id()
        ))
    }
}

fn begins(id: ParticipantId, with: &str) -> bool {
    with.len() >= BEGINNING && id.to_string().starts_with(&with.to_ascii_lowercase())
}

fn nobody(who: &str) -> Failure {
    Failure::failed(format!(
        "{who:?} is nobody in this topic: `stringphone members` shows who is. Give an id or at least \
         {BEGINNING} digits of its beginning, a fingerprint, or a name"
    ))
}
