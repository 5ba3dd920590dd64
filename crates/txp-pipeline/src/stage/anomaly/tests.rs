//! A batch that fails at any call of any port, before or after it had its effect, and comes again:
//! nothing is lost, and everything has the id that it would have had.

use super::*;
use crate::port::{AlertRecord, Handed, ProfileKey, Recorded, Written};
use crate::rulefile::default_rules;
use crate::stage::aggregate::tests::memory::now;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use txp_domain::alert::{Cooldowns, Message};
use txp_domain::card::{Brand, Fingerprint, Last4};
use txp_domain::event::{Event, RowEvent, RowOutcome};
use txp_domain::id::UploadId;
use txp_domain::money::{Amount, Currency};
use txp_domain::position::{Bucket, Sequence};
use txp_domain::profile::Profile;
use txp_domain::row::{CardFacts, Facts, TimeSource, TransactionType};

const NOON: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// Fails one call of all.
#[derive(Clone, Default)]
struct Fault {
    calls: Rc<Cell<u32>>,
    /// The call, and whether it has its effect.
    at: Rc<Cell<Option<(u32, bool)>>>,
}

impl Fault {
    /// Does what a call does, unless it is the one that fails.
    fn call<T>(&self, effect: impl FnOnce() -> T) -> Result<T, PortError> {
        let call = self.calls.get();
        self.calls.set(call + 1);
        let lost = || PortError::new(ErrorKind::Transient, "lost");
        match self.at.get().filter(|(at, _)| *at == call) {
            None => Ok(effect()),
            Some((_, has_effect)) => {
                if has_effect {
                    effect();
                }
                Err(lost())
            }
        }
    }
}

#[derive(Default)]
struct World {
    fault: Fault,
    /// The default ones where there are none.
    rules: Option<InForce>,
    profiles: BTreeMap<ProfileKey, Profile>,
    alerts: BTreeMap<String, (AlertRecord, u32)>,
    told: Vec<String>,
    appended: Vec<String>,
}

struct Profiles<'w>(&'w Fault, &'w mut BTreeMap<ProfileKey, Profile>);
struct Ledger<'w>(&'w Fault, &'w mut BTreeMap<String, (AlertRecord, u32)>);
struct Sink<'w>(&'w Fault, &'w mut Vec<String>);
struct History<'w>(&'w Fault, &'w mut Vec<String>);

impl ProfileStore for Profiles<'_> {
    async fn load(&mut self, key: ProfileKey) -> Result<Profile, PortError> {
        self.0
            .call(|| self.1.get(&key).cloned().unwrap_or_default())
    }

    async fn store(
        &mut self,
        key: ProfileKey,
        profile: Profile,
        expected_revision: u64,
    ) -> Result<Written, PortError> {
        self.0.call(|| {
            let stored = self.1.entry(key).or_default();
            if stored.revision() != expected_revision {
                return Written::Conflict;
            }
            *stored = profile;
            Written::Stored
        })
    }
}

impl AlertLedger for Ledger<'_> {
    async fn look_up(&mut self, id: &str, _: &Position) -> Result<Recorded, PortError> {
        self.0.call(|| match self.1.get(id) {
            None => Recorded::No,
            Some((record, 0)) => Recorded::Waiting(Box::new(record.clone())),
            Some(_) => Recorded::Yes,
        })
    }

    async fn record(&mut self, alerts: &[AlertRecord]) -> Result<(), PortError> {
        self.0.call(|| {
            for alert in alerts {
                let id = alert.flagged.id().to_owned();
                self.1.entry(id).or_insert((alert.clone(), 0));
            }
        })
    }

    async fn mark(&mut self, handed: &[Handed], _: Timestamp) -> Result<(), PortError> {
        self.0.call(|| {
            for one in handed {
                if let Handed::Alert { id } = one {
                    self.1.get_mut(id).unwrap().1 += 1;
                }
            }
        })
    }
}

impl AlertSink for Sink<'_> {
    async fn send(&mut self, message: &Message) -> Result<(), PortError> {
        self.0.call(|| self.1.push(message.id.clone()))
    }
}

impl EventSink for History<'_> {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        self.0.call(|| {
            for entry in batch.entries() {
                let json: serde_json::Value = serde_json::from_slice(batch.json(entry)).unwrap();
                self.1.push(json["id"].as_str().unwrap().to_owned());
            }
        })
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        self.0.call(|| ())
    }
}

