//! One pass over the history: folded, and judged by two rule sets.

use super::curve::bit;
use super::rank::{Terminals, score_of};
use super::sale::Sale;
use super::tally::Tally;
use crate::batch::Delivery;
use crate::history::Recorded;
use crate::port::{PortError, ProfileStore, TransactionStore, UploadStore};
use crate::rulefile::CheckedRules;
use crate::stage::aggregate::{Aggregator, Change};
use crate::stage::detect::{At, Detector};
use crate::stage::rulebook::activated_rules;
use std::fmt;
use std::ops::Range;
use txp_domain::event::{
    AnomalyFlagged, Decoded, Event, RowEvent, RowOutcome, RulesetActivated, decode, read_plain_row,
};
use txp_domain::finding::Finding;
use txp_domain::money::Currency;
use txp_domain::position::Position;
use txp_domain::row::{Facts, TransactionType};
use txp_domain::rule::{
    Coverage, Judged, Occasion, RuleSet, Scorecard, Seen, Variation, variations,
};
use xxhash_rust::xxh3::Xxh3;

/// What the rules that are tried are compared with.
#[derive(Clone, Debug)]
pub enum Baseline {
    /// The rules that judged, each from its activation on.
    Active,
    /// These.
    Rules(Box<CheckedRules>),
}

/// Which events do what, by arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// What arrived before is not judged, Unix milliseconds. It still says what a card has done.
    pub from_millis: Option<i64>,
    /// What arrived then or later is not judged either.
    pub to_millis: Option<i64>,
    /// What arrived before the first is not even looked at, but for the rules that were activated.
    pub is_cold: bool,
}

impl Span {
    /// Whether what arrived then is judged.
    #[must_use]
    pub fn is_judged(&self, arrival_millis: i64) -> bool {
        !self.is_before(arrival_millis) && !self.is_behind(arrival_millis)
    }

    fn is_before(&self, arrival_millis: i64) -> bool {
        self.from_millis.is_some_and(|from| arrival_millis < from)
    }

    /// Whether what arrived then comes too late to be judged.
    #[must_use]
    pub fn is_behind(&self, arrival_millis: i64) -> bool {
        self.to_millis.is_some_and(|to| arrival_millis >= to)
    }
}

/// Where what was judged goes.
pub trait Output {
    /// A sale that was judged on its first acceptance.
    ///
    /// # Errors
    /// It cannot be kept.
    fn judged(&mut self, sale: &Sale) -> Result<(), PortError>;

    /// A dispute that names a transaction, whether or not that is there.
    ///
    /// # Errors
    /// It cannot be kept.
    fn disputed(&mut self, merchant_id: &str, transaction_id: &str) -> Result<(), PortError>;
}

/// Rules that were active in the span, and where their activation stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Activated {
    /// The position of the event.
    pub position: Position,
    /// The event.
    pub event: RulesetActivated,
}

/// What a pass counted beside findings.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Sales judged on their first acceptance.
    pub transactions: u64,
    /// Refunds and chargebacks judged so.
    pub other_types: u64,
    /// Conflicts judged.
    pub conflicts: u64,
    /// Sales that only say what a card has done.
    pub only_warmed: u64,
    /// Events looked at.
    pub events: u64,
    /// Events that cannot be read.
    pub unreadable: u64,
    /// The first event looked at.
    pub first: Option<Position>,
    /// The last.
    pub last: Option<Position>,
    /// Changes that came before any rules were active: compared with nothing found.
    pub without_baseline: u64,
    /// Activations up to the end of the span.
    pub activated: Vec<Activated>,
    /// What no threshold was there for.
    pub coverage: Coverage,
}

/// The pass.
#[derive(Debug)]
pub struct Backtest {
    tried: CheckedRules,
    baseline: Baseline,
    active: Option<CheckedRules>,
    variations: Vec<Variation>,
    span: Span,
    aggregator: Aggregator,
    detector: Detector,
    terminals: Terminals,
    digest: HistoryDigest,
    /// What was looked at together, with the counts of settings, and the sale that is handed out: kept
    /// for their room.
    looked: Vec<Looked>,
    settings: Vec<u8>,
    sale: Sale,
    /// What was counted.
    pub totals: Totals,
    /// What was found.
    pub tally: Tally,
}

/// An event of the history; nearly all are valid rows as they are written today.
enum ReadEvent<'a> {
    Row(RowEvent<'a>),
    Other(Decoded<'a>),
}

impl<'a> ReadEvent<'a> {
    fn of(json: &'a [u8]) -> Option<Self> {
        match read_plain_row(json) {
            Some(row) => Some(Self::Row(row)),
            None => decode(json).ok().map(Self::Other),
        }
    }

    fn event(&self) -> Event<'_> {
        match self {
            Self::Row(row) => Event::Row(row.clone()),
            Self::Other(decoded) => decoded.event(),
        }
    }
}

