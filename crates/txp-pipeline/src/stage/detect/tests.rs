//! The stage against judging one change after the other: batches, failures, contention, order.

use super::*;
use crate::port::{CONFLICT_ATTEMPTS_MAX, ErrorKind, Written};
use crate::rulefile::{RuleEntry, default_rules};
use crate::stage::aggregate::tests::memory::now;
use proptest::prelude::*;
use std::collections::BTreeMap;
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Position, Sequence};
use txp_domain::profile::Profile;
use txp_domain::row::{CardFacts, TimeSource};
use txp_domain::rule::judge;
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;

#[derive(Debug, Default)]
struct Memory {
    profiles: BTreeMap<ProfileKey, Profile>,
    /// How many stores are told that another was there first.
    conflicts: u32,
    /// The call that fails, after it had its effect.
    fails_at: Option<u32>,
    calls: u32,
    /// The card whose profile cannot be read.
    damaged: Option<u8>,
}

impl Memory {
    fn fails(&mut self) -> Result<(), PortError> {
        self.calls += 1;
        if self.fails_at == Some(self.calls) {
            return Err(PortError::new(ErrorKind::Transient, "lost"));
        }
        Ok(())
    }
}

impl ProfileStore for Memory {
    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        self.fails()?;
        if self
            .damaged
            .is_some_and(|card| key.fingerprint.0 == [card; 16])
        {
            return Err(PortError::new(ErrorKind::Corrupt, "the profile is damaged"));
        }
        Ok(self.profiles.get(&key).cloned().unwrap_or_default())
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        let revision = self.profiles.get(&key).map_or(0, Profile::revision);
        if self.conflicts > 0 || revision != expected_revision {
            self.conflicts = self.conflicts.saturating_sub(1);
            return Ok(Written::Conflict);
        }
        self.profiles.insert(key, profile);
        self.fails()?;
        Ok(Written::Stored)
    }
}

/// A row of a card, and whether it is a conflict with a sale before it.
#[derive(Clone, Debug)]
struct Sent {
    card: u8,
    minor: u64,
    minutes: i64,
    kind: TransactionType,
    conflicts: bool,
}

fn sale(card: u8, minor: u64, minutes: i64) -> Sent {
    Sent {
        card,
        minor,
        minutes,
        kind: TransactionType::Sale,
        conflicts: false,
    }
}

fn delivery(record: u64, sent: &Sent) -> Delivery<'static> {
    let facts = Facts {
        transaction_id: "t",
        merchant_id: "m",
        amount: Amount(sent.minor),
        currency: Currency::USD,
        kind: sent.kind,
        original_transaction_id: None,
        terminal_id: None,
        country: None,
        mcc: None,
        timestamp: Timestamp(1_700_000_000_000_000_000 + sent.minutes * 60_000_000_000),
        time_source: TimeSource::File,
        card: CardFacts {
            last4: Last4(*b"4242"),
            brand: Brand::Visa,
            fingerprint: Fingerprint([sent.card; 16]),
        },
    };
    Delivery {
        position: Position {
            bucket: Bucket(1),
            sequence: Sequence::from(record),
            subsequence: 0,
        },
        arrival_millis: 1,
        event: Event::Row(RowEvent {
            upload_id: UploadId::new(1, [1; 6]),
            uploaded_at: Timestamp(9),
            record,
            line: record + 1,
            outcome: RowOutcome::Valid {
                facts,
                key_id: "bcdfghjk",
            },
        }),
    }
}

fn feed(sent: &[Sent]) -> (Vec<Delivery<'static>>, Vec<Change>) {
    let deliveries: Vec<_> = (1..)
        .zip(sent)
        .map(|(record, sent)| delivery(record, sent))
        .collect();
    let changes = sent.iter().enumerate().map(|(at, sent)| {
        let standing = sent.conflicts.then(|| {
            let first = delivery(1_000, &sale(sent.card, 500, 0));
            let Event::Row(row) = &first.event else {
                unreachable!("it is a row")
            };
            let mut item = Transaction::empty("m", "t");
            item.apply_row(row, &first.position, 1);
            Box::new(item.first.unwrap())
        });
        Change {
            delivery: at,
            facts_revision: if sent.conflicts { 2 } else { 1 },
            standing,
        }
    });
    let changes = changes.collect();
    (deliveries, changes)
}

