//! One JSON object a row, with the columns as keys; what is empty is left out.

use super::{Column, Form, Rows};
use txp_domain::money::{Amount, Currency};
use txp_domain::time::Timestamp;

/// A piece is put out at this size.
const PIECE_BYTES: usize = 1 << 20;

/// The rows of a piece.
#[derive(Debug)]
pub(crate) struct Ndjson {
    columns: &'static [Column],
    next: usize,
    is_begun: bool,
    lines: Vec<u8>,
    scratch: String,
}

impl Ndjson {
    /// Rows of these columns.
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            next: 0,
            is_begun: false,
            lines: Vec::new(),
            scratch: String::new(),
        }
    }

    fn key(&mut self) {
        self.lines.push(if self.is_begun { b',' } else { b'{' });
        self.is_begun = true;
        let name = self.columns.get(self.next).map(|column| column.name);
        self.lines.push(b'"');
        self.lines
            .extend_from_slice(name.unwrap_or_default().as_bytes());
        self.lines.extend_from_slice(b"\":");
    }

    fn string(&mut self, text: &str) {
        self.key();
        // A text is always JSON, and memory takes it.
        serde_json::to_writer(&mut self.lines, text).ok();
    }
}

impl Rows for Ndjson {
    fn text(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.string(text);
        }
        self.next += 1;
    }

    fn scratch(&mut self) -> &mut String {
        &mut self.scratch
    }

    fn integer(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.key();
            self.lines.extend_from_slice(number.to_string().as_bytes());
        }
        self.next += 1;
    }

    fn time(&mut self, time: Option<Timestamp>) {
        self.shown(time);
    }

    fn amount(&mut self, amount: Option<(Amount, Currency)>) {
        if let Some((amount, currency)) = amount {
            self.key();
            self.lines.push(b'"');
            amount.write_decimal(currency, &mut self.lines);
            self.lines.push(b'"');
        }
        self.next += 1;
    }

    fn end(&mut self) {
        self.lines
            .extend_from_slice(if self.is_begun { b"}\n" } else { b"{}\n" });
        (self.next, self.is_begun) = (0, false);
    }
}

impl Form for Ndjson {
    fn is_full(&self) -> bool {
        self.lines.len() >= PIECE_BYTES
    }

    fn piece(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(std::mem::take(&mut self.lines))
    }
}
