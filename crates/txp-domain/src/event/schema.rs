//! The JSON Schemas of the events' data, generated from the types.

use super::{
    AnomalyFlagged, EventType, RejectedData, RulesetActivated, TransactionData, UploadFailed,
    UploadParsed, UploadReceived,
};
use schemars::{Schema, schema_for};

/// The schema of the newest version of a type's data.
#[must_use]
pub fn data_schema(event_type: EventType) -> Schema {
    let mut schema = match event_type {
        EventType::UploadReceived => schema_for!(UploadReceived),
        EventType::UploadParsed => schema_for!(UploadParsed),
        EventType::UploadFailed => schema_for!(UploadFailed),
        EventType::TransactionAccepted | EventType::TransactionDisputed => {
            schema_for!(TransactionData<'static>)
        }
        EventType::RowRejected => schema_for!(RejectedData<'static>),
        EventType::AnomalyFlagged => schema_for!(AnomalyFlagged),
        EventType::RulesetActivated => schema_for!(RulesetActivated),
    };
    schema.insert("$id".to_owned(), event_type.data_schema().into());
    schema.insert("title".to_owned(), event_type.name().into());
    schema
}
