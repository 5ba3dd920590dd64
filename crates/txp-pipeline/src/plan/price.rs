//! Prices, in nano-USD per so many units, with region and date. Another region's are read from a file.

use super::cost::Usd;
use serde::{Deserialize, Serialize};

/// What is paid for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Nano-USD (a thousandth of a millionth of a dollar).
    pub nano_usd: u64,
    /// For so many units.
    pub per: u64,
}

impl Price {
    const fn of(nano_usd: u64, per: u64) -> Self {
        Self { nano_usd, per }
    }

    /// What so many units cost.
    #[must_use]
    pub fn cost(self, units: u128) -> Usd {
        let nano = units.saturating_mul(u128::from(self.nano_usd));
        Usd(nano / u128::from(self.per.max(1)))
    }
}

/// All prices that the model needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Where they hold.
    pub region: String,
    /// As of when, `YYYY-MM-DD`.
    pub as_of: String,
    /// A write unit on demand.
    pub table_write: Price,
    /// A read unit on demand.
    pub table_read: Price,
    /// A byte into an on-demand stream.
    pub stream_in: Price,
    /// A byte out of an on-demand stream.
    pub stream_out: Price,
    /// An hour of an on-demand stream.
    pub stream_hour: Price,
    /// An hour of a provisioned shard.
    pub shard_hour: Price,
    /// A PUT payload unit into a provisioned stream.
    pub put_unit: Price,
    /// A thousandth of a GB-second of a function (x86).
    pub function_milli_gb_second: Price,
    /// An invocation.
    pub function_request: Price,
    /// A PUT to S3.
    pub object_put: Price,
    /// A GET from S3.
    pub object_get: Price,
}

/// Why a file of prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadPrices {
    /// It is no JSON, or not of this form.
    #[error("the prices cannot be read: {0}; `txp plan --rows 1 --json` prints them in this form")]
    Form(serde_json::Error),
    /// A price is for nothing.
    #[error("a price is for 0 units: `per` is at least 1")]
    PerNothing,
}

impl Default for Prices {
    /// List prices of us-east-1.
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            as_of: "2025-01-31".to_owned(),
            table_write: Price::of(625_000_000, 1_000_000),
            table_read: Price::of(125_000_000, 1_000_000),
            stream_in: Price::of(80_000_000, 1_000_000_000),
            stream_out: Price::of(40_000_000, 1_000_000_000),
            stream_hour: Price::of(40_000_000, 1),
            shard_hour: Price::of(15_000_000, 1),
            put_unit: Price::of(14_000_000, 1_000_000),
            function_milli_gb_second: Price::of(166_667, 10_000),
            function_request: Price::of(200_000_000, 1_000_000),
            object_put: Price::of(5_000_000, 1_000),
            object_get: Price::of(400_000, 1_000),
        }
    }
}

impl Prices {
    /// Reads prices in the form in which a plan prints them.
    ///
    /// # Errors
    /// They are no JSON, not of this form, or one is for nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadPrices> {
        let prices: Self = serde_json::from_slice(bytes).map_err(BadPrices::Form)?;
        let all = [
            prices.table_write,
            prices.table_read,
            prices.stream_in,
            prices.stream_out,
            prices.stream_hour,
            prices.shard_hour,
            prices.put_unit,
            prices.function_milli_gb_second,
            prices.function_request,
            prices.object_put,
            prices.object_get,
        ];
        if all.iter().any(|price| price.per == 0) {
            return Err(BadPrices::PerNothing);
        }
        Ok(prices)
    }
}
