//! Free text that we echo never holds a long run of digits, and a value that is kept as it is never
//! holds a card number.
//!
//! The first is for text that passed no check (messages, headers, file names, rejected cells): it
//! is blunt, 12 digits are enough. The second is for values that are valid and therefore written
//! out: it looks for real card numbers, so that long ids stay usable.

mod scan;
mod text;

pub(crate) use scan::is_card_number;
pub use scan::{digits_hold_card_number, holds_card_number};
pub use text::{REDACTED_DIGITS_MIN, needs_redaction, redact, redact_into};
