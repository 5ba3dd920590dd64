//! What is counted while a file is read: plain arrays, no allocation per row.

mod form;

pub(super) use form::TallyForm;

use crate::csv::FileDigest;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use txp_domain::event::{BucketRecords, CurrencySums, UploadTally};
use txp_domain::money::{Currency, Sum};
use txp_domain::position::{BUCKET_COUNT, Bucket};
use txp_domain::row::{Facts, TransactionType};
use txp_domain::violation::{Code, Violations};

/// The counts of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    records: u64,
    valid: u64,
    rejected: u64,
    by_code: Box<[u64]>,
    sums: Box<[Sums]>,
    last_record: Box<[u64]>,
}

/// Amounts of one currency, by type of transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    rows: [u64; 3],
    amounts: [Sum; 3],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            records: 0,
            valid: 0,
            rejected: 0,
            by_code: vec![0; Code::ALL.len()].into(),
            sums: vec![Sums::default(); Currency::COUNT].into(),
            last_record: vec![0; BUCKET_COUNT].into(),
        }
    }
}

impl Tally {
    /// Records read.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records that are valid.
    #[must_use]
    pub fn valid_records(&self) -> u64 {
        self.valid
    }

    /// Records that some rule is broken for.
    #[must_use]
    pub fn rejected_records(&self) -> u64 {
        self.rejected
    }

    pub(super) fn record(&mut self) {
        self.records += 1;
    }

    pub(super) fn last_record(&mut self, bucket: Bucket, record: u64) {
        if let Some(last) = self.last_record.get_mut(bucket.index()) {
            *last = record;
        }
    }

    pub(super) fn valid<T: ?Sized>(&mut self, facts: &Facts<'_, T>) {
        self.valid += 1;
        let Some(sums) = self.sums.get_mut(facts.currency.index()) else {
            return;
        };
        let kind = facts.kind as usize;
        if let (Some(rows), Some(amount)) = (sums.rows.get_mut(kind), sums.amounts.get_mut(kind)) {
            *rows += 1;
            amount.add(facts.amount);
        }
    }

    pub(super) fn rejected(&mut self, violations: &Violations) {
        self.rejected += 1;
        for (index, violation) in violations.iter().enumerate() {
            let counted = violations
                .iter()
                .take(index)
                .any(|v| v.code == violation.code);
            if let Some(count) = self.by_code.get_mut(violation.code as usize)
                && !counted
            {
                *count += 1;
            }
        }
    }

    pub(super) fn finish(
        &self,
        digest: Option<&FileDigest>,
        unknown_columns: &[String],
    ) -> UploadTally {
        let rejected_by_code = Code::ALL
            .iter()
            .zip(&self.by_code)
            .filter(|(_, count)| **count > 0)
            .map(|(code, count)| (code.name().to_owned(), *count));
        let last_record = (0..=u8::MAX)
            .zip(self.last_record.iter().copied())
            .filter(|(_, last)| *last > 0);
        UploadTally {
            records: self.records,
            valid: self.valid,
            rejected: self.rejected,
            rejected_by_code: rejected_by_code.collect(),
            bytes: digest.map_or(0, FileDigest::bytes),
            sha256: digest.map(|digest| hexadecimal(&digest.sha256())),
            sums: self.sums(),
            last_record_by_bucket: BucketRecords(last_record.collect()),
            unknown_columns: unknown_columns.to_vec(),
        }
    }

    fn sums(&self) -> BTreeMap<String, CurrencySums> {
        let used = Currency::all()
            .zip(&self.sums)
            .filter(|(_, sums)| sums.rows.iter().any(|rows| *rows > 0));
        used.map(|(currency, sums)| {
            let of = |kind: TransactionType| sums.of(kind, currency);
            let named = CurrencySums {
                sale: of(TransactionType::Sale),
                refund: of(TransactionType::Refund),
                chargeback: of(TransactionType::Chargeback),
            };
            (currency.code().to_owned(), named)
        })
        .collect()
    }
}

impl Sums {
    fn of(&self, kind: TransactionType, currency: Currency) -> Option<String> {
        let rows = self.rows.get(kind as usize)?;
        let amount = self.amounts.get(kind as usize).filter(|_| *rows > 0)?;
        let mut text = Vec::new();
        amount.write_decimal(currency, &mut text);
        String::from_utf8(text).ok()
    }
}

/// Bytes in hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}
