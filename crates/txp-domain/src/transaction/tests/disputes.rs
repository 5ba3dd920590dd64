//! Disputes: a set of links, and the chargeback's own item.

use super::*;
use proptest::prelude::*;

fn chargeback(record: u64) -> RowEvent<'static> {
    valid(
        record,
        Facts {
            kind: TransactionType::Chargeback,
            original_transaction_id: Some("o"),
            ..sale()
        },
    )
}

#[test]
fn disputed_is_over_flagged_and_flagged_over_validated() {
    let mut item = folded(&[valid(1, sale())]);
    flag(&mut item, "a", 2);
    assert!(item.link_dispute(event(9)));
    assert_eq!(item.status(), Status::Disputed);
    assert_eq!((item.facts_revision, item.revision), (1, 3));
    let before = item.clone();
    assert!(!item.link_dispute(event(9)));
    assert_eq!(item, before);
}

#[test]
fn a_chargeback_has_its_own_item_and_names_its_original() {
    let row = chargeback(1);
    let item = folded(std::slice::from_ref(&row));
    assert_eq!(item.status(), Status::Validated);
    assert!(matches!(
        item.history[0].what,
        HistoryEvent::Row {
            disputed: true,
            class: Class::Accepted,
            ..
        }
    ));
    let link = row.dispute_link().unwrap();
    assert_eq!(
        (link.merchant_id, link.original_transaction_id, link.event),
        ("m", "o", event(1))
    );
    assert_eq!(item.classify(&chargeback(2)), Class::Duplicate);
}

#[test]
fn a_refund_makes_no_link() {
    let refund = Facts {
        kind: TransactionType::Refund,
        original_transaction_id: Some("o"),
        ..sale()
    };
    assert_eq!(valid(1, refund).dispute_link(), None);
    assert_eq!(rejected(1).dispute_link(), None);
}

#[test]
fn a_placeholder_keeps_its_disputes_when_the_original_arrives() {
    let mut item = empty();
    assert!(item.link_dispute(event(50)));
    assert_eq!(item.status(), Status::AwaitingOriginal);
    assert_eq!((item.as_of.clone(), item.facts_revision), (None, 0));
    apply(&mut item, &rejected(1));
    assert_eq!(item.status(), Status::Rejected);
    let done = apply(&mut item, &valid(2, sale()));
    assert_eq!(
        (done.class, done.facts_revision),
        (Class::Accepted, Some(1))
    );
    assert_eq!(item.status(), Status::Disputed);
    assert_eq!(item.disputes, [event(50)]);
    assert_eq!(item.revision, 3);
}

proptest! {
    /// The set is the same in whatever order links come, and however often.
    #[test]
    fn links_are_a_set_of_the_smallest(
        records in prop::collection::vec(1_u64..40, 0..60),
        seed in any::<prop::sample::Index>(),
    ) {
        let fold = |records: &mut dyn Iterator<Item = u64>| {
            let mut item = empty();
            for record in records {
                let before = item.clone();
                prop_assert_eq!(item.link_dispute(event(record)), item != before);
            }
            prop_assert_eq!(item.revision > 0, !item.disputes.is_empty());
            Ok((item.disputes, item.disputes_truncated))
        };
        let mut smallest = records.clone();
        smallest.sort_unstable();
        smallest.dedup();
        let truncated = smallest.len() > DISPUTES_MAX;
        smallest.truncate(DISPUTES_MAX);
        let expected: Vec<_> = smallest.into_iter().map(event).collect();
        let turned = if records.is_empty() { 0 } else { seed.index(records.len()) };
        let (front, back) = records.split_at(turned);
        let all = || records.iter().copied();
        for links in [
            fold(&mut all())?,
            fold(&mut all().rev())?,
            fold(&mut back.iter().chain(front).copied())?,
            fold(&mut all().chain(all()))?,
        ] {
            prop_assert_eq!(&links, &(expected.clone(), truncated));
        }
    }
}
