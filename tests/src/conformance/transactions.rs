//! The port of transactions.

use super::{position, sale, upload_id, valid};
use txp_domain::event::RowEvent;
use txp_domain::id::EventId;
use txp_domain::transaction::{FreshTransaction, Transaction};
use txp_pipeline::port::{TransactionStore, Written};

/// More than any adapter has in flight at once.
const MANY: usize = 150;

fn rows(ids: &[String]) -> Vec<RowEvent<'_>> {
    let facts = ids.iter().map(|id| sale("m-many", id, 1_230));
    (1..)
        .zip(facts)
        .map(|(record, facts)| valid(upload_id(1), record, facts))
        .collect()
}

async fn insert(store: &mut impl TransactionStore, rows: &[RowEvent<'_>]) -> Vec<bool> {
    let positions: Vec<_> = rows.iter().map(|row| position(3, row.record)).collect();
    let fresh: Vec<_> = rows
        .iter()
        .zip(&positions)
        .map(|(row, position)| FreshTransaction::of(row, position, 1_000).unwrap())
        .collect();
    let mut inserted = vec![true; 3];
    store.insert_new(&fresh, &mut inserted).await.unwrap();
    inserted
}

/// What is new is stored, what is known stays as it is, and the answers are in the order asked.
pub async fn insert_new_tells_new_from_known(store: &mut impl TransactionStore) {
    let ids: Vec<String> = (0..MANY).map(|n| format!("many-{n}")).collect();
    let rows = rows(&ids);
    let odd: Vec<_> = rows.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(insert(store, &odd).await, vec![true; odd.len()]);
    let others: Vec<_> = ids.iter().map(|id| sale("m-many", id, 5)).collect();
    let others: Vec<_> = (1_000..)
        .zip(others)
        .map(|(record, facts)| valid(upload_id(2), record, facts))
        .collect();
    let expected: Vec<_> = (0..MANY).map(|n| n % 2 == 0).collect();
    assert_eq!(insert(store, &others).await, expected);
    for (n, id) in ids.iter().enumerate() {
        let item = store.load("m-many", id).await.unwrap().unwrap();
        let minor = item.first.unwrap().content.amount.0;
        assert_eq!(minor, if n % 2 == 0 { 5 } else { 1_230 }, "{id}");
    }
    assert_eq!(insert(store, &[]).await, Vec::<bool>::new());
}

/// What is read is what was stored, at every step of an item's life.
pub async fn an_item_is_read_back_as_it_was_stored(store: &mut impl TransactionStore) {
    let mut item = Transaction::empty("m-1", "life");
    assert_eq!(store.load("m-1", "life").await.unwrap(), None);
    for step in 0..24_u64 {
        let expected = item.revision;
        let at = position(9, step);
        match step {
            5 => {
                item.apply_flag("found:default:1", r#"{"a":"é ☃"}"#, &at, 7);
            }
            6 => {
                item.link_dispute(EventId {
                    upload_id: upload_id(3),
                    record: 4,
                });
            }
            // Rows that conflict, one after the other.
            _ => {
                let row = valid(upload_id(3), step + 1, sale("m-1", "life", step));
                item.apply_row(&row, &at, 1_000);
            }
        }
        let written = store.store(&item, expected).await.unwrap();
        assert_eq!(written, Written::Stored, "step {step}");
        let stored = store.load("m-1", "life").await.unwrap();
        assert_eq!(stored.as_ref(), Some(&item), "step {step}");
    }
}

/// A write on another revision than the stored one changes nothing.
pub async fn store_is_conditional_on_the_revision(store: &mut impl TransactionStore) {
    let row = valid(upload_id(4), 1, sale("m-1", "conditional", 100));
    let mut item = Transaction::empty("m-1", "conditional");
    item.apply_row(&row, &position(1, 1), 1);
    // There is none yet: no revision but 0 is it.
    assert_eq!(store.store(&item, 1).await.unwrap(), Written::Conflict);
    assert_eq!(store.store(&item, 0).await.unwrap(), Written::Stored);
    let mut later = item.clone();
    later.apply_flag("f", "{}", &position(1, 2), 2);
    for (expected, written) in [
        (0, Written::Conflict),
        (2, Written::Conflict),
        (1, Written::Stored),
        // Sent again, because its answer was lost.
        (1, Written::Conflict),
    ] {
        let answer = store.store(&later, expected).await.unwrap();
        assert_eq!(answer, written, "expecting revision {expected}");
    }
    let stored = store.load("m-1", "conditional").await.unwrap();
    assert_eq!(stored, Some(later));
}

/// Two merchants may use one transaction id.
pub async fn merchants_of_one_id_are_apart(store: &mut impl TransactionStore) {
    let rows = [
        valid(upload_id(5), 1, sale("m-a", "shared", 1)),
        valid(upload_id(5), 2, sale("m-b", "shared", 2)),
    ];
    assert_eq!(insert(store, &rows).await, [true, true]);
    for (merchant, minor) in [("m-a", Some(1)), ("m-b", Some(2)), ("m-c", None)] {
        let item = store.load(merchant, "shared").await.unwrap();
        let amount = item.and_then(|item| item.first).map(|f| f.content.amount.0);
        assert_eq!(amount, minor, "{merchant}");
    }
}

/// Items that are fetched together are those that are stored, asked for twice or not there, and
/// what is stored since is what is loaded.
pub async fn prepared_items_are_those_stored(store: &mut impl TransactionStore) {
    let ids: Vec<String> = (0..MANY).map(|n| format!("prepared-{n}")).collect();
    let rows = rows(&ids);
    let odd: Vec<_> = rows.iter().skip(1).step_by(2).cloned().collect();
    insert(store, &odd).await;
    let keys = ids.iter().chain(ids.iter().take(3));
    let keys: Vec<_> = keys.map(|id| ("m-many", id.as_str())).collect();
    store.prepare(&keys).await.unwrap();
    for (n, id) in ids.iter().enumerate() {
        let item = store.load("m-many", id).await.unwrap();
        assert_eq!(item.is_some(), n % 2 == 1, "{id}");
        let Some(mut item) = item else {
            continue;
        };
        let expected = item.revision;
        item.apply_flag("f", "{}", &position(3, 9_999), 2);
        let stale = store.store(&item, expected + 1).await.unwrap();
        assert_eq!(stale, Written::Conflict, "{id}");
        let written = store.store(&item, expected).await.unwrap();
        assert_eq!(written, Written::Stored, "{id}");
        assert_eq!(store.load("m-many", id).await.unwrap(), Some(item), "{id}");
    }
    store.prepare(&[]).await.unwrap();
}

/// Of two writers that prepared the same item, the second meets a conflict and then loads what the
/// first has stored.
pub async fn a_stale_item_is_never_written_over(
    one: &mut impl TransactionStore,
    other: &mut impl TransactionStore,
) {
    let keys = [("m-1", "stale")];
    one.prepare(&keys).await.unwrap();
    other.prepare(&keys).await.unwrap();
    let row = valid(upload_id(6), 1, sale("m-1", "stale", 100));
    let mut first = Transaction::empty("m-1", "stale");
    first.apply_row(&row, &position(1, 1), 1);
    assert_eq!(one.store(&first, 0).await.unwrap(), Written::Stored);
    assert_eq!(other.load("m-1", "stale").await.unwrap(), None);
    assert_eq!(other.store(&first, 0).await.unwrap(), Written::Conflict);
    assert_eq!(other.load("m-1", "stale").await.unwrap(), Some(first));
}
