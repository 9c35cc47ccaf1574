//! Who gets in, who is believed, and who decides it.

mod support;

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use rand_core::SeedableRng;
use stringphone::memory::Hub;
use stringphone::{
    Admission, Classic, CommandError, Event, Reading, Refusal, Topic, TopicError, TopicHandle,
};
use support::*;

fn founder() -> Topic<Classic> {
    Topic::found("house", identity(1)).classic()
}

fn newcomer() -> Topic<Classic> {
    Topic::join("house", identity(2)).classic()
}

/// Starts both and links them, the founder first.
async fn meet(
    founder: Topic<Classic>,
    newcomer: Topic<Classic>,
) -> Result<(TopicHandle, TopicHandle), TopicError> {
    let hub = Hub::new();
    let (founder, newcomer) = (founder.start()?, newcomer.start()?);
    attach(&founder, hub.port("founder")).await?;
    attach(&newcomer, hub.port("newcomer")).await?;
    Ok((founder, newcomer))
}

/// Resolves once the founder has turned the newcomer down.
async fn denial(founder: &TopicHandle, newcomer: &TopicHandle) -> Result<(), TopicError> {
    let mut events = founder.events().await?;
    // The newcomer asks again and again, and a founder who has decided refuses that.
    let denied = event(&mut events, |event| match event {
        Event::Refused(Refusal::Denied) => Some(()),
        _ => None,
    });
    tokio::select! {
        ready = newcomer.ready() => panic!("nobody admitted it, and yet: {ready:?}"),
        () = denied => Ok(()),
    }
}

#[test]
fn a_newcomer_is_heard_after_both_sides_said_yes() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (founder, newcomer) = (founder().start()?, newcomer().start()?);
        let mut introductions = founder.introductions().await?;
        let mut heard = founder.subscribe_raw().await?;
        founder.attach(hub.port("founder")).await?;
        newcomer.attach(hub.port("newcomer")).await?;

        let who = introductions.next().await.unwrap();
        assert_eq!(who.participant(), newcomer.participant());
        assert!(matches!(newcomer.publish_raw("hello").await, Err(TopicError::NotReady)));
        who.approve().await?;
        let asked = newcomer.ready().await;
        let Err(TopicError::NeedsConfirmation(admitter)) = asked else { panic!("{asked:?}") };
        assert_eq!(admitter, founder.participant());
        newcomer.confirm(admitter.id()).await?;
        newcomer.ready().await?;

        newcomer.publish_raw("hello").await?;
        let message = next(&mut heard).await;
        assert_eq!((message.from, &message.body[..]), (key(2).id(), &b"hello"[..]));
        assert_eq!(founder.participants().await?, [newcomer.participant()]);
        assert_eq!(newcomer.participants().await?, [founder.participant()]);
        Ok(())
    })
}

#[test]
fn a_dropped_question_is_a_denial() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (founder, newcomer) = (founder().start()?, newcomer().start()?);
        let mut introductions = founder.introductions().await?;
        founder.attach(hub.port("founder")).await?;
        newcomer.attach(hub.port("newcomer")).await?;
        drop(introductions.next().await.unwrap());
        denial(&founder, &newcomer).await?;
        Ok(())
    })
}

#[test]
fn a_question_that_nobody_hears_lapses() -> Test {
    in_virtual_time(async {
        let (founder, newcomer) = meet(founder(), newcomer()).await?;
        let mut events = founder.events().await?;
        let lapsed = event(&mut events, |event| match event {
            Event::Lapsed(id) => Some(*id),
            _ => None,
        });
        tokio::select! {
            ready = newcomer.ready() => panic!("nobody admitted it, and yet: {ready:?}"),
            lapsed = lapsed => assert_eq!(lapsed, key(2).id()),
        }
        Ok(())
    })
}

#[test]
fn who_waited_before_anybody_listened_is_asked_about_at_once() -> Test {
    in_virtual_time(async {
        let (founder, newcomer) = meet(founder(), newcomer()).await?;
        let waited = tokio::time::timeout(Duration::from_secs(1), newcomer.answer()).await;
        assert!(waited.is_err());
        let who = founder.introductions().await?.next().now_or_never().flatten();
        who.expect("a question").approve().await?;
        assert_eq!(newcomer.answer().await?, founder.participant());
        Ok(())
    })
}

