//! Webhooks: an upload's end and alerts, told to addresses that the operator has set, in the form of
//! Standard Webhooks: `webhook-id`, `webhook-timestamp`, and `webhook-signature`, which is HMAC-SHA-256
//! over id, time and body under each secret that is valid.
//!
//! At least once: a message is recorded before it is sent and marked after; its id is derived from
//! what it tells, so a receiver drops what comes twice. Nothing of a card is in a message, not even
//! its last digits. Redirects are not followed, and an address that is not public is refused when it
//! is connected to, not only when it is set: names change.
//!
//! One component for both hosts: who posts is a port ([`Post`]), what comes of it and what is tried
//! when is decided in a [`Round`]. On the embedded host `txp serve` sends, on AWS the function
//! `anomaly`. Deliberately absent: where endpoints and messages are kept.

mod address;
mod delivery;
mod endpoint;
mod message;
mod round;

pub use address::{NotPublic, check_address};
pub use delivery::{
    ATTEMPTS_MAX, Attempt, BODY_BYTES_MAX, Post, PostFailure, PostRequest, attempt, retry_seconds,
};
pub use endpoint::{BadUrl, Endpoint, SECRET_OVERLAP_SECONDS, Secret, Topic, check_url};
pub use message::{NEWS_SECONDS, Outgoing};
pub use round::{Ending, LATE_SECONDS, Mark, Round, Told};

#[cfg(test)]
mod tests;
