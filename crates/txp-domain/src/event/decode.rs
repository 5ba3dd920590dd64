//! Reading events, of every version ever written.
//!
//! An older version is brought to the newest by [`upcast`] before it is read. An event of a version
//! or type that we do not know is an error that says so: the caller quarantines it by position.

use super::row::{RejectedData, TransactionData};
use super::{
    AnomalyFlagged, AnomalyShadowed, EventType, RejectedRow, RowEvent, RowOutcome,
    RulesetActivated, RulesetShadowed, UploadEvent, UploadFailed, UploadParsed, UploadReceived,
    ViolationData,
};
use crate::card::Fingerprint;
use crate::id::{EventId, UploadId, is_identifier};
use crate::money::{Amount, Currency};
use crate::row::{CardFacts, Facts, TransactionType};
use crate::time::Timestamp;
use crate::trace::TraceParent;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Why an event cannot be read. Never shows the event's content.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not the fields that the type has.
    #[error("event is not the JSON that its type needs (line {line}, column {column}): {category}")]
    Json {
        /// The line in the event's JSON.
        line: usize,
        /// The column in that line.
        column: usize,
        /// What kind of fault.
        category: &'static str,
    },
    /// A type that we do not know.
    #[error("event type is unknown; a newer txp may know it")]
    UnknownType,
    /// A version that we do not know.
    #[error(
        "{event_type} is of version {version}, the newest known here is {newest}; use a newer txp"
    )]
    UnknownVersion {
        /// The type.
        event_type: EventType,
        /// The event's version.
        version: u32,
        /// The newest that we know.
        newest: u32,
    },
    /// An attribute or field says something that it cannot say.
    #[error("event's {field} is not valid")]
    Field {
        /// The field.
        field: &'static str,
    },
}

impl From<serde_json::Error> for DecodeError {
    fn from(e: serde_json::Error) -> Self {
        let category = match e.classify() {
            serde_json::error::Category::Io => "input/output",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "a field is missing or of another kind",
            serde_json::error::Category::Eof => "it ends too early",
        };
        Self::Json {
            line: e.line(),
            column: e.column(),
            category,
        }
    }
}

/// An event as read: its parts may still borrow from the JSON.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A valid row.
    Transaction {
        /// Where it stands.
        place: RowPlace,
        /// Its data.
        data: Box<TransactionData<'a>>,
        /// The amount in minor units, read from `data`.
        amount: Amount,
    },
    /// An invalid row.
    Rejected {
        /// Where it stands.
        place: RowPlace,
        /// Its data.
        data: Box<RejectedData<'a>>,
    },
    /// A step in an upload's life.
    Upload(Box<UploadEvent>),
    /// A finding.
    AnomalyFlagged(Box<AnomalyFlagged>),
    /// A finding of rules that are only tried.
    AnomalyShadowed(Box<AnomalyShadowed>),
    /// A change of the rules that judge.
    RulesetActivated(Box<RulesetActivated>),
    /// A change of the rules that are tried.
    RulesetShadowed(Box<RulesetShadowed>),
}

/// Where a row stands: in the envelope, not in the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// The upload.
    pub upload_id: UploadId,
    /// When the upload arrived.
    pub uploaded_at: Timestamp,
}