/// One judgement after the other, without a store.
fn expected(deliveries: &[Delivery<'_>], changes: &[Change]) -> Vec<Found> {
    let rules = default_rules().unwrap().rules;
    let mut profiles: BTreeMap<Fingerprint, Profile> = BTreeMap::new();
    let mut found = Vec::new();
    for change in changes {
        let (row, judged) = judged_of(deliveries, change).unwrap();
        let profile = profiles.entry(judged.facts.card.fingerprint).or_default();
        found.extend(judge(&rules, &judged, profile).map(|finding| Found {
            delivery: change.delivery,
            verdict: Verdict::Flagged(AnomalyFlagged {
                finding,
                time: row.uploaded_at,
            }),
        }));
    }
    found
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let amounts = prop::sample::select(vec![50_u64, 500, 1_000, 90_000, 2_000_000]);
    let kinds = prop::sample::select(vec![
        TransactionType::Sale,
        TransactionType::Sale,
        TransactionType::Refund,
        TransactionType::Chargeback,
    ]);
    let one = (0..3_u8, amounts, 0..60_i64, kinds, 0..5_u8).prop_map(
        |(card, minor, minutes, kind, conflict)| Sent {
            card,
            minor,
            minutes,
            kind,
            conflicts: conflict == 0,
        },
    );
    prop::collection::vec(one, 0..30)
}

proptest! {
    /// However the feed is cut into batches, what is found is the same, in the order of the feed.
    #[test]
    fn batches_change_nothing(sent in sent(), size in 1..40_usize) {
        let rules = default_rules().unwrap().rules;
        let (deliveries, changes) = feed(&sent);
        let (mut memory, mut stage) = (Memory::default(), Detector::default());
        let mut found = Vec::new();
        for batch in changes.chunks(size) {
            found.extend(now(stage.judge(&mut memory, &rules, &deliveries, batch)).unwrap());
        }
        prop_assert_eq!(found, expected(&deliveries, &changes));
    }

    /// Whichever call fails, after its effect, and however often others were first.
    #[test]
    fn failures_and_races_change_nothing(
        sent in sent(),
        fails_at in 1..9_u32,
        conflicts in 0..CONFLICT_ATTEMPTS_MAX,
    ) {
        let rules = default_rules().unwrap().rules;
        let (deliveries, changes) = feed(&sent);
        let mut memory = Memory { fails_at: Some(fails_at), conflicts, ..Memory::default() };
        let mut stage = Detector::default();
        let mut judge = || now(stage.judge(&mut memory, &rules, &deliveries, &changes));
        let found = judge().or_else(|_| judge()).unwrap();
        prop_assert_eq!(found, expected(&deliveries, &changes));
    }
}

#[test]
fn a_card_is_read_and_written_once_per_batch() {
    let rules = default_rules().unwrap().rules;
    let sent: Vec<_> = (0..20).map(|n| sale(n % 2, 500, 0)).collect();
    let (deliveries, changes) = feed(&sent);
    let mut memory = Memory::default();
    let found = now(Detector::default().judge(&mut memory, &rules, &deliveries, &changes)).unwrap();
    assert_eq!(memory.calls, 2 * 2);
    // Each card's sixth sale in ten minutes and those after it.
    let at: Vec<_> = found.iter().map(|found| found.delivery).collect();
    assert_eq!(at, (10..20).collect::<Vec<_>>());
}

#[test]
fn others_first_each_time_is_an_error_to_try_again() {
    let rules = default_rules().unwrap().rules;
    let (deliveries, changes) = feed(&[sale(1, 2_000_000, 0)]);
    let mut memory = Memory {
        conflicts: CONFLICT_ATTEMPTS_MAX,
        ..Memory::default()
    };
    let mut stage = Detector::default();
    let error = now(stage.judge(&mut memory, &rules, &deliveries, &changes)).unwrap_err();
    assert!(error.is_retryable());
    let found = now(stage.judge(&mut memory, &rules, &deliveries, &changes)).unwrap();
    assert_eq!(found.len(), 1);
}

/// More sales of one card than its profile recognises. Judged whole and delivered again, its oldest
/// sales are new to the profile, push out the next ones, and all are counted and summed twice; a
/// sale that nothing was found in may then be flagged. Part by part, each acknowledged before the
/// next, nothing changes however often each comes.
#[test]
fn a_card_with_more_sales_than_are_recognised_is_judged_once_part_by_part() {
    let rules = default_rules().unwrap().rules;
    let sent: Vec<_> = (0..100)
        .map(|at| sale(u8::from(at % 4 == 0), 500, at))
        .collect();
    let (deliveries, changes) = feed(&sent);
    let expected = expected(&deliveries, &changes);
    assert!(!expected.is_empty());
    let counts = |profiles: &Memory| -> Vec<_> {
        let profiles = profiles.profiles.values();
        profiles.map(|p| (p.revision(), p.sum())).collect()
    };
    let mut detector = Detector::default();

    let mut whole = Memory::default();
    for times in 1..=2_u64 {
        let found = now(detector.judge(&mut whole, &rules, &deliveries, &changes)).unwrap();
        assert_eq!(found == expected, times == 1);
        let most = counts(&whole).into_iter().max();
        assert_eq!(most, Some((75 * times, 37_500 * u128::from(times))));
    }

    let (mut parts, mut found, mut from) = (Memory::default(), Vec::new(), 0);
    while from < changes.len() {
        let left = &changes[from..];
        let part = detector.judge_part(&mut parts, &rules, &deliveries, left);
        let first = now(part).unwrap();
        for _ in 0..2 {
            let part = detector.judge_part(&mut parts, &rules, &deliveries, left);
            assert_eq!(now(part).unwrap(), first);
        }
        assert!(first.judged > 0);
        found.extend(first.found);
        from += first.judged;
    }
    assert_eq!(found, expected);
    assert_eq!(counts(&parts), [(75, 37_500), (25, 12_500)]);
}

/// A card whose profile is damaged is named, sale by sale, and the others are judged as ever. Who can
/// go back to an earlier state instead is told.
#[test]
fn a_damaged_profile_does_not_keep_the_other_cards_waiting() {
    let rules = default_rules().unwrap().rules;
    let sent: Vec<_> = (0..12).map(|n| sale(n % 3, 2_000_000, 0)).collect();
    let (deliveries, changes) = feed(&sent);
    let mut memory = Memory {
        damaged: Some(1),
        ..Memory::default()
    };
    let mut stage = Detector::default();
    let part = now(stage.judge_part(&mut memory, &rules, &deliveries, &changes)).unwrap();
    let of_others = |found: &Found| found.delivery % 3 != 1;
    let mut expected = expected(&deliveries, &changes);
    expected.retain(of_others);
    assert_eq!((part.found, part.judged), (expected, 12));
    let reason = "the profile is damaged".to_owned();
    let damaged: Vec<_> = [1, 4, 7, 10].map(|at| (at, reason.clone())).into();
    assert_eq!(part.damaged, damaged);
    let error = now(stage.judge(&mut memory, &rules, &deliveries, &changes)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
}

/// Rules that are tried see the same past as those that judge, and what these find is the same with
/// and without them.
#[test]
fn rules_that_are_tried_find_what_they_would_find_alone_and_change_nothing() {
    let active = default_rules().unwrap().rules;
    let mut file = default_rules().unwrap().file;
    file.version = "next".to_owned();
    file.rules
        .retain(|rule| matches!(rule, RuleEntry::CardVelocity { .. }));
    let tried = crate::rulefile::parse(file.to_json().as_bytes()).unwrap();
    let sent: Vec<_> = (0..20).map(|at| sale(at % 2, 2_000_000, 0)).collect();
    let (deliveries, changes) = feed(&sent);
    let judging = Judging {
        active: &active,
        shadow: Some(&tried.rules),
    };
    let (mut memory, mut detector) = (Memory::default(), Detector::default());
    let found = now(detector.judge(&mut memory, judging, &deliveries, &changes)).unwrap();
    let calls = memory.calls;
    let alone = |rules| {
        let mut memory = Memory::default();
        let judge = now(Detector::default().judge(&mut memory, rules, &deliveries, &changes));
        assert_eq!(memory.calls, calls);
        judge.unwrap()
    };
    let (mut flagged, mut shadowed) = (Vec::new(), Vec::new());
    for found in found {
        match &found.verdict {
            Verdict::Flagged(_) => flagged.push(found),
            Verdict::Shadowed(finding) => shadowed.push((found.delivery, finding.as_judged())),
        }
    }
    assert_eq!(flagged, alone(&active));
    let alone = alone(&tried.rules);
    let alone: Vec<_> = alone
        .iter()
        .map(|found| {
            (
                found.delivery,
                found.verdict.flagged().unwrap().finding.clone(),
            )
        })
        .collect();
    assert!(!alone.is_empty() && alone.len() < flagged.len());
    assert_eq!(shadowed, alone);
}
