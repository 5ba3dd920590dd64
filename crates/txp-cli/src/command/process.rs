//! `txp process`: files into the data directory, one after the other.

mod rejects;
mod report;

use super::{Ending, Globals, Refusal};
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::Context as _;
use rejects::RejectsOut;
pub(crate) use report::{FileReport, ProcessReport, ending};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use txp_domain::event::{Defaults, Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_local::alerts::Terminal;
use txp_local::host::{
    FINGERPRINT_KEY_FILE, Host, HostOptions, Intake, RECEIPT_KEY_FILE, dry_run_in,
    load_or_create_key, load_or_create_receipt_key,
};
use txp_pipeline::csv::Aliases;
use txp_pipeline::receipt::ReceiptKey;
use txp_pipeline::stage::ingest::{ReadingRules, arrival_of, shown_file_name};

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
    /// Where to copy the rejected rows, to be fixed and sent again; those of several files follow
    /// each other, and go to OUT-2.csv and so on where their columns differ
    #[arg(long, value_name = "OUT.csv")]
    rejects: Option<PathBuf>,
}

/// Reads `THEIRS=OURS`.
pub(crate) fn column(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => {
            Ok((theirs.to_owned(), ours.to_owned()))
        }
        _ => Err("write THEIRS=OURS, as in --column id=transaction_id".to_owned()),
    }
}

/// Opens the data directory for writing.
pub(crate) fn open_host(
    globals: &Globals,
    command: &'static str,
    terminal: Option<Terminal>,
) -> anyhow::Result<Host> {
    let options = HostOptions {
        command,
        fingerprinter: fingerprinter()?,
        is_durable: true,
        alerts: true,
        terminal,
    };
    Ok(Host::open(&globals.data_dir, options)?)
}

/// The fingerprint key, from where the environment says or the user's configuration.
pub(crate) fn fingerprinter() -> anyhow::Result<txp_domain::card::Fingerprinter> {
    let given = std::env::var_os(FINGERPRINT_KEY_FILE).map(PathBuf::from);
    Ok(load_or_create_key(given.as_deref())?)
}

/// The key that signs receipts, from where the environment says or the user's configuration.
pub(crate) fn receipt_key() -> anyhow::Result<ReceiptKey> {
    let given = std::env::var_os(RECEIPT_KEY_FILE).map(PathBuf::from);
    Ok(load_or_create_receipt_key(given.as_deref())?)
}

/// Reads the files.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let options = args.options()?;
    if options.strict {
        args.files
            .iter()
            .try_for_each(|path| can_be_read_twice(path))?;
    }
    let out = args.rejects.as_deref();
    let mut rejects = out
        .map(|out| RejectsOut::start(out, &args.files))
        .transpose()?;
    let data_dir = (!args.dry_run).then_some(globals.data_dir.as_path());
    let place = match Place::open(globals, args.dry_run) {
        Ok(place) => place,
        Err(error) => {
            // Said once for all of them: none was read.
            output::error(&error);
            let failed = |path: &PathBuf| FileReport::failed(path, None, &error);
            let files = args.files.iter().map(failed).collect();
            let report = ProcessReport::new(files, 0, 0, started.elapsed(), data_dir);
            if globals.json {
                report.print(true)?;
            }
            return Ok(Ending::Failed);
        }
    };
    let (mut files, mut rejects_failed) = (Vec::new(), false);
    for path in &args.files {
        place.go_on()?;
        let (mut file, from) = place.read(path, &options, globals);
        if let (Some(from), Some(rejects)) = (&from, &mut rejects) {
            match rejects.add(from) {
                Ok(to) => file.rejects = Some(output::path(&to)),
                // The rows are recorded all the same.
                Err(error) => {
                    output::error(&error);
                    rejects_failed = true;
                }
            }
        }
        files.push(file);
    }
    place.go_on()?;
    if let Some(Err(error)) = rejects.map(RejectsOut::keep) {
        output::error(&error);
        rejects_failed = true;
    }
    let mut ending = ending(&files);
    let ended = place.end();
    if let Err(error) = &ended.failure {
        output::error(error);
    }
    if rejects_failed || ended.failure.is_err() {
        ending = Ending::Failed;
    }
    let elapsed = started.elapsed();
    let report = ProcessReport::new(files, ended.findings, ended.alerts, elapsed, data_dir);
    report.print(globals.json)?;
    Ok(ending)
}

