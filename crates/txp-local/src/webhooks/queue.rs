//! `webhooks/queue.jsonl`: a line per message, a line per attempt that failed, a line per end.
//!
//! Two processes write to it, each whole lines at once: who writes to the directory puts messages,
//! who sends marks them. A message that is there already is not put again.

use super::WEBHOOKS_DIR;
use crate::control::Webhooks;
use crate::durable::{self, USUAL_MODE};
use crate::lines;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use txp_domain::time::Timestamp;
use txp_pipeline::webhook::{Endpoint, Mark, Outgoing};

const FILE: &str = "queue.jsonl";
/// Where a queue was moved that could not be read.
pub const DAMAGED_QUEUE: &str = "queue.damaged.jsonl";
/// What ended so long ago is forgotten when the file is made anew.
const KEPT_SECONDS: i64 = 48 * 3600;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// The file is made anew at this size, if half of it is over.
const COMPACT_BYTES: u64 = 8 << 20;
/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Line {
    Put(Outgoing),
    Marked(Mark),
}

/// Puts messages there; for the one process that writes to the directory.
#[derive(Debug)]
pub struct Putter {
    dir: PathBuf,
    read_through: u64,
    known: BTreeSet<String>,
}

impl Putter {
    /// Of a data directory.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            read_through: 0,
            known: BTreeSet::new(),
        }
    }

    /// Puts messages, if any endpoint is set. Durable when it returns; none twice.
    ///
    /// # Errors
    /// The endpoints cannot be read, or it cannot be written.
    pub fn put(&mut self, messages: &[Outgoing]) -> io::Result<()> {
        if messages.is_empty() || !has_endpoints(&self.dir)? {
            return Ok(());
        }
        let folder = self.dir.join(WEBHOOKS_DIR);
        fs::create_dir_all(&folder)?;
        let path = folder.join(FILE);
        let _held = hold(&folder)?;
        let mut file = lines::open(&path)?;
        if file.metadata()?.len() < self.read_through {
            // It was made anew.
            self.read_through = 0;
            self.known.clear();
        }
        let known = &mut self.known;
        let read = for_each_line(&path, self.read_through, |_, line| {
            if let Line::Put(message) = line {
                known.insert(message.id);
            }
        });
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                // Nobody is told what waited in it; that must not keep files from being taken.
                fs::rename(&path, folder.join(DAMAGED_QUEUE))?;
                file = lines::open(&path)?;
            }
            Err(error) => return Err(error),
        }
        let mut bytes = Vec::new();
        for message in messages {
            if known.insert(message.id.clone()) {
                serde_json::to_writer(&mut bytes, &Line::Put(message.clone()))?;
                bytes.push(b'\n');
            }
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.read_through = file.metadata()?.len();
        Ok(())
    }
}

/// Whether anyone is to be told.
fn has_endpoints(dir: &Path) -> io::Result<bool> {
    let webhooks = Webhooks::to_read(dir);
    if webhooks.stamp().is_none() {
        return Ok(false);
    }
    let endpoints = webhooks.list().map_err(io::Error::other)?;
    Ok(!endpoints.is_empty())
}

/// Lines are appended and the file is made anew under one lock.
fn hold(folder: &Path) -> io::Result<File> {
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("queue.lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Calls `each` with every whole line from a byte on, and where it begins; gives where they end.
fn for_each_line(path: &Path, from: u64, mut each: impl FnMut(u64, Line)) -> io::Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let (mut line, mut at) = (Vec::new(), from);
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        let Some(text) = line.strip_suffix(b"\n") else {
            return Ok(at);
        };
        let parsed = serde_json::from_slice(text).map_err(|_| damaged(at))?;
        each(at, parsed);
        at += read as u64;
    }
}

fn damaged(at: u64) -> io::Error {
    let message = format!(
        "the queue of webhooks is damaged at byte {at}: restore webhooks/{FILE} from a copy of the directory, or move it away; what waited is not told then"
    );
    io::Error::new(ErrorKind::InvalidData, message)
}

/// A message that waits at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The message.
    pub id: String,
    /// The endpoint.
    pub webhook_id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried.
    pub due_at: Timestamp,
    /// When it was made.
    pub at: Timestamp,
    at_byte: u64,
}

/// What waits, for who sends. Bodies stay in the file: an endpoint may be away for a day.
#[derive(Debug)]
pub struct Queue {
    folder: PathBuf,
    read_through: u64,
    messages: BTreeMap<String, Place>,
    marks: BTreeMap<(String, String), Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at_byte: u64,
    topic: txp_pipeline::webhook::Topic,
    at: Timestamp,
}

