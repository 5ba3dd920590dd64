//! `txp receipt`: checks what a merchant was given, anywhere, and prints the key to check with.

use super::{Ending, Globals, Refusal, process};
use crate::output;
use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use txp_domain::id::UploadId;
use txp_local::snapshot::Snapshot;
use txp_pipeline::csv::FileDigest;
use txp_pipeline::document::{UploadSource, upload_document};
use txp_pipeline::receipt::{PublicKey, ReceiptFault, check, differences, receipts_in};

/// The most bytes of a file of receipts or keys.
const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// Arguments of `txp receipt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check receipts: their form, that they add up, their signature
    Verify {
        /// What was handed out: a receipt, the document of an upload, or a list of these
        #[arg(value_name = "FILE")]
        receipt: PathBuf,
        /// The public key, as GET /receipt-key gave it; the own one if not given
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The file that was sent: its SHA-256 and size must be those of the receipt
        #[arg(long, value_name = "CSV")]
        file: Option<PathBuf>,
    },
    /// Print the public key, as GET /receipt-key gives it
    Key,
}

#[derive(Serialize)]
struct Report {
    valid: bool,
    receipts: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    upload_id: Option<String>,
    key_id: Option<String>,
    valid: bool,
    /// Whether it was compared with the history of the data directory.
    compared: bool,
    faults: Vec<ReceiptFault>,
}

/// Checks, or prints the key.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    match &args.what {
        What::Key => {
            output::json(&process::receipt_key()?.public().published())?;
            Ok(Ending::Done)
        }
        What::Verify { receipt, key, file } => {
            verify(globals, receipt, key.as_deref(), file.as_deref())
        }
    }
}

fn verify(
    globals: &Globals,
    path: &Path,
    key: Option<&Path>,
    sent: Option<&Path>,
) -> anyhow::Result<Ending> {
    let shown = output::path(path);
    let value: Value = serde_json::from_slice(&read(path)?)
        .map_err(|_| Refusal::problem(format!("{shown} is no JSON document")))?;
    let receipts = receipts_in(value);
    if receipts.is_empty() {
        return Err(Refusal::problem(format!(
            "{shown} holds no signed receipt: an upload has one once it is completed"
        )));
    }
    let keys = match key {
        Some(path) => {
            let keys = PublicKey::read(&read(path)?);
            if keys.is_empty() {
                let shown = output::path(path);
                return Err(Refusal::wrong_use(format!(
                    "{shown} holds no key: GET /receipt-key and `txp receipt key` give one"
                )));
            }
            keys
        }
        None => vec![*process::receipt_key()?.public()],
    };
    let sent = sent.map(digest).transpose()?;
    let mut checked = Vec::new();
    for receipt in &receipts {
        let mut faults = check(receipt, &keys);
        if let Some((sha256, bytes)) = &sent {
            faults.extend(compare(receipt, "sha256", &Value::from(sha256.clone())));
            faults.extend(compare(receipt, "bytes", &Value::from(*bytes)));
        }
        // Whoever has the history can say what was changed.
        let known = match faults.is_empty() {
            true => None,
            false => known(globals, receipt),
        };
        let compared = known.is_some();
        if let Some(of_history) = known {
            faults.retain(|fault| !of_history.iter().any(|other| other.field == fault.field));
            faults.splice(0..0, of_history);
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(shown_text);
        let signature = receipt.get("signature");
        checked.push(Checked {
            upload_id: text(receipt.get("upload_id")),
            key_id: text(signature.and_then(|signature| signature.get("key_id"))),
            valid: faults.is_empty(),
            compared,
            faults,
        });
    }
    let report = Report {
        valid: checked.iter().all(|checked| checked.valid),
        receipts: checked,
    };
    if globals.json {
        output::json(&report)?;
    } else {
        output::streamed(|out| Ok(describe(out, &report)?))?;
    }
    Ok(Ending::of(report.valid))
}

/// What stands in a file that others wrote.
fn shown_text(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    txp_pipeline::rejects::show(text, CHARS_MAX)
}

fn describe(out: &mut dyn std::io::Write, report: &Report) -> std::io::Result<()> {
    for checked in &report.receipts {
        let upload = checked.upload_id.as_deref().unwrap_or("unknown");
        let key = checked.key_id.as_deref().unwrap_or("unknown");
        if checked.valid {
            writeln!(
                out,
                "receipt of upload {upload}: holds, signed by key {key}"
            )?;
            continue;
        }
        writeln!(out, "receipt of upload {upload}: does not hold")?;
        for fault in &checked.faults {
            let field = shown_text(&fault.field);
            writeln!(out, "    {field}: {}", output::redacted(&fault.message))?;
        }
    }
    Ok(())
}

/// What the history of the data directory says otherwise; `None` if it does not know the upload.
fn known(globals: &Globals, receipt: &Value) -> Option<Vec<ReceiptFault>> {
    let id = receipt.get("upload_id").and_then(Value::as_str)?;
    let id = UploadId::parse(id.as_bytes())?;
    // No directory is no reason to say less than the signature does.
    let mut snapshot = Snapshot::open(&globals.data_dir).ok()?;
    let upload = snapshot.state.upload(id).ok().flatten()?;
    let document = upload_document(&upload, UploadSource::default());
    Some(differences(receipt, &document.receipt?))
}

fn compare(receipt: &Value, field: &str, found: &Value) -> Option<ReceiptFault> {
    (receipt.get(field) != Some(found))
        .then(|| ReceiptFault::new(field, format!("the file has {found}")))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reading = || format!("reading {}", output::path(path));
    let file = File::open(path).with_context(reading)?;
    let mut file = file.take(DOCUMENT_BYTES_MAX);
    file.read_to_end(&mut bytes).with_context(reading)?;
    Ok(bytes)
}

/// SHA-256 and size of a file.
fn digest(path: &Path) -> anyhow::Result<(String, u64)> {
    const PIECE_BYTES: usize = 64 << 10;
    let reading = || format!("reading {}", output::path(path));
    let mut file = File::open(path).with_context(reading)?;
    let (mut digest, mut piece) = (FileDigest::new(), vec![0; PIECE_BYTES]);
    loop {
        let read = file.read(&mut piece).with_context(reading)?;
        if read == 0 {
            let sha256 = digest.sha256();
            let text = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((text, digest.bytes()));
        }
        digest.update(piece.get(..read).unwrap_or_default());
    }
}
