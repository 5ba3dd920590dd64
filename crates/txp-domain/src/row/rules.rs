//! What a row is held to: the upload's options, and what the operator allows the client.

use crate::money::Currency;
use crate::time::{TimeZone, Timestamp};

/// The merchants that a client may send for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MerchantScope {
    /// Every merchant.
    All,
    /// These only, in ascending order: made by [`MerchantScope::only`].
    Only(Box<[Box<str>]>),
}

impl MerchantScope {
    /// These merchants only.
    pub fn only<S: Into<Box<str>>>(merchants: impl IntoIterator<Item = S>) -> Self {
        let mut merchants: Vec<Box<str>> = merchants.into_iter().map(Into::into).collect();
        merchants.sort_unstable();
        merchants.dedup();
        Self::Only(merchants.into_boxed_slice())
    }

    /// Whether the client may send for this merchant.
    #[must_use]
    pub fn allows(&self, merchant_id: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Only(merchants) => merchants
                .binary_search_by(|known| known.as_bytes().cmp(merchant_id))
                .is_ok(),
        }
    }
}

/// What the rows of an upload are held to. The same on every retry of the upload.
#[derive(Clone, Debug)]
pub struct RowRules {
    /// The merchants that the client may send for.
    pub merchants: MerchantScope,
    /// The upload's arrival: the time of a row that has none, and the end of what is believed.
    pub uploaded_at: Timestamp,
    /// The currency of a row that names none.
    pub default_currency: Currency,
    /// The zone of a timestamp that names none; without it such a timestamp is refused.
    pub default_time_zone: Option<TimeZone>,
    /// The operator's exemption from `card_number_in_identifier`, for a client whose ids are long
    /// numbers.
    pub long_number_ids_allowed: bool,
}
