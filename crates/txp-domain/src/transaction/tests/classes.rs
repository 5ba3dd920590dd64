//! Classes, what they change, and the limits of what an item keeps.

use super::*;

fn applied(class: Class, changed: bool, facts_revision: Option<u32>) -> Applied {
    Applied {
        class,
        changed,
        facts_revision,
    }
}

#[test]
fn the_first_valid_row_stands() {
    let mut item = empty();
    let first = valid(1, sale());
    assert_eq!(
        apply(&mut item, &first),
        applied(Class::Accepted, true, Some(1))
    );
    assert_eq!(item.status(), Status::Validated);
    assert_eq!((item.revision, item.facts_revision), (1, 1));
    assert_eq!(item.as_of, Some(position(1)));
    assert_eq!(item.history.len(), 1);
    let kept = item.first.as_ref().unwrap();
    assert_eq!(kept.facts("m", "t"), sale());
    assert_eq!((kept.event, kept.line), (event(1), 2));
    let before = item.clone();
    assert_eq!(
        apply(&mut item, &first),
        applied(Class::Accepted, false, Some(1))
    );
    assert_eq!(item, before);
}

#[test]
fn a_duplicate_does_not_write() {
    let mut item = folded(&[valid(1, sale())]);
    let before = item.clone();
    let again = applied(Class::Duplicate, false, None);
    assert_eq!(apply(&mut item, &valid(2, sale())), again);
    assert_eq!(item, before);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_counts_as_content() {
    let original = Facts {
        original_transaction_id: Some("o"),
        terminal_id: Some("till"),
        country: Country::parse(b"DE"),
        mcc: Mcc::parse(b"0742"),
        ..sale()
    };
    let card = original.card;
    let other_card = |f: &mut CardFacts| f.fingerprint = crate::card::Fingerprint([8; 16]);
    let changed = |change: &dyn Fn(&mut Facts<'static>)| {
        let mut facts = original;
        change(&mut facts);
        facts
    };
    for (name, facts, class) in [
        ("equal", original, Class::Duplicate),
        (
            "amount",
            changed(&|f| f.amount = Amount(1)),
            Class::Conflict,
        ),
        (
            "currency",
            changed(&|f| f.currency = Currency::EUR),
            Class::Conflict,
        ),
        (
            "type",
            changed(&|f| f.kind = TransactionType::Refund),
            Class::Conflict,
        ),
        (
            "card",
            changed(&|f| other_card(&mut f.card)),
            Class::Conflict,
        ),
        (
            "last4 and brand under the same key do not count",
            changed(&|f| {
                f.card = CardFacts {
                    last4: Last4(*b"0000"),
                    brand: Brand::Elo,
                    ..card
                }
            }),
            Class::Duplicate,
        ),
        (
            "original",
            changed(&|f| f.original_transaction_id = Some("p")),
            Class::Conflict,
        ),
        (
            "no original",
            changed(&|f| f.original_transaction_id = None),
            Class::Conflict,
        ),
        (
            "terminal",
            changed(&|f| f.terminal_id = None),
            Class::Conflict,
        ),
        (
            "country",
            changed(&|f| f.country = Country::parse(b"FR")),
            Class::Conflict,
        ),
        ("mcc", changed(&|f| f.mcc = None), Class::Conflict),
        (
            "time",
            changed(&|f| f.timestamp = Timestamp(6_000)),
            Class::Conflict,
        ),
        (
            "no time given",
            changed(&|f| {
                f.timestamp = Timestamp(6_000);
                f.time_source = TimeSource::Upload;
            }),
            Class::Duplicate,
        ),
    ] {
        let mut item = folded(&[valid(1, original)]);
        assert_eq!(apply(&mut item, &valid(2, facts)).class, class, "{name}");
    }
}

#[test]
fn a_time_counts_only_where_both_rows_give_one() {
    let not_given = Facts {
        time_source: TimeSource::Upload,
        ..sale()
    };
    let mut item = folded(&[valid(1, not_given)]);
    let given = Facts {
        timestamp: Timestamp(1),
        ..sale()
    };
    assert_eq!(apply(&mut item, &valid(2, given)).class, Class::Duplicate);
}

#[test]
fn under_different_keys_last4_and_brand_are_the_card() {
    let item = folded(&[valid(1, sale())]);
    let other = |last4: &[u8; 4], brand| {
        let card = CardFacts {
            last4: Last4(*last4),
            brand,
            fingerprint: crate::card::Fingerprint([9; 16]),
        };
        let facts = Facts { card, ..sale() };
        let key_id = "kjhgfdcb";
        item.classify(&row(2, RowOutcome::Valid { facts, key_id }))
    };
    assert_eq!(other(b"4242", Brand::Visa), Class::Duplicate);
    assert_eq!(other(b"4241", Brand::Visa), Class::Conflict);
    assert_eq!(other(b"4242", Brand::Elo), Class::Conflict);
}

#[test]
fn conflicts_are_distinct_by_content_and_sixteen_are_kept() {
    let mut item = folded(&[valid(1, sale())]);
    for n in 0..CONFLICTS_MAX as u64 {
        let done = apply(&mut item, &valid(10 + n, of(n)));
        let revision = 2 + u32::try_from(n).unwrap();
        assert_eq!(done, applied(Class::Conflict, true, Some(revision)), "{n}");
        let repeated = apply(&mut item, &valid(100 + n, of(n)));
        assert_eq!(repeated, applied(Class::Conflict, false, None), "{n}");
    }
    assert!(!item.conflicts_truncated);
    assert_eq!(item.facts_revision, 17);
    let mut over = |record| apply(&mut item, &valid(record, of(record)));
    assert_eq!(over(200), applied(Class::Conflict, true, None));
    assert_eq!(over(201), applied(Class::Conflict, false, None));
    assert!(item.conflicts_truncated);
    assert_eq!(item.conflicts.len(), CONFLICTS_MAX);
    assert_eq!(item.facts_revision, 17);
    assert_eq!(item.first.unwrap().event, event(1));
}

#[test]
fn a_redelivered_conflict_says_its_revision_again() {
    let mut item = folded(&[valid(1, sale()), valid(2, of(1)), valid(3, of(2))]);
    let before = item.clone();
    for (record, facts, revision) in [(2, of(1), Some(2)), (3, of(2), Some(3))] {
        let done = apply(&mut item, &valid(record, facts));
        assert_eq!(done, applied(Class::Conflict, false, revision));
    }
    assert_eq!(item, before);
}

#[test]
fn a_redelivered_conflict_says_its_revision_even_if_the_history_is_full() {
    let bad: Vec<_> = (1..=HISTORY_MAX as u64).map(rejected).collect();
    let mut item = folded(&bad);
    apply(&mut item, &valid(100, sale()));
    let conflict = valid(101, of(1));
    assert_eq!(
        apply(&mut item, &conflict),
        applied(Class::Conflict, true, Some(2))
    );
    let before = item.clone();
    assert_eq!(
        apply(&mut item, &conflict),
        applied(Class::Conflict, false, Some(2))
    );
    assert_eq!(item, before);
}

#[test]
fn a_conflict_without_a_time_is_not_one_of_1970() {
    let at_zero = Facts {
        timestamp: Timestamp(0),
        ..of(1)
    };
    let without = Facts {
        time_source: TimeSource::Upload,
        ..at_zero
    };
    assert_ne!(
        ConflictDigest::of(&at_zero, KEY),
        ConflictDigest::of(&without, KEY)
    );
}

#[test]
fn a_rejected_row_shows_until_a_good_one_comes() {
    let mut item = empty();
    assert_eq!(
        apply(&mut item, &rejected(1)),
        applied(Class::Rejected, true, None)
    );
    assert_eq!((item.status(), item.facts_revision), (Status::Rejected, 0));
    assert_eq!(&*item.rejection.as_ref().unwrap().violations, VIOLATIONS);
    apply(&mut item, &rejected(2));
    assert_eq!(item.rejection.as_ref().unwrap().event, event(2));
    assert_eq!(
        apply(&mut item, &rejected(1)),
        applied(Class::Rejected, false, None)
    );
    assert_eq!(item.rejection.as_ref().unwrap().event, event(2));
    assert_eq!(
        apply(&mut item, &valid(3, sale())),
        applied(Class::Accepted, true, Some(1))
    );
    assert_eq!(
        (item.status(), item.rejection, item.history.len()),
        (Status::Validated, None, 3)
    );
}

#[test]
fn a_rejected_row_never_changes_an_accepted_transaction() {
    let mut item = folded(&[valid(1, sale())]);
    let before = item.clone();
    assert_eq!(
        apply(&mut item, &rejected(2)),
        applied(Class::Rejected, false, None)
    );
    assert_eq!(item, before);
}

#[test]
fn flags_are_kept_once_and_make_no_judgement_due() {
    let mut item = folded(&[valid(1, sale())]);
    assert!(flag(&mut item, "a", 2));
    let before = item.clone();
    assert!(!flag(&mut item, "a", 3));
    assert_eq!(item, before);
    assert_eq!((item.status(), item.facts_revision), (Status::Flagged, 1));
    for n in 0..FLAGS_MAX as u64 {
        flag(&mut item, &n.to_string(), 4 + n);
    }
    assert_eq!(item.flags.len(), FLAGS_MAX);
}

#[test]
fn history_keeps_the_first_64() {
    let rows: Vec<_> = (1..=HISTORY_MAX as u64).map(rejected).collect();
    let mut item = folded(&rows);
    assert!(!item.history_truncated);
    let first = item.history[0].clone();
    apply(&mut item, &rejected(100));
    assert!(item.history_truncated);
    assert_eq!((item.history.len(), item.revision), (HISTORY_MAX, 65));
    assert_eq!(item.history[0], first);
    assert_eq!(item.as_of, Some(position(100)));
}
