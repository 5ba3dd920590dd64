//! An event as a row: where it stands, its attributes, and its data, flat where all of a kind have
//! them; the whole data as JSON last.
//!
//! An event that this txp does not understand (of a newer one) has its attributes and its data.

use super::{Column, Kind, Rows};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use txp_domain::event::{Decoded, RejectedData, TransactionData, ViolationData, decode};
use txp_domain::finding::Finding;
use txp_domain::id::UploadId;
use txp_domain::money::Amount;
use txp_domain::time::Timestamp;
use txp_pipeline::history::Recorded;

/// The columns.
pub(crate) const COLUMNS: &[Column] = &[
    Column::of("position_bucket", Kind::Integer),
    Column::of("position_sequence", Kind::Text),
    Column::of("position_subsequence", Kind::Integer),
    Column::of("arrival", Kind::Time),
    Column::of("id", Kind::Text),
    Column::of("type", Kind::Name),
    Column::of("source", Kind::Name),
    Column::of("subject", Kind::Text),
    Column::of("time", Kind::Time),
    Column::of("dataschema", Kind::Name),
    Column::of("upload_id", Kind::Name),
    Column::of("record", Kind::Integer),
    Column::of("line", Kind::Integer),
    Column::of("transaction_id", Kind::Text),
    Column::of("merchant_id", Kind::Name),
    Column::of("amount", Kind::Amount),
    Column::of("amount_minor", Kind::Integer),
    Column::of("currency", Kind::Name),
    Column::of("transaction_type", Kind::Name),
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
    Column::of("reject_codes", Kind::Name),
    Column::of("rule_set", Kind::Name),
    Column::of("rules", Kind::Name),
    Column::of("score", Kind::Integer),
    Column::of("data", Kind::Text),
];

/// An event's attributes, whatever it is.
#[derive(Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    subject: Option<Cow<'a, str>>,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(borrow, default)]
    dataschema: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// What is known of a row of a file, a finding, or an upload.
#[derive(Default)]
struct Known<'a> {
    upload_id: Option<UploadId>,
    record: Option<u64>,
    line: Option<u64>,
    ids: Option<(&'a str, &'a str)>,
    valid: Option<(&'a TransactionData<'a>, Amount)>,
    rejected: Option<&'a RejectedData<'a>>,
    finding: Option<&'a Finding>,
    rule_set: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn of(event: &'a Decoded<'_>) -> Self {
        match event {
            Decoded::Transaction {
                place,
                data,
                amount,
            } => Self {
                upload_id: Some(place.upload_id),
                record: Some(data.record),
                line: Some(data.line),
                ids: Some((&data.merchant_id, &data.transaction_id)),
                valid: Some((data, *amount)),
                ..Self::default()
            },
            Decoded::Rejected { place, data } => Self {
                upload_id: Some(place.upload_id),
                record: Some(data.record),
                line: Some(data.line),
                ids: data
                    .merchant_id
                    .as_deref()
                    .zip(data.transaction_id.as_deref()),
                rejected: Some(data),
                ..Self::default()
            },
            Decoded::Upload(upload) => Self {
                upload_id: Some(upload.upload_id()),
                ..Self::default()
            },
            Decoded::AnomalyFlagged(flagged) => Self::found(&flagged.finding),
            Decoded::AnomalyShadowed(shadowed) => Self::found(shadowed.finding()),
            Decoded::RulesetActivated(activated) => Self {
                rule_set: Some(&activated.version),
                ..Self::default()
            },
            Decoded::RulesetShadowed(shadowed) => Self {
                rule_set: Some(&shadowed.version),
                ..Self::default()
            },
        }
    }
}

impl<'a> Known<'a> {
    fn found(finding: &'a Finding) -> Self {
        Self {
            upload_id: Some(finding.event_id.upload_id),
            record: Some(finding.event_id.record),
            ids: Some((&finding.merchant_id, &finding.transaction_id)),
            rule_set: Some(&finding.rule_set),
            finding: Some(finding),
            ..Self::default()
        }
    }
}

/// Tells an event to a form; `false` if it is no JSON object and was not told.
pub(crate) fn tell(event: &Recorded<'_>, rows: &mut impl Rows) -> bool {
    let attributes: Attributes<'_> = match serde_json::from_slice(event.bytes) {
        Ok(attributes) => attributes,
        Err(_) if event.attributes().is_none() => return false,
        // Attributes of other kinds than ours: it stands somewhere, that is all.
        Err(_) => Attributes::default(),
    };
    let decoded = decode(event.bytes).ok();
    let known = decoded.as_ref().map(Known::of).unwrap_or_default();
    rows.integer(Some(u64::from(event.position.bucket.0)));
    rows.shown(Some(&event.position.sequence));
    rows.integer(Some(event.position.subsequence));
    rows.time(Some(event.arrival()));
    rows.text(attributes.id.as_deref());
    rows.text(attributes.kind.as_deref());
    rows.text(attributes.source.as_deref());
    rows.text(attributes.subject.as_deref());
    rows.time(attributes.time);
    rows.text(attributes.dataschema.as_deref());
    rows.shown(known.upload_id);
    rows.integer(known.record);
    rows.integer(known.line);
    rows.text(known.ids.map(|(_, transaction_id)| transaction_id));
    rows.text(known.ids.map(|(merchant_id, _)| merchant_id));
    tell_facts(known.valid, rows);
    rows.shown(known.rejected.map(Codes));
    rows.text(known.rule_set);
    rows.shown(known.finding.map(Rules));
    rows.integer(known.finding.map(|finding| u64::from(finding.score)));
    rows.text(attributes.data.map(RawValue::get));
    rows.end();
    true
}

fn tell_facts(valid: Option<(&TransactionData<'_>, Amount)>, rows: &mut impl Rows) {
    let amount = valid.map(|(_, amount)| amount);
    let data = valid.map(|(data, _)| data);
    let card = data.map(|data| &data.card);
    rows.amount(valid.map(|(data, amount)| (amount, data.currency)));
    rows.integer(amount.map(|Amount(minor)| minor));
    rows.text(data.map(|data| data.currency.code()));
    rows.text(data.map(|data| data.kind.name()));
    rows.time(data.map(|data| data.timestamp));
    rows.text(data.map(|data| data.time_source.name()));
    rows.text(card.map(|card| card.last4.as_str()));
    rows.text(card.map(|card| card.brand.name()));
    rows.shown(card.map(|card| card.fingerprint));
    rows.text(card.map(|card| &*card.key_id));
    rows.text(data.and_then(|data| data.original_transaction_id.as_deref()));
    rows.text(data.and_then(|data| data.terminal_id.as_deref()));
    rows.shown(data.and_then(|data| data.country));
    rows.shown(data.and_then(|data| data.mcc));
}

/// Why a row was rejected, in codes with blanks between.
struct Codes<'a>(&'a RejectedData<'a>);

impl fmt::Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let violations: Result<Vec<ViolationData<'_>>, _> =
            serde_json::from_str(self.0.violations.get());
        for (nth, violation) in violations.iter().flatten().enumerate() {
            f.write_str(if nth == 0 { "" } else { " " })?;
            f.write_str(&violation.code)?;
        }
        Ok(())
    }
}

/// The rules that hit, with blanks between.
struct Rules<'a>(&'a Finding);

impl fmt::Display for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, hit) in self.0.hits.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { " " })?;
            f.write_str(&hit.rule)?;
        }
        Ok(())
    }
}