/// A change that was looked at.
#[derive(Debug)]
struct Looked {
    delivery: usize,
    /// The amount as thousandths of the card's mean.
    deviation_milli: Option<u64>,
    kind: TransactionType,
    currency: Currency,
    is_first: bool,
    /// What was found, if it was to be judged.
    outcome: Option<Outcome>,
}

/// What was found in one change.
#[derive(Debug)]
struct Outcome {
    tried: Option<AnomalyFlagged>,
    baseline: Option<AnomalyFlagged>,
    /// What the card's past is worth by the scorecard of each, where there is one.
    card_points: [i32; 2],
    sale: Option<SaleSeen>,
}

/// What was seen in a sale beside what its row says.
#[derive(Debug)]
struct SaleSeen {
    scores: [u32; 2],
    hits: u64,
    is_baseline_found: bool,
    /// Where the counts of settings stand, of all sales that were looked at together.
    settings: Range<usize>,
}

impl Backtest {
    /// Nothing judged yet.
    #[must_use]
    pub fn new(tried: CheckedRules, baseline: Baseline, span: Span) -> Self {
        Self {
            variations: variations(&tried.rules),
            tried,
            baseline,
            active: None,
            span,
            aggregator: Aggregator::default(),
            detector: Detector::default(),
            terminals: Terminals::default(),
            digest: HistoryDigest::default(),
            looked: Vec::new(),
            settings: Vec::new(),
            sale: Sale::default(),
            totals: Totals::default(),
            tally: Tally::default(),
        }
    }

    /// The numbers of the rules, in the order of [`Sale::settings`].
    #[must_use]
    pub fn variations(&self) -> &[Variation] {
        &self.variations
    }

    /// The rules that are tried.
    #[must_use]
    pub fn tried(&self) -> &CheckedRules {
        &self.tried
    }

    /// A digest of the events that were looked at, in hexadecimal: of their bytes and places, in their
    /// order. Equal for equal histories; no proof against a forger, whom the log's checksums and the
    /// archive's own guards are for.
    #[must_use]
    pub fn history_digest(&self) -> String {
        format!("{:032x}", self.digest.0.digest128())
    }