impl Decoded<'_> {
    /// The same event in the form that folds take.
    #[must_use]
    pub fn event(&self) -> super::Event<'_> {
        match self {
            Self::Transaction {
                place,
                data,
                amount,
            } => {
                let outcome = RowOutcome::Valid {
                    facts: data.facts(*amount),
                    key_id: &data.card.key_id,
                };
                super::Event::Row(place.row(data.record, data.line, outcome))
            }
            Self::Rejected { place, data } => {
                let ids = match (&data.merchant_id, &data.transaction_id) {
                    (Some(merchant_id), Some(transaction_id)) => {
                        Some((&**merchant_id, &**transaction_id))
                    }
                    _ => None,
                };
                let outcome = RowOutcome::Rejected(RejectedRow {
                    ids,
                    violations: data.violations.get(),
                });
                super::Event::Row(place.row(data.record, data.line, outcome))
            }
            Self::Upload(upload) => super::Event::Upload(upload.clone()),
            Self::AnomalyFlagged(flagged) => super::Event::AnomalyFlagged(flagged.clone()),
            Self::AnomalyShadowed(shadowed) => super::Event::AnomalyShadowed(shadowed.clone()),
            Self::RulesetActivated(activated) => super::Event::RulesetActivated(activated.clone()),
            Self::RulesetShadowed(shadowed) => super::Event::RulesetShadowed(shadowed.clone()),
        }
    }
}

impl RowPlace {
    fn row<'a>(&self, record: u64, line: u64, outcome: RowOutcome<'a>) -> RowEvent<'a> {
        RowEvent {
            upload_id: self.upload_id,
            uploaded_at: self.uploaded_at,
            record,
            line,
            outcome,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    time: Timestamp,
    #[serde(borrow)]
    dataschema: Cow<'a, str>,
    #[serde(borrow, default)]
    traceparent: Option<&'a RawValue>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Envelope<'_> {
    /// The trace; one that is none is no reason to refuse the event.
    fn trace(&self) -> Option<TraceParent> {
        serde_json::from_str(self.traceparent?.get()).ok()
    }
}

/// Reads an event from its JSON.
///
/// # Errors
/// [`DecodeError`]: the event is not ours, is damaged, or is from the future.
pub fn decode(json: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    let envelope: Envelope<'_> = serde_json::from_slice(json)?;
    if envelope.specversion != super::SPEC_VERSION {
        return Err(DecodeError::Field {
            field: "specversion",
        });
    }
    let event_type = EventType::from_name(&envelope.event_type).ok_or(DecodeError::UnknownType)?;
    let version = schema_version(event_type, &envelope.dataschema)?;
    if version == event_type.version() {
        decode_data(event_type, &envelope, envelope.data.get())
    } else {
        upcast(event_type, version)
    }
}

fn schema_version(event_type: EventType, dataschema: &str) -> Result<u32, DecodeError> {
    version_in(event_type.name(), dataschema).ok_or(DecodeError::Field {
        field: "dataschema",
    })
}

/// The version of a type that a schema's name tells; `None` if it is not named as ours are.
fn version_in(type_name: &str, dataschema: &str) -> Option<u32> {
    let version = dataschema
        .strip_prefix("schemas/")
        .and_then(|rest| rest.strip_prefix(type_name))
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.strip_suffix(".json"));
    version
        .filter(|digits| !digits.starts_with(['+', '0']))
        .and_then(|digits| digits.parse().ok())
}

/// Whether an event that cannot be read here is one of ours that a newer txp reads: of a type or a
/// version that is not known, with a schema that is named as ours are.
#[must_use]
pub fn is_from_the_future(json: &[u8]) -> bool {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(json) else {
        return false;
    };
    let Some(version) = version_in(&envelope.event_type, &envelope.dataschema) else {
        return false;
    };
    let known = EventType::from_name(&envelope.event_type);
    envelope.specversion == super::SPEC_VERSION
        && known.is_none_or(|event_type| version > event_type.version())
}

/// Brings the data of an older version to the newest.
///
/// Every type has had one version so far, so each other version is from the future. The first
/// change of a type adds its arm here, and its frozen fixture stays beside the new one.
fn upcast<'a>(event_type: EventType, version: u32) -> Result<Decoded<'a>, DecodeError> {
    Err(DecodeError::UnknownVersion {
        event_type,
        version,
        newest: event_type.version(),
    })
}

