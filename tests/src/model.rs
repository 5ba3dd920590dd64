//! The naive reference model: what the design says the state, the counts and the findings are, in
//! maps and lists, with no regard for speed.
//!
//! It takes each row once, in the order in which the rows first stand in the history, and keeps
//! everything: every list is whole, every bound is applied when the result is read. It knows nothing
//! of deliveries, watermarks, revisions or crashes: they must not matter.

mod detect;

pub use detect::{ExpectedFinding, ExpectedHit, NAMES_NEEDING_ORDER};

use detect::Detector;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many distinct conflicts an item keeps (design, state).
pub const CONFLICTS_KEPT: usize = 16;
/// How many disputes an item keeps: those with the smallest event ids.
pub const DISPUTES_KEPT: usize = 16;
/// How many events of an item's history are kept.
pub const HISTORY_KEPT: usize = 64;

/// What a transaction is called: merchant, then transaction.
pub type Key = (String, String);

/// A row's event: the upload's id, the record. In the order of the ids' texts for records of up to
/// nine digits, if the uploads' ids are.
pub type Event = (String, u64);

/// A row as the file means it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its event.
    pub event: Event,
    /// The ids, where both are usable.
    pub key: Option<Key>,
    /// What it says, or the codes of what is wrong with it.
    pub outcome: Result<Content, Vec<&'static str>>,
}

/// What a valid row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// In minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: &'static str,
    /// `sale`, `refund` or `chargeback`.
    pub kind: &'static str,
    /// The card's number.
    pub card: String,
    /// The card's brand.
    pub brand: &'static str,
    /// Which key the fingerprint was made under.
    pub fingerprint_key: u8,
    /// What it is about.
    pub original: Option<String>,
    /// The terminal.
    pub terminal: Option<String>,
    /// The country.
    pub country: Option<&'static str>,
    /// The category.
    pub mcc: Option<&'static str>,
    /// Unix seconds, where the file says.
    pub seconds: Option<u64>,
    /// When the upload arrived, Unix seconds.
    pub uploaded_seconds: u64,
}

impl Content {
    /// When it happened, as far as is known.
    #[must_use]
    pub fn event_seconds(&self) -> u64 {
        self.seconds.unwrap_or(self.uploaded_seconds)
    }

    /// Whether a later row says the same.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let same_card = if self.fingerprint_key == other.fingerprint_key {
            self.card == other.card
        } else {
            last4(&self.card) == last4(&other.card) && self.brand == other.brand
        };
        let same_time = match (self.seconds, other.seconds) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        same_card
            && same_time
            && self.amount == other.amount
            && self.currency == other.currency
            && self.kind == other.kind
            && self.original == other.original
            && self.terminal == other.terminal
            && self.country == other.country
            && self.mcc == other.mcc
    }

    /// What makes a conflict another one than those before: the content, without when it arrived.
    fn distinct_by(&self) -> Self {
        let uploaded_seconds = 0;
        Self {
            uploaded_seconds,
            ..self.clone()
        }
    }
}

fn last4(card: &str) -> &str {
    &card[card.len() - 4..]
}

/// A row's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The first with its id.
    Accepted,
    /// Invalid.
    Rejected,
    /// Says what the first says.
    Duplicate,
    /// Says something else.
    Conflict,
}

/// Everything known of one transaction.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The first accepted row.
    pub first: Option<(Event, Content)>,
    /// The last bad row before it, and its codes.
    pub rejection: Option<(Event, Vec<&'static str>)>,
    /// Every distinct conflict.
    pub conflicts: Vec<Content>,
    /// Every chargeback that names it.
    pub disputes: BTreeSet<Event>,
    /// Every finding.
    pub flags: Vec<String>,
    /// The rows that changed it, and what they were.
    pub history: Vec<(Event, Class)>,
}

