//! Who asks: what both hosts know of a client, however it showed who it is.

use serde::{Deserialize, Serialize};
use txp_domain::event::{Defaults, Merchants};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name, which is its id in events too.
    pub client_id: String,
    /// The merchants that it may send for and see.
    pub merchants: Merchants,
    /// What a row means that does not say.
    #[serde(default)]
    pub defaults: Defaults,
    /// Its ids may look like card numbers: an operator's exemption.
    #[serde(default)]
    pub long_number_ids_allowed: bool,
}