fn decode_data<'a>(
    event_type: EventType,
    envelope: &Envelope<'_>,
    data: &'a str,
) -> Result<Decoded<'a>, DecodeError> {
    Ok(match event_type {
        EventType::TransactionAccepted | EventType::TransactionDisputed => {
            transaction(event_type, envelope, data)?
        }
        EventType::RowRejected => rejected(envelope, data)?,
        EventType::UploadReceived => Decoded::Upload(Box::new(received(envelope, data)?)),
        EventType::UploadParsed => Decoded::Upload(Box::new(parsed(envelope, data)?)),
        EventType::UploadFailed => Decoded::Upload(Box::new(failed(envelope, data)?)),
        EventType::AnomalyFlagged => {
            let data: AnomalyFlagged = serde_json::from_str(data)?;
            if *data.finding.id != *envelope.id {
                return Err(DecodeError::Field { field: "id" });
            }
            Decoded::AnomalyFlagged(Box::new(AnomalyFlagged {
                time: envelope.time,
                ..data
            }))
        }
        EventType::AnomalyShadowed => {
            let data: AnomalyShadowed = serde_json::from_str(data)?;
            if *data.id() != *envelope.id || !data.is_marked() {
                return Err(DecodeError::Field { field: "id" });
            }
            Decoded::AnomalyShadowed(Box::new(AnomalyShadowed {
                time: envelope.time,
                ..data
            }))
        }
        EventType::RulesetActivated => {
            let data: RulesetActivated = serde_json::from_str(data)?;
            Decoded::RulesetActivated(Box::new(RulesetActivated {
                activated_at: envelope.time,
                ..data
            }))
        }
        EventType::RulesetShadowed => {
            let data: RulesetShadowed = serde_json::from_str(data)?;
            Decoded::RulesetShadowed(Box::new(RulesetShadowed {
                shadowed_at: envelope.time,
                ..data
            }))
        }
    })
}

fn received(envelope: &Envelope<'_>, data: &str) -> Result<UploadEvent, DecodeError> {
    Ok(UploadEvent::Received(UploadReceived {
        upload_id: upload_id(envelope, "received")?,
        uploaded_at: envelope.time,
        trace: envelope.trace(),
        ..serde_json::from_str(data)?
    }))
}

fn parsed(envelope: &Envelope<'_>, data: &str) -> Result<UploadEvent, DecodeError> {
    Ok(UploadEvent::Parsed(UploadParsed {
        upload_id: upload_id(envelope, "parsed")?,
        uploaded_at: envelope.time,
        trace: envelope.trace(),
        ..serde_json::from_str(data)?
    }))
}

fn failed(envelope: &Envelope<'_>, data: &str) -> Result<UploadEvent, DecodeError> {
    Ok(UploadEvent::Failed(UploadFailed {
        upload_id: upload_id(envelope, "failed")?,
        uploaded_at: envelope.time,
        trace: envelope.trace(),
        ..serde_json::from_str(data)?
    }))
}

fn transaction<'a>(
    event_type: EventType,
    envelope: &Envelope<'_>,
    data: &'a str,
) -> Result<Decoded<'a>, DecodeError> {
    let data: Box<TransactionData<'a>> = serde_json::from_str(data)?;
    let place = place(envelope, data.record)?;
    let disputed = event_type == EventType::TransactionDisputed;
    if disputed != (data.kind == TransactionType::Chargeback) {
        return Err(DecodeError::Field { field: "data.type" });
    }
    check_identifiers(&data)?;
    let amount = Amount::parse_decimal(data.amount.as_bytes(), data.currency);
    let amount = amount.ok_or(DecodeError::Field {
        field: "data.amount",
    })?;
    Ok(Decoded::Transaction {
        place,
        data,
        amount,
    })
}

