//! A transaction as a row: what it is called, where it stands, and what stands of it.

use super::{Column, Kind, Rows};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;
use txp_domain::event::ViolationData;
use txp_domain::money::Amount;
use txp_domain::transaction::{FirstAccepted, Flag, Rejection, Transaction, Writer};

/// The columns. The first five are a contract.
pub(crate) const COLUMNS: &[Column] = &[
    Column::of("transaction_id", Kind::Text),
    Column::of("merchant_id", Kind::Name),
    Column::of("status", Kind::Name),
    Column::of("amount", Kind::Amount),
    Column::of("currency", Kind::Name),
    Column::of("amount_minor", Kind::Integer),
    Column::of("type", Kind::Name),
    Column::of("timestamp", Kind::Time),
    Column::of("time_source", Kind::Name),
    Column::of("card_last4", Kind::Name),
    Column::of("card_brand", Kind::Name),
    Column::of("card_fingerprint", Kind::Name),
    Column::of("card_key_id", Kind::Name),
    Column::of("original_transaction_id", Kind::Text),
    Column::of("terminal_id", Kind::Name),
    Column::of("country", Kind::Name),
    Column::of("mcc", Kind::Name),
    Column::of("upload_id", Kind::Name),
    Column::of("row", Kind::Integer),
    Column::of("line", Kind::Integer),
    Column::of("uploaded_at", Kind::Time),
    Column::of("reject_codes", Kind::Name),
    Column::of("conflicts", Kind::Integer),
    Column::of("disputes", Kind::Integer),
    Column::of("flags", Kind::Integer),
    Column::of("rules", Kind::Name),
    Column::of("revision", Kind::Integer),
    Column::of("facts_revision", Kind::Integer),
    Column::of("as_of_bucket", Kind::Integer),
    Column::of("as_of_sequence", Kind::Text),
    Column::of("as_of_subsequence", Kind::Integer),
    Column::of("writer", Kind::Name),
];

/// Tells a transaction to a form.
pub(crate) fn tell(item: &Transaction, rows: &mut impl Rows) {
    rows.text(Some(&item.key.transaction_id));
    rows.text(Some(&item.key.merchant_id));
    rows.text(Some(item.status().name()));
    tell_first(item.first.as_ref(), rows);
    let rejection = item.rejection.as_ref().filter(|_| item.first.is_none());
    let stands = item.first.as_ref().map(|first| (first.event, first.line));
    let stands = stands.or_else(|| rejection.map(|rejection| (rejection.event, rejection.line)));
    rows.shown(stands.map(|(event, _)| event.upload_id));
    rows.integer(stands.map(|(event, _)| event.record));
    rows.integer(stands.map(|(_, line)| line));
    rows.time(item.first.as_ref().map(|first| first.uploaded_at));
    rows.shown(rejection.map(Codes));
    rows.integer(Some(item.conflicts.len() as u64));
    rows.integer(Some(item.disputes.len() as u64));
    rows.integer(Some(item.flags.len() as u64));
    rows.shown(
        Some(&item.flags)
            .filter(|flags| !flags.is_empty())
            .map(Rules),
    );
    rows.integer(Some(item.revision));
    rows.integer(Some(u64::from(item.facts_revision)));
    let as_of = item.as_of.as_ref();
    rows.integer(as_of.map(|position| u64::from(position.bucket.0)));
    rows.shown(as_of.map(|position| &position.sequence));
    rows.integer(as_of.map(|position| position.subsequence));
    match &item.writer {
        Writer::Live => rows.text(Some("live")),
        Writer::Replay(id) => rows.shown(Some(format_args!("replay:{id}"))),
    }
    rows.end();
}

fn tell_first(first: Option<&FirstAccepted>, rows: &mut impl Rows) {
    let content = first.map(|first| &first.content);
    rows.amount(content.map(|content| (content.amount, content.currency)));
    rows.text(content.map(|content| content.currency.code()));
    rows.integer(
        content
            .map(|content| content.amount)
            .map(|Amount(minor)| minor),
    );
    rows.text(content.map(|content| content.kind.name()));
    rows.time(first.map(|first| first.timestamp));
    rows.text(first.map(|first| first.time_source.name()));
    rows.text(first.map(|first| first.last4.as_str()));
    rows.text(first.map(|first| first.brand.name()));
    rows.shown(content.map(|content| content.fingerprint));
    rows.text(content.map(|content| &*content.key_id));
    rows.text(content.and_then(|content| content.original_transaction_id.as_deref()));
    rows.text(content.and_then(|content| content.terminal_id.as_deref()));
    rows.shown(content.and_then(|content| content.country));
    rows.shown(content.and_then(|content| content.mcc));
}

/// Why only bad rows had this id so far, in codes with blanks between.
struct Codes<'a>(&'a Rejection);

impl fmt::Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let violations: Result<Vec<ViolationData<'_>>, _> =
            serde_json::from_str(&self.0.violations);
        for (nth, violation) in violations.iter().flatten().enumerate() {
            f.write_str(if nth == 0 { "" } else { " " })?;
            f.write_str(&violation.code)?;
        }
        Ok(())
    }
}

/// The rules that hit, each once, with blanks between.
struct Rules<'a>(&'a Vec<Flag>);

/// What of a finding is told.
#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    rule: Cow<'a, str>,
}

impl fmt::Display for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told: Vec<Cow<'_, str>> = Vec::new();
        for flag in self.0 {
            let finding: Result<Hits<'_>, _> = serde_json::from_str(&flag.finding);
            for hit in finding.into_iter().flat_map(|finding| finding.hits) {
                if !told.contains(&hit.rule) {
                    f.write_str(if told.is_empty() { "" } else { " " })?;
                    f.write_str(&hit.rule)?;
                    told.push(hit.rule);
                }
            }
        }
        Ok(())
    }
}
