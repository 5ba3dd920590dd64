//! The first sight of a transaction: one conditional write without a read.
//!
//! Nearly every row is the first with its id. A store takes it as this borrowed view and encodes it
//! straight from the row; what it encodes is what [`FreshTransaction::to_transaction`] gives.

use super::{Transaction, Writer};
use crate::event::{RowEvent, RowOutcome};
use crate::position::Position;
use crate::row::Facts;

static LIVE: Writer = Writer::Live;

/// An item as its first accepted event makes it, borrowed from that event.
#[derive(Clone, Copy, Debug)]
pub struct FreshTransaction<'a> {
    row: &'a RowEvent<'a>,
    /// The row's facts.
    pub facts: &'a Facts<'a>,
    /// The key that the card's fingerprint was made under.
    pub key_id: &'a str,
    /// Where the event stands in the log.
    pub position: &'a Position,
    /// When it was appended, Unix milliseconds.
    pub arrival_millis: i64,
    /// Who writes it.
    pub writer: &'a Writer,
}

impl<'a> FreshTransaction<'a> {
    /// The item that a valid row makes if it is the first; `None` for an invalid row. The running
    /// pipeline writes it.
    #[must_use]
    pub fn of(row: &'a RowEvent<'a>, position: &'a Position, arrival_millis: i64) -> Option<Self> {
        match &row.outcome {
            RowOutcome::Valid { facts, key_id } => Some(Self {
                row,
                facts,
                key_id,
                position,
                arrival_millis,
                writer: &LIVE,
            }),
            RowOutcome::Rejected(_) => None,
        }
    }

    /// The same, written by somebody else.
    #[must_use]
    pub fn written_by(self, writer: &'a Writer) -> Self {
        Self { writer, ..self }
    }

    /// The row.
    #[must_use]
    pub fn row(&self) -> &'a RowEvent<'a> {
        self.row
    }

    /// The item, owned: what the fold makes of an empty item and this one event.
    #[must_use]
    pub fn to_transaction(&self) -> Transaction {
        let mut item = Transaction::empty(self.facts.merchant_id, self.facts.transaction_id);
        item.apply_row(self.row, self.position, self.arrival_millis);
        item.writer = self.writer.clone();
        item
    }
}
