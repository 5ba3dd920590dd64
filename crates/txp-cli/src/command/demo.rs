//! `txp demo`: the whole pipeline over HTTP, as a merchant and an operator would use it.
//!
//! A server in this process, a client with a key, a link, one PUT, and then what came of it. The
//! directory is kept, so that there is something to look at.

mod client;
mod summary;

use super::process::{FileReport, ProcessReport, file_name, open_host};
use super::{Ending, Globals, process};
use crate::output;
use anyhow::Context as _;
use client::Client;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use txp_domain::event::{Defaults, Merchants};
use txp_domain::id::UploadId;
use txp_local::control::{Clients, ControlError, NewClient};
use txp_local::host::Host;
use txp_pipeline::generate::{Options, generate};
use txp_server::Running;

/// The client that sends the file.
const CLIENT: &str = "demo";

/// So many rows take a few seconds.
const DEFAULT_ROWS: u64 = 100_000;

/// The generated file and the data directory in a temporary directory.
const FILE_NAME: &str = "demo.csv";
const DATA_DIR: &str = "data";

const SEED: u64 = 1;

/// Arguments of `txp demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rows to generate
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ROWS, conflicts_with = "file")]
    rows: u64,
    /// Send this file instead of a generated one
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    if let Some(file) = &args.file {
        // Before anything is made for it.
        File::open(file).with_context(|| format!("opening {} (check the path)", file.display()))?;
    }
    let folder = Folder::new(globals, args)?;
    let file = match &args.file {
        Some(file) => file.clone(),
        None => make_file(&folder.generated, args.rows)?,
    };
    let data = Globals {
        data_dir: folder.data.clone(),
        ..*globals
    };
    let host = open_host(&data, "txp demo", None)?;
    let (findings_before, seen) = (host.findings(), host.as_of().sequence);
    let key = make_key(&folder.data)?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on the loopback address")?;
    let options = txp_server::Options {
        log: Arc::new(output::note_redacted),
        ..txp_server::Options::default()
    };
    let server = Running::start(host.clone(), listener, options)?;
    let url = format!("http://{}", server.addr());
    output::note(&format!(
        "serving on {url}, data in {}",
        folder.data.display()
    ));

    let started = Instant::now();
    let sent = send(&Client::new(&url, &key.key), &file, globals.json);
    let looked = sent.and_then(|upload_id| {
        host.checkpoint()?;
        look(&host, &file, upload_id)
    });
    let elapsed = started.elapsed();
    let findings = host.findings().saturating_sub(findings_before);
    let alerts = host.alerts().findings();
    server.stop()?;
    let report = looked?;
    let ending = process::ending(std::slice::from_ref(&report));
    let report = ProcessReport::new(vec![report], findings, alerts, elapsed, Some(&folder.data));
    if globals.json {
        report.print(true)?;
    } else {
        output::text(&summary::describe(&report, &folder.data, &file, seen)?)?;
    }
    Ok(ending)
}

struct Folder {
    data: PathBuf,
    generated: PathBuf,
}

impl Folder {
    /// A fresh directory, kept; the data in one that was named, if one was.
    fn new(globals: &Globals, args: &Args) -> anyhow::Result<Self> {
        if let (true, Some(_)) = (globals.is_dir_given, &args.file) {
            return Ok(Self {
                data: globals.data_dir.clone(),
                generated: PathBuf::new(),
            });
        }
        let fresh = tempfile::Builder::new()
            .prefix("txp-demo-")
            .tempdir()
            .context("making a directory for the demo")?
            .keep();
        Ok(Self {
            data: if globals.is_dir_given {
                globals.data_dir.clone()
            } else {
                fresh.join(DATA_DIR)
            },
            generated: fresh.join(FILE_NAME),
        })
    }
}

/// A file whose last event is now, so that its findings are new enough to alert.
fn make_file(path: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    output::note(&format!("generating {} rows", output::grouped(rows)));
    let writing = || format!("writing {}", path.display());
    let file = File::create(path).with_context(writing)?;
    let mut out = BufWriter::new(file);
    let options = Options {
        ending_at_seconds: Some(txp_local::now().unix_seconds()),
    };
    generate(rows, SEED, options, &mut out)
        .and_then(|_| out.flush())
        .with_context(writing)?;
    Ok(path.to_path_buf())
}

/// A client with every merchant; in a directory that has one already, another key of it.
fn make_key(dir: &Path) -> anyhow::Result<txp_local::control::IssuedKey> {
    let now = txp_local::now();
    let clients = Clients::open(dir, now)?;
    let new = NewClient {
        name: CLIENT.to_owned(),
        merchants: Merchants::All,
        defaults: Defaults::default(),
        long_number_ids_allowed: false,
    };
    match clients.add(new, now) {
        Err(ControlError::NameTaken) => Ok(clients.rotate(CLIENT, now)?),
        added => Ok(added?),
    }
}

/// What a merchant does: ask for a link, put the file, ask until it is processed.
fn send(client: &Client, file: &Path, quiet: bool) -> anyhow::Result<UploadId> {
    let link = client.ask_for_link(file)?;
    {
        let mut sending = output::bar("sending", quiet);
        client.put(&link, file, &mut |sent, total| sending.show(sent, total))?;
    }
    let mut processing = output::bar("processing", quiet);
    client.wait(link.upload_id, &mut |done, total| {
        processing.show(done, total)
    })?;
    Ok(link.upload_id)
}

fn look(host: &Host, file: &Path, upload_id: UploadId) -> anyhow::Result<FileReport> {
    let upload = host
        .upload(upload_id)?
        .context("the upload that was sent is not in the state; run `txp doctor`")?;
    let mut report = FileReport::of_upload(file_name(file), &upload);
    let rejects = host.rejects_path(upload_id);
    report.rejects = rejects.exists().then(|| rejects.display().to_string());
    Ok(report)
}
