//! Upload links: given out, used once, forgotten once the history knows the upload.
//!
//! A file of JSON lines, each synced before it is acted on, written anew when most of it is stale.
//! Only the serve that holds the directory's lock opens it. Memory is bounded by the number of
//! links, and those by client.

use super::known::{self, Known, apply, is_kept, is_remembered, steps};
use super::record::{Arrival, Step};
use super::{ControlError, file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use txp_domain::event::Defaults;
use txp_domain::id::UploadId;
use txp_domain::letters::to_letters;
use txp_domain::time::Timestamp;
use txp_pipeline::api::{Client, Idempotency, Terms, digest_of_hex, file_name, hex_of_digest};

/// The links' file.
pub(super) const LINKS_FILE: &str = "links.jsonl";

/// The most links that are remembered, at some 500 bytes each.
const LINKS_MAX: usize = 100_000;
/// The most of them that one client has.
const LINKS_PER_CLIENT_MAX: usize = 20_000;
/// How often the links are looked through for those to be forgotten.
const PRUNE_SECONDS: i64 = 60;
/// The file is written anew when it has so many lines more than it needs.
const STALE_LINES_MAX: usize = 4096;

/// An upload link, as it was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The upload.
    pub upload_id: UploadId,
    /// Whose it is.
    pub client_id: String,
    /// When it was given out.
    pub issued_at: Timestamp,
    /// Until when it can be used; whole seconds.
    pub expires_at: Timestamp,
    /// The file's name, long numbers redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Exactly so many bytes are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// This content only.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "digest")]
    pub sha256: Option<[u8; 32]>,
    /// One bad row refuses the whole file.
    pub strict: bool,
    /// Validate only.
    pub dry_run: bool,
    /// What a row means that does not say.
    pub defaults: Defaults,
    /// Their column name to ours.
    pub columns: BTreeMap<String, String>,
    /// The request that it answered, if that had a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
}

impl Link {
    /// What its file is called, from the first to the last: as the request said, else by the upload.
    #[must_use]
    pub fn file_name(&self) -> String {
        file_name(self.file_name.as_deref(), self.upload_id)
    }

    /// A link of these terms. Of the client it keeps the name only: what that may do is asked again
    /// when the file comes.
    #[must_use]
    pub fn of(
        terms: Terms,
        upload_id: UploadId,
        issued_at: Timestamp,
        expires_at: Timestamp,
        idempotency: Option<Idempotency>,
    ) -> Self {
        Self {
            upload_id,
            client_id: terms.client_id,
            issued_at,
            expires_at,
            file_name: terms.file_name,
            content_length: terms.content_length,
            sha256: terms.sha256.as_deref().and_then(digest_of_hex),
            strict: terms.strict,
            dry_run: terms.dry_run,
            defaults: terms.defaults,
            columns: terms.columns,
            idempotency,
        }
    }

    /// The terms of the file that comes by it, from its client as that stands now.
    #[must_use]
    pub fn terms(&self, client: &Client) -> Terms {
        Terms {
            long_number_ids_allowed: client.long_number_ids_allowed,
            file_name: self.file_name.clone(),
            content_length: self.content_length,
            sha256: self.sha256.as_ref().map(hex_of_digest),
            strict: self.strict,
            dry_run: self.dry_run,
            defaults: self.defaults.clone(),
            columns: self.columns.clone(),
            ..Terms::plain(&self.client_id, client.merchants.clone())
        }
    }
}

/// What became of a request for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issued {
    /// A link: a new one, or the one that the same request got before.
    Link(Box<Link>),
    /// The Idempotency-Key was used with another body.
    KeyReused,
    /// The client, or all of them, have too many links open.
    TooMany,
}

/// Every link of a data directory.
#[derive(Debug)]
pub struct Links {
    /// Taken before what is known, by who writes: the disk holds up nobody who only reads.
    journal: Mutex<Journal>,
    index: Mutex<Index>,
}

/// The file.
#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    lines: usize,
}

/// What its lines come to.
#[derive(Debug)]
struct Index {
    known: BTreeMap<UploadId, Known>,
    by_key: HashMap<[u8; 32], UploadId>,
    by_client: HashMap<String, usize>,
    pruned_at: Timestamp,
}

