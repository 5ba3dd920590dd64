//! Identifiers: what a merchant may call things, and what we call uploads and their row events.

mod identifier;
mod upload;

pub use identifier::{IDENTIFIER_BYTES_MAX, IdentifierFault, is_identifier};
pub use upload::{EventId, UPLOAD_ID_LETTERS, UploadId};

pub(crate) use identifier::read_identifier;