fn rejected<'a>(envelope: &Envelope<'_>, data: &'a str) -> Result<Decoded<'a>, DecodeError> {
    let data: Box<RejectedData<'a>> = serde_json::from_str(data)?;
    let ids = data.transaction_id.iter().chain(&data.merchant_id);
    identifiers("data.transaction_id or data.merchant_id", ids)?;
    let _: Vec<ViolationData<'_>> = serde_json::from_str(data.violations.get())?;
    Ok(Decoded::Rejected {
        place: place(envelope, data.record)?,
        data,
    })
}

/// An event's identifiers are keys of the state, and are written again without escapes.
fn identifiers<'a>(
    field: &'static str,
    texts: impl IntoIterator<Item = &'a Cow<'a, str>>,
) -> Result<(), DecodeError> {
    let is_sound = texts.into_iter().all(|text| is_identifier(text.as_bytes()));
    is_sound.then_some(()).ok_or(DecodeError::Field { field })
}

fn check_identifiers(data: &TransactionData<'_>) -> Result<(), DecodeError> {
    identifiers("data.transaction_id", [&data.transaction_id])?;
    identifiers("data.merchant_id", [&data.merchant_id])?;
    identifiers("data.terminal_id", &data.terminal_id)?;
    let original = "data.original_transaction_id";
    if data.kind == TransactionType::Chargeback && data.original_transaction_id.is_none() {
        return Err(DecodeError::Field { field: original });
    }
    identifiers(original, &data.original_transaction_id)
}

fn place(envelope: &Envelope<'_>, record: u64) -> Result<RowPlace, DecodeError> {
    let fault = DecodeError::Field { field: "id" };
    match EventId::parse(envelope.id.as_bytes()) {
        Some(id) if id.record == record => Ok(RowPlace {
            upload_id: id.upload_id,
            uploaded_at: envelope.time,
        }),
        _ => Err(fault),
    }
}

fn upload_id(envelope: &Envelope<'_>, step: &str) -> Result<UploadId, DecodeError> {
    let parts = envelope.id.split_once(':');
    parts
        .filter(|(_, found)| *found == step)
        .and_then(|(id, _)| UploadId::parse(id.as_bytes()))
        .ok_or(DecodeError::Field { field: "id" })
}

impl<'a> TransactionData<'a> {
    /// The data of a valid row.
    #[must_use]
    pub fn of(facts: &Facts<'a>, key_id: &'a str, record: u64, line: u64) -> Self {
        let mut amount = Vec::new();
        facts.amount.write_decimal(facts.currency, &mut amount);
        Self {
            transaction_id: Cow::Borrowed(facts.transaction_id),
            merchant_id: Cow::Borrowed(facts.merchant_id),
            amount: Cow::Owned(String::from_utf8_lossy(&amount).into_owned()),
            currency: facts.currency,
            kind: facts.kind,
            timestamp: facts.timestamp,
            time_source: facts.time_source,
            card: super::CardData {
                last4: facts.card.last4,
                brand: facts.card.brand,
                fingerprint: facts.card.fingerprint,
                key_id: Cow::Borrowed(key_id),
            },
            original_transaction_id: facts.original_transaction_id.map(Cow::Borrowed),
            terminal_id: facts.terminal_id.map(Cow::Borrowed),
            country: facts.country,
            mcc: facts.mcc,
            record,
            line,
        }
    }

    /// The facts in the form that folds take; `amount` in minor units.
    #[must_use]
    pub fn facts(&self, amount: Amount) -> Facts<'_> {
        let currency: Currency = self.currency;
        let fingerprint: Fingerprint = self.card.fingerprint;
        Facts {
            transaction_id: &self.transaction_id,
            merchant_id: &self.merchant_id,
            amount,
            currency,
            kind: self.kind,
            original_transaction_id: self.original_transaction_id.as_deref(),
            terminal_id: self.terminal_id.as_deref(),
            country: self.country,
            mcc: self.mcc,
            timestamp: self.timestamp,
            time_source: self.time_source,
            card: CardFacts {
                last4: self.card.last4,
                brand: self.card.brand,
                fingerprint,
            },
        }
    }
}