impl World {
    /// A process of its own judges a batch.
    fn judge(&mut self, deliveries: &[Delivery<'_>], changes: &[Change]) -> Outcome {
        let mut ports = Ports {
            profiles: &mut Profiles(&self.fault, &mut self.profiles),
            ledger: &mut Ledger(&self.fault, &mut self.alerts),
            sink: &mut Sink(&self.fault, &mut self.told),
            events: &mut History(&self.fault, &mut self.appended),
        };
        let rules = self.rules.clone().unwrap_or_else(|| InForce {
            active: default_rules().unwrap(),
            shadow: None,
        });
        let mut stage = Anomaly::<Cooldowns>::default();
        now(stage.judge(&mut ports, &rules, deliveries, changes, NOON))
    }
}

/// Sales of these amounts by a card each, a minute apart, of as many merchants.
fn feed(amounts: &[u64], cards: u8) -> (Vec<Delivery<'static>>, Vec<Change>) {
    const MERCHANTS: [&str; 4] = ["m-0", "m-1", "m-2", "m-3"];
    let delivery = |(at, minor): (usize, &u64)| {
        let number = at as u64;
        let facts = Facts {
            transaction_id: "t",
            merchant_id: MERCHANTS[at % MERCHANTS.len()],
            amount: Amount(*minor),
            currency: Currency::USD,
            kind: TransactionType::Sale,
            original_transaction_id: None,
            terminal_id: None,
            country: None,
            mcc: None,
            timestamp: NOON,
            time_source: TimeSource::File,
            card: CardFacts {
                last4: Last4(*b"4242"),
                brand: Brand::Visa,
                fingerprint: Fingerprint([at as u8 % cards; 16]),
            },
        };
        Delivery {
            position: Position {
                bucket: Bucket(1),
                sequence: Sequence::from(number + 1),
                subsequence: 0,
            },
            arrival_millis: 1,
            event: Event::Row(RowEvent {
                upload_id: UploadId::new(1, [1; 6]),
                uploaded_at: NOON,
                record: number + 1,
                line: number + 2,
                outcome: RowOutcome::Valid {
                    facts,
                    key_id: "bcdfghjk",
                },
            }),
        }
    };
    let changes = (0..amounts.len()).map(|delivery| Change {
        delivery,
        facts_revision: 1,
        standing: None,
    });
    (
        amounts.iter().enumerate().map(delivery).collect(),
        changes.collect(),
    )
}

#[test]
fn a_batch_that_fails_anywhere_and_comes_again_loses_nothing() {
    fails_anywhere(None);
}

/// The same findings are told as without rules that are tried; what these find is appended as well.
#[test]
fn what_rules_find_that_are_tried_is_appended_and_told_to_no_one() {
    let mut file = default_rules().unwrap().file;
    file.version = "next".to_owned();
    let shadow = crate::rulefile::parse(file.to_json().as_bytes()).unwrap();
    fails_anywhere(Some(InForce {
        active: default_rules().unwrap(),
        shadow: Some(shadow),
    }));
}

fn fails_anywhere(rules: Option<InForce>) {
    let tried = rules.as_ref().is_some_and(|rules| rules.shadow.is_some());
    let again_from = || World {
        rules: rules.clone(),
        ..World::default()
    };
    // One of each merchant is found, so that each is told by itself.
    let (deliveries, changes) = feed(&[500, 2_000_000, 2_000_000, 50, 2_000_000, 500], 3);
    let mut world = again_from();
    let outcome = world.judge(&deliveries, &changes[..4]);
    assert!(outcome.undone.is_none());
    assert_eq!(outcome.findings, 3);
    assert_eq!(outcome.shadowed, if tried { 3 } else { 0 });
    let calls = world.fault.calls.get();
    let expected = (world.told.clone(), world.appended.clone());
    assert_eq!(expected.0.len(), 3);
    let (shadowed, flagged): (Vec<_>, Vec<_>) =
        (expected.1.iter().cloned()).partition(|id| id.ends_with(":next:1:shadow"));
    assert_eq!(expected.0, flagged);
    assert_eq!(shadowed.len(), outcome.shadowed);
    for (call, has_effect) in (0..calls).flat_map(|call| [(call, false), (call, true)]) {
        let mut again = again_from();
        again.fault.at.set(Some((call, has_effect)));
        let failed = again.judge(&deliveries, &changes[..4]).undone.unwrap();
        assert!(failed.error.is_some());
        // All before the first finding is done in any case.
        assert!(failed.delivery <= 1);
        let rest: Vec<_> = changes[failed.delivery..4].to_vec();
        assert!(again.judge(&deliveries, &rest).undone.is_none());
        let alerts: Vec<_> = again.alerts.values().collect();
        assert_eq!(alerts.len(), 3);
        assert!(
            alerts.iter().all(|(_, marks)| *marks == 1),
            "{call} {has_effect}"
        );
        for (ids, expected) in [
            (&mut again.told, &expected.0),
            (&mut again.appended, &expected.1),
        ] {
            let ids: BTreeSet<_> = ids.iter().collect();
            assert_eq!(ids, expected.iter().collect(), "{call} {has_effect}");
        }
        assert_eq!(again.profiles, world.profiles);
    }
}

#[test]
fn what_would_not_be_recognised_waits_until_the_part_before_is_acknowledged() {
    let (deliveries, changes) = feed(&[500; 80], 2);
    let mut world = World::default();
    let (mut from, mut parts) = (0, Vec::new());
    loop {
        let part = &changes[from..];
        // Each part comes twice.
        let first = world
            .judge(&deliveries, part)
            .undone
            .map(|undone| undone.delivery);
        let second = world
            .judge(&deliveries, part)
            .undone
            .map(|undone| undone.delivery);
        assert_eq!(first, second);
        parts.push(first);
        match first {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(parts, [Some(64), None]);
    let counts: Vec<_> = world.profiles.values().map(Profile::revision).collect();
    assert_eq!(counts, [40, 40]);
}

#[test]
fn a_change_that_stands_in_a_batch_twice_is_told_once() {
    let (mut deliveries, mut changes) = feed(&[2_000_000], 1);
    deliveries.push(deliveries[0].clone());
    changes.push(Change {
        delivery: 1,
        ..changes[0].clone()
    });
    let mut world = World::default();
    assert!(world.judge(&deliveries, &changes).undone.is_none());
    assert_eq!((world.told.len(), world.appended.len()), (1, 1));
}
