//! `txp plan`: how long a file of so many rows takes on AWS until it is completed, what limits it,
//! and what it costs. A model: nothing is measured when it is asked, and no AWS account is looked at.
//!
//! Every number that goes in is a named [`Constant`] with its source, every price is named with
//! region and date and can be replaced. Integers throughout: time in milliseconds, money in nano-USD.
//!
//! The stages run at the same time, so the slowest one decides. Deliberately absent: storage after
//! completion, traffic of others in the same account, free tiers, discounts.

mod constant;
mod cost;
mod model;
mod price;
mod table;

pub use constant::{CONSTANTS, Constant};
pub use cost::{CostLine, Usd};
pub use model::{Ask, Capacity, Plan, StagePlan, StreamMode, Warm, plan};
pub use price::{BadPrices, Prices};
pub use table::{TABLE_ROWS, markdown};

#[cfg(test)]
mod tests;
