//! `txp status`: one transaction as the last checkpoint has it, beside a writer or without one; or
//! as a table on AWS has it now.

use super::source::Source;
use super::{Ending, Globals, Refusal};
use crate::output;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use txp_domain::transaction::Transaction;
use txp_local::snapshot::Snapshot;
use txp_pipeline::document::{
    AsOfDocument, Audience, TransactionDocument, transaction_document, upload_of,
};

/// Merchants that are named where several share an id; more are counted.
const CHOICES_MAX: usize = 20;

/// Arguments of `txp status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The transaction's id
    #[arg(value_name = "TRANSACTION_ID")]
    transaction_id: String,
    /// The merchant, where several have a transaction of this id
    #[arg(long, value_name = "MERCHANT_ID")]
    merchant: Option<String>,
    /// Where the state is: local:DIR or dynamodb:TABLE; the data directory if not given
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
}

/// Shows it.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let document = match Source::parse(args.source.as_deref(), &globals.data_dir)? {
        Source::Local(dir) => in_directory(&dir, args)?,
        Source::Table(table) => in_table(&table, args)?,
        Source::File(_) | Source::Stream(_) | Source::Archive(_) | Source::Joined(..) => {
            return Err(Refusal::wrong_use(
                "a history has no status: it is in what is folded of it, local:DIR or dynamodb:TABLE",
            ));
        }
    };
    if globals.json {
        output::json(&document)?;
    } else {
        output::text(&describe(&document)?)?;
    }
    Ok(Ending::Done)
}

fn in_directory(dir: &Path, args: &Args) -> anyhow::Result<TransactionDocument> {
    let mut snapshot = Snapshot::open(dir)?;
    let merchant = args.merchant.as_deref();
    let transaction = in_snapshot(&mut snapshot, &args.transaction_id, merchant)?;
    let as_of = as_of(&snapshot);
    let upload = match upload_of(&transaction) {
        Some(upload_id) => snapshot.state.upload(upload_id)?,
        None => None,
    };
    let upload = upload.as_ref();
    Ok(transaction_document(
        &transaction,
        upload,
        as_of,
        Audience::Operator,
    ))
}

/// The one transaction that is asked for, as the last checkpoint has it.
pub(crate) fn in_snapshot(
    snapshot: &mut Snapshot,
    transaction_id: &str,
    merchant: Option<&str>,
) -> anyhow::Result<Transaction> {
    let found = snapshot.state.transactions(transaction_id)?;
    let as_of = as_of(snapshot);
    let nowhere = format!(
        "up to event {} of {}: check the id and --data-dir; a row is found once its upload is processed",
        as_of.sequence, as_of.time
    );
    one_of(found, transaction_id, merchant, &nowhere)
}

/// The table of uploads is another one and not asked: the file's name is left out.
#[cfg(feature = "aws")]
fn in_table(table: &str, args: &Args) -> anyhow::Result<TransactionDocument> {
    let runtime = super::source::runtime()?;
    let found = runtime.block_on(super::source::transactions(table, &args.transaction_id))?;
    let nowhere = format!("in the table {table}: check the id");
    let merchant = args.merchant.as_deref();
    let transaction = one_of(found, &args.transaction_id, merchant, &nowhere)?;
    let as_of = AsOfDocument::of(&transaction);
    Ok(transaction_document(
        &transaction,
        None,
        as_of,
        Audience::Operator,
    ))
}

#[cfg(not(feature = "aws"))]
fn in_table(table: &str, _args: &Args) -> anyhow::Result<TransactionDocument> {
    Err(super::source::without_aws(&format!("dynamodb:{table}")))
}

/// Up to where a snapshot is folded.
pub(crate) fn as_of(snapshot: &Snapshot) -> AsOfDocument {
    AsOfDocument::new(snapshot.as_of.sequence, snapshot.as_of.arrival_millis)
}

fn one_of(
    mut found: Vec<Transaction>,
    id: &str,
    merchant: Option<&str>,
    nowhere: &str,
) -> anyhow::Result<Transaction> {
    if let Some(merchant) = merchant {
        found.retain(|transaction| *transaction.key.merchant_id == *merchant);
    }
    match (found.pop(), found.is_empty()) {
        (Some(transaction), true) => Ok(transaction),
        (None, _) => {
            let of_merchant =
                merchant.map_or_else(String::new, |merchant| format!(" of merchant {merchant}"));
            Err(Refusal::problem(format!(
                "there is no transaction {id}{of_merchant} {nowhere}"
            )))
        }
        (Some(last), false) => {
            found.push(last);
            let count = found.len();
            let mut merchants: Vec<_> = found
                .iter()
                .take(CHOICES_MAX)
                .map(|transaction| transaction.key.merchant_id.to_string())
                .collect();
            if count > CHOICES_MAX {
                merchants.push(format!("and {} more", count - CHOICES_MAX));
            }
            Err(Refusal::problem(format!(
                "{count} merchants have a transaction {id}: choose one with --merchant; they are {}",
                merchants.join(", ")
            )))
        }
    }
}

/// What a person reads first stands first.
const LINES: [(&str, &str); 13] = [
    ("type", "type"),
    ("timestamp", "event time"),
    ("brand", "card"),
    ("original_transaction_id", "original"),
    ("terminal_id", "terminal"),
    ("country", "country"),
    ("mcc", "category"),
    ("upload_id", "upload"),
    ("source_file", "file"),
    ("row", "row"),
    ("line", "line"),
    ("conflicts", "conflicts"),
    ("writer", "written by"),
];

fn describe(document: &TransactionDocument) -> anyhow::Result<String> {
    let value = serde_json::to_value(document)?;
    let text = |key: &str| value.get(key).map(plain).unwrap_or_default();
    let mut out = String::new();
    writeln!(
        out,
        "{} of {}: {}",
        document.transaction_id,
        document.merchant_id,
        text("status")
    )?;
    if document.amount.is_some() {
        writeln!(
            out,
            "  {:<12}{} {}",
            "amount",
            text("amount"),
            text("currency")
        )?;
    }
    for (key, name) in LINES {
        let mut shown = text(key);
        if shown.is_empty() || (key == "conflicts" && shown == "0") {
            continue;
        }
        match key {
            "brand" => write!(shown, " ending in {}", text("card_last4"))?,
            "timestamp" if text("time_source") == "upload" => shown.push_str(" (the upload's)"),
            _ => {}
        }
        writeln!(out, "  {name:<12}{shown}")?;
    }
    for flag in &document.flags {
        writeln!(out, "  {:<12}{}: {}", "flag", flag.rule, flag.words)?;
    }
    for dispute in &document.disputes {
        writeln!(out, "  {:<12}by event {dispute}", "disputed")?;
    }
    if let Some(rejection) = &document.rejection {
        writeln!(
            out,
            "  {:<12}row {}, line {} of upload {}",
            "rejected", rejection.row, rejection.line, rejection.upload_id
        )?;
        for reason in &rejection.reasons {
            writeln!(
                out,
                "    {}: {}; {}",
                reason.code, reason.message, reason.hint
            )?;
        }
    }
    writeln!(out, "history")?;
    for entry in &document.history {
        let class = entry.class.as_deref().unwrap_or("");
        writeln!(
            out,
            "  {:>8}  {}  {:<22}{:<11}{}",
            entry.position.sequence, entry.time, entry.kind, class, entry.id
        )?;
    }
    if document.history_truncated {
        writeln!(out, "  (there were more)")?;
    }
    writeln!(
        out,
        "as of event {}, {}",
        document.as_of.sequence, document.as_of.time
    )?;
    Ok(out)
}

/// A value without its quotes, nothing where there is none.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
