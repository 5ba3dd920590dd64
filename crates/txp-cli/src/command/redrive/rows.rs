//! `txp redrive rows`: rows that were rejected by mistake, from the file that they came in.

#[cfg(feature = "aws")]
mod deployed;
mod here;

use super::Step;
use crate::command::process::column;
use crate::command::{Ending, Globals, Refusal};
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Merchants, REDRIVE_RECORDS_MAX};
use txp_domain::id::UploadId;
use txp_domain::upload::Upload;
use txp_pipeline::document::{CountsDocument, UploadSource, upload_document};
use txp_pipeline::redrive::{Overrides, Rejected, RowsAsked, RowsPlan};

/// Arguments of `txp redrive rows`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to do
    #[arg(value_enum, value_name = "STEP")]
    step: Step,
    /// The upload in which rows were rejected
    #[arg(long, value_name = "UPLOAD_ID", value_parser = crate::command::uploads::parse_id)]
    upload: UploadId,
    /// Only rows with this code; several: with any of them
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<String>,
    /// The file that they came in, byte for byte: the history holds rejected rows masked only
    #[arg(long, value_name = "FILE", required_if_eq_any = [("step", "preview"), ("step", "run")])]
    file: Option<PathBuf>,
    /// At most so many rows, the first ones
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max: usize,
    /// The currency of rows that name none
    #[arg(long, value_name = "CODE")]
    default_currency: Option<String>,
    /// The zone of timestamps that name none: an offset or an IANA name
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// One of the file's columns under our name
    #[arg(long = "column", value_name = "THEIRS=OURS", value_parser = column)]
    columns: Vec<(String, String)>,
    /// Ids may look like card numbers
    #[arg(long)]
    long_number_ids: bool,
    /// The merchants that rows may name now, with commas between, or * for all
    #[arg(long, value_name = "A,B|*")]
    merchants: Option<String>,
    /// Of the deployment of this environment on AWS instead: its functions read the file again
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// What the deployment's buckets have behind their names
    #[arg(long, value_name = "SUFFIX", requires = "env")]
    bucket_suffix: Option<String>,
}

impl Args {
    fn overrides(&self) -> Overrides {
        let merchants = self.merchants.as_deref().map(|names| match names.trim() {
            "*" => Merchants::All,
            names => {
                let mut names: Vec<_> = names
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect();
                names.retain(|name| !name.is_empty());
                names.sort();
                names.dedup();
                Merchants::Only(names)
            }
        });
        Overrides {
            currency: self.default_currency.clone(),
            time_zone: self.time_zone.clone(),
            columns: self.columns.clone(),
            long_number_ids_allowed: self.long_number_ids,
            merchants,
        }
    }

    fn file(&self) -> anyhow::Result<&Path> {
        let file = self.file.as_deref();
        file.ok_or_else(|| Refusal::wrong_use("--file names the file that the rows came in"))
    }

    fn asked(&self, fingerprinter: Fingerprinter) -> anyhow::Result<RowsAsked<'_>> {
        Ok(RowsAsked {
            upload_id: self.upload,
            file: self.file()?,
            overrides: self.overrides(),
            max: self.max,
            fingerprinter,
        })
    }
}

/// What a step gives.
enum Told {
    Listed(Box<Rejected>),
    Tried(RunDocument),
}

#[derive(Serialize)]
struct ListDocument {
    step: &'static str,
    upload_id: UploadId,
    file: Option<String>,
    sha256: Option<String>,
    /// Rejected rows with the codes asked for.
    rejected: u64,
    by_code: BTreeMap<String, u64>,
    /// Of these, rows that a redrive took.
    redriven: u64,
    redrives: Vec<UploadId>,
    /// A redrive that was cut short.
    unfinished: Option<UploadId>,
}

#[derive(Default, Serialize)]
struct RunDocument {
    step: &'static str,
    upload_id: UploadId,
    rejected: u64,
    redriven_before: u64,
    tried: u64,
    valid: u64,
    left_out: u64,
    still_rejected_by_code: BTreeMap<String, u64>,
    /// What the valid rows become; of a preview: would become, and null in a deployment, where that shows
    /// when they are folded.
    counts: Option<CountsDocument>,
    /// The upload that they are rows of; null where there is none.
    redrive_upload_id: Option<UploadId>,
    /// It goes on with a redrive that was cut short.
    resumed: bool,
}

pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    if args.max == 0 || args.max > REDRIVE_RECORDS_MAX {
        return Err(Refusal::wrong_use(format!(
            "--max is 1 to {REDRIVE_RECORDS_MAX}: run it again for more"
        )));
    }
    let known = txp_domain::violation::Code::ALL.map(txp_domain::violation::Code::name);
    if let Some(code) = args.codes.iter().find(|code| !known.contains(&&***code)) {
        return Err(Refusal::wrong_use(format!(
            "there is no code {code}: `txp redrive rows list --upload {}` shows those of its rows",
            args.upload
        )));
    }
    let told = match &args.env {
        Some(environment) => deployed(globals, args, environment)?,
        None => here::run(globals, args)?,
    };
    match told {
        Told::Listed(found) => list(globals, args, *found),
        Told::Tried(document) => print(globals, &document),
    }
}

