//! What a row costs: validation, and the fingerprint with and without its cache, in nanoseconds.
//!
//! `cargo bench -p txp-domain`. A plain loop over seeded rows, so that it builds in seconds; the
//! least of several rounds is shown, since whatever else runs only ever adds.

use std::hint::black_box;
use std::time::Instant;
use txp_domain::card::{CardNumber, FingerprintCache, FingerprintSource, Fingerprinter};
use txp_domain::money::Currency;
use txp_domain::position::{Bucket, buckets_of};
use txp_domain::row::{Column, MerchantScope, RawRow, RowRules, validate};
use txp_domain::time::Timestamp;
use txp_domain::violation::Violations;

/// Few enough to stay in the cache, as the bytes of a row are when they come from the parser.
const ROWS: usize = 2_000;
const REPEATS: usize = 20;
const CARDS: usize = 500;
const ROUNDS: usize = 9;

/// The least time per row of several rounds.
#[expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench shows its figures"
)]
fn measure(name: &str, mut round: impl FnMut()) {
    let least = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..REPEATS {
                round();
            }
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!(
        "{name}: {:.1} ns",
        least.as_secs_f64() * 1e9 / (ROWS * REPEATS) as f64
    );
}

/// A number of Visa's range with its check digit.
fn card(account: usize) -> String {
    let start = format!("4{account:014}");
    (0..10)
        .map(|check| format!("{start}{check}"))
        .find(|number| CardNumber::parse(number.as_bytes()).is_ok())
        .unwrap_or_default()
}

/// A skewed choice among the cards: the square of an even one.
fn card_of_row(row: usize) -> usize {
    let even = row.wrapping_mul(2_654_435_761) % CARDS;
    even * even / CARDS
}

const COLUMNS: [Column; 8] = [
    Column::TransactionId,
    Column::Amount,
    Column::MerchantId,
    Column::CardNumber,
    Column::Timestamp,
    Column::Currency,
    Column::Type,
    Column::TerminalId,
];

/// The fields of seeded rows.
fn rows(cards: &[String]) -> Vec<[String; 8]> {
    (0..ROWS)
        .map(|n| {
            [
                format!("tx-{n:09}"),
                format!("{}.{:02}", n % 500, n % 100),
                format!("merchant-{:04}", n % 977),
                cards.get(card_of_row(n)).cloned().unwrap_or_default(),
                format!(
                    "2026-11-{:02}T{:02}:{:02}:{:02}Z",
                    n % 28 + 1,
                    n % 24,
                    n % 60,
                    n % 59
                ),
                "USD".to_owned(),
                "sale".to_owned(),
                format!("term-{}", n % 99),
            ]
        })
        .collect()
}

fn main() {
    let cards: Vec<String> = (0..CARDS).map(|n| card(n * 7_919)).collect();
    let rows = rows(&cards);
    let raw: Vec<RawRow<'_>> = rows
        .iter()
        .map(|fields| {
            let mut row = RawRow::default();
            for (column, field) in COLUMNS.iter().zip(fields) {
                if let Some(place) = row.0.get_mut(column.index()) {
                    *place = Some(field.as_bytes());
                }
            }
            row
        })
        .collect();
    let rules = RowRules {
        merchants: MerchantScope::All,
        uploaded_at: Timestamp::parse(b"2026-12-01T00:00:00Z").unwrap_or(Timestamp::EPOCH),
        default_currency: Currency::USD,
        default_time_zone: None,
        long_number_ids_allowed: false,
    };
    let fingerprinter = Fingerprinter::new([7; 32]);
    let mut cache = FingerprintCache::new(fingerprinter.clone(), FingerprintCache::PLACES_DEFAULT);
    let mut out = Violations::new();
    let numbers: Vec<CardNumber> = rows
        .iter()
        .filter_map(|[_, _, _, card, ..]| CardNumber::parse(card.as_bytes()).ok())
        .collect();

    measure("validate a row of 8 columns", || {
        for row in &raw {
            assert!(black_box(validate(black_box(row), &rules, &mut out)).is_some());
        }
    });
    measure("fingerprint", || {
        for number in &numbers {
            black_box(fingerprinter.fingerprint(black_box(number)));
        }
    });
    measure("fingerprint through the cache", || {
        for number in &numbers {
            black_box(cache.fingerprint(black_box(number)));
        }
    });
    let keys: Vec<String> = rows
        .iter()
        .map(|[transaction, _, merchant, ..]| format!("{merchant}/{transaction}"))
        .collect();
    measure("bucket", || {
        for key in &keys {
            black_box(Bucket::of(black_box(key.as_bytes())));
        }
    });
    measure("buckets side by side", || {
        for group in keys.as_chunks().0 {
            black_box(buckets_of(black_box(
                &group.each_ref().map(String::as_bytes),
            )));
        }
    });
    measure("brand", || {
        for number in &numbers {
            black_box(black_box(number).brand());
        }
    });
    measure("validate and mask through the cache", || {
        for row in &raw {
            let valid = validate(black_box(row), &rules, &mut out);
            black_box(valid.map(|valid| valid.mask(&mut cache)));
        }
    });
}
