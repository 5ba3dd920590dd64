//! Rows of the embedded host: the log says which were rejected, and takes them.

use super::super::{Step, told};
use super::{Args, RunDocument, Told};
use crate::command::Globals;
use crate::command::process::{fingerprinter, open_host};
use crate::output;
use txp_local::host::Host;
use txp_local::redrive::{plan_rows, rejected_rows, resume_rows, run_rows};
use txp_local::snapshot::Snapshot;
use txp_pipeline::redrive::RowsAsked;

pub(super) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Told> {
    if args.step == Step::Run {
        return redrive(globals, args).map(Told::Tried);
    }
    let mut snapshot = Snapshot::open(&globals.data_dir)?;
    let rejected = rejected_rows(&globals.data_dir, &mut snapshot, args.upload, &args.codes);
    let rejected = rejected.map_err(told)?;
    if args.step == Step::List {
        return Ok(Told::Listed(Box::new(rejected)));
    }
    let asked = args.asked(fingerprinter()?)?;
    let new_id = txp_local::mint_upload_id();
    let plan = plan_rows(&asked, &rejected, &mut snapshot, new_id).map_err(told)?;
    let mut document = RunDocument::planned("preview", args, &plan);
    document.counts.get_or_insert_default();
    Ok(Told::Tried(document))
}

fn redrive(globals: &Globals, args: &Args) -> anyhow::Result<RunDocument> {
    let asked = args.asked(fingerprinter()?)?;
    // Before the directory is opened for writing, which makes one that is not there.
    txp_local::format::read(&globals.data_dir)?;
    let host = open_host(globals, "txp redrive", None)?;
    let done = in_host(globals, args, &asked, &host);
    let stopped = host.stop();
    let document = done?;
    stopped?;
    Ok(document)
}

fn in_host(
    globals: &Globals,
    args: &Args,
    asked: &RowsAsked<'_>,
    host: &Host,
) -> anyhow::Result<RunDocument> {
    host.checkpoint()?;
    let mut snapshot = Snapshot::open(&globals.data_dir)?;
    let rejected = rejected_rows(&globals.data_dir, &mut snapshot, args.upload, &args.codes);
    let rejected = rejected.map_err(told)?;
    let mut bar = output::reading(asked.file, globals.json);
    let mut progress = bar.callback();
    if let Some(report) = resume_rows(host, asked, &rejected, &mut progress).map_err(told)? {
        let mut document = RunDocument::resumed(args);
        document.ended(&report.upload)?;
        return Ok(document);
    }
    let plan = plan_rows(asked, &rejected, &mut snapshot, host.mint_upload_id()).map_err(told)?;
    let mut document = RunDocument::planned("run", args, &plan);
    document.counts.get_or_insert_default();
    if plan.valid > 0 {
        let report = run_rows(host, asked, &plan.received, &mut progress).map_err(told)?;
        document.ended(&report.upload)?;
    }
    Ok(document)
}
