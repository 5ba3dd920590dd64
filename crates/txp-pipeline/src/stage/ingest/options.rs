//! From what is kept in upload.received to the rules that its rows are held to: the same on every
//! try.

use crate::csv::{AliasFault, Aliases};
use crate::rejects::show;
use txp_domain::event::{Merchants, UploadReceived};
use txp_domain::money::Currency;
use txp_domain::row::{MerchantScope, RowRules};
use txp_domain::time::TimeZone;

/// Why options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsFault {
    /// The default currency is none.
    #[error(
        "defaults.currency is not a currency of ISO 4217 with minor units; write its three capital letters, as USD"
    )]
    Currency,
    /// The default time zone is none.
    #[error(
        "defaults.time_zone is neither an offset such as +02:00 nor a name such as Europe/Berlin"
    )]
    TimeZone,
    /// The column names do not fit.
    #[error("columns: {0}")]
    Columns(AliasFault),
}

/// The most characters of a file's name that are kept.
const FILE_NAME_CHARS_MAX: usize = 255;

/// A file's name as it is kept and told: no long number, no control character.
#[must_use]
pub fn shown_file_name(name: &str) -> String {
    show(name, FILE_NAME_CHARS_MAX)
}

/// What a file is read by.
#[derive(Clone, Debug)]
pub struct ReadingRules {
    /// What rows are held to.
    pub rows: RowRules,
    /// The merchant's names for our columns.
    pub aliases: Aliases,
}

impl ReadingRules {
    /// The rules of an upload.
    ///
    /// # Errors
    /// An option says what it cannot say.
    pub fn of(received: &UploadReceived) -> Result<Self, OptionsFault> {
        let options = &received.options;
        let default_currency = match &options.defaults.currency {
            None => Currency::USD,
            Some(code) => Currency::from_code(code.as_bytes()).ok_or(OptionsFault::Currency)?,
        };
        let default_time_zone = match &options.defaults.time_zone {
            None => None,
            Some(name) => Some(TimeZone::parse(name.as_bytes()).ok_or(OptionsFault::TimeZone)?),
        };
        let merchants = match &received.merchants {
            Merchants::All => MerchantScope::All,
            Merchants::Only(names) => MerchantScope::only(names.iter().map(String::as_str)),
        };
        let columns = options
            .columns
            .iter()
            .map(|(theirs, ours)| (theirs.as_str(), ours.as_str()));
        Ok(Self {
            rows: RowRules {
                merchants,
                uploaded_at: received.uploaded_at,
                default_currency,
                default_time_zone,
                long_number_ids_allowed: options.long_number_ids_allowed,
            },
            aliases: Aliases::new(columns).map_err(OptionsFault::Columns)?,
        })
    }
}
