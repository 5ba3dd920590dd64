//! One row after the other: what it is, its text, and what it adds to the expected counts.

use super::bad::{FAULTS, Fault, RECORD_BYTES_MAX};
use super::card::Card;
use super::random::Random;
use super::recent::{Recent, Sale};
use super::text::{Clock, Tag, put_amount, put_number};
use super::{Expected, ROWS_PER_CARD, Span};

/// Shares of the rows, of 10,000.
const BAD: u64 = 200;
const DUPLICATE: u64 = 95;
const CONFLICT: u64 = 5;
const CHARGEBACK: u64 = 30;
const REFUND: u64 = 300;
/// Each of the three suspicious amounts.
const SUSPICIOUS: u64 = 4;
/// Starts of a burst on one card; its last two sales have five or more before them.
const BURST_OF_20_000: u64 = 3;
const BURST_ROWS: u64 = 7;

const MERCHANTS: u64 = 40;
const TERMINALS_PER_MERCHANT: u64 = 5;

/// Of 64 rows this many write the card number in groups.
const GROUPED_OF_64: u64 = 1;

/// What a row's text is made of.
struct Row<'a> {
    /// The row whose transaction id it bears.
    number: u64,
    card_index: u64,
    amount_minor: u64,
    seconds: i64,
    merchant: u64,
    kind: &'a [u8],
    original: Option<u64>,
    fault: Option<Fault>,
}

pub(super) struct RowWriter {
    rows: u64,
    seed: u64,
    span: Span,
    cards: u64,
    random: Random,
    recent: Recent,
    clock: Clock,
    tag: Tag,
    now_ms: i64,
    /// Card and rows left of a burst.
    burst: Option<(u64, u64)>,
    faults: [u64; FAULTS.len()],
    bad_count: usize,
    expected: Expected,
}

impl RowWriter {
    pub(super) fn new(rows: u64, seed: u64, span: Span) -> Self {
        Self {
            rows,
            seed,
            span,
            cards: (rows / ROWS_PER_CARD).max(1),
            random: Random::new(seed),
            recent: Recent::new(),
            clock: Clock::new(),
            tag: Tag::new(seed),
            now_ms: span.start_ms,
            burst: None,
            faults: [0; FAULTS.len()],
            bad_count: 0,
            expected: Expected {
                rows,
                ..Expected::default()
            },
        }
    }

    /// Appends one record.
    pub(super) fn row(&mut self, number: u64, out: &mut Vec<u8>) {
        self.tick(number);
        if let Some((card_index, left)) = self.burst {
            self.burst = (left > 1).then(|| (card_index, left - 1));
            let amount = Card::new(self.seed, card_index).usual_amount(&mut self.random);
            return self.sale(number, card_index, amount, out);
        }
        let mut draw = self.random.below(10_000);
        for (share, write) in [
            (BAD, Self::bad as fn(&mut Self, u64, &mut Vec<u8>)),
            (DUPLICATE, Self::duplicate),
            (CONFLICT, Self::conflict),
            (CHARGEBACK, Self::chargeback),
            (REFUND, Self::refund),
        ] {
            if draw < share {
                return write(self, number, out);
            }
            draw -= share;
        }
        self.fresh_sale(number, draw, out);
    }

    /// What the file must come to.
    pub(super) fn finish(mut self) -> Expected {
        for ((_, code), count) in FAULTS.iter().zip(self.faults) {
            if count > 0 {
                *self
                    .expected
                    .rejected_by_code
                    .entry((*code).to_owned())
                    .or_default() += count;
            }
        }
        self.expected
    }

    /// Moves the clock to this row's place in the span, never back; inside a burst by seconds.
    fn tick(&mut self, number: u64) {
        let step = if self.burst.is_some() {
            self.now_ms + 3_000 + self.signed_below(12_000)
        } else {
            let width = i128::from(self.span.end_ms - self.span.start_ms);
            let done = width * i128::from(number + 1) / i128::from(self.rows.max(1));
            self.span.start_ms + i64::try_from(done).unwrap_or(0)
        };
        self.now_ms = step.clamp(self.now_ms, self.span.end_ms.max(self.now_ms));
    }

