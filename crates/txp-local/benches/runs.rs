//! The state engine under the processor's load: CPU seconds, write amplification and memory.
//!
//! `cargo bench -p txp-local --bench runs -- [ROWS] [FANOUT]`: ROWS inserts of new keys with the existence check, in batches
//! of 2,000 with a checkpoint each 250,000, then as many read-modify-writes over 50,000 keys. A plain main instead of
//! criterion: the figure wanted is the CPU time of one long run, syncs and merges included.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fs;
use std::time::Instant;

use txp_local::runs::{Keyspace, Options, StateError, Store};
use xxhash_rust::xxh3::xxh3_64;

const ITEMS: Keyspace = Keyspace::new(0);
const PROFILES: Keyspace = Keyspace::new(1);
const DEFAULT_ROWS: u64 = 1_000_000;
const BATCH_ROWS: u64 = 2_000;
const CHECKPOINT_ROWS: u64 = 250_000;
const ITEM_BYTES: usize = 130;
const PROFILES_COUNT: u64 = 50_000;
const PROFILE_BYTES: usize = 300;

fn main() -> Result<(), StateError> {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let rows = numbers.first().copied().unwrap_or(DEFAULT_ROWS);
    let mut options = Options::default();
    if let Some(fanout) = numbers
        .get(1)
        .and_then(|&fanout| usize::try_from(fanout).ok())
    {
        options.fanout = fanout;
    }
    let Ok(directory) = tempfile::tempdir() else {
        return Ok(());
    };
    let mut store = Store::open(directory.path(), &["items", "profiles"], options)?;
    measure("insert new keys", rows, &mut store, insert)?;
    measure("read-modify-write", rows, &mut store, read_modify_write)?;
    measure("look new keys up", rows, &mut store, look_up_absent)?;
    measure("read random keys", rows / 10, &mut store, |store, count| {
        read_random(store, rows, count)
    })?;
    measure("iterate", rows, &mut store, |store, _| {
        let mut iter = store.iter(ITEMS)?;
        let mut count = 0_u64;
        while iter.next()?.is_some() {
            count += 1;
        }
        assert_eq!(count, rows, "every inserted key is met once");
        Ok(())
    })
}

fn measure(
    what: &str,
    rows: u64,
    store: &mut Store,
    work: impl FnOnce(&mut Store, u64) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let (started, cpu_before, written_before) =
        (Instant::now(), cpu_millis(), store.written_bytes());
    work(store, rows)?;
    let (cpu, wall) = (cpu_millis() - cpu_before, started.elapsed().as_millis());
    let memory = store.memory();
    println!(
        "{what:20} {rows:>9} rows  {cpu:>6} ms CPU  {wall:>6} ms  {:>5} MiB written  {} + {} runs  engine {} MiB {memory:?}  rss peak {} MiB",
        (store.written_bytes() - written_before) >> 20,
        store.run_count(ITEMS)?,
        store.run_count(PROFILES)?,
        memory.total() >> 20,
        peak_rss_mebibytes(),
    );
    Ok(())
}

/// A key like `m0042/tx-0000001234`, without an allocation.
struct Key {
    bytes: [u8; 20],
}

impl Key {
    fn new(row: u64) -> Self {
        let mut bytes = *b"tx-000000000000/m042";
        let mut left = row;
        for digit in bytes.iter_mut().take(15).skip(3).rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        Self { bytes }
    }

    fn hash(&self) -> u64 {
        xxh3_64(self.bytes.get(..15).unwrap_or_default())
    }
}

fn insert(store: &mut Store, rows: u64) -> Result<(), StateError> {
    let value = [7_u8; ITEM_BYTES];
    let mut batch: Vec<(u64, Key)> = Vec::new();
    for start in (0..rows).step_by(2_000) {
        batch.clear();
        batch.extend((start..(start + BATCH_ROWS).min(rows)).map(|row| {
            let key = Key::new(row);
            (key.hash(), key)
        }));
        let mut existing = 0;
        store.get_many(
            ITEMS,
            batch.len(),
            |index| {
                batch
                    .get(index)
                    .map_or((0, &[][..]), |(hash, key)| (*hash, &key.bytes))
            },
            |_, _| existing += 1,
        )?;
        assert_eq!(existing, 0, "all keys are new");
        for (hash, key) in &batch {
            store.put(ITEMS, *hash, &key.bytes, &value)?;
        }
        if (start + BATCH_ROWS).is_multiple_of(CHECKPOINT_ROWS) {
            store.checkpoint(&start.to_le_bytes())?;
        }
    }
    store.checkpoint(&rows.to_le_bytes())
}

fn read_modify_write(store: &mut Store, rows: u64) -> Result<(), StateError> {
    let mut profile = vec![0_u8; PROFILE_BYTES];
    let mut random = 42_u64;
    for row in 0..rows {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let key = Key::new((random >> 33) % PROFILES_COUNT);
        let hash = key.hash();
        match store.get(PROFILES, hash, &key.bytes)? {
            Some(old) => profile.copy_from_slice(old),
            None => profile.fill(0),
        }
        if let Some(byte) = profile.first_mut() {
            *byte = byte.wrapping_add(1);
        }
        store.put(PROFILES, hash, &key.bytes, &profile)?;
        if (row + 1).is_multiple_of(CHECKPOINT_ROWS) {
            store.checkpoint(&row.to_le_bytes())?;
        }
    }
    store.checkpoint(&rows.to_le_bytes())
}

fn look_up_absent(store: &mut Store, rows: u64) -> Result<(), StateError> {
    let mut batch: Vec<(u64, Key)> = Vec::new();
    let mut existing = 0;
    for start in (rows..rows * 2).step_by(2_000) {
        batch.clear();
        batch.extend((start..start + BATCH_ROWS).map(|row| {
            let key = Key::new(row);
            (key.hash(), key)
        }));
        store.get_many(
            ITEMS,
            batch.len(),
            |index| {
                batch
                    .get(index)
                    .map_or((0, &[][..]), |(hash, key)| (*hash, &key.bytes))
            },
            |_, _| existing += 1,
        )?;
    }
    assert_eq!(existing, 0, "none of these keys exists");
    Ok(())
}

fn read_random(store: &mut Store, rows: u64, count: u64) -> Result<(), StateError> {
    let mut random = 7_u64;
    for _ in 0..count {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let key = Key::new((random >> 33) % rows);
        let found = store.get(ITEMS, key.hash(), &key.bytes)?.map(<[u8]>::len);
        assert_eq!(found, Some(ITEM_BYTES), "every inserted key is found");
    }
    Ok(())
}

/// CPU time of this process, from the kernel's clock ticks of 10 ms.
fn cpu_millis() -> u64 {
    const MILLIS_PER_TICK: u64 = 10;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    ticks.sum::<u64>() * MILLIS_PER_TICK
}

fn peak_rss_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|kibibytes| kibibytes.parse::<u64>().ok())
        .unwrap_or_default()
        >> 10
}
