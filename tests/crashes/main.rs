//! Processes that die, or whose disks fail, at every commit of a whole conversation.
//! Not disks that lie about what is safe, which is the store's own business.

mod full;
mod house;
#[path = "../support/mod.rs"]
mod support;

use house::{FAN, House, LAMP, PHONE};
use support::disk::Fault;
use support::{Test, in_virtual_time};

/// Founds, invites, lets join, talks, evicts, rotates and talks again, whoever dies meanwhile.
async fn conversation(house: &mut House) {
    house.found().await;
    house.joins(LAMP).await;
    house.joins(FAN).await;
    house.says(PHONE, LAMP).await;
    house.says(LAMP, PHONE).await;
    house.evicts(FAN).await;
    house.says(PHONE, LAMP).await;
    house.rotates().await;
    house.says(LAMP, PHONE).await;
    house.says(PHONE, LAMP).await;
}

/// Plays it with this fault at one commit of this device; how many commits it made in all.
fn played(device: usize, fault: Option<(u32, Fault)>) -> Result<u32, String> {
    let mut commits = 0;
    let played = in_virtual_time(async {
        let mut house = House::new(device, fault);
        conversation(&mut house).await;
        house.replays().await;
        house.says(PHONE, LAMP).await;
        house.check();
        commits = house.commits(device);
        assert!(fault.is_none_or(|(at, _)| at <= commits), "the fault came");
        Ok(())
    });
    played.map(|()| commits).map_err(|error| format!("{error}: device {device}, {fault:?}"))
}

fn at_every_commit(device: usize, fault: Fault) -> Test {
    let commits = played(device, None)?;
    assert!(commits > 5, "{commits} commits of device {device}");
    eprintln!("device {device}, {fault:?}: {commits} commits");
    for at in 1..=commits {
        played(device, Some((at, fault)))?;
    }
    Ok(())
}

#[test]
fn a_keeper_that_dies_before_any_commit_goes_on_and_nothing_comes_twice() -> Test {
    at_every_commit(PHONE, Fault::DiesBefore)
}

#[test]
fn a_keeper_that_dies_after_any_commit_goes_on_and_nothing_comes_twice() -> Test {
    at_every_commit(PHONE, Fault::DiesAfter)
}

#[test]
fn a_keeper_whose_disk_fails_at_any_commit_goes_on_and_nothing_comes_twice() -> Test {
    at_every_commit(PHONE, Fault::Fails)
}

#[test]
fn a_member_that_dies_before_any_commit_goes_on_and_nothing_comes_twice() -> Test {
    at_every_commit(LAMP, Fault::DiesBefore)
}

#[test]
fn a_member_that_dies_after_any_commit_goes_on_and_nothing_comes_twice() -> Test {
    at_every_commit(LAMP, Fault::DiesAfter)
}

#[test]
fn a_member_whose_disk_fails_at_any_commit_goes_on_and_nothing_comes_twice() -> Test {
    at_every_commit(LAMP, Fault::Fails)
}