/// Where files are read to.
enum Place {
    /// The data directory.
    Kept { host: Host, findings_before: u64 },
    /// A directory for each file, gone at the end.
    Scratch {
        dir: tempfile::TempDir,
        findings: Cell<u64>,
        interrupt: Interrupt,
    },
}

/// What was found in all files together.
struct Ended {
    findings: u64,
    alerts: u64,
    failure: anyhow::Result<()>,
}

impl Place {
    fn open(globals: &Globals, dry_run: bool) -> anyhow::Result<Self> {
        if dry_run {
            let made = Arc::new(OnceLock::<PathBuf>::new());
            let to_remove = Arc::clone(&made);
            // Before the directory is there: no signal finds one that it does not know.
            let interrupt = Interrupt::catch_and_end(move || {
                output::note("interrupted: the dry run was ended; nothing of it is kept");
                if let Some(path) = to_remove.get() {
                    // What cannot be removed is in the system's own place for such things.
                    std::fs::remove_dir_all(path).ok();
                }
            })?;
            let dir = tempfile::tempdir().context("making a directory for the dry run")?;
            // Set by no one else.
            made.set(dir.path().to_path_buf()).ok();
            return Ok(Self::Scratch {
                dir,
                findings: Cell::new(0),
                interrupt,
            });
        }
        let host = open_host(globals, "txp process", None)?;
        let opened = host.opened();
        if let Some(cut) = &opened.cut {
            output::note(&format!("repaired: {cut}"));
        }
        if opened.quarantined > 0 {
            output::note(&format!(
                "{} events went to quarantine: `txp doctor` shows them",
                opened.quarantined
            ));
        }
        Ok(Self::Kept {
            findings_before: host.findings(),
            host,
        })
    }

    /// Ends a dry run that a signal came for; the files of a data directory are resumed anyway.
    fn go_on(&self) -> anyhow::Result<()> {
        let code = match self {
            Self::Scratch { interrupt, .. } => interrupt.exit_code(),
            Self::Kept { .. } => None,
        };
        let message = "interrupted: the dry run was stopped; nothing of it is kept";
        code.map_or(Ok(()), |code| Err(Refusal::interrupted(code, message)))
    }

    fn host(&self) -> Option<&Host> {
        match self {
            Self::Kept { host, .. } => Some(host),
            Self::Scratch { .. } => None,
        }
    }

    /// Reads a file; beside its report, where its rejected rows lie.
    fn read(
        &self,
        path: &Path,
        options: &UploadOptions,
        globals: &Globals,
    ) -> (FileReport, Option<PathBuf>) {
        let intake = match intake(self.host(), path, options) {
            Ok(intake) => intake,
            Err(error) => return (FileReport::failed(path, None, &error), None),
        };
        let mut progress = output::reading(path, globals.json);
        let mut progress = progress.callback();
        let upload_id = intake.received.upload_id;
        let read = match self {
            Self::Kept { host, .. } => host.ingest(&intake, &mut progress).map_err(Into::into),
            Self::Scratch {
                dir,
                findings,
                interrupt,
            } => {
                let scratch = dir.path().join(upload_id.as_str());
                let stop = || interrupt.has_come();
                let read = fingerprinter()
                    .and_then(|key| Ok(dry_run_in(&scratch, &intake, key, &mut progress, &stop)?));
                let found = read.as_ref().ok().and_then(|r| r.dry_run_findings);
                findings.set(findings.get() + found.unwrap_or(0));
                read
            }
        };
        match read {
            Ok(report) => (FileReport::of(path, &report), report.rejects),
            Err(error) => {
                // Announced already: the same command resumes it.
                let announced = self
                    .host()
                    .filter(|host| host.unfinished().contains(&upload_id));
                let upload_id = announced.map(|_| upload_id);
                (FileReport::failed(path, upload_id, &error), None)
            }
        }
    }