#[test]
fn one_stranger_that_asks_again_and_again_keeps_nobody_else_from_being_asked_about() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let founder = founder().start()?;
        let mut introductions = founder.introductions().await?;
        attach(&founder, hub.port("founder")).await?;
        for start in 0..60 {
            // The same identity, with a new exchange key at each start.
            let entropy = rand_chacha::ChaCha20Rng::from_seed([start; 32]);
            let stranger = Topic::join("house", identity(9)).classic();
            let stranger = stranger.dangerously_use_entropy(entropy).start()?;
            attach(&stranger, hub.port("stranger")).await?;
            stranger.stop().await?;
        }
        let honest = newcomer().start()?;
        attach(&honest, hub.port("honest")).await?;
        let first = introductions.next().await.unwrap();
        let second = introductions.next().await.unwrap();
        assert_eq!(
            [first.participant(), second.participant()].map(|who| who.id()),
            [key(9).id(), key(2).id()]
        );
        second.approve().await?;
        assert_eq!(honest.answer().await?, founder.participant());
        Ok(())
    })
}

#[test]
fn a_window_without_end_is_no_panic() -> Test {
    in_virtual_time(async {
        let open = Admission::Window(Duration::MAX);
        let newcomer = newcomer().dangerously_trust_any_admitter();
        let (founder, newcomer) = meet(founder().admission(open.clone()), newcomer).await?;
        founder.set_admission(open).await?;
        newcomer.ready().await?;
        Ok(())
    })
}

#[test]
fn an_undecided_question_lapses_and_a_late_yes_is_an_error() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (founder, newcomer) = (founder().start()?, newcomer().start()?);
        let mut introductions = founder.introductions().await?;
        let mut events = founder.events().await?;
        founder.attach(hub.port("founder")).await?;
        let link = newcomer.attach(hub.port("newcomer")).await?;
        let who = introductions.next().await.unwrap();
        newcomer.detach(link).await?; // or it would ask again
        event(&mut events, |event| matches!(event, Event::Lapsed(_)).then_some(())).await;
        let late = who.approve().await;
        assert!(matches!(late, Err(TopicError::Command(CommandError::Unknown(_)))), "{late:?}");
        assert_eq!(founder.participants().await?, []);
        Ok(())
    })
}

#[test]
fn a_window_admits_everybody_and_shuts_by_itself() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let open = Admission::Window(Duration::from_secs(60));
        let founder = founder().admission(open).start()?;
        attach(&founder, hub.port("founder")).await?;

        let early = newcomer().dangerously_trust_any_admitter().start()?;
        attach(&early, hub.port("early")).await?;
        early.ready().await?;

        tokio::time::advance(Duration::from_secs(61)).await;
        let late = Topic::join("house", identity(3)).classic().start()?;
        attach(&late, hub.port("late")).await?;
        denial(&founder, &late).await?;
        assert_eq!(founder.participants().await?, [early.participant()]);
        Ok(())
    })
}

#[test]
fn an_allow_list_admits_its_members_and_nobody_else() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let founder = founder().start()?;
        founder.set_admission(Admission::AllowList([key(2).id()].into())).await?;
        attach(&founder, hub.port("founder")).await?;
        let listed = newcomer().dangerously_trust_any_admitter().start()?;
        attach(&listed, hub.port("listed")).await?;
        listed.ready().await?;
        let other = Topic::join("house", identity(3)).classic().start()?;
        attach(&other, hub.port("other")).await?;
        denial(&founder, &other).await?;
        founder.set_admission(Admission::Nobody).await?;
        let more = Topic::join("house", identity(4)).classic().start()?;
        attach(&more, hub.port("more")).await?;
        denial(&founder, &more).await?;
        assert_eq!(founder.participants().await?, [listed.participant()]);
        Ok(())
    })
}

