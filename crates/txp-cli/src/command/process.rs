//! `txp process`: files into the data directory, one after the other.

mod report;

use super::{Ending, Globals};
use crate::output;
use anyhow::Context as _;
use report::{FileReport, ProcessReport};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use txp_domain::event::{Defaults, Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_domain::redact::redact;
use txp_local::host::{
    FINGERPRINT_KEY_FILE, Host, HostOptions, Intake, dry_run_in, load_or_create_key,
};
use txp_pipeline::stage::ingest::{ReadingRules, arrival_of};

/// The client whose uploads files read in place are.
pub(crate) const LOCAL_CLIENT: &str = "local";

/// Arguments of `txp process`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One bad row refuses the whole file
    #[arg(long)]
    strict: bool,
    /// Validate, and preview duplicates and findings against an empty state; keep nothing
    #[arg(long)]
    dry_run: bool,
    /// The currency of rows that name none
    #[arg(long, value_name = "CODE")]
    default_currency: Option<String>,
    /// The zone of timestamps that name none: an offset or an IANA name
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// One of the file's columns under our name
    #[arg(long = "column", value_name = "THEIRS=OURS", value_parser = column)]
    columns: Vec<(String, String)>,
    /// Where to copy the report of rejected rows; with several files, of the last that has any
    #[arg(long, value_name = "OUT.csv")]
    rejects: Option<PathBuf>,
}

fn column(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => {
            Ok((theirs.to_owned(), ours.to_owned()))
        }
        _ => Err("write THEIRS=OURS, as in --column id=transaction_id".to_owned()),
    }
}

/// Opens the data directory for writing.
pub(crate) fn open_host(globals: &Globals, command: &'static str) -> anyhow::Result<Host> {
    let options = HostOptions {
        command,
        fingerprinter: fingerprinter()?,
        is_durable: true,
        alerts: true,
        terminal: None,
    };
    Ok(Host::open(&globals.data_dir, options)?)
}

/// The fingerprint key, from where the environment says or the user's configuration.
pub(crate) fn fingerprinter() -> anyhow::Result<txp_domain::card::Fingerprinter> {
    let given = std::env::var_os(FINGERPRINT_KEY_FILE).map(PathBuf::from);
    Ok(load_or_create_key(given.as_deref())?)
}

/// Reads the files.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let options = args.options();
    check_options(&options)?;
    let scratch = args
        .dry_run
        .then(|| tempfile::tempdir().context("making a directory for the dry run"))
        .transpose()?;
    let host = if args.dry_run {
        None
    } else {
        Some(open_host(globals, "process")?)
    };
    let (mut files, mut findings) = (Vec::new(), 0);
    let findings_before = host.as_ref().map_or(0, Host::findings);
    for path in &args.files {
        let intake = intake(host.as_ref(), path, &options, args.dry_run);
        let read = intake.and_then(|intake| {
            let mut progress = output::reading(path, globals.json);
            let report = match (&host, &scratch) {
                (Some(host), _) => host.ingest(&intake, &mut progress.callback()),
                (None, Some(scratch)) => {
                    let dir = scratch.path().join(intake.received.upload_id.as_str());
                    dry_run_in(&dir, &intake, fingerprinter()?, &mut progress.callback())
                }
                (None, None) => anyhow::bail!("nowhere to read the file to"),
            };
            Ok(report?)
        });
        match read {
            Ok(report) => {
                findings += report.dry_run_findings.unwrap_or(0);
                if let (Some(from), Some(to)) = (&report.rejects, &args.rejects) {
                    std::fs::copy(from, to).with_context(|| format!("writing {}", to.display()))?;
                }
                files.push(FileReport::of(path, &report));
            }
            Err(error) => files.push(FileReport::failed(path, &error)),
        }
    }
    let alerts = match &host {
        None => 0,
        Some(host) => {
            host.checkpoint()?;
            findings = host.findings() - findings_before;
            host.alerts().findings()
        }
    };
    let ending = report::ending(&files);
    let data_dir = (!args.dry_run).then_some(globals.data_dir.as_path());
    let report = ProcessReport::new(files, findings, alerts, started.elapsed(), data_dir);
    if let Some(host) = host {
        host.stop()?;
    }
    report.print(globals.json)?;
    Ok(ending)
}

impl Args {
    fn options(&self) -> UploadOptions {
        UploadOptions {
            strict: self.strict,
            defaults: Defaults {
                currency: self.default_currency.clone(),
                time_zone: self.time_zone.clone(),
            },
            columns: self.columns.iter().cloned().collect::<BTreeMap<_, _>>(),
            long_number_ids_allowed: false,
        }
    }
}

/// Wrong options are wrong use: said before anything is opened.
fn check_options(options: &UploadOptions) -> anyhow::Result<()> {
    let received = UploadReceived {
        options: options.clone(),
        ..nobody()
    };
    if let Err(fault) = ReadingRules::of(&received) {
        clap::Error::raw(
            clap::error::ErrorKind::ValueValidation,
            format!("{fault}\n"),
        )
        .exit();
    }
    Ok(())
}

fn nobody() -> UploadReceived {
    UploadReceived {
        upload_id: Default::default(),
        uploaded_at: Default::default(),
        client_id: LOCAL_CLIENT.to_owned(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    }
}

/// The upload that a file is: an unfinished one of the same file and options, or a new one.
fn intake(
    host: Option<&Host>,
    path: &Path,
    options: &UploadOptions,
    dry_run: bool,
) -> anyhow::Result<Intake> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    let identity = identity(path, &metadata, options)?;
    let resumed = host.and_then(|host| host.unfinished_of(&identity));
    let received = match (resumed, host) {
        (Some(received), _) => received,
        (None, host) => {
            let now = txp_local::now();
            UploadReceived {
                upload_id: host.map_or_else(txp_local::mint_upload_id, Host::mint_upload_id),
                uploaded_at: arrival_of(now),
                file: SourceFile {
                    name: file_name(path),
                    bytes: Some(metadata.len()),
                    identity: Some(identity),
                },
                options: options.clone(),
                ..nobody()
            }
        }
    };
    Ok(Intake {
        received,
        path: path.to_path_buf(),
        dry_run,
    })
}

/// A file's name as we tell it: without long runs of digits.
pub(crate) fn file_name(path: &Path) -> String {
    redact(&path.file_name().unwrap_or_default().to_string_lossy()).into_owned()
}

/// A digest of path, size, modification time and options, in letters.
fn identity(
    path: &Path,
    metadata: &std::fs::Metadata,
    options: &UploadOptions,
) -> anyhow::Result<String> {
    let path = path
        .canonicalize()
        .with_context(|| format!("reading {}", path.display()))?;
    let modified = metadata
        .modified()?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(path.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(metadata.len().to_be_bytes());
    hash.update(modified.as_nanos().to_be_bytes());
    hash.update(serde_json::to_vec(options)?);
    let letter = |nibble: u8| char::from(b'a' + (nibble & 0x0f));
    let digest = hash.finalize();
    Ok(digest
        .iter()
        .take(16)
        .flat_map(|byte| [letter(byte >> 4), letter(*byte)])
        .collect())
}