impl Queue {
    /// Of a data directory; where there is none, nothing waits.
    ///
    /// # Errors
    /// It cannot be read or is damaged.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut queue = Self {
            folder: dir.join(WEBHOOKS_DIR),
            read_through: 0,
            messages: BTreeMap::new(),
            marks: BTreeMap::new(),
        };
        queue.refresh()?;
        Ok(queue)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Takes up what was put since.
    ///
    /// # Errors
    /// It cannot be read or is damaged.
    pub fn refresh(&mut self) -> io::Result<()> {
        let path = self.path();
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if bytes < self.read_through {
            // It was made anew by another process.
            self.read_through = 0;
            self.messages.clear();
            self.marks.clear();
        }
        let (messages, marks) = (&mut self.messages, &mut self.marks);
        self.read_through = for_each_line(&path, self.read_through, |at_byte, line| match line {
            Line::Put(message) => {
                let place = Place {
                    at_byte,
                    topic: message.topic,
                    at: message.at,
                };
                messages.entry(message.id).or_insert(place);
            }
            Line::Marked(mark) => {
                marks.insert((mark.id.clone(), mark.webhook_id.clone()), mark);
            }
        })?;
        Ok(())
    }

    /// What waits at these endpoints, the first due first.
    #[must_use]
    pub fn waiting(&self, endpoints: &[Endpoint]) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for endpoint in endpoints {
            for (id, place) in &self.messages {
                if !endpoint.topics.contains(&place.topic) || place.at < endpoint.added_at {
                    continue;
                }
                let mark = self.marks.get(&(id.clone(), endpoint.id.clone()));
                if mark.is_some_and(|mark| mark.ending.is_some()) {
                    continue;
                }
                waiting.push(Waiting {
                    id: id.clone(),
                    webhook_id: endpoint.id.clone(),
                    attempts: mark.map_or(0, |mark| mark.attempts),
                    due_at: mark.and_then(|mark| mark.next_at).unwrap_or(place.at),
                    at: place.at,
                    at_byte: place.at_byte,
                });
            }
        }
        waiting.sort_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
        waiting
    }

    /// The last marks of an endpoint, newest first.
    #[must_use]
    pub fn marks_of(&self, webhook_id: &str) -> Vec<&Mark> {
        let marks = self.marks.values();
        let mut marks: Vec<_> = marks.filter(|mark| mark.webhook_id == webhook_id).collect();
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.at));
        marks
    }

    /// The message itself.
    ///
    /// # Errors
    /// It cannot be read or is damaged.
    pub fn message(&self, waiting: &Waiting) -> io::Result<Outgoing> {
        let mut file = File::open(self.path())?;
        file.seek(SeekFrom::Start(waiting.at_byte))?;
        let mut line = Vec::new();
        let mut reader = BufReader::new(file).take(LINE_BYTES_MAX);
        reader.read_until(b'\n', &mut line)?;
        match serde_json::from_slice(&line) {
            Ok(Line::Put(message)) if message.id == waiting.id => Ok(message),
            _ => Err(damaged(waiting.at_byte)),
        }
    }

    /// Writes down what came of an attempt, durably.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark(&mut self, mark: Mark) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(&Line::Marked(mark.clone()))?;
        bytes.push(b'\n');
        let _held = hold(&self.folder)?;
        let mut file = lines::open(&self.path())?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.marks
            .insert((mark.id.clone(), mark.webhook_id.clone()), mark);
        Ok(())
    }

    /// Makes the file anew without what is over, once it is large.
    ///
    /// # Errors
    /// It cannot be read or written; the old file stays then.
    pub fn compact(&mut self, endpoints: &[Endpoint], now: Timestamp) -> io::Result<()> {
        let path = self.path();
        if fs::metadata(&path).map_or(0, |metadata| metadata.len()) < COMPACT_BYTES {
            return Ok(());
        }
        let _held = hold(&self.folder)?;
        self.refresh()?;
        let waiting: BTreeSet<String> = self
            .waiting(endpoints)
            .into_iter()
            .map(|waiting| waiting.id)
            .collect();
        let oldest = Timestamp(now.0.saturating_sub(KEPT_SECONDS * NANOS_PER_SECOND));
        let kept = |id: &str, at: Timestamp| waiting.contains(id) || at >= oldest;
        let mut bytes = Vec::new();
        for_each_line(&path, 0, |_, line| {
            let (id, at) = match &line {
                Line::Put(message) => (&message.id, message.at),
                Line::Marked(mark) => (&mark.id, mark.at),
            };
            if kept(id, at) && serde_json::to_writer(&mut bytes, &line).is_ok() {
                bytes.push(b'\n');
            }
        })?;
        durable::replace(&path, &bytes, USUAL_MODE)?;
        self.read_through = 0;
        self.messages.clear();
        self.marks.clear();
        self.refresh()
    }
}
