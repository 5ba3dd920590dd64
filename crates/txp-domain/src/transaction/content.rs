//! What of a row counts when a second row with the same id comes.

use crate::card::{Brand, Fingerprint, Last4};
use crate::event::RowEvent;
use crate::id::EventId;
use crate::money::{Amount, Currency};
use crate::row::{Country, Facts, Mcc, TimeSource, TransactionType};
use crate::time::Timestamp;
use sha2::{Digest, Sha256};

/// SHA-256 of a conflicting content, cut to 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConflictDigest(pub [u8; 16]);

/// A content that was refused because another stands, and the row that brought it first: all that
/// judging it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptConflict {
    /// By which it is told from others.
    pub digest: ConflictDigest,
    /// The row; absent in items that were stored before rows were kept.
    pub row: Option<ConflictingRow>,
}

/// What a judgement looks at of a row that conflicts with the one that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictingRow {
    /// The event.
    pub event: EventId,
    /// Sale, refund or chargeback.
    pub kind: TransactionType,
    /// In minor units.
    pub amount: Amount,
    /// The currency.
    pub currency: Currency,
    /// When it happened.
    pub timestamp: Timestamp,
    /// When its upload arrived.
    pub uploaded_at: Timestamp,
}

/// The part of a row that makes it equal to another, owned.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// In minor units.
    pub amount: Amount,
    /// The currency.
    pub currency: Currency,
    /// Sale, refund or chargeback.
    pub kind: TransactionType,
    /// The card.
    pub fingerprint: Fingerprint,
    /// The key that the fingerprint was made under.
    pub key_id: Box<str>,
    /// What a refund or chargeback is about.
    pub original_transaction_id: Option<Box<str>>,
    /// The terminal.
    pub terminal_id: Option<Box<str>>,
    /// The country.
    pub country: Option<Country>,
    /// The merchant category.
    pub mcc: Option<Mcc>,
}

/// What of the first accepted row a later one is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The content.
    pub content: &'a Content,
    /// The card's last four digits: compared under different keys.
    pub last4: Last4,
    /// The card's brand: compared under different keys.
    pub brand: Brand,
    /// The event time, where the file gave it.
    pub timestamp: Option<Timestamp>,
}

impl Content {
    /// The content of a row.
    #[must_use]
    pub fn of(facts: &Facts<'_>, key_id: &str) -> Self {
        Self {
            amount: facts.amount,
            currency: facts.currency,
            kind: facts.kind,
            fingerprint: facts.card.fingerprint,
            key_id: key_id.into(),
            original_transaction_id: facts.original_transaction_id.map(Into::into),
            terminal_id: facts.terminal_id.map(Into::into),
            country: facts.country,
            mcc: facts.mcc,
        }
    }
}

impl KeptConflict {
    /// Of a row with these facts.
    #[must_use]
    pub fn of(row: &RowEvent<'_>, facts: &Facts<'_>, key_id: &str) -> Self {
        Self {
            digest: ConflictDigest::of(facts, key_id),
            row: Some(ConflictingRow {
                event: row.event_id(),
                kind: facts.kind,
                amount: facts.amount,
                currency: facts.currency,
                timestamp: facts.timestamp,
                uploaded_at: row.uploaded_at,
            }),
        }
    }
}

impl Standing<'_> {
    /// Whether a row says the same: all of the content, and the time where both give one.
    #[must_use]
    pub fn equals(&self, facts: &Facts<'_>, key_id: &str) -> bool {
        let ours = self.content;
        let same_card = if *ours.key_id == *key_id {
            ours.fingerprint == facts.card.fingerprint
        } else {
            self.last4 == facts.card.last4 && self.brand == facts.card.brand
        };
        let same_time = match (self.timestamp, given_time(facts)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        same_card
            && same_time
            && ours.amount == facts.amount
            && ours.currency == facts.currency
            && ours.kind == facts.kind
            && ours.original_transaction_id.as_deref() == facts.original_transaction_id
            && ours.terminal_id.as_deref() == facts.terminal_id
            && ours.country == facts.country
            && ours.mcc == facts.mcc
    }
}

/// The event time, where the file gave it.
fn given_time(facts: &Facts<'_>) -> Option<Timestamp> {
    (facts.time_source == TimeSource::File).then_some(facts.timestamp)
}

impl ConflictDigest {
    /// The digest of a row's content: fields in order, each with its length before it.
    #[must_use]
    pub fn of(facts: &Facts<'_>, key_id: &str) -> Self {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(&facts.amount.0.to_be_bytes());
        field(facts.currency.code().as_bytes());
        field(facts.kind.name().as_bytes());
        field(&facts.card.fingerprint.0);
        field(key_id.as_bytes());
        field(facts.original_transaction_id.unwrap_or_default().as_bytes());
        field(facts.terminal_id.unwrap_or_default().as_bytes());
        field(facts.country.as_ref().map_or("", Country::code).as_bytes());
        field(facts.mcc.as_ref().map_or("", Mcc::as_str).as_bytes());
        let time = given_time(facts).map(|t| t.0.to_be_bytes());
        field(time.as_ref().map_or(&[], |bytes| bytes.as_slice()));
        let digest: [u8; 32] = hash.finalize().into();
        let mut cut = [0; 16];
        cut.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(cut)
    }
}