#[cfg(feature = "aws")]
fn deployed(globals: &Globals, args: &Args, environment: &str) -> anyhow::Result<Told> {
    deployed::run(globals, args, environment)
}

#[cfg(not(feature = "aws"))]
fn deployed(_: &Globals, _: &Args, environment: &str) -> anyhow::Result<Told> {
    let what = format!("--env {environment}");
    Err(crate::command::source::without_aws(&what))
}

fn list(globals: &Globals, args: &Args, found: Rejected) -> anyhow::Result<Ending> {
    let left = found.left().count() as u64;
    let document = ListDocument {
        step: "list",
        upload_id: args.upload,
        file: found.upload.received.as_ref().map(|r| r.file.name.clone()),
        sha256: found.sha256().ok(),
        rejected: found.records.len() as u64,
        redriven: found.records.len() as u64 - left,
        by_code: found.by_code,
        redrives: found.redrives,
        unfinished: found.unfinished.map(|received| received.upload_id),
    };
    if globals.json {
        output::json(&document)?;
        return Ok(Ending::Done);
    }
    output::streamed(|out| Ok(describe_list(out, &document)?))?;
    Ok(Ending::Done)
}

fn describe_list(out: &mut dyn Write, document: &ListDocument) -> std::io::Result<()> {
    writeln!(
        out,
        "upload {}, {}: {} rejected rows, {} redriven",
        document.upload_id,
        document.file.as_deref().unwrap_or("no file name"),
        output::grouped(document.rejected),
        output::grouped(document.redriven)
    )?;
    for (code, count) in &document.by_code {
        writeln!(out, "    {code:<34}{:>10}", output::grouped(*count))?;
    }
    for upload in &document.redrives {
        writeln!(out, "  redriven by upload {upload}")?;
    }
    if let Some(upload) = document.unfinished {
        writeln!(
            out,
            "  upload {upload} was cut short: `run` goes on with it"
        )?;
    }
    match &document.sha256 {
        Some(sha256) => writeln!(out, "  its file has the SHA-256 {sha256}"),
        None => writeln!(out, "  its file was not read to the end: send it again"),
    }
}

impl RunDocument {
    /// Of a step that tries what is not redriven yet.
    fn planned(step: &'static str, args: &Args, plan: &RowsPlan) -> Self {
        Self {
            step,
            upload_id: args.upload,
            rejected: plan.rejected,
            redriven_before: plan.redriven_before,
            tried: plan.tried,
            valid: plan.valid,
            left_out: plan.left_out,
            still_rejected_by_code: plan.still.clone(),
            counts: plan.classes.map(CountsDocument::from),
            redrive_upload_id: None,
            resumed: false,
        }
    }

    /// Of a step that goes on with what was cut short.
    fn resumed(args: &Args) -> Self {
        Self {
            step: "run",
            upload_id: args.upload,
            resumed: true,
            ..Self::default()
        }
    }

    /// What the rows became.
    fn ended(&mut self, upload: &Upload) -> anyhow::Result<()> {
        let upload = upload_document(upload, UploadSource::default());
        let failure = upload.failure.map(|failure| failure.message);
        anyhow::ensure!(failure.is_none(), failure.unwrap_or_default());
        self.valid = upload.rows.context("the upload has no end")?;
        self.counts = Some(upload.counts);
        self.redrive_upload_id = upload.upload_id;
        Ok(())
    }
}

fn print(globals: &Globals, document: &RunDocument) -> anyhow::Result<Ending> {
    if globals.json {
        output::json(document)?;
        return Ok(Ending::Done);
    }
    output::streamed(|out| Ok(describe(out, document)?))?;
    Ok(Ending::Done)
}

fn describe(out: &mut dyn Write, document: &RunDocument) -> std::io::Result<()> {
    let number = output::grouped;
    if document.resumed {
        writeln!(
            out,
            "a redrive of upload {} that was cut short is done",
            document.upload_id
        )?;
    } else {
        writeln!(
            out,
            "upload {}: {} rejected rows, {} redriven before, {} tried",
            document.upload_id,
            number(document.rejected),
            number(document.redriven_before),
            number(document.tried)
        )?;
    }
    for (code, count) in &document.still_rejected_by_code {
        writeln!(out, "    still {code:<28}{:>10}", number(*count))?;
    }
    let valid = number(document.valid);
    let verb = match document.step {
        "preview" => "would become",
        _ => "became",
    };
    match document.counts {
        Some(counts) => writeln!(
            out,
            "{valid} valid rows {verb}: accepted {}, duplicates {}, conflicts {}",
            number(counts.accepted),
            number(counts.duplicates),
            number(counts.conflicts)
        )?,
        None => writeln!(out, "{valid} of them are valid now")?,
    }
    if document.left_out > 0 {
        writeln!(
            out,
            "{} more are valid and beyond --max: run it again",
            number(document.left_out)
        )?;
    }
    if let Some(upload) = document.redrive_upload_id {
        writeln!(out, "they are rows of upload {upload}")?;
    }
    Ok(())
}
