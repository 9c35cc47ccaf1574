//! A disk that is really full: the process may not make files larger than they are. Not one that
//! dies.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stringphone::memory::Hub;
use stringphone::store::{FileStore, Store, StoreError};
use stringphone::{InviteOptions, Topic, TopicError, TopicHandle};

use crate::support::{Test, attach, identity, next};

/// In a process of its own, which the limit is for; its signal is ignored there, as on a disk that is
/// full there is none.
#[test]
fn on_a_full_disk_a_topic_stops_in_order_and_goes_on_once_there_is_room() -> Test {
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe()?)
        .args(["--exact", "full::with_a_full_disk", "--ignored", "--nocapture"])
        .output()?;
    let said = [String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr)];
    assert!(child.status.success() && said[0].contains("1 passed"), "{}\n{}", said[0], said[1]);
    Ok(())
}

#[tokio::test]
#[ignore = "the test above runs it, in a process of its own"]
async fn with_a_full_disk() -> Test {
    let (folder, hub) = (tempfile::tempdir()?, Hub::new());
    let path = folder.path().join("phone.topic");
    let found = || Topic::found("house", identity(1)).store(FileStore::new(&path)).start();
    let phone = found()?;
    attach(&phone, hub.port("phone")).await?;
    let invitation = phone.invite(InviteOptions::default()).await?;
    let lamp = Topic::invited(invitation, identity(2)).start()?;
    attach(&lamp, hub.port("lamp")).await?;
    lamp.ready().await?;
    phone.publish_raw("before").confirm().await?.all().await?;
    // That all have it is stored behind the news.
    while keys(&path).await?.iter().any(|key| key.starts_with("sent/")) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let room = files_up_to(Some(64))?;
    let (before, epoch) = (keys(&path).await?, lamp.epoch().await?);
    stops_as_full(&phone).await;
    assert_eq!(keys(&path).await?, before, "no generation came to the file");
    assert_eq!(names(folder.path())?, ["phone.topic"], "and nothing is left beside it");
    stops_as_full(&found()?).await;
    assert_eq!(lamp.epoch().await?, epoch, "nobody heard of what was not stored");

    files_up_to(room)?;
    let phone = found()?;
    attach(&phone, hub.port("phone again")).await?;
    let mut heard = lamp.subscribe_raw().await?;
    phone.rotate().await?;
    phone.publish_raw("after").confirm().await?.all().await?;
    assert_eq!(next(&mut heard).await.body, "after");
    assert!(lamp.epoch().await? > epoch);
    lamp.stop().await?;
    phone.stop().await?;
    Ok(())
}

/// What is to be stored is not, and the topic ends and says why.
async fn stops_as_full(topic: &TopicHandle) {
    assert!(topic.rotate().await.is_err());
    for told in [topic.stop().await, topic.ready().await] {
        assert!(is_full(&told), "{told:?}");
    }
}

fn is_full(told: &Result<(), TopicError>) -> bool {
    matches!(told, Err(TopicError::Store(error)) if matches!(
        &**error,
        StoreError::Io { error, .. } if error.kind() == io::ErrorKind::FileTooLarge
    ))
}

/// How large a file may become from now on, and how large it could before.
fn files_up_to(bytes: Option<u64>) -> io::Result<Option<u64>> {
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: bytes, ..before })?;
    Ok(before.current)
}

async fn keys(path: &Path) -> Result<Vec<String>, StoreError> {
    let records = FileStore::new(path).load().await?;
    Ok(records.into_iter().map(|record| record.key).collect())
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
    names.collect()
}