impl Item {
    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> &'static str {
        if self.first.is_none() {
            return if self.rejection.is_some() {
                "rejected"
            } else {
                "awaiting_original"
            };
        }
        if !self.disputes.is_empty() {
            "disputed"
        } else if !self.flags.is_empty() {
            "flagged"
        } else {
            "validated"
        }
    }

    /// How often what rules judge has changed.
    #[must_use]
    pub fn facts_revision(&self) -> u32 {
        let conflicts = self.conflicts.len().min(CONFLICTS_KEPT) as u32;
        u32::from(self.first.is_some()) + conflicts
    }
}

/// The model.
#[derive(Debug, Default)]
pub struct Model {
    /// The transactions.
    pub items: HashMap<Key, Item>,
    /// Rows by upload and class.
    pub counts: HashMap<String, BTreeMap<Class, u64>>,
    /// Each row's class.
    pub classes: HashMap<Event, Class>,
    /// The findings, in the order of the judgements.
    pub findings: Vec<ExpectedFinding>,
    detector: Detector,
}

impl Model {
    /// The model of a history.
    #[must_use]
    pub fn of<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Self {
        let mut model = Self::default();
        for row in rows {
            model.take(row);
        }
        model
    }

    /// Takes the next row.
    pub fn take(&mut self, row: &Row) {
        let class = self.class_of(row);
        let counts = self.counts.entry(row.event.0.clone()).or_default();
        *counts.entry(class).or_default() += 1;
        self.classes.insert(row.event.clone(), class);
        let Some(key) = &row.key else { return };
        match &row.outcome {
            Err(codes) => self.take_rejected(key, row, codes),
            Ok(content) => self.take_valid(key, row, content, class),
        }
    }

    fn class_of(&self, row: &Row) -> Class {
        let Ok(content) = &row.outcome else {
            return Class::Rejected;
        };
        let item = row.key.as_ref().and_then(|key| self.items.get(key));
        match item.and_then(|item| item.first.as_ref()) {
            None => Class::Accepted,
            Some((_, first)) if first.says_the_same_as(content) => Class::Duplicate,
            Some(_) => Class::Conflict,
        }
    }

    fn take_rejected(&mut self, key: &Key, row: &Row, codes: &[&'static str]) {
        let item = self.items.entry(key.clone()).or_default();
        if item.first.is_none() {
            item.rejection = Some((row.event.clone(), codes.to_vec()));
            item.history.push((row.event.clone(), Class::Rejected));
        }
    }

    fn take_valid(&mut self, key: &Key, row: &Row, content: &Content, class: Class) {
        let item = self.items.entry(key.clone()).or_default();
        let finding = match class {
            Class::Accepted => {
                item.first = Some((row.event.clone(), content.clone()));
                item.rejection = None;
                item.history.push((row.event.clone(), class));
                self.detector.first_accepted(&row.event, content)
            }
            Class::Conflict => {
                let distinct = content.distinct_by();
                if item.conflicts.contains(&distinct) {
                    return;
                }
                item.conflicts.push(distinct);
                // One more than are kept changes the item once: it says so from then on.
                if item.conflicts.len() <= CONFLICTS_KEPT + 1 {
                    item.history.push((row.event.clone(), class));
                }
                let first = item.first.as_ref().map(|(event, _)| event.clone());
                let is_kept = item.conflicts.len() <= CONFLICTS_KEPT;
                let revision = item.facts_revision();
                first
                    .filter(|_| is_kept)
                    .map(|first| Detector::conflict(&first, revision))
            }
            Class::Duplicate | Class::Rejected => None,
        };
        if let Some(finding) = finding {
            let item = self.items.entry(key.clone()).or_default();
            item.flags.push(finding.id());
            self.findings.push(finding);
        }
        if let (Class::Accepted, "chargeback", Some(original)) =
            (class, content.kind, &content.original)
        {
            let original = (key.0.clone(), original.clone());
            let item = self.items.entry(original).or_default();
            item.disputes.insert(row.event.clone());
        }
    }

    /// How many sales were judged on each card and currency under a key, and their sum: the same in
    /// whatever order.
    #[must_use]
    pub fn sales(&self) -> BTreeMap<(u8, String, &'static str), (u64, u128)> {
        self.detector.sums()
    }
}