impl Links {
    /// Reads the links of a data directory. A line that was cut by a crash is taken off: nothing
    /// was done on it.
    ///
    /// # Errors
    /// They cannot be read, or a line makes no sense.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, ControlError> {
        let path = file::folder(dir)?.join(LINKS_FILE);
        let mut index = Index {
            known: known::read(&path)?,
            by_key: HashMap::new(),
            by_client: HashMap::new(),
            pruned_at: now,
        };
        let mut journal = Journal {
            file: open_for_append(&path)?,
            path,
            bytes: 0,
            lines: 0,
        };
        index.prune(now);
        journal.rewrite(&index.lines(&journal.path)?)?;
        Ok(Self {
            journal: Mutex::new(journal),
            index: Mutex::new(index),
        })
    }

    /// Gives a link out, durably; the one given before where the same request comes again.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn issue(&self, link: Link, now: Timestamp) -> Result<Issued, ControlError> {
        let mut journal = lock(&self.journal);
        if let Some(known) = self.index().refused_or_given(&link, now) {
            return Ok(known);
        }
        self.append(&mut journal, &Step::Issued(link.clone()))?;
        let mut index = self.index();
        if let Some(request) = &link.idempotency {
            index.by_key.insert(request.key, link.upload_id);
        }
        *index.by_client.entry(link.client_id.clone()).or_default() += 1;
        apply(&mut index.known, Step::Issued(link.clone()));
        Ok(Issued::Link(Box::new(link)))
    }

    /// What is known of a link.
    #[must_use]
    pub fn get(&self, upload_id: UploadId) -> Option<Known> {
        self.index().known.get(&upload_id).cloned()
    }

    /// A client's links, or everyone's, newest first.
    #[must_use]
    pub fn newest(
        &self,
        client_id: Option<&str>,
        before: Option<UploadId>,
        limit: usize,
    ) -> Vec<Known> {
        let index = self.index();
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let older = index.known.range((Bound::Unbounded, end)).rev();
        older
            .map(|(_, known)| known)
            .filter(|known| client_id.is_none_or(|id| known.link.client_id == id))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Writes down that a file is there, whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn arrive(&self, arrival: Arrival) -> Result<(), ControlError> {
        self.step(Step::Arrived(arrival))
    }

    /// Writes down that a file was processed; of a dry run, what came of it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(
        &self,
        upload_id: UploadId,
        at: Timestamp,
        report: Option<Value>,
    ) -> Result<(), ControlError> {
        self.step(Step::Ended {
            upload_id,
            at,
            report,
        })
    }

    /// Whether not one link is known, as where their file was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index().known.is_empty()
    }

    /// Files that arrived and are not processed, oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Arrival> {
        let index = self.index();
        let waiting = index.known.values().filter(|known| !known.has_ended);
        waiting
            .filter_map(|known| known.arrival.as_deref().cloned())
            .collect()
    }

    fn step(&self, step: Step) -> Result<(), ControlError> {
        let mut journal = lock(&self.journal);
        self.append(&mut journal, &step)?;
        apply(&mut self.index().known, step);
        Ok(())
    }

    fn append(&self, journal: &mut Journal, step: &Step) -> Result<(), ControlError> {
        let stale_from = STALE_LINES_MAX + 2 * self.index().known.len();
        if journal.lines > stale_from {
            let lines = self.index().lines(&journal.path)?;
            journal.rewrite(&lines)?;
        }
        journal.append(step)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }
}

/// What a holder that panicked did is whole: a line is written first, and known after.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    fn append(&mut self, step: &Step) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(step).map_err(super::kept::damaged(&self.path))?;
        line.push(b'\n');
        let written = self
            .file
            .write_all(&line)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What was written of the line would make the next one unreadable. If even that fails,
            // the next start takes the line off.
            self.file.set_len(self.bytes).ok();
            self.file.seek(SeekFrom::End(0)).ok();
            return Err(ControlError::io("write", &self.path)(error));
        }
        self.bytes += line.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// Writes the file anew, with these lines.
    fn rewrite(&mut self, lines: &[u8]) -> Result<(), ControlError> {
        file::replace(&self.path, lines)?;
        self.file = open_for_append(&self.path)?;
        self.bytes = lines.len() as u64;
        self.lines = memchr::memchr_iter(b'\n', lines).count();
        Ok(())
    }
}

impl Index {
    /// What a request for a link comes to without a new one: the link that it was given before, or
    /// why there is none.
    fn refused_or_given(&mut self, link: &Link, now: Timestamp) -> Option<Issued> {
        if now.unix_seconds() >= self.pruned_at.unix_seconds() + PRUNE_SECONDS {
            self.prune(now);
        }
        if let Some(request) = &link.idempotency {
            let before = self.by_key.get(&request.key);
            let before = before
                .and_then(|id| self.known.get(id))
                .map(|known| &known.link);
            if let Some(before) = before.filter(|before| is_remembered(before, now)) {
                let same = before
                    .idempotency
                    .as_ref()
                    .is_some_and(|b| b.body == request.body);
                return Some(match same {
                    true => Issued::Link(Box::new(before.clone())),
                    false => Issued::KeyReused,
                });
            }
        }
        let open = self.by_client.get(&link.client_id).copied().unwrap_or(0);
        (self.known.len() >= LINKS_MAX || open >= LINKS_PER_CLIENT_MAX).then_some(Issued::TooMany)
    }

    /// Every line that is needed still.
    fn lines(&self, path: &Path) -> Result<Vec<u8>, ControlError> {
        let mut bytes = Vec::new();
        for step in self.known.values().flat_map(steps) {
            serde_json::to_writer(&mut bytes, &step).map_err(super::kept::damaged(path))?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    fn prune(&mut self, now: Timestamp) {
        self.known.retain(|_, known| is_kept(known, now));
        self.by_key.clear();
        self.by_client.clear();
        for (id, known) in &self.known {
            if let Some(request) = &known.link.idempotency {
                self.by_key.insert(request.key, *id);
            }
            let client_id = known.link.client_id.clone();
            *self.by_client.entry(client_id).or_default() += 1;
        }
        self.pruned_at = now;
    }
}

fn open_for_append(path: &Path) -> Result<File, ControlError> {
    let mut options = file::private();
    options
        .append(true)
        .create(true)
        .open(path)
        .map_err(ControlError::io("write", path))
}

/// A digest that may be missing, in letters.
mod digest {
    use super::to_letters;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use txp_domain::letters::from_letters;

    pub(super) fn serialize<S: Serializer>(
        digest: &Option<[u8; 32]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match digest {
            Some(bytes) => serializer.serialize_some(&to_letters(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<[u8; 32]>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| from_letters(&text).ok_or_else(|| D::Error::custom("expected 64 letters")))
            .transpose()
    }
}