    fn signed_below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.random.below(bound)).unwrap_or(0)
    }

    /// A hundredth of the cards makes a tenth of the sales, a fifth six tenths.
    fn card(&mut self) -> u64 {
        let (hot, warm) = (self.hot_cards(), (self.cards / 5).max(1));
        let among = match self.random.below(100) {
            0..10 => hot,
            10..60 => warm,
            _ => self.cards,
        };
        self.random.below(among)
    }

    fn hot_cards(&self) -> u64 {
        (self.cards / 100).max(1)
    }

    /// The lower of two draws: the first merchants sell most.
    fn merchant(&mut self) -> u64 {
        self.random
            .below(MERCHANTS)
            .min(self.random.below(MERCHANTS))
    }

    fn fresh_sale(&mut self, number: u64, draw: u64, out: &mut Vec<u8>) {
        let mut card_index = self.card();
        let card = Card::new(self.seed, card_index);
        let mut amount = card.usual_amount(&mut self.random);
        if card.money().judged {
            match draw / SUSPICIOUS {
                0 => {
                    amount = card
                        .money()
                        .cents_in(1_200_000 + self.random.below(4_800_000))
                }
                1 => amount = card.money().cents_in(5 + self.random.below(45)).max(1),
                // A card needs a history before an amount can be far from it.
                2 if number > self.rows / 6 => {
                    card_index = self.random.below(self.hot_cards());
                    amount =
                        Card::new(self.seed, card_index).level_times(20 + self.random.below(20));
                }
                _ if self.random.below(20_000) < BURST_OF_20_000 => {
                    self.burst = Some((card_index, BURST_ROWS - 1));
                }
                _ => {}
            }
        }
        self.sale(number, card_index, amount, out);
    }

    fn sale(&mut self, number: u64, card_index: u64, amount_minor: u64, out: &mut Vec<u8>) {
        let merchant = self.merchant();
        let seconds = self.now_ms / 1000;
        self.recent.add(Sale {
            number,
            card_index,
            amount_minor,
            seconds,
            merchant,
            disputed: false,
        });
        self.expected.accepted += 1;
        let row = Row {
            number,
            card_index,
            amount_minor,
            seconds,
            merchant,
            kind: b"sale",
            original: None,
            fault: None,
        };
        self.put(&row, out);
    }

    fn refund(&mut self, number: u64, out: &mut Vec<u8>) {
        let Some(sale) = self.recent.pick(&mut self.random).map(|sale| *sale) else {
            return self.fresh_sale(number, u64::MAX, out);
        };
        self.expected.accepted += 1;
        let row = Row {
            kind: b"refund",
            original: Some(sale.number),
            ..self.now(number, &sale)
        };
        self.put(&row, out);
    }

    fn chargeback(&mut self, number: u64, out: &mut Vec<u8>) {
        let picked = self
            .recent
            .pick(&mut self.random)
            .filter(|sale| !sale.disputed);
        let Some(sale) = picked.map(|sale| {
            sale.disputed = true;
            *sale
        }) else {
            return self.fresh_sale(number, u64::MAX, out);
        };
        self.expected.accepted += 1;
        self.expected.disputed += 1;
        let row = Row {
            kind: b"chargeback",
            original: Some(sale.number),
            ..self.now(number, &sale)
        };
        self.put(&row, out);
    }

    fn duplicate(&mut self, number: u64, out: &mut Vec<u8>) {
        let Some(sale) = self.recent.pick(&mut self.random).map(|sale| *sale) else {
            return self.fresh_sale(number, u64::MAX, out);
        };
        self.expected.duplicates += 1;
        let row = Row {
            seconds: sale.seconds,
            ..self.now(sale.number, &sale)
        };
        self.put(&row, out);
    }

    fn conflict(&mut self, number: u64, out: &mut Vec<u8>) {
        let Some(sale) = self.recent.pick(&mut self.random).map(|sale| *sale) else {
            return self.fresh_sale(number, u64::MAX, out);
        };
        self.expected.conflicts += 1;
        let amount_minor = sale.amount_minor + 1 + self.random.below(5_000);
        let row = Row {
            seconds: sale.seconds,
            amount_minor,
            ..self.now(sale.number, &sale)
        };
        self.put(&row, out);
    }

    fn bad(&mut self, number: u64, out: &mut Vec<u8>) {
        let last = FAULTS.len() - 1;
        let kinds = if self.faults.last().is_some_and(|count| *count > 0) {
            last
        } else {
            last + 1
        };
        let index = self.bad_count % kinds;
        // After the long record the count starts again, so that no kind is left out.
        self.bad_count = index + 1;
        let Some(((fault, _), count)) = FAULTS.get(index).zip(self.faults.get_mut(index)) else {
            return self.fresh_sale(number, u64::MAX, out);
        };
        *count += 1;
        self.expected.rejected += 1;
        let card_index = self.card();
        let sale = Sale {
            number,
            card_index,
            amount_minor: Card::new(self.seed, card_index).usual_amount(&mut self.random),
            seconds: 0,
            merchant: self.merchant(),
            disputed: false,
        };
        let row = Row {
            fault: Some(*fault),
            ..self.now(number, &sale)
        };
        self.put(&row, out);
    }

    /// A row about a sale that happens now.
    fn now(&self, number: u64, sale: &Sale) -> Row<'static> {
        Row {
            number,
            card_index: sale.card_index,
            amount_minor: sale.amount_minor,
            seconds: self.now_ms / 1000,
            merchant: sale.merchant,
            kind: b"sale",
            original: None,
            fault: None,
        }
    }

    fn put(&mut self, row: &Row<'_>, out: &mut Vec<u8>) {
        let card = Card::new(self.seed, row.card_index);
        self.put_transaction_id(row, card, out);
        out.push(b',');
        self.put_timestamp(row, out);
        out.push(b',');
        let (code, minor_digits) = match row.fault {
            Some(fault) if fault.in_dollars() => (*b"USD", 2),
            _ => (*card.money().code, card.money().minor_digits),
        };
        match row.fault {
            Some(fault) => {
                fault.put_amount(out, row.amount_minor, minor_digits, self.random.next())
            }
            None => put_amount(out, row.amount_minor, minor_digits),
        }
        out.push(b',');
        match row.fault {
            Some(Fault::Currency(text)) => out.extend_from_slice(text.as_bytes()),
            _ => out.extend_from_slice(&code),
        }
        out.push(b',');
        self.put_card(row, card, out);
        out.push(b',');
        match row.fault {
            Some(Fault::MerchantId(text)) => out.extend_from_slice(text),
            _ => {
                out.extend_from_slice(b"merchant-");
                put_number(out, row.merchant + 1, 3);
            }
        }
        if row.fault != Some(Fault::CutShort) {
            self.put_end(row, out);
        }
        out.push(b'\n');
    }

    fn put_transaction_id(&self, row: &Row<'_>, card: Card, out: &mut Vec<u8>) {
        match row.fault {
            Some(Fault::TransactionId(text)) => out.extend_from_slice(text.as_bytes()),
            Some(Fault::CardInTransactionId) => {
                out.extend_from_slice(b"order-");
                out.extend_from_slice(card.number().as_bytes());
            }
            _ => self.tag.put_id(out, row.number),
        }
    }

    fn put_timestamp(&mut self, row: &Row<'_>, out: &mut Vec<u8>) {
        match row.fault {
            Some(Fault::Timestamp(text)) => out.extend_from_slice(text.as_bytes()),
            Some(Fault::LeapSecond) => {
                out.extend_from_slice(self.clock.date(row.seconds));
                out.extend_from_slice(b"T12:30:60Z");
            }
            Some(Fault::TimestampEnd(end)) => {
                self.clock.put(out, row.seconds);
                out.extend_from_slice(end.as_bytes());
            }
            _ => {
                self.clock.put(out, row.seconds);
                out.push(b'Z');
            }
        }
    }

    fn put_card(&mut self, row: &Row<'_>, card: Card, out: &mut Vec<u8>) {
        if let Some(fault) = row.fault {
            return fault.put_card(out, card, self.random.next());
        }
        let number = card.number();
        if self.random.below(64) >= GROUPED_OF_64 {
            return out.extend_from_slice(number.as_bytes());
        }
        for (index, group) in number.as_bytes().chunks(4).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(group);
        }
    }

    fn put_end(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b",pos-");
        // A merchant's terminal follows from the card: the same on a repeat.
        let terminal = row.card_index % TERMINALS_PER_MERCHANT;
        put_number(out, row.merchant * TERMINALS_PER_MERCHANT + terminal + 1, 4);
        if row.fault == Some(Fault::LongRecord) {
            out.resize(out.len() + RECORD_BYTES_MAX, b'x');
        }
        out.push(b',');
        match row.fault {
            Some(Fault::Type(text)) => out.extend_from_slice(text.as_bytes()),
            Some(Fault::SelfReference) => out.extend_from_slice(b"chargeback"),
            _ => out.extend_from_slice(row.kind),
        }
        out.push(b',');
        let original = match row.fault {
            Some(Fault::SelfReference) => Some(row.number),
            _ => row.original,
        };
        if let Some(original) = original {
            self.tag.put_id(out, original);
        }
        if let Some(Fault::Trailing(text)) = row.fault {
            out.extend_from_slice(text.as_bytes());
        }
    }
}