    fn end(self) -> Ended {
        match self {
            Self::Scratch { findings, .. } => Ended {
                findings: findings.get(),
                alerts: 0,
                failure: Ok(()),
            },
            Self::Kept {
                host,
                findings_before,
            } => {
                let published = host.checkpoint();
                let findings = host.findings().saturating_sub(findings_before);
                let alerts = host.alerts().findings();
                let stopped = host.stop();
                Ended {
                    findings,
                    alerts,
                    failure: published.and(stopped).map_err(Into::into),
                }
            }
        }
    }
}

impl Args {
    /// Wrong options are wrong use: said before anything is opened.
    fn options(&self) -> anyhow::Result<UploadOptions> {
        // As they were given: of two that give one name, a map would keep the last.
        let columns = self.columns.iter();
        Aliases::new(columns.map(|(theirs, ours)| (theirs.as_str(), ours.as_str())))
            .map_err(|fault| Refusal::wrong_use(format!("--column: {fault}")))?;
        let options = UploadOptions {
            strict: self.strict,
            defaults: Defaults {
                currency: self.default_currency.clone(),
                time_zone: self.time_zone.clone(),
            },
            columns: self.columns.iter().cloned().collect(),
            long_number_ids_allowed: false,
            redrive: None,
        };
        let received = UploadReceived {
            options,
            ..nobody()
        };
        match ReadingRules::of(&received) {
            Ok(_) => Ok(received.options),
            Err(fault) => Err(Refusal::wrong_use(fault.to_string())),
        }
    }
}

/// A strict file is read twice; a pipe's bytes are gone after the first time.
fn can_be_read_twice(path: &Path) -> anyhow::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            Err(Refusal::wrong_use(format!(
                "--strict reads a file twice, and {} is a pipe or device: write it to a file first, or leave --strict out",
                output::path(path)
            )))
        }
        // What is not there is told with the other files' outcome.
        _ => Ok(()),
    }
}

fn nobody() -> UploadReceived {
    UploadReceived {
        upload_id: Default::default(),
        uploaded_at: Default::default(),
        trace: None,
        client_id: LOCAL_CLIENT.to_owned(),
        file: SourceFile::default(),
        options: UploadOptions::default(),
        merchants: Merchants::All,
    }
}

/// The upload that a file is: an unfinished one of the same file and options, or a new one.
fn intake(host: Option<&Host>, path: &Path, options: &UploadOptions) -> anyhow::Result<Intake> {
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("reading {} (check the path)", output::path(path)))?;
    // What is no file cannot be read again from its start, so nothing of it is resumed.
    let identity = match metadata.is_file() {
        true => Some(identity(path, &metadata, options)?),
        false => None,
    };
    let resumed = host
        .zip(identity.as_deref())
        .and_then(|(host, identity)| host.unfinished_of(identity));
    let received = match (resumed, host) {
        (Some(received), _) => received,
        (None, host) => {
            let now = txp_local::now();
            UploadReceived {
                upload_id: host.map_or_else(txp_local::mint_upload_id, Host::mint_upload_id),
                uploaded_at: arrival_of(now),
                file: SourceFile {
                    name: file_name(path),
                    bytes: metadata.is_file().then_some(metadata.len()),
                    identity,
                },
                options: options.clone(),
                ..nobody()
            }
        }
    };
    Ok(Intake {
        received,
        path: path.to_path_buf(),
        dry_run: false,
    })
}

/// A file's name as it is kept and told.
pub(crate) fn file_name(path: &Path) -> String {
    shown_file_name(&path.file_name().unwrap_or_default().to_string_lossy())
}

/// A digest of path, size, modification time and options, in letters.
fn identity(
    path: &Path,
    metadata: &std::fs::Metadata,
    options: &UploadOptions,
) -> anyhow::Result<String> {
    let path = path
        .canonicalize()
        .with_context(|| format!("reading {}", output::path(path)))?;
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
