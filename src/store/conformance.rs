//! What every store has to keep, as a suite that stores of your own can be held against.
//! Not a benchmark, and no proof against a disk that lies.

use super::{Record, Store, StoreError};

/// Runs the suite. `open` opens the store in the state that the last one left, as a restarted
/// process would; the first one must be empty.
///
/// ```
/// use stringphone::store::{FileStore, conformance};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// conformance::run(|| FileStore::new(folder.path().join("topic"))).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first claim that the store does not keep, in words, or the store's own error.
pub async fn run<S: Store>(mut open: impl FnMut() -> S) -> Result<(), StoreError> {
    expect(&mut open(), &[], "a new store is empty").await?;
    let (a, b) = (Record::put("a", 1, b"first"), Record::put("b", 2, &[0, 255]));

    let mut store = open();
    store.load().await?;
    store.commit(vec![b.clone(), a.clone()]).await?;
    expect(&mut store, &[&a, &b], "records come back, ordered by key").await?;
    drop(store);
    expect(&mut open(), &[&a, &b], "records outlive the process").await?;

    let newer = Record::put("a", 3, b"second");
    let mut store = open();
    store.commit(vec![newer.clone()]).await?;
    expect(&mut store, &[&newer, &b], "a commit before a load keeps the rest").await?;
    store.commit(vec![Record::delete("b"), Record::delete("c")]).await?;
    drop(store);
    expect(&mut open(), &[&newer], "deletions last, of what never was as well").await?;

    let mut store = open();
    store.commit(vec![Record::delete("a"), a.clone(), b.clone(), Record::delete("b")]).await?;
    expect(&mut store, &[&a], "of several records of one key the last counts").await?;
    store.commit(Vec::new()).await?;
    expect(&mut store, &[&a], "an empty batch changes nothing").await?;
    store.erase().await?;
    expect(&mut store, &[&a], "erasing what is gone loses no record").await?;

    let empty = Record::put("a", 0, b"");
    let long = Record::put("k".repeat(64), u16::MAX, &vec![7; 100_000]);
    store.commit(vec![empty.clone(), long.clone()]).await?;
    drop(store);
    expect(&mut open(), &[&empty, &long], "values are kept whole, empty and large").await?;
    open().commit(vec![Record::delete("a"), Record::delete(long.key.clone())]).await?;
    expect(&mut open(), &[], "a store can be emptied").await
}

async fn expect<S: Store>(
    store: &mut S,
    wanted: &[&Record],
    claim: &str,
) -> Result<(), StoreError> {
    let held = store.load().await?;
    if held.iter().eq(wanted.iter().copied()) {
        Ok(())
    } else {
        Err(StoreError::Other(format!("{claim}: expected {wanted:?}, found {held:?}").into()))
    }
}
