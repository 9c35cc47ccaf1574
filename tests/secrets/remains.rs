//! A process that held topics, and what is left in its memory once they are gone. Not what other
//! processes can see of it.

use std::collections::BTreeSet;
use std::process::Command;

use stringphone::memory::Hub;

use crate::conversation::House;
use crate::memory::{Needle, search};
use crate::support::Test;

/// In a process of its own, so that no other test's secrets are in it.
#[test]
fn no_seed_and_no_key_is_left_in_memory_once_topics_are_gone() -> Test {
    let child = Command::new(std::env::current_exe()?)
        .args(["--exact", "remains::what_a_process_leaves", "--ignored", "--nocapture"])
        .output()?;
    let said = String::from_utf8_lossy(&child.stdout);
    let (said, error) = (said.trim(), String::from_utf8_lossy(&child.stderr));
    eprintln!("{said}\n{error}");
    assert!(child.status.success() && said.contains("1 passed"), "{said}\n{error}");
    Ok(())
}

#[tokio::test]
#[ignore = "the test above runs it, in a process of its own"]
async fn what_a_process_leaves() -> Test {
    let (planted, still_there) = Needle::random("the one that is left on purpose");
    let (hub, mut house) = (Hub::new(), House::new()?);
    let (phone, lamp) = house.converse(|name| hub.port(name)).await?;
    let needles = [vec![planted], house.seeds.clone(), house.stored()].concat();

    let alive: BTreeSet<String> = search(&needles)?.into_iter().map(|found| found.name).collect();
    for kind in ["the one", "the seed of the phone", "the seed of the lamp", "an epoch", "a KEM"] {
        assert!(alive.iter().any(|name| name.starts_with(kind)), "{kind} is found while in use");
    }
    phone.stop().await?;
    lamp.stop().await?;
    drop((phone, lamp));
    let left = search(&needles)?;
    drop(still_there);
    // Who publishes and who reads has them in buffers of its own: SECURITY.md promises nothing.
    let (places, bodies) = (search(&house.bodies)?.len(), house.bodies.len());
    eprintln!("{places} places hold one of {bodies} messages");
    let (planted, left): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|found| found.name == needles[0].name);
    assert!(!planted.is_empty(), "what is there is found");
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert!(left.is_empty(), "of {} secrets, left in memory:\n{}", needles.len(), left.join("\n"));
    Ok(())
}
