//! What holds of every history of one item.

use super::*;
use proptest::prelude::*;

/// One event of an item's history.
#[derive(Clone, Debug)]
enum Step {
    Row(RowEvent<'static>),
    Flag(String),
    Link(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        4 => (0_u64..22, any::<bool>()).prop_map(|(minor, given)| {
            let time_source = if given { TimeSource::File } else { TimeSource::Upload };
            Step::Row(valid(0, Facts { time_source, ..of(minor) }))
        }),
        2 => Just(Step::Row(rejected(0))),
        1 => (0..9_u8).prop_map(|n| Step::Flag(n.to_string())),
        1 => (1..40_u64).prop_map(Step::Link),
    ];
    prop::collection::vec(one, 0..90).prop_map(|mut steps| {
        for (record, step) in (1..).zip(&mut steps) {
            if let Step::Row(row) = step {
                row.record = record;
            }
        }
        steps
    })
}

/// Applies the step that stands at this position; says the class of a row.
fn apply_at(item: &mut Transaction, at: u64, step: &Step) -> Option<Applied> {
    match step {
        Step::Row(row) => Some(item.apply_row(row, &position(at), at as i64)),
        Step::Flag(id) => {
            flag(item, id, at);
            None
        }
        Step::Link(record) => {
            item.link_dispute(event(*record));
            None
        }
    }
}

fn numbered(steps: &[Step]) -> impl Iterator<Item = (u64, &Step)> {
    (1..).zip(steps)
}

proptest! {
    /// Any stretch before the newest event delivered again changes nothing, and every row is classed
    /// as it was.
    #[test]
    fn redelivery_changes_nothing(steps in steps(), from: prop::sample::Index) {
        let mut item = empty();
        let mut classes = Vec::new();
        for (at, step) in numbered(&steps) {
            let before = item.clone();
            let applied = apply_at(&mut item, at, step);
            if let Some(applied) = applied {
                prop_assert_eq!(applied.changed, item != before);
            }
            classes.push(applied);
        }
        let from = if steps.is_empty() { 0 } else { from.index(steps.len()) };
        let whole = item.clone();
        for ((at, step), first) in numbered(&steps).zip(&classes).skip(from) {
            let again = apply_at(&mut item, at, step);
            prop_assert_eq!(again.map(|a| a.class), first.map(|a| a.class), "at {}", at);
            // What a judgement was due for is due again: a crash may have come before it.
            let due = first.and_then(|a| a.facts_revision);
            prop_assert!(due.is_none() || again.and_then(|a| a.facts_revision) == due);
            prop_assert_eq!(again.is_some_and(|a| a.changed), false);
        }
        prop_assert_eq!(item, whole);
    }

    #[test]
    fn limits_and_counters_hold(steps in steps()) {
        let mut item = empty();
        let mut due = Vec::new();
        for (at, step) in numbered(&steps) {
            let before = item.clone();
            let applied = apply_at(&mut item, at, step);
            due.extend(applied.and_then(|a| a.facts_revision));
            prop_assert_eq!(item.revision, before.revision + u64::from(item != before));
            prop_assert!(before.first.is_none() || item.first == before.first);
        }
        prop_assert!(due.iter().copied().eq(1..=item.facts_revision));
        prop_assert!(item.history.len() <= HISTORY_MAX);
        prop_assert!(item.conflicts.len() <= CONFLICTS_MAX);
        prop_assert!(item.disputes.len() <= DISPUTES_MAX);
        prop_assert!(item.disputes.is_sorted());
    }

    #[test]
    fn a_fresh_item_is_the_fold_of_its_first_row(minor: u64, sequence: u64, arrival: i64) {
        let row = valid(3, of(minor));
        let position = position(sequence);
        let mut item = empty();
        item.apply_row(&row, &position, arrival);
        let fresh = FreshTransaction::of(&row, &position, arrival).unwrap();
        prop_assert_eq!(fresh.to_transaction(), item);
    }
}

#[test]
fn a_rejected_row_is_no_fresh_item() {
    assert!(FreshTransaction::of(&rejected(1), &position(1), 1).is_none());
}
