//! `txp uploads`: what was read and what became of its rows, as the last checkpoint has it, and the
//! links that were given out and not used, which are control records of a serve.
//!
//! Newest first, printed as it is read: memory does not grow with the list.

use super::{Ending, Globals, Refusal};
use crate::output;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::upload::Upload;
use txp_local::control::{Known, read_links};
use txp_local::host::REJECTS_DIR;
use txp_local::snapshot::Snapshot;
use txp_local::state::UploadPage;
use txp_pipeline::document::{
    AsOfDocument, StateName, UploadDocument, UploadSource, first_errors, upload_document,
};
use txp_pipeline::receipt::ReceiptKey;

/// Uploads that are read at once.
const READ_AT_ONCE: usize = 100;

/// Arguments of `txp uploads`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One upload
    #[arg(value_name = "UPLOAD_ID")]
    upload_id: Option<String>,
    /// Of this client only; what `txp process` read is `local`'s
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// How many to show, newest first
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// Only those older than this one: what the page before ended with
    #[arg(long, value_name = "UPLOAD_ID", value_parser = parse_id)]
    before: Option<UploadId>,
}

/// What stands behind the list.
#[derive(Serialize)]
struct Rest {
    /// Where there are older ones, what to give as `--before` to see them.
    next_before: Option<UploadId>,
    as_of: AsOfDocument,
}

/// The API's document, and what only the operator is told.
#[derive(Serialize)]
struct Entry {
    /// Of a dry run too, whose document names none.
    #[serde(skip)]
    id: UploadId,
    #[serde(flatten)]
    document: UploadDocument,
    client_id: Option<String>,
    /// When its link was given out, while nothing more is known.
    issued_at: Option<Timestamp>,
    /// Where the report of rejected rows lies.
    rejects: Option<String>,
}

/// Reads an upload's id.
pub(crate) fn parse_id(text: &str) -> Result<UploadId, &'static str> {
    UploadId::parse(text.as_bytes()).ok_or("expected the 24 letters of an upload's id")
}

/// What is known of an upload: in the history, or of its link only.
enum Found {
    Upload(Box<Upload>),
    Link(Box<Known>),
}

impl Found {
    fn id(&self) -> UploadId {
        match self {
            Self::Upload(upload) => upload.id,
            Self::Link(known) => known.link.upload_id,
        }
    }

    fn entry(&self, dir: &Path, now: Timestamp, key: Option<&ReceiptKey>) -> Entry {
        let report = dir.join(REJECTS_DIR).join(format!("{}.csv", self.id()));
        let rejects = report.exists().then(|| report.display().to_string());
        match self {
            Self::Link(known) => Entry {
                id: self.id(),
                document: known.document(now),
                client_id: Some(known.link.client_id.clone()),
                issued_at: Some(known.link.issued_at),
                rejects,
            },
            Self::Upload(upload) => {
                // A report that cannot be read takes nothing from the upload itself.
                let errors = File::open(&report)
                    .ok()
                    .and_then(|file| first_errors(BufReader::new(file)).ok())
                    .unwrap_or_default();
                let source = UploadSource {
                    errors,
                    ..UploadSource::default()
                };
                Entry {
                    id: self.id(),
                    document: upload_document(upload, source).signed(key),
                    client_id: upload.received.as_ref().map(|r| r.client_id.clone()),
                    issued_at: None,
                    rejects,
                }
            }
        }
    }
}

/// Uploads of the history and links without one, newest first.
struct Listing<'a> {
    dir: PathBuf,
    now: Timestamp,
    key: Option<ReceiptKey>,
    snapshot: Snapshot,
    client_id: Option<&'a str>,
    /// Those that were read, and the one that the next are older than.
    uploads: VecDeque<Upload>,
    before: Option<UploadId>,
    is_at_end: bool,
    /// Oldest first.
    links: Vec<Known>,
    left: usize,
    last: Option<UploadId>,
    has_more: bool,
}

impl<'a> Listing<'a> {
    fn open(globals: &Globals, snapshot: Snapshot, args: &'a Args) -> anyhow::Result<Self> {
        let now = txp_local::now();
        let client_id = args.client.as_deref();
        let is_asked = |known: &Known| {
            client_id.is_none_or(|client_id| known.link.client_id == client_id)
                && args
                    .before
                    .is_none_or(|before| known.link.upload_id < before)
        };
        let links = read_links(&globals.data_dir, now)?.filter(is_asked);
        Ok(Self {
            dir: globals.data_dir.clone(),
            now,
            key: receipt_key(globals)?,
            snapshot,
            client_id,
            uploads: VecDeque::new(),
            before: args.before,
            is_at_end: false,
            links: links.collect(),
            left: args.limit,
            last: args.before,
            has_more: false,
        })
    }

    fn next_found(&mut self) -> anyhow::Result<Option<Found>> {
        if self.uploads.is_empty() && !self.is_at_end {
            let page = UploadPage {
                client_id: self.client_id,
                before: self.before,
                limit: READ_AT_ONCE,
            };
            self.uploads.extend(self.snapshot.state.uploads(page)?);
            self.is_at_end = self.uploads.len() < READ_AT_ONCE;
            self.before = self.uploads.back().map(|last| last.id).or(self.before);
        }
        let of_history = self.uploads.front().map(|upload| upload.id);
        // The history knows more of an upload than its link does; of a dry run it knows nothing.
        if let Some(known) = self
            .links
            .pop_if(|known| of_history.is_none_or(|id| known.link.upload_id >= id))
            && of_history != Some(known.link.upload_id)
        {
            return Ok(Some(Found::Link(Box::new(known))));
        }
        let upload = self.uploads.pop_front();
        Ok(upload.map(|upload| Found::Upload(Box::new(upload))))
    }