#[test]
fn a_pinned_admitter_needs_no_confirmation_and_no_other_gives_a_key() -> Test {
    in_virtual_time(async {
        let everybody = Admission::Window(Duration::MAX);
        let pinned = newcomer().pin_admitter(key(1).fingerprint());
        let (_founder, pinned) = meet(founder().admission(everybody.clone()), pinned).await?;
        pinned.ready().await?;

        let pinned = newcomer().pin_admitter(key(9).fingerprint());
        let (_founder, pinned) = meet(founder().admission(everybody), pinned).await?;
        let mut events = pinned.events().await?;
        let refused = event(&mut events, |event| match event {
            Event::Refused(refusal) => Some(*refusal),
            _ => None,
        });
        tokio::select! {
            ready = pinned.ready() => panic!("the pinned one never answered: {ready:?}"),
            refused = refused => assert_eq!(refused, Refusal::UntrustedSender),
        }
        Ok(())
    })
}

#[test]
fn a_rejected_answer_is_gone_and_the_newcomer_goes_on_asking() -> Test {
    in_virtual_time(async {
        let everybody = Admission::Window(Duration::MAX);
        let (founder, newcomer) = meet(founder().admission(everybody), newcomer()).await?;
        assert_eq!(newcomer.answer().await?, founder.participant());
        newcomer.reject(key(1).id()).await?;
        let again = newcomer.confirm(key(1).id()).await;
        assert!(matches!(again, Err(TopicError::Command(CommandError::Unknown(_)))));
        assert_eq!(newcomer.answer().await?, founder.participant());
        Ok(())
    })
}

#[test]
fn trust_begins_and_ends_at_run_time() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[]).start()?, member(2, &[]).start()?);
        attach(&a, hub.port("a")).await?;
        attach(&b, hub.port("b")).await?;
        let mut heard = a.subscribe_raw().await?;
        let mut events = a.events().await?;

        b.publish_raw("nobody knows me").await?;
        let refused = |event: &Event| match event {
            Event::Refused(refusal) => Some(*refusal),
            _ => None,
        };
        assert_eq!(event(&mut events, refused).await, Refusal::UntrustedSender);
        a.trust(key(2)).await?;
        b.publish_raw("now you do").await?;
        assert_eq!(next(&mut heard).await.body, "now you do");
        a.remove(key(2).id()).await?;
        tokio::time::advance(Duration::from_secs(2)).await; // one reason is told once a second
        b.publish_raw("and now?").await?;
        assert_eq!(event(&mut events, refused).await, Refusal::UntrustedSender);
        assert!(heard.next().now_or_never().is_none(), "nothing was delivered");
        let again = a.remove(key(2).id()).await;
        assert!(matches!(again, Err(TopicError::Command(CommandError::Unknown(_)))));
        Ok(())
    })
}

#[test]
fn ignored_strangers_are_counted_and_not_told() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let a = member(1, &[3]).reading(Reading::IgnoreUntrusted).start()?;
        let (b, c) = (member(2, &[]).start()?, member(3, &[]).start()?);
        for (topic, name) in [(&a, "a"), (&b, "b"), (&c, "c")] {
            attach(topic, hub.port(name)).await?;
        }
        let (mut heard, mut events) = (a.subscribe_raw().await?, a.events().await?);
        b.publish_raw("a stranger's").await?;
        b.stop().await?;
        c.publish_raw("a friend's").await?;
        assert_eq!(next(&mut heard).await.body, "a friend's");
        assert_eq!(a.stats().await?.refused[&Refusal::Ignored], 1);
        assert!(events.next().now_or_never().is_none());
        Ok(())
    })
}

#[test]
fn unverified_messages_never_come_as_authenticated_ones() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let naive = member(1, &[2]).reading(Reading::DangerouslyUnverified).start()?;
        let other = member(2, &[]).start()?;
        attach(&naive, hub.port("naive")).await?;
        attach(&other, hub.port("other")).await?;
        let mut authenticated = naive.subscribe_raw().await?;
        let mut unverified = naive.dangerous_unverified().await?;
        other.publish_raw("who am I?").await?;
        let message = unverified.next().await.unwrap()?;
        assert_eq!((message.claimed, &message.body[..]), (key(2).id(), &b"who am I?"[..]));
        assert!(authenticated.next().now_or_never().is_none());
        Ok(())
    })
}