    /// Takes a batch of the history, in its order. `wants_disputes` also beyond the span: what labels
    /// say is known later than what is judged.
    ///
    /// # Errors
    /// The state cannot be read or written, activated rules are not sound, or the output failed.
    pub async fn take<S: TransactionStore + UploadStore + ProfileStore>(
        &mut self,
        store: &mut S,
        batch: &[Recorded<'_>],
        wants_disputes: bool,
        output: &mut impl Output,
    ) -> Result<(), PortError> {
        let mut read = Vec::with_capacity(batch.len());
        for recorded in batch {
            let is_behind = self.span.is_behind(recorded.arrival_millis);
            if is_behind && !wants_disputes {
                continue;
            }
            match ReadEvent::of(recorded.bytes) {
                Some(event) => read.push((recorded, event, is_behind)),
                None => self.totals.unreadable += 1,
            }
        }
        let mut deliveries = Vec::with_capacity(read.len());
        for (recorded, event, is_behind) in &read {
            let event = event.event();
            if *is_behind {
                dispute(&event, output)?;
                continue;
            }
            self.count_event(recorded);
            let is_activation = matches!(event, Event::RulesetActivated(_));
            let is_cold = self.span.is_cold && self.span.is_before(recorded.arrival_millis);
            // Findings of then are not looked at.
            let is_fact = matches!(event, Event::Row(_) | Event::Upload(_)) && !is_cold;
            if is_activation || is_fact {
                deliveries.push(Delivery {
                    position: recorded.position.clone(),
                    arrival_millis: recorded.arrival_millis,
                    event,
                });
            }
        }
        // As live: an activation holds from its own position on.
        let is_activation =
            |delivery: &Delivery<'_>| matches!(delivery.event, Event::RulesetActivated(_));
        for part in deliveries.split_inclusive(is_activation) {
            self.take_part(store, part, output).await?;
            if let Some(last) = part.last()
                && let Event::RulesetActivated(activated) = &last.event
            {
                self.activate(&last.position, activated)?;
            }
        }
        Ok(())
    }

    fn count_event(&mut self, recorded: &Recorded<'_>) {
        let position = &recorded.position;
        self.totals.events += 1;
        self.digest.add(recorded);
        if self.totals.first.is_none() {
            self.totals.first = Some(position.clone());
        }
        self.totals.last = Some(position.clone());
    }

    fn activate(
        &mut self,
        position: &Position,
        activated: &RulesetActivated,
    ) -> Result<(), PortError> {
        self.active = Some(activated_rules(activated)?);
        self.totals.activated.push(Activated {
            position: position.clone(),
            event: activated.clone(),
        });
        Ok(())
    }

    async fn take_part<S: TransactionStore + UploadStore + ProfileStore>(
        &mut self,
        store: &mut S,
        deliveries: &[Delivery<'_>],
        output: &mut impl Output,
    ) -> Result<(), PortError> {
        let folded = self.aggregator.fold(store, deliveries).await;
        if let Some((_, error)) = folded.failed {
            return Err(error);
        }
        disputes(deliveries, &folded.changes, output)?;
        let Self {
            tried,
            baseline,
            active,
            variations,
            span,
            detector,
            terminals,
            totals,
            tally,
            looked: all_looked,
            settings: all_settings,
            sale,
            ..
        } = self;
        let baseline = match baseline {
            Baseline::Active => active.as_ref(),
            Baseline::Rules(rules) => Some(&**rules),
        };
        let judges = Judges {
            tried: &tried.rules,
            baseline: baseline.map(|checked| &checked.rules),
            variations,
        };
        // Aside, and their places through the stage: it sorts what it is given.
        all_looked.clear();
        all_settings.clear();
        let look = |at: At<'_>, seen: &Seen<'_>| {
            let arrival = deliveries
                .get(at.delivery)
                .map(|delivery| delivery.arrival_millis);
            let is_judged = arrival.is_some_and(|arrival| span.is_judged(arrival));
            let outcome = is_judged.then(|| judges.look(at, seen, all_settings));
            all_looked.push(Looked::of(at, seen, outcome));
            Some(all_looked.len() - 1)
        };
        let places = detector
            .look(store, deliveries, &folded.changes, look)
            .await?;
        for place in places {
            let Some(looked) = all_looked.get_mut(place) else {
                continue;
            };
            totals.count(looked, judges.baseline.is_some());
            let points = judges.of_terminal(terminals, deliveries, looked);
            let Some(outcome) = looked.outcome.take() else {
                continue;
            };
            if let Some(seen) = &outcome.sale
                && let Some(facts) = valid_row(deliveries, looked.delivery)
            {
                let scores = judges.scores(seen, outcome.card_points, points);
                seen.put(sale, facts, scores, all_settings);
                output.judged(sale)?;
            }
            tally.add(outcome.tried, outcome.baseline);
        }
        Ok(())
    }
}

impl Looked {
    fn of(at: At<'_>, seen: &Seen<'_>, outcome: Option<Outcome>) -> Self {
        let judged = seen.judged();
        Self {
            delivery: at.delivery,
            deviation_milli: seen.deviation_milli(),
            kind: judged.facts.kind,
            currency: judged.facts.currency,
            is_first: matches!(judged.occasion, Occasion::FirstAccepted),
            outcome,
        }
    }
}

impl SaleSeen {
    /// Makes `sale` this one, of what its row says.
    fn put(&self, sale: &mut Sale, facts: &Facts<'_>, scores: [u32; 2], all_settings: &[u8]) {
        let settings = all_settings.get(self.settings.clone());
        sale.take(facts, settings.unwrap_or_default());
        [sale.score, sale.baseline_score] = scores;
        sale.hits = self.hits;
        sale.is_baseline_found = self.is_baseline_found;
    }
}

impl Totals {
    fn count(&mut self, looked: &Looked, has_baseline: bool) {
        let Looked {
            kind,
            currency,
            is_first,
            ref outcome,
            ..
        } = *looked;
        let is_sale = is_first && kind == TransactionType::Sale;
        if outcome.is_none() {
            self.only_warmed += u64::from(is_sale);
            return;
        }
        self.transactions += u64::from(is_sale);
        self.other_types += u64::from(is_first && !is_sale);
        self.conflicts += u64::from(!is_first);
        self.without_baseline += u64::from(!has_baseline);
        if is_first {
            self.coverage.count(kind, currency);
        }
    }
}

/// XXH3 over events.
#[derive(Default)]
struct HistoryDigest(Xxh3);

impl HistoryDigest {
    fn add(&mut self, recorded: &Recorded<'_>) {
        let Position {
            bucket,
            sequence,
            subsequence,
        } = &recorded.position;
        let length = recorded.bytes.len() as u64;
        self.0.update(&[bucket.0]);
        self.0.update(sequence.to_string().as_bytes());
        self.0.update(&subsequence.to_le_bytes());
        self.0.update(&length.to_le_bytes());
        self.0.update(recorded.bytes);
    }
}

impl fmt::Debug for HistoryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0.digest128())
    }
}

