//! Reading and splitting alone, beside the csv crate's bare loop over the same bytes.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot run has nothing to tell"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write;
use std::hint::black_box;
use txp_domain::row::Column;
use txp_pipeline::csv::{Aliases, Checkpoint, FileDigest, RecordReader, Scanner, Step, Window};

/// How many rows the generated file has.
const ROWS: u64 = 1_000_000;

/// Rows of about 90 bytes, eight columns, lengths that vary as those of real files do.
fn generate() -> String {
    let mut file = String::from(
        "transaction_id,timestamp,amount,currency,card_number,merchant_id,terminal_id,type\n",
    );
    let mut state = 1u64;
    for row in 0..ROWS {
        // Knuth's MMIX generator: enough for lengths and digits.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let n = state >> 33;
        let cents = n % 100;
        let units = n % 10u64.pow(1 + (n >> 8) as u32 % 5);
        let (card, merchant, terminal) = (n % 1_000_000, n % 4_000, n % 700);
        let (day, hour) = (1 + n % 28, n % 24);
        let kind = if n.is_multiple_of(50) {
            "refund"
        } else {
            "sale"
        };
        writeln!(
            file,
            "tx-{row:08},2025-03-{day:02}T{hour:02}:15:{:02}Z,{units}.{cents:02},USD,4000000{card:09},merchant-{merchant},t-{terminal},{kind}",
            n % 60,
        )
        .expect("a string takes every byte");
    }
    file
}

fn split(c: &mut Criterion) {
    let file = generate();
    let bytes = file.as_bytes();
    let mut group = c.benchmark_group("split");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("csv crate, bare ByteRecord loop", |b| {
        b.iter(|| {
            let mut reader = csv::Reader::from_reader(bytes);
            let mut record = csv::ByteRecord::new();
            let mut sum = 0;
            while reader
                .read_byte_record(&mut record)
                .expect("the rows are of one width")
            {
                sum += record.get(2).map_or(0, <[u8]>::len);
            }
            black_box(sum)
        });
    });
    group.bench_function("scanner", |b| {
        b.iter_batched(
            || Scanner::new(b',', Checkpoint::START),
            |mut scanner| {
                let window = Window {
                    bytes,
                    offset: 0,
                    is_last: true,
                };
                let mut sum = 0;
                while let Step::Record(_) = scanner.step(window) {
                    let record = scanner.record(window);
                    sum += record.get(2).map_or(0, <[u8]>::len);
                }
                black_box(sum)
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("reader, rows by column, UTF-8 checked", |b| {
        b.iter(|| black_box(read(bytes, None)));
    });
    group.bench_function("reader with SHA-256", |b| {
        b.iter(|| black_box(read(bytes, Some(FileDigest::new()))));
    });
    group.finish();
}

fn read(bytes: &[u8], digest: Option<FileDigest>) -> usize {
    let mut reader = RecordReader::open(bytes, &Aliases::default(), digest).expect("a good header");
    let mut sum = 0;
    while let Some(row) = reader.next_row().expect("good rows") {
        assert!(row.faults.is_empty());
        sum += row.raw.value(Column::Amount).map_or(0, <[u8]>::len);
    }
    black_box(reader.finish().expect("a slice does not fail"));
    sum
}

criterion_group!(benches, split);
criterion_main!(benches);
