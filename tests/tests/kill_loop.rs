//! `txp process`, killed again and again, ends where an undisturbed run ends.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests: a panic is how they say no"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use txp_domain::transaction::{HistoryEvent, Transaction};
use txp_local::snapshot::Snapshot;
use txp_local::state::UploadPage;
use txp_pipeline::generate::{Expected, Options, generate};
use txp_tests::random::Random;

/// Kills of one run of the tests.
const KILLS: u64 = 20;
/// Rows of the file: enough for several kills before it is read.
const ROWS: u64 = 30_000;
const SEED: u64 = 7;
/// A child that takes longer is stuck.
const CHILD_SECONDS_MAX: u64 = 120;
/// Kills come within this part of an undisturbed run.
const KILL_WITHIN: u32 = 3;

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number"))
    })
}

/// The binary beside the tests.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("txp");
    assert!(
        binary.exists(),
        "{} is missing; build it with `cargo build -p txp-cli` in the profile of this test",
        binary.display()
    );
    binary
}

struct Bench {
    dir: tempfile::TempDir,
    binary: PathBuf,
}

impl Bench {
    fn start(&self, data: &str, file: &str) -> Child {
        Command::new(&self.binary)
            .args(["process", file, "--json", "--data-dir", data])
            .current_dir(self.dir.path())
            .env("TXP_FINGERPRINT_KEY_FILE", self.dir.path().join("key"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap()
    }

    /// Runs to the end, unless it is killed before. Says whether it came to its end.
    fn run(&self, data: &str, file: &str, kill_after: Option<Duration>) -> bool {
        let mut child = self.start(data, file);
        let pid = rustix::process::Pid::from_child(&child);
        let (ended, end) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let status = child.wait().unwrap();
            ended.send(()).ok();
            status
        });
        let limit = Duration::from_secs(CHILD_SECONDS_MAX);
        let waited = end.recv_timeout(kill_after.unwrap_or(limit));
        let is_killed = waited == Err(RecvTimeoutError::Timeout);
        if is_killed {
            // The waiter has not taken its status yet, or has this moment: then nobody is there.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            assert!(kill_after.is_some(), "it does not end");
        }
        let status = waiter.join().unwrap();
        if !is_killed {
            let said = fs::read_to_string(self.dir.path().join("stderr")).unwrap();
            assert!(status.success(), "{status}: {said}");
        }
        !is_killed
    }

