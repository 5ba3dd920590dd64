//! A table made again: what a replay writes, what it leaves alone, and that nobody is alerted by it.

use txp_aws::dynamodb::rebuild::{Published, Rebuild, Standing};
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::uploads::Uploads;
use txp_aws::dynamodb::{Connection, State, tables};
use txp_domain::event::Event;
use txp_domain::money::Amount;
use txp_domain::position::Bucket;
use txp_domain::transaction::{Transaction, Writer};
use txp_emulator::Emulator;
use txp_pipeline::batch::Delivery;
use txp_pipeline::memory::MemoryState;
use txp_pipeline::port::{PortError, TransactionStore, UploadStore};
use txp_pipeline::stage::aggregate::Aggregator;
use txp_tests::conformance::{position, sale, upload_id, valid};

const ROWS: u64 = 300;

/// Ids of transactions.
fn ids() -> Vec<String> {
    (1..=ROWS).map(|n| format!("order-{n:04}")).collect()
}

fn deliveries(ids: &[String]) -> Vec<Delivery<'_>> {
    let rows = (1..).zip(ids).map(|(record, id)| {
        let bucket = Bucket::of(format!("m-1/{id}").as_bytes());
        Delivery {
            position: position(bucket.0, record),
            arrival_millis: 1_700_000_000_123,
            event: Event::Row(valid(upload_id(3), record, sale("m-1", id, record))),
        }
    });
    rows.collect()
}

async fn fold<S: TransactionStore + UploadStore>(
    mut aggregator: Aggregator,
    store: &mut S,
    deliveries: &[Delivery<'_>],
) {
    let outcome = aggregator.fold(store, deliveries).await;
    assert!(outcome.failed.is_none(), "{:?}", outcome.failed);
}

/// What a replay folds.
async fn folded(ids: &[String], deliveries: &[Delivery<'_>]) -> Vec<Transaction> {
    let mut memory = MemoryState::default();
    fold(Aggregator::of_replay("bcdf"), &mut memory, deliveries).await;
    let mut items = Vec::new();
    for id in ids {
        items.extend(memory.load("m-1", id).await.unwrap());
    }
    assert_eq!(items.len(), ids.len());
    items
}

async fn scanned(table: &Rebuild) -> Vec<Transaction> {
    let mut items = Vec::new();
    let scanned = table.scan::<PortError>(1_000_000, |item| {
        items.push(item.expect("it can be read"));
        Ok(())
    });
    scanned.await.unwrap();
    items.sort_by(|a, b| a.key.cmp(&b.key));
    items
}

#[tokio::test]
async fn a_new_table_is_made_filled_and_found_again() {
    let emulator = Emulator::shared().await;
    let connection = Connection::new(emulator.dynamodb());
    let table = Rebuild::new(connection.clone(), "transactions-rebuilt");
    assert_eq!(table.standing("bcdf").await.unwrap(), Standing::Missing);
    table.create("bcdf", None).await.unwrap();
    assert_eq!(table.standing("bcdf").await.unwrap(), Standing::Own);
    assert_eq!(table.standing("other").await.unwrap(), Standing::Foreign);

    let ids = ids();
    let items = folded(&ids, &deliveries(&ids)).await;
    let published = table.publish(&items).await.unwrap();
    let new = Published {
        new: ROWS,
        ..Published::default()
    };
    assert_eq!(published, new);
    assert!(!table.has_live_items().await.unwrap());
    assert_eq!(scanned(&table).await, items);
    let units = connection.write_units();
    let unchanged = Published {
        unchanged: ROWS,
        ..Published::default()
    };
    assert_eq!(table.publish(&items).await.unwrap(), unchanged);
    assert_eq!(
        connection.write_units(),
        units,
        "the second time, nothing is written"
    );

    // The schema is the one of the deployment: the running pipeline goes on in it.
    let mut live = State {
        transactions: Transactions::new(connection.clone(), "transactions-rebuilt"),
        uploads: Uploads::new(connection.clone(), emulator.table(&tables::UPLOADS).await),
    };
    fold(Aggregator::default(), &mut live, &deliveries(&ids)[..5]).await;
    assert!(table.has_live_items().await.unwrap());
    let described = emulator.dynamodb().describe_table();
    let described = described
        .table_name("transactions-rebuilt")
        .send()
        .await
        .unwrap();
    let stream = described.table.unwrap().stream_specification.unwrap();
    assert_eq!(
        stream.stream_view_type.unwrap().as_str(),
        "NEW_AND_OLD_IMAGES"
    );
}

#[tokio::test]
async fn a_live_table_is_mended_where_it_differs_and_nothing_in_it_looks_live() {
    let emulator = Emulator::shared().await;
    let connection = Connection::new(emulator.dynamodb());
    let name = emulator.table(&tables::TRANSACTIONS).await;
    let mut live = State {
        transactions: Transactions::new(connection.clone(), &*name),
        uploads: Uploads::new(connection.clone(), emulator.table(&tables::UPLOADS).await),
    };
    let ids = ids();
    let all = deliveries(&ids);
    // All but ten are there, one is edited, one has gone on.
    fold(Aggregator::default(), &mut live, &all[10..]).await;
    let mut edited = live.load("m-1", &ids[20]).await.unwrap().unwrap();
    if let Some(first) = &mut edited.first {
        first.content.amount = Amount(7);
    }
    let revision = edited.revision;
    let stored = live.store(&edited, revision).await.unwrap();
    assert_eq!(stored, txp_pipeline::port::Written::Stored);
    let later = Delivery {
        position: position(all[30].position.bucket.0, ROWS + 1),
        arrival_millis: 1_700_000_000_123,
        event: Event::Row(valid(upload_id(4), 1, sale("m-1", &ids[30], 99_999))),
    };
    fold(Aggregator::default(), &mut live, &[later]).await;
    let before = scanned(&Rebuild::new(connection.clone(), &*name)).await;

    let table = Rebuild::new(connection, &*name);
    assert_eq!(table.standing("bcdf").await.unwrap(), Standing::Foreign);
    assert!(table.has_live_items().await.unwrap());
    let items = folded(&ids, &all).await;
    let published = table.publish(&items).await.unwrap();
    assert_eq!(
        published,
        Published {
            new: 10,
            mended: 1,
            unchanged: ROWS - 12,
            ahead: 1,
        }
    );
    // What was written says who wrote it, by which the feed leaves it out; the rest is untouched.
    let after = scanned(&table).await;
    assert_eq!(after.len() as u64, ROWS);
    let mut written = 0;
    for item in &after {
        if before.contains(item) {
            continue;
        }
        written += 1;
        assert_eq!(item.writer, Writer::Replay("bcdf".into()));
        assert!(items.contains(item), "it is what was folded");
    }
    assert_eq!(written, 11);
}
