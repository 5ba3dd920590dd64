//! Recorded findings held to a second judgement: by the rules that were active, in the order of the
//! history.
//!
//! Where the history has one order, as in a data directory, both must be the same. Where it has none
//! between buckets, a card's sales may have been judged in another order than they are read: then a
//! recorded finding is evaluated again from the inputs that it carries, and if it stands so, the
//! difference is one of order.

use crate::batch::Delivery;
use crate::history::Recorded;
use crate::port::{PortError, ProfileStore, TransactionStore, UploadStore};
use crate::rulefile::CheckedRules;
use crate::stage::aggregate::Aggregator;
use crate::stage::detect::{At, Detector};
use crate::stage::rulebook::{activated_rules, shadowed_rules};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use txp_domain::event::{AnomalyShadowed, Event, decode};
use txp_domain::finding::Finding;
use txp_domain::position::Position;
use txp_domain::row::TransactionType;
use txp_domain::rule::{Difference as Change, Occasion, RuleSet, Seen, reevaluate};
use xxhash_rust::xxh3::xxh3_64;

/// Differences that are named; more are counted.
const NAMED_MAX: usize = 1000;

/// How a finding that is recorded differs from what is found now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is found now and not recorded.
    NotRecorded,
    /// It is recorded and not found now.
    NotFound,
    /// Both are there and say different things.
    Differs(Vec<String>),
    /// It is right by the past that it carries: the order of events was another one.
    OfOrder,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRecorded => f.write_str("is found now and not recorded"),
            Self::NotFound => f.write_str("is recorded and not found now"),
            Self::Differs(what) => write!(f, "differs: {}", what.join("; ")),
            Self::OfOrder => f.write_str(
                "is right by the past that it carries, which is another one in the order read: a difference of order",
            ),
        }
    }
}

/// A finding with a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The finding's id.
    pub id: String,
    /// The position of the event that caused it, as far as it is known.
    pub position: Option<Position>,
    /// How it differs.
    pub difference: Difference,
}

/// What was held against what. Differences are of both kinds of findings.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Sales judged on their first acceptance.
    pub transactions: u64,
    /// Findings made now.
    pub found: u64,
    /// Findings recorded, each once.
    pub recorded: u64,
    /// Findings made now by rules that were only tried.
    pub shadow_found: u64,
    /// Such findings recorded, each once.
    pub shadow_recorded: u64,
    /// Found now and not recorded, of rules that judge.
    pub not_recorded: u64,
    /// Recorded and not found now, of rules that judge.
    pub not_found: u64,
    /// Of all differences, those of order.
    pub of_order: u64,
    /// All differences.
    pub differences: u64,
    /// The first of them.
    pub named: Vec<Named>,
}

/// A finding that is met in the history.
#[derive(Clone, Copy, Debug)]
enum Met<'a> {
    Flagged(&'a Finding),
    Shadowed(&'a AnomalyShadowed),
}

impl<'a> Met<'a> {
    fn finding(self) -> &'a Finding {
        match self {
            Self::Flagged(finding) => finding,
            Self::Shadowed(shadowed) => shadowed.finding(),
        }
    }
}

/// A finding that is not yet met in the history.
#[derive(Debug)]
struct Expected {
    is_tried: bool,
    position: Position,
    finding: Finding,
}

/// The second judgement.
#[derive(Debug)]
pub struct Parity {
    /// Whether the order read is the one that was judged in.
    is_ordered: bool,
    aggregator: Aggregator,
    detector: Detector,
    active: Option<CheckedRules>,
    shadow: Option<CheckedRules>,
    /// Every rule set that was active, by its version, to evaluate findings by.
    by_version: BTreeMap<String, RuleSet>,
    /// Every rule set that was tried.
    tried_by_version: BTreeMap<String, RuleSet>,
    expected: HashMap<String, Expected>,
    /// The hashes of the ids of findings that were met: the same may come again.
    met: HashSet<u64>,
    outcome: Outcome,
}