    /// Whether the last of the file's events is in the log: from then on the file would be another
    /// upload if it were processed again.
    fn is_read(&self, data: &str) -> bool {
        let Ok(log) = fs::read_dir(self.dir.path().join(data).join("log")) else {
            return false;
        };
        let needle = b":parsed\"";
        log.flatten().any(|segment| {
            let bytes = fs::read(segment.path()).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    }
}

/// What is compared: everything but positions, revisions, arrivals and the upload's name.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    transactions: BTreeMap<String, String>,
    uploads: Vec<String>,
    findings: u64,
}

impl Left {
    fn of(data: &Path) -> Self {
        let mut snapshot = Snapshot::open(data).unwrap();
        let page = UploadPage {
            client_id: None,
            before: None,
            limit: 100,
        };
        let uploads = snapshot.state.uploads(page).unwrap();
        let names: Vec<_> = uploads.iter().rev().map(|u| u.id.to_string()).collect();
        let rename = |mut text: String| {
            for (name, at) in names.iter().zip(1..) {
                text = text.replace(name, &format!("upload{at}"));
            }
            text
        };
        let mut transactions = BTreeMap::new();
        let each = |item: Transaction| {
            let key = format!("{}/{}", item.key.merchant_id, item.key.transaction_id);
            transactions.insert(key, rename(document(&item)));
        };
        snapshot.state.for_each_transaction(each).unwrap();
        let uploads = uploads.iter().map(|upload| {
            let mut tally = upload.ending.as_ref().map(|ending| ending.tally().clone());
            // Rows without ids go to buckets by the upload's name.
            if let Some(tally) = &mut tally {
                tally.last_record_by_bucket.0.clear();
            }
            format!("{:?} {:?} {tally:?}", upload.state(), upload.counts)
        });
        Self {
            transactions,
            uploads: uploads.collect(),
            findings: snapshot.findings,
        }
    }
}

fn document(item: &Transaction) -> String {
    let first = item.first.as_ref().map(|first| {
        let (content, line) = (&first.content, first.line);
        (
            first.event,
            line,
            content,
            first.last4,
            first.brand,
            first.timestamp,
        )
    });
    let history: Vec<_> = item
        .history
        .iter()
        .map(|entry| match &entry.what {
            HistoryEvent::Row { event, class, .. } => format!("{event} {}", class.name()),
            HistoryEvent::Flagged { event } => event.to_string(),
        })
        .collect();
    // Where findings stand between rows depends on when they were appended.
    let (mut flagged, rows): (Vec<_>, Vec<_>) = history
        .into_iter()
        .partition(|entry| entry.contains(":default-"));
    flagged.sort();
    let mut flags: Vec<_> = item.flags.iter().collect();
    flags.sort_by(|a, b| a.event.cmp(&b.event));
    // When an upload arrived is the run's own.
    let conflicts: Vec<_> = item
        .conflicts
        .iter()
        .map(|kept| (kept.digest, kept.row.as_ref().map(|row| row.event)))
        .collect();
    format!(
        "{} {first:?} {:?} {conflicts:?} {} {:?} {} {flags:?} {rows:?} {flagged:?} {}",
        item.status().name(),
        item.rejection,
        item.conflicts_truncated,
        item.disputes,
        item.disputes_truncated,
        item.facts_revision,
    )
}

fn assert_equal(found: &Left, expected: &Left) {
    assert_eq!(found.uploads, expected.uploads);
    assert_eq!(found.findings, expected.findings, "findings");
    assert_eq!(found.transactions.len(), expected.transactions.len());
    for (key, document) in &expected.transactions {
        assert_eq!(found.transactions.get(key), Some(document), "{key}");
    }
}

fn files(dir: &Path) -> Expected {
    let mut file = File::create(dir.join("rows.csv")).unwrap();
    let expected = generate(ROWS, SEED, Options::default(), &mut file).unwrap();
    // Processed last in every directory: so the directory is opened, and settles, once more.
    let mut last = File::create(dir.join("last.csv")).unwrap();
    generate(1, SEED + 1, Options::default(), &mut last).unwrap();
    expected
}

#[test]
fn kill_loop_ends_equal_to_an_undisturbed_run() {
    let bench = Bench {
        dir: tempfile::tempdir().unwrap(),
        binary: binary(),
    };
    fs::write(bench.dir.path().join("key"), "5a".repeat(32)).unwrap();
    let expected = files(bench.dir.path());
    let started = Instant::now();
    assert!(bench.run("undisturbed", "rows.csv", None));
    let whole = started.elapsed();
    assert!(bench.run("undisturbed", "last.csv", None));
    let undisturbed = Left::of(&bench.dir.path().join("undisturbed"));
    assert!(!undisturbed.transactions.is_empty() && undisturbed.findings > 0);
    assert!(undisturbed.uploads[1].contains(&format!("accepted: {}", expected.accepted)));

    let kills = setting("TXP_KILLS", KILLS);
    let seed = setting("TXP_KILL_SEED", SEED);
    let mut random = Random::new(seed);
    let (mut killed, mut directories) = (0, 0);
    while killed < kills {
        let data = format!("killed-{directories}");
        directories += 1;
        while killed < kills && !bench.is_read(&data) {
            let within = (whole / KILL_WITHIN).as_micros() as usize;
            let after = Duration::from_micros(random.between(1000, within.max(1000)) as u64);
            if bench.run(&data, "rows.csv", Some(after)) {
                break;
            }
            killed += 1;
        }
        if !bench.is_read(&data) {
            assert!(bench.run(&data, "rows.csv", None));
        }
        assert!(bench.run(&data, "last.csv", None));
        eprintln!("{killed} kills so far, in {directories} directories; TXP_KILL_SEED={seed}");
        assert_equal(&Left::of(&bench.dir.path().join(&data)), &undisturbed);
    }
}
