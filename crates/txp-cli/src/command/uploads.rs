//! `txp uploads`: what was read and what became of its rows, as the last checkpoint has it.

use super::{Ending, Globals, Refusal};
use crate::output;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use txp_domain::id::UploadId;
use txp_domain::upload::Upload;
use txp_local::host::REJECTS_DIR;
use txp_local::snapshot::Snapshot;
use txp_local::state::UploadPage;
use txp_pipeline::document::{
    AsOfDocument, UploadDocument, UploadSource, first_errors, upload_document,
};

/// Arguments of `txp uploads`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One upload
    #[arg(value_name = "UPLOAD_ID")]
    upload_id: Option<String>,
    /// Of this client only; what `txp process` read is `local`'s
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(Serialize)]
struct Uploads {
    uploads: Vec<Entry>,
    as_of: AsOfDocument,
}

/// The API's document, and what only the operator is told.
#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    document: UploadDocument,
    client_id: Option<String>,
    /// Where the report of rejected rows lies.
    rejects: Option<String>,
}

/// Shows them.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let mut snapshot = Snapshot::open(&globals.data_dir)?;
    let as_of = super::status::as_of(&snapshot);
    let found = match &args.upload_id {
        Some(id) => vec![one(&mut snapshot, id, &as_of)?],
        None => snapshot.state.uploads(UploadPage {
            client_id: args.client.as_deref(),
            before: None,
            limit: args.limit,
        })?,
    };
    let uploads = found
        .iter()
        .map(|upload| entry(&globals.data_dir, upload))
        .collect();
    let uploads = Uploads { uploads, as_of };
    if globals.json {
        output::json(&uploads)?;
    } else {
        output::text(&describe(&uploads, args.upload_id.is_some())?)?;
    }
    Ok(Ending::Done)
}

fn one(snapshot: &mut Snapshot, id: &str, as_of: &AsOfDocument) -> anyhow::Result<Upload> {
    let found = match UploadId::parse(id.as_bytes()) {
        Some(id) => snapshot.state.upload(id)?,
        None => None,
    };
    found.ok_or_else(|| {
        Refusal::problem(format!(
            "there is no upload {id} up to event {} of {}: `txp uploads` lists them",
            as_of.sequence, as_of.time
        ))
    })
}

fn entry(dir: &Path, upload: &Upload) -> Entry {
    let report = dir.join(REJECTS_DIR).join(format!("{}.csv", upload.id));
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
        document: upload_document(upload, source),
        client_id: upload.received.as_ref().map(|r| r.client_id.clone()),
        rejects: report.exists().then(|| report.display().to_string()),
    }
}

fn describe(uploads: &Uploads, whole: bool) -> anyhow::Result<String> {
    let mut out = String::new();
    if uploads.uploads.is_empty() {
        writeln!(out, "no uploads yet: `txp process FILE` reads one")?;
    }
    for entry in &uploads.uploads {
        let document = &entry.document;
        let counts = document.counts;
        let id = document.upload_id.map(|id| id.to_string());
        let received = document.received_at.map(|time| time.to_string());
        writeln!(
            out,
            "{}  {:<10}  {}  {} ({})",
            id.unwrap_or_default(),
            output::name_of(&document.state),
            received.unwrap_or_default(),
            document.file.as_deref().unwrap_or(""),
            entry.client_id.as_deref().unwrap_or(""),
        )?;
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
        if whole {
            describe_rejects(entry, &mut out)?;
        }
    }
    let as_of = &uploads.as_of;
    writeln!(out, "as of event {}, {}", as_of.sequence, as_of.time)?;
    Ok(out)
}

fn describe_rejects(entry: &Entry, out: &mut String) -> std::fmt::Result {
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
