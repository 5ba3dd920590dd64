//! CSV as the rejects report writes it: it opens safely in a spreadsheet.

use super::{Column, Form, Rows};
use std::fmt::Write as _;
use txp_domain::money::{Amount, Currency};
use txp_domain::time::Timestamp;
use txp_pipeline::rejects::push_cell;

/// A piece is put out at this size.
const PIECE_BYTES: usize = 1 << 20;

/// The rows of a piece.
#[derive(Debug, Default)]
pub(crate) struct Csv {
    text: String,
    scratch: String,
    amount: Vec<u8>,
    is_within: bool,
}

impl Csv {
    /// Begins a file with its header, or goes on in one.
    pub(crate) fn new(columns: &[Column], has_header: bool) -> Self {
        let mut csv = Self::default();
        if !has_header {
            for column in columns {
                csv.text(Some(column.name));
            }
            csv.end();
        }
        csv
    }

    fn separate(&mut self) {
        if self.is_within {
            self.text.push(',');
        }
        self.is_within = true;
    }
}

impl Rows for Csv {
    fn text(&mut self, text: Option<&str>) {
        self.separate();
        push_cell(text.unwrap_or_default(), &mut self.text);
    }

    fn scratch(&mut self) -> &mut String {
        &mut self.scratch
    }

    fn integer(&mut self, number: Option<u64>) {
        self.separate();
        if let Some(number) = number {
            let _infallible = write!(self.text, "{number}");
        }
    }

    fn time(&mut self, time: Option<Timestamp>) {
        self.separate();
        if let Some(time) = time {
            let _infallible = write!(self.text, "{time}");
        }
    }

    fn amount(&mut self, amount: Option<(Amount, Currency)>) {
        self.separate();
        if let Some((amount, currency)) = amount {
            self.amount.clear();
            amount.write_decimal(currency, &mut self.amount);
            self.text.push_str(&String::from_utf8_lossy(&self.amount));
        }
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.is_within = false;
    }
}

impl Form for Csv {
    fn is_full(&self) -> bool {
        self.text.len() >= PIECE_BYTES
    }

    fn piece(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(std::mem::take(&mut self.text).into_bytes())
    }
}
