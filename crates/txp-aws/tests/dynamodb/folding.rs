//! The aggregator over the tables: what a clean file costs, and that delivering it again costs
//! nothing and changes nothing.

use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, State, tables};
use txp_domain::event::{Event, UploadEvent};
use txp_domain::position::Bucket;
use txp_domain::upload::UploadState;
use txp_emulator::Emulator;
use txp_pipeline::batch::Delivery;
use txp_pipeline::stage::aggregate::Aggregator;
use txp_tests::conformance::uploads::{parsed, received};
use txp_tests::conformance::{position, sale, upload_id, valid};

/// The usual file.
const ROWS: u64 = 1_000;
/// Rows of one delivery to the function: fewer cost more.
const BATCH: usize = 250;
/// Write units per 100 rows, at most (design: 1.05 per row).
const UNITS_PER_100_ROWS: u64 = 105;

#[tokio::test]
async fn a_clean_file_costs_little_more_than_one_write_unit_a_row() {
    let emulator = Emulator::shared().await;
    let connection = Connection::new(emulator.dynamodb());
    let transactions = emulator.table(&tables::TRANSACTIONS).await;
    let uploads = emulator.table(&tables::UPLOADS).await;
    let open = || State {
        transactions: Transactions::new(connection.clone(), &*transactions),
        uploads: Uploads::new(connection.clone(), &*uploads),
    };
    let id = upload_id(9);
    let ids: Vec<String> = (1..=ROWS).map(|n| format!("order-{n:06}")).collect();
    let of = |record: u64, event: Event<'static>, bucket| Delivery {
        position: position(bucket, record),
        arrival_millis: 1_700_000_000_123,
        event,
    };
    let mut ends = std::collections::BTreeMap::new();
    let mut deliveries = vec![of(0, Event::Upload(Box::new(received(id))), 0)];
    for (record, transaction_id) in (1..).zip(&ids) {
        let key = format!("merchant-0042/{transaction_id}");
        let bucket = Bucket::of(key.as_bytes());
        ends.insert(bucket.0, record);
        let row = valid(id, record, sale("merchant-0042", transaction_id, 12_345));
        deliveries.push(Delivery {
            position: position(bucket.0, record),
            arrival_millis: 1_700_000_000_123,
            event: Event::Row(row),
        });
    }
    let ends: Vec<_> = ends.into_iter().collect();
    let ending: UploadEvent = parsed(id, &ends);
    deliveries.push(of(ROWS + 1, Event::Upload(Box::new(ending)), 0));
    let mut paid = Vec::new();
    for state in [&mut open(), &mut open()] {
        let mut aggregator = Aggregator::default();
        for batch in deliveries.chunks(BATCH) {
            let outcome = aggregator.fold(state, batch).await;
            assert!(outcome.failed.is_none(), "{:?}", outcome.failed);
        }
        let view = state.uploads.load(id).await.unwrap().unwrap();
        assert_eq!(view.state, UploadState::Completed);
        assert_eq!(view.upload.counts.accepted, ROWS);
        let units = connection.write_units();
        paid.push(units);
        assert!(units >= ROWS, "every row was written: {units}");
        assert!(
            units * 100 <= ROWS * UNITS_PER_100_ROWS,
            "{units} write units for {ROWS} rows"
        );
    }
    assert_eq!(
        paid.first(),
        paid.last(),
        "the second time, nothing is written"
    );
}
