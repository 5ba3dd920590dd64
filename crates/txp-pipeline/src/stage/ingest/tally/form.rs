//! A tally put away in a checkpoint: by name where a name is stable, zeros left out.

use super::{Sums, Tally};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use txp_domain::money::{Currency, Sum};
use txp_domain::violation::Code;

/// The counts of an upload in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct TallyForm {
    records: u64,
    valid: u64,
    rejected: u64,
    by_code: BTreeMap<String, u64>,
    sums: BTreeMap<String, SumsForm>,
    last_record: BTreeMap<u8, u64>,
}

/// By type of transaction; amounts in minor units, as text since they have 128 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SumsForm {
    rows: [u64; 3],
    amounts: [String; 3],
}

impl Tally {
    pub(in super::super) fn to_form(&self) -> TallyForm {
        let by_code = Code::ALL.iter().zip(&self.by_code);
        let by_code = by_code.filter(|(_, count)| **count > 0);
        let sums = Currency::all().zip(&self.sums);
        let sums = sums.filter(|(_, sums)| **sums != Sums::default());
        let last_record = (0..=u8::MAX).zip(self.last_record.iter().copied());
        TallyForm {
            records: self.records,
            valid: self.valid,
            rejected: self.rejected,
            by_code: by_code
                .map(|(code, count)| (code.name().to_owned(), *count))
                .collect(),
            sums: sums
                .map(|(currency, sums)| (currency.code().to_owned(), SumsForm::of(sums)))
                .collect(),
            last_record: last_record.filter(|(_, last)| *last > 0).collect(),
        }
    }

    /// `None` if the form says what no tally writes.
    pub(in super::super) fn of_form(form: &TallyForm) -> Option<Self> {
        let mut tally = Self {
            records: form.records,
            valid: form.valid,
            rejected: form.rejected,
            ..Self::default()
        };
        for (name, count) in &form.by_code {
            *tally.by_code.get_mut(Code::from_name(name)? as usize)? = *count;
        }
        for (code, sums) in &form.sums {
            let currency = Currency::from_code(code.as_bytes())?;
            *tally.sums.get_mut(currency.index())? = sums.read()?;
        }
        for (bucket, last) in &form.last_record {
            *tally.last_record.get_mut(usize::from(*bucket))? = *last;
        }
        Some(tally)
    }
}

impl SumsForm {
    fn of(sums: &Sums) -> Self {
        Self {
            rows: sums.rows,
            amounts: sums.amounts.map(|amount| amount.0.to_string()),
        }
    }

    fn read(&self) -> Option<Sums> {
        let [sales, refunds, chargebacks] = &self.amounts;
        let sum = |text: &String| text.parse().ok().map(Sum);
        Some(Sums {
            rows: self.rows,
            amounts: [sum(sales)?, sum(refunds)?, sum(chargebacks)?],
        })
    }
}