impl Parity {
    /// Of a history that has one order (`is_ordered`), or one per bucket.
    #[must_use]
    pub fn new(is_ordered: bool) -> Self {
        Self {
            is_ordered,
            aggregator: Aggregator::default(),
            detector: Detector::default(),
            active: None,
            shadow: None,
            by_version: BTreeMap::new(),
            tried_by_version: BTreeMap::new(),
            expected: HashMap::new(),
            met: HashSet::new(),
            outcome: Outcome::default(),
        }
    }

    /// Takes a batch of the history, in its order.
    ///
    /// # Errors
    /// The state cannot be read or written, or recorded rules are not sound.
    pub async fn take<S: TransactionStore + UploadStore + ProfileStore>(
        &mut self,
        store: &mut S,
        batch: &[Recorded<'_>],
    ) -> Result<(), PortError> {
        // What cannot be read was not judged either.
        let decoded: Vec<_> = batch
            .iter()
            .filter_map(|recorded| Some((recorded, decode(recorded.bytes).ok()?)))
            .collect();
        let deliveries: Vec<_> = decoded
            .iter()
            .map(|(recorded, event)| Delivery {
                position: recorded.position.clone(),
                arrival_millis: recorded.arrival_millis,
                event: event.event(),
            })
            .collect();
        let changes_rules = |delivery: &Delivery<'_>| delivery.event.changes_rules();
        for part in deliveries.split_inclusive(changes_rules) {
            self.judge(store, part).await?;
            for delivery in part {
                match &delivery.event {
                    Event::AnomalyFlagged(flagged) => self.meet(Met::Flagged(&flagged.finding)),
                    Event::AnomalyShadowed(shadowed) => self.meet(Met::Shadowed(shadowed)),
                    Event::RulesetShadowed(shadowed) => {
                        self.shadow = shadowed_rules(shadowed)?;
                        let rules = self.shadow.as_ref().map(|shadow| shadow.rules.clone());
                        self.tried_by_version
                            .extend(rules.map(|rules| (shadowed.version.clone(), rules)));
                    }
                    Event::RulesetActivated(activated) => {
                        let rules = activated_rules(activated)?;
                        self.by_version
                            .insert(activated.version.clone(), rules.rules.clone());
                        self.active = Some(rules);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn judge<S: TransactionStore + UploadStore + ProfileStore>(
        &mut self,
        store: &mut S,
        deliveries: &[Delivery<'_>],
    ) -> Result<(), PortError> {
        let folded = self.aggregator.fold(store, deliveries).await;
        if let Some((_, error)) = folded.failed {
            return Err(error);
        }
        // As live: what comes before any rules is not even remembered of a card.
        let Some(active) = &self.active else {
            return Ok(());
        };
        let shadow = self.shadow.as_ref();
        let look = |at: At<'_>, seen: &Seen<'_>| {
            let judged = seen.judged();
            let is_sale = matches!(judged.occasion, Occasion::FirstAccepted)
                && judged.facts.kind == TransactionType::Sale;
            let position = deliveries
                .get(at.delivery)
                .map(|delivery| delivery.position.clone());
            let tried = shadow.and_then(|shadow| seen.judge(&shadow.rules));
            let tried = tried.map(|finding| at.shadowed(finding).finding().clone());
            Some((is_sale, position, seen.judge(&active.rules), tried))
        };
        let seen = self
            .detector
            .look(store, deliveries, &folded.changes, look)
            .await?;
        for (is_sale, position, finding, tried) in seen {
            self.outcome.transactions += u64::from(is_sale);
            self.outcome.found += u64::from(finding.is_some());
            self.outcome.shadow_found += u64::from(tried.is_some());
            let both = [(false, finding), (true, tried)].into_iter();
            for (is_tried, finding) in both.filter_map(|(tried, found)| Some((tried, found?))) {
                if let Some(position) = position.clone() {
                    let expected = Expected {
                        is_tried,
                        position,
                        finding,
                    };
                    self.expected.insert(expected.finding.id.clone(), expected);
                }
            }
        }
        Ok(())
    }

    /// Holds a recorded finding to the one made now.
    fn meet(&mut self, recorded: Met<'_>) {
        let finding = recorded.finding();
        let expected = self.expected.remove(&finding.id);
        let is_first = self.met.insert(xxh3_64(finding.id.as_bytes()));
        if !is_first && expected.is_none() {
            return;
        }
        match recorded {
            Met::Flagged(_) => self.outcome.recorded += 1,
            Met::Shadowed(_) => self.outcome.shadow_recorded += 1,
        }
        let position = expected.as_ref().map(|expected| expected.position.clone());
        let difference = match expected {
            Some(expected) if expected.finding == *finding => return,
            Some(expected) => Difference::Differs(between(finding, &expected.finding)),
            None => {
                self.outcome.not_found += u64::from(matches!(recorded, Met::Flagged(_)));
                Difference::NotFound
            }
        };
        let difference = if self.is_ordered {
            difference
        } else {
            self.by_its_own_inputs(recorded, difference)
        };
        self.name(finding.id.clone(), position, difference);
    }

    fn by_its_own_inputs(&self, recorded: Met<'_>, difference: Difference) -> Difference {
        let version = &recorded.finding().rule_set;
        let (rules, finding) = match recorded {
            Met::Flagged(finding) => (self.by_version.get(version), finding.clone()),
            Met::Shadowed(shadowed) => (self.tried_by_version.get(version), shadowed.as_judged()),
        };
        let Some(rules) = rules else {
            return difference;
        };
        let changes = reevaluate(rules, &finding);
        if changes.is_empty() {
            return Difference::OfOrder;
        }
        Difference::Differs(changes.iter().map(Change::to_string).collect())
    }

    fn name(&mut self, id: String, position: Option<Position>, difference: Difference) {
        self.outcome.differences += 1;
        self.outcome.of_order += u64::from(difference == Difference::OfOrder);
        if self.outcome.named.len() < NAMED_MAX {
            self.outcome.named.push(Named {
                id,
                position,
                difference,
            });
        }
    }

    /// The end of the history. Of what is found now and not recorded, what `is_unsettled` is on its
    /// way into the history and no difference.
    #[must_use]
    pub fn end(mut self, is_unsettled: impl Fn(&Position, &str) -> bool) -> Outcome {
        let mut left: Vec<_> = std::mem::take(&mut self.expected).into_iter().collect();
        left.sort_by(|(a, first), (b, second)| {
            let (a_at, b_at) = (&first.position, &second.position);
            let by_sequence = a_at.sequence.cmp(&b_at.sequence);
            by_sequence
                .then(a_at.subsequence.cmp(&b_at.subsequence))
                .then_with(|| a.cmp(b))
        });
        for (id, expected) in left {
            let position = expected.position;
            if is_unsettled(&position, &id) {
                continue;
            }
            self.outcome.not_recorded += u64::from(!expected.is_tried);
            // Without an order, a finding that the recorded order did not give.
            let difference = if self.is_ordered {
                Difference::NotRecorded
            } else {
                Difference::OfOrder
            };
            self.name(id, Some(position), difference);
        }
        self.outcome
    }
}

/// In words, what a finding says otherwise.
fn between(recorded: &Finding, now: &Finding) -> Vec<String> {
    let mut what = Vec::new();
    let rules = |finding: &Finding| {
        let hits = finding.hits.iter().map(|hit| hit.rule.clone());
        hits.collect::<Vec<_>>().join(", ")
    };
    if rules(recorded) != rules(now) {
        what.push(format!("rules {}, now {}", rules(recorded), rules(now)));
    } else if recorded.hits != now.hits {
        what.push("the numbers of its hits".to_owned());
    }
    if recorded.score != now.score {
        what.push(format!("score {}, now {}", recorded.score, now.score));
    }
    if recorded.severity != now.severity {
        what.push("severity".to_owned());
    }
    if recorded.inputs != now.inputs {
        what.push("what it was asked about".to_owned());
    }
    if what.is_empty() {
        what.push("its transaction or card".to_owned());
    }
    what
}
