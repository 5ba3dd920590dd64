//! A window as it is stored, and what it says about a finding.

use crate::dynamodb::Damage;
use crate::dynamodb::alerts::{PARTITIONS, partition_of};
use crate::dynamodb::attributes::Fields;
use txp_domain::time::Timestamp;

/// Nanoseconds.
pub(super) const SECOND: i64 = 1_000_000_000;

/// A window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) merchant_id: String,
    pub(super) rule: String,
    /// The alert that opened it; none where only gathered alerts are known.
    pub(super) opened_by: Option<String>,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
    /// When its digest is to be looked for; none if nothing was gathered.
    pub(super) due_at: Option<Timestamp>,
}

/// What a window says about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is the finding that opened the window: it was to be sent, and was not recorded.
    OpenedByIt,
    /// It waits for the digest.
    HoldsBack,
    /// The window is over: a new one may be opened in its place.
    Open,
}

impl Window {
    pub(super) fn decode(fields: Fields<'_>) -> Result<Self, Damage> {
        let time = |name| {
            let millis = fields.optional_number::<u64>(name)?;
            let time = millis.map(|millis| Timestamp::from_unix_millis(millis).ok_or(Damage(name)));
            time.transpose()
        };
        Ok(Self {
            merchant_id: fields.text("merchant_id")?.to_owned(),
            rule: fields.text("rule")?.to_owned(),
            opened_by: fields.optional_text("opened_by")?.map(str::to_owned),
            starts_at: time("starts_at")?.ok_or(Damage("starts_at"))?,
            ends_at: time("ends_at")?.ok_or(Damage("ends_at"))?,
            due_at: time("waiting_since")?,
        })
    }

    /// A window that has ended holds back until its digest is taken care of.
    pub(super) fn answer(&self, alert_id: &str, now: Timestamp) -> Answer {
        if self.opened_by.as_deref() == Some(alert_id) {
            Answer::OpenedByIt
        } else if now < self.ends_at || self.due_at.is_some() {
            Answer::HoldsBack
        } else {
            Answer::Open
        }
    }
}

/// The key of a window's item. No alert's id and no merchant's has a `#`.
pub(super) fn item_key(merchant_id: &str, rule: &str) -> String {
    format!("cooldown#{merchant_id} {rule}")
}

/// The partition of the index that an armed window stands in.
pub(super) fn due_key(key: &str) -> String {
    due_partition(partition_of(key))
}

/// All of these partitions.
pub(super) fn due_keys() -> impl Iterator<Item = String> {
    (0..PARTITIONS).map(due_partition)
}

fn due_partition(partition: u8) -> String {
    format!("due#{partition}")
}

pub(super) fn after(at: Timestamp, seconds: u32) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::from(seconds).saturating_mul(SECOND)))
}