    fn next_entry(&mut self) -> anyhow::Result<Option<Entry>> {
        let Some(found) = self.next_found()? else {
            return Ok(None);
        };
        let Some(left) = self.left.checked_sub(1) else {
            self.has_more = true;
            return Ok(None);
        };
        self.left = left;
        self.last = Some(found.id());
        Ok(Some(found.entry(&self.dir, self.now, self.key.as_ref())))
    }
}

/// Shows them.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let mut snapshot = Snapshot::open(&globals.data_dir)?;
    let as_of = super::status::as_of(&snapshot);
    if let Some(id) = &args.upload_id {
        let mut entry = Some(one(globals, &mut snapshot, id, &as_of)?);
        let next = || Ok(entry.take());
        let rest = || Rest {
            next_before: None,
            as_of,
        };
        print(globals, true, next, rest)?;
        return Ok(Ending::Done);
    }
    let listing = RefCell::new(Listing::open(globals, snapshot, args)?);
    let next = || listing.borrow_mut().next_entry();
    let rest = || {
        let listing = listing.borrow();
        Rest {
            next_before: listing.last.filter(|_| listing.has_more),
            as_of,
        }
    };
    print(globals, false, next, rest)?;
    Ok(Ending::Done)
}

fn one(
    globals: &Globals,
    snapshot: &mut Snapshot,
    id: &str,
    as_of: &AsOfDocument,
) -> anyhow::Result<Entry> {
    let now = txp_local::now();
    let mut found = None;
    if let Some(id) = UploadId::parse(id.as_bytes()) {
        found = snapshot
            .state
            .upload(id)?
            .map(|upload| Found::Upload(Box::new(upload)));
        if found.is_none() {
            found = read_links(&globals.data_dir, now)?
                .find(|known| known.link.upload_id == id)
                .map(|known| Found::Link(Box::new(known)));
        }
    }
    let found = found.ok_or_else(|| {
        Refusal::problem(format!(
            "there is no upload {id} up to event {} of {}: `txp uploads` lists them",
            as_of.sequence, as_of.time
        ))
    })?;
    Ok(found.entry(&globals.data_dir, now, receipt_key(globals)?.as_ref()))
}

/// People do not read signatures.
fn receipt_key(globals: &Globals) -> anyhow::Result<Option<ReceiptKey>> {
    globals.json.then(super::process::receipt_key).transpose()
}

fn print(
    globals: &Globals,
    is_whole: bool,
    next: impl FnMut() -> anyhow::Result<Option<Entry>>,
    rest: impl FnOnce() -> Rest,
) -> anyhow::Result<()> {
    output::streamed(|out| match globals.json {
        true => output::json_list(out, "uploads", next, rest),
        false => describe(out, is_whole, next, rest),
    })
}

fn describe(
    out: &mut dyn Write,
    is_whole: bool,
    mut next: impl FnMut() -> anyhow::Result<Option<Entry>>,
    rest: impl FnOnce() -> Rest,
) -> anyhow::Result<()> {
    let mut shown = 0_u64;
    while let Some(entry) = next()? {
        describe_entry(out, &entry)?;
        if is_whole {
            describe_rejects(out, &entry)?;
        }
        shown += 1;
    }
    let rest = rest();
    if let Some(last) = rest.next_before {
        let shown = output::grouped(shown);
        writeln!(out, "the newest {shown}; older ones: --before {last}")?;
    } else if shown == 0 {
        writeln!(out, "no uploads yet: `txp process FILE` reads one")?;
    }
    let AsOfDocument { sequence, time, .. } = &rest.as_of;
    writeln!(out, "as of event {sequence}, {time}")?;
    Ok(())
}

fn describe_entry(out: &mut dyn Write, entry: &Entry) -> std::io::Result<()> {
    let document = &entry.document;
    let counts = document.counts;
    let time = document.received_at.or(entry.issued_at);
    writeln!(
        out,
        "{}  {:<10}  {}  {} ({})",
        entry.id,
        output::name_of(&document.state),
        time.map(|time| time.to_string()).unwrap_or_default(),
        document.file.as_deref().unwrap_or("no file name"),
        entry.client_id.as_deref().unwrap_or(""),
    )?;
    match (document.state, document.expires_at) {
        (StateName::Pending, Some(at)) => {
            return writeln!(out, "    no file came yet: the link can be used until {at}");
        }
        (StateName::Expired, Some(at)) => {
            return writeln!(out, "    no file came: the link could be used until {at}");
        }
        _ => {}
    }
    writeln!(
        out,
        "    rows {}, accepted {}, rejected {}, duplicates {}, conflicts {}",
        document
            .rows
            .map_or_else(|| "?".to_owned(), output::grouped),
        output::grouped(counts.accepted),
        output::grouped(counts.rejected),
        output::grouped(counts.duplicates),
        output::grouped(counts.conflicts)
    )?;
    if let Some(failure) = &document.failure {
        writeln!(
            out,
            "    {}: {}; {}",
            failure.code, failure.message, failure.hint
        )?;
    }
    Ok(())
}

fn describe_rejects(out: &mut dyn Write, entry: &Entry) -> std::io::Result<()> {
    for (code, count) in &entry.document.rejected_by_code {
        writeln!(out, "      {code:<34}{:>10}", output::grouped(*count))?;
    }
    for error in &entry.document.errors {
        writeln!(out, "    line {}: {}", error.line, error.reasons)?;
    }
    if let Some(rejects) = &entry.rejects {
        writeln!(out, "    rejected rows: {rejects}")?;
    }
    Ok(())
}
