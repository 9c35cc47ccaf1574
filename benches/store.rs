//! What stores cost that outlive a crash: ours against a bare redb on the same disk. Not what topics
//! put into them.
//!
//! `cargo bench --all-features --bench store`
//!
//! Every commit is durable once it returns, on all sides: the file store syncs a new file and its
//! folder, the databases sync once. Each side holds 1,024 records of 64 bytes and overwrites them in
//! turns. *Written* is `write_bytes` of `/proc/self/io`, what the process has sent to the disk, in
//! pages of the file system; where a file system does not count, it is 0.

mod measure;

use std::error::Error;
use std::fs;
use std::time::Instant;

use measure::{goal, median, watch};
use redb::{Database, TableDefinition};
use stringphone::keyfile::StorageKey;
use stringphone::store::{DatabaseStore, FileStore, Record, Store};
use tokio::runtime::Runtime;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const LIVE: usize = 1_024;
const ROUNDS: usize = 9;
const OPEN: usize = 256;
const BARE: TableDefinition<&str, &[u8]> = TableDefinition::new("records");

fn main() -> Fallible<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let key = StorageKey::generate().map_err(|error| error.to_string())?;
    let bench = Bench { runtime, key, folder: tempfile::tempdir()? };
    bench.commits()?;
    bench.memory()?;
    for live in [1_000, 10_000] {
        bench.erase(live)?;
        bench.open(live)?;
    }
    Ok(())
}

struct Bench {
    runtime: Runtime,
    key: StorageKey,
    folder: tempfile::TempDir,
}

/// A side that commits.
type Side<'a> = (&'a str, Box<dyn FnMut(Vec<Record>) -> Fallible<()> + 'a>);

impl Bench {
    fn database(&self, name: &str) -> DatabaseStore {
        DatabaseStore::new(self.folder.path().join(name), &self.key)
    }

    fn commits(&self) -> Fallible<()> {
        let mut sides = self.sides()?;
        for (_, commit) in &mut sides {
            commit((0..LIVE).map(record).collect())?;
        }
        for (size, count) in [(1, 50), (64, 20), (LIVE, 4)] {
            let mut times: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
            for round in 0..ROUNDS {
                for ((_, commit), times) in sides.iter_mut().zip(&mut times) {
                    let before = Instant::now();
                    for number in 0..count {
                        commit(batch(round * count + number, size))?;
                    }
                    times.push(before.elapsed().as_secs_f64() / count as f64);
                }
            }
            report(&sides, size, &times);
        }
        for (name, commit) in &mut sides {
            let before = written();
            for number in 0..1_000 {
                commit(batch(number, 1))?;
            }
            let figure = format!("{:.1} MB written", (written() - before) as f64 / 1e6);
            watch(&format!("store.thousand_messages.{name}"), &figure);
        }
        Ok(())
    }

    fn sides(&self) -> Fallible<Vec<Side<'_>>> {
        let (mut file, mut database) =
            (FileStore::new(self.folder.path().join("file")), self.database("database"));
        let bare = Database::create(self.folder.path().join("bare"))?;
        Ok(vec![
            ("bare", Box::new(move |batch| commit_bare(&bare, &batch))),
            ("database", Box::new(move |batch| Ok(self.runtime.block_on(database.commit(batch))?))),
            ("file", Box::new(move |batch| Ok(self.runtime.block_on(file.commit(batch))?))),
        ])
    }

    /// What a gateway pays for each topic that it holds open.
    fn memory(&self) -> Fallible<()> {
        let before = resident();
        let mut open = Vec::new();
        for number in 0..OPEN {
            let mut store = self.database(&format!("small {number}"));
            self.runtime.block_on(store.commit((0..10).map(record).collect()))?;
            open.push(store);
        }
        let each = resident().saturating_sub(before) / OPEN as u64;
        let size = fs::metadata(self.folder.path().join("small 0"))?.len();
        let figure = format!("{each} KiB of memory, {} KiB of disk, 10 records", size >> 10);
        watch("store.open_each", &figure);
        Ok(())
    }

    fn erase(&self, live: usize) -> Fallible<()> {
        let mut store = self.database(&format!("erase {live}"));
        let (mut times, mut bytes) = (Vec::new(), Vec::new());
        self.runtime.block_on(async {
            store.commit((0..live).map(record).collect()).await?;
            for round in 0..ROUNDS {
                store.commit(batch(round, 1)).await?;
                let (before, begun) = (written(), Instant::now());
                store.erase().await?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
                bytes.push((written() - before) as f64 / 1e6);
            }
            Fallible::Ok(())
        })?;
        let (ms, mb) = (median(times.into_iter()), median(bytes.into_iter()));
        watch(&format!("store.erase.{live}"), &format!("{ms:.1} ms, {mb:.2} MB written"));
        Ok(())
    }

    fn open(&self, live: usize) -> Fallible<()> {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let mut store = self.database(&format!("erase {live}"));
            let begun = Instant::now();
            let records = self.runtime.block_on(store.load())?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            assert_eq!(records.len(), live, "a store that forgets is not worth measuring");
        }
        watch(&format!("store.open.{live}"), &format!("{:.1} ms", median(times.into_iter())));
        Ok(())
    }
}

/// Figures of all sides at one size of commits, as ratios to the bare one in the same round.
fn report(sides: &[Side<'_>], size: usize, times: &[Vec<f64>]) {
    let Some((bare, _)) = times.split_first() else { return };
    for ((name, _), times) in sides.iter().zip(times) {
        let each = median(times.iter().copied());
        let ratio = median(times.iter().zip(bare).map(|(ours, bare)| ours / bare));
        let (commits, records) = (1.0 / each, size as f64 / each);
        let figure = format!("{commits:.0} commits/s, {records:.0} records/s, {ratio:.2} × bare");
        let id = format!("store.commit_{size}.{name}");
        if *name == "database" {
            let most = if size == 1 { 2.0 } else { 5.0 };
            goal(&id, &figure, &format!("≤ {most:.2} ×"), ratio <= most);
        } else {
            watch(&id, &figure);
        }
    }
}

fn commit_bare(database: &Database, batch: &[Record]) -> Fallible<()> {
    let write = database.begin_write()?;
    let mut table = write.open_table(BARE)?;
    for record in batch {
        let value = record.value.as_deref().map(Vec::as_slice).unwrap_or_default();
        table.insert(record.key.as_str(), value)?;
    }
    drop(table);
    Ok(write.commit()?)
}

fn record(number: usize) -> Record {
    Record::put(format!("window/{number:032x}"), 1, &[number as u8; 64])
}

fn batch(number: usize, size: usize) -> Vec<Record> {
    (0..size).map(|place| record((number * size + place) % LIVE)).collect()
}

/// Bytes.
fn written() -> u64 {
    told("/proc/self/io", "write_bytes:")
}

/// KiB.
fn resident() -> u64 {
    told("/proc/self/status", "VmRSS:")
}

/// The number behind this name.
fn told(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
