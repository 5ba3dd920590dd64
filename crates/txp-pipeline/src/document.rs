//! The documents that the command line, the embedded server and the API Lambda answer with: wire
//! formats, made from the domain's state and from nothing else.
//!
//! Keys are added, never renamed: scripts depend on them. Deliberately absent: who asks. A document
//! for a merchant differs from the operator's by its [`Audience`] only; whether someone may see it
//! at all is decided in [`crate::api`].

mod errors;
mod flag;
mod problem;
mod trace;
mod transaction;
mod upload;

pub use errors::{FIRST_ERRORS_MAX, RowErrors, first_errors};
pub use flag::FlagDocument;
pub use problem::{Choice, FieldFault, PROBLEM_TYPE_PREFIX, Problem, ProblemKind};
pub use trace::{
    AlertTraceDocument, EventDocument, FileDocument, FindingDocument, RevisionDocument,
    RuleSetDocument, TraceDocument, class_of,
};
pub use transaction::{
    AsOfDocument, HistoryDocument, PositionDocument, RejectionDocument, StatusName,
    TransactionDocument, ViolationDocument, transaction_document, upload_of,
};
pub use upload::{
    CountsDocument, FailureDocument, ReceiptDocument, SignatureDocument, StateName, UploadDocument,
    UploadSource, UploadsDocument, upload_document,
};

/// For whom a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A merchant's client: numbers that a rule learnt across merchants are left out.
    Merchant,
    /// Who runs the processor.
    Operator,
}

/// A Unix time in milliseconds as RFC 3339; the epoch where it is out of range.
pub(crate) fn moment(millis: i64) -> txp_domain::time::Timestamp {
    u64::try_from(millis)
        .ok()
        .and_then(txp_domain::time::Timestamp::from_unix_millis)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
