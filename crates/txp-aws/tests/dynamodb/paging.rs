//! More than the 1 MB of a page is read whole, in order, and each item once. The emulator ends a page
//! there by itself, as DynamoDB does.

use aws_sdk_dynamodb::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use txp_aws::dynamodb::alerts::Alerts;
use txp_aws::dynamodb::rebuild::Rebuild;
use txp_aws::dynamodb::transactions::Transactions;
use txp_aws::dynamodb::{Connection, tables};
use txp_domain::alert::Decision;
use txp_domain::transaction::Transaction;
use txp_emulator::{Emulator, Proxy, Request, Turn};
use txp_pipeline::port::{AlertLedger as _, PortError, TransactionStore as _, Written};
use txp_tests::conformance::alerts::{at, record};
use txp_tests::conformance::{position, sale, upload_id, valid};

/// Items, each so large: two pages, and a bit of a third.
const ITEMS: u64 = 60;
const ITEM_BYTES: usize = 36_000;

/// A client, and how many pages it has asked for.
fn counted(emulator: &Emulator) -> (Client, Arc<AtomicUsize>) {
    let pages = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&pages);
    let proxy = Proxy::before(emulator.port, move |request: &mut Request| {
        if matches!(request.operation(), "Query" | "Scan") {
            asked.fetch_add(1, Ordering::Relaxed);
        }
        Turn::Through
    });
    let config = emulator.dynamodb().config().to_builder();
    let config = config.endpoint_url(proxy.endpoint()).build();
    (Client::from_conf(config), pages)
}

#[tokio::test]
async fn transactions_of_several_pages_are_read_whole() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::TRANSACTIONS).await;
    let (client, pages) = counted(&emulator);
    let mut store = Transactions::new(Connection::new(emulator.dynamodb()), &*table);
    let merchants: Vec<String> = (0..ITEMS).map(|n| format!("m-{n:02}")).collect();
    let explained = format!("\"{}\"", "x".repeat(ITEM_BYTES));
    for (record, merchant) in (1..).zip(&merchants) {
        let mut item = Transaction::empty(merchant, "shared");
        let row = valid(upload_id(9), record, sale(merchant, "shared", record));
        item.apply_row(&row, &position(1, record), 1);
        item.apply_flag("f", &explained, &position(1, ITEMS + record), 2);
        assert_eq!(store.store(&item, 0).await.unwrap(), Written::Stored);
    }

    let connection = Connection::new(client);
    let store = Transactions::new(connection.clone(), &*table);
    let found = store.of_id("shared").await.unwrap();
    let found: Vec<_> = found.into_iter().map(|item| item.key.merchant_id).collect();
    assert!(
        found
            .iter()
            .map(|id| &**id)
            .eq(merchants.iter().map(|id| &**id))
    );
    let of_id = pages.swap(0, Ordering::Relaxed);
    assert!(of_id > 1, "one page held all");

    let mut visited = Vec::new();
    let each = |item: Transaction| {
        visited.push(item.key.merchant_id);
        Ok::<(), PortError>(())
    };
    store.for_each(each).await.unwrap();
    visited.sort_unstable();
    assert!(visited == found, "{} were visited", visited.len());
    assert!(pages.swap(0, Ordering::Relaxed) > 1, "one page held all");

    let (mut scanned, table) = (0, Rebuild::new(connection, &*table));
    let scan = table.scan::<PortError>(1_000_000, |item| {
        scanned += u64::from(item.is_ok());
        Ok(())
    });
    scan.await.unwrap();
    assert_eq!(scanned, ITEMS);
}

#[tokio::test]
async fn alerts_of_several_pages_are_gathered_whole() {
    let emulator = Emulator::shared().await;
    let table = emulator.table(&tables::ALERTS).await;
    let (client, pages) = counted(&emulator);
    let records: Vec<_> = (1..=ITEMS)
        .map(|number| {
            let mut record = record(number, "m-1", Decision::Digest);
            record.flagged.finding.transaction_id = "t".repeat(ITEM_BYTES);
            record
        })
        .collect();
    let mut ledger = Alerts::new(Connection::new(emulator.dynamodb()), &*table);
    ledger.record(&records).await.unwrap();
    let ledger = Alerts::new(Connection::new(client), &*table);
    let gathered = ledger.gathered("m-1", "", usize::MAX).await.unwrap();
    assert!(gathered == records, "{} were gathered", gathered.len());
    assert!(pages.swap(0, Ordering::Relaxed) > 1, "one page held all");
    // Whoever wants fewer is given the earliest, and asks for no page that it does not need.
    let few = ledger.gathered("m-1", "", 5).await.unwrap();
    assert!(few == records[..5]);
    assert_eq!(pages.load(Ordering::Relaxed), 1);
    assert_eq!(ledger.unsent(at(99_999), 5).await.unwrap(), []);
}