/// Both rule sets, and the settings of the one that is tried.
struct Judges<'a> {
    tried: &'a RuleSet,
    baseline: Option<&'a RuleSet>,
    variations: &'a [Variation],
}

impl Judges<'_> {
    fn look(&self, at: At<'_>, seen: &Seen<'_>, all_settings: &mut Vec<u8>) -> Outcome {
        let (score, tried) = seen.judge_scored(self.tried);
        let (baseline_score, baseline) = match self.baseline {
            Some(rules) => seen.judge_scored(rules),
            None => (0, None),
        };
        let Judged {
            facts, occasion, ..
        } = seen.judged();
        let is_sale =
            matches!(occasion, Occasion::FirstAccepted) && facts.kind == TransactionType::Sale;
        let sale = is_sale.then(|| SaleSeen {
            scores: [score.into(), baseline_score.into()],
            hits: tried.as_ref().map_or(0, |finding| self.bits(finding)),
            is_baseline_found: baseline.is_some(),
            settings: self.settings(seen, all_settings),
        });
        Outcome {
            tried: tried.map(|finding| at.flagged(finding)),
            baseline: baseline.map(|finding| at.flagged(finding)),
            card_points: self
                .scorecards()
                .map(|scorecard| scorecard.map_or(0, |scorecard| seen.card_points(scorecard))),
            sale,
        }
    }

    fn scorecards(&self) -> [Option<&Scorecard>; 2] {
        [Some(self.tried), self.baseline].map(|rules| rules.and_then(RuleSet::scorecard))
    }

    /// What the terminal of a row says; then the row is part of its past. Asked in the order of the
    /// deliveries, unlike cards, and of sales that only warm, too.
    fn of_terminal(
        &self,
        terminals: &mut Terminals,
        deliveries: &[Delivery<'_>],
        looked: &Looked,
    ) -> [i32; 2] {
        match valid_row(deliveries, looked.delivery) {
            Some(facts) if looked.is_first => {
                if facts.kind == TransactionType::Sale {
                    return terminals.sale(facts, looked.deviation_milli, self.scorecards());
                }
                terminals.dispute(facts);
                [0; 2]
            }
            _ => [0; 2],
        }
    }

    /// The scores. Where a rule set has a scorecard, that makes it: card and terminal together.
    fn scores(&self, sale: &SaleSeen, card: [i32; 2], terminal: [i32; 2]) -> [u32; 2] {
        let mut scores = sale.scores;
        for ((score, card), (scorecard, terminal)) in scores
            .iter_mut()
            .zip(card)
            .zip(self.scorecards().into_iter().zip(terminal))
        {
            if scorecard.is_some() {
                *score = score_of(card, terminal);
            }
        }
        scores
    }

    /// A bit for each rule that hits.
    fn bits(&self, finding: &Finding) -> u64 {
        let rules = self.tried.rules().iter().enumerate();
        let is_hit = |id: &str| finding.hits.iter().any(|hit| hit.rule == id);
        rules
            .filter(|(_, rule)| is_hit(&rule.id))
            .fold(0, |bits, (place, _)| bits | bit(place))
    }

    fn settings(&self, seen: &Seen<'_>, all: &mut Vec<u8>) -> Range<usize> {
        let hits = |variation: &Variation| u8::try_from(variation.hits(seen)).unwrap_or(u8::MAX);
        let from = all.len();
        all.extend(self.variations.iter().map(hits));
        from..all.len()
    }
}

/// What a valid row says.
fn valid_row<'d>(deliveries: &'d [Delivery<'_>], at: usize) -> Option<&'d Facts<'d>> {
    match &deliveries.get(at)?.event {
        Event::Row(row) => match &row.outcome {
            RowOutcome::Valid { facts, .. } => Some(facts),
            RowOutcome::Rejected(_) => None,
        },
        _ => None,
    }
}

/// Notes which transactions are named by the disputes that were accepted.
fn disputes(
    deliveries: &[Delivery<'_>],
    changes: &[Change],
    output: &mut impl Output,
) -> Result<(), PortError> {
    let accepted = changes.iter().filter(|change| change.standing.is_none());
    for delivery in accepted.filter_map(|change| deliveries.get(change.delivery)) {
        dispute(&delivery.event, output)?;
    }
    Ok(())
}

/// Notes which transaction a dispute names.
fn dispute(event: &Event<'_>, output: &mut impl Output) -> Result<(), PortError> {
    match event {
        Event::Row(row) => match row.dispute_link() {
            Some(link) => output.disputed(link.merchant_id, link.original_transaction_id),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
