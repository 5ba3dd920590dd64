//! What was judged, held against the labels: twice over the sales that were written down, since
//! which days are measured, and which cards are known to be compromised, follows from all of them.

use super::pass::{Judged, for_each_sale, sales_out};
use anyhow::Context as _;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use txp_domain::card::Fingerprint;
use txp_pipeline::backtest::Sale;
use txp_pipeline::backtest::curve::Curves;
use txp_pipeline::backtest::days::{Days, Wanted};
use txp_pipeline::backtest::metrics::{
    CARDS_LOOKED_AT, CardDays, CardPrecision, Confusion, Ranking,
};

/// What the labels say.
pub(super) struct Evaluated {
    /// How the labels and the sales go together; `None` without labels.
    pub(super) labelled: Option<LabelledSales>,
    /// Which days are measured; `None` without labels.
    pub(super) days: Option<Days>,
    /// The rules that are tried; `None` if no sale is measured.
    pub(super) tried: Option<Metrics>,
    /// The rules that they are compared with.
    pub(super) baseline: Option<Metrics>,
    /// Every setting: on the sales that are measured; without labels on all of them, to be counted.
    pub(super) curves: Curves,
    /// Sales that are measured.
    pub(super) measured: u64,
}

/// How the labels and the sales that were judged go together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct LabelledSales {
    /// Sales that have a label.
    pub(super) labelled_sales: u64,
    /// Those of them that are frauds.
    pub(super) frauds: u64,
    /// Sales without a label, which are not measured.
    pub(super) unlabelled_sales: u64,
    /// Labels that no sale has that was judged.
    pub(super) labels_of_no_sale_judged: u64,
}

/// The metrics of a rule set.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Metrics {
    pub(super) roc_auc: Option<f64>,
    pub(super) average_precision: Option<f64>,
    pub(super) card_precision_100: Option<f64>,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    pub(super) f1: Option<f64>,
    pub(super) true_positives: u64,
    pub(super) false_positives: u64,
    pub(super) false_negatives: u64,
    pub(super) true_negatives: u64,
    pub(super) card_precision_100_lowest: Option<f64>,
    pub(super) card_precision_100_highest: Option<f64>,
    pub(super) card_precision_100_by_day: Vec<f64>,
}

/// Measures.
pub(super) fn evaluate(judged: &mut Judged, wanted: Wanted) -> anyhow::Result<Evaluated> {
    let mut curves = Curves::of(judged.backtest.variations());
    if judged.labels.is_empty() {
        for_each_sale(&judged.sales, |sale| {
            curves.add(sale);
            Ok(())
        })?;
        return Ok(Evaluated {
            labelled: None,
            days: None,
            tried: None,
            baseline: None,
            curves,
            measured: judged.backtest.totals.transactions,
        });
    }
    let labelled_file = judged.sales.with_extension("labelled");
    let found = label(judged, &labelled_file)?;
    let days = Days::over(found.first_day, found.last_day, wanted);
    let known = found.known_since(days.train_start);
    let (mut tried, mut baseline) = (Measured::default(), Measured::default());
    let mut measured = 0;
    for_each_sale(&labelled_file, |sale| {
        let (Some(is_fraud), Some(test_day)) = (sale.is_fraud, days.test_day(sale.day)) else {
            return Ok(());
        };
        let first_fraud = known.get(&sale.card);
        if first_fraud.is_some_and(|day| days.is_known(*day, test_day)) {
            return Ok(());
        }
        measured += 1;
        curves.add(sale);
        tried.add(test_day, sale, sale.score, sale.is_found(), is_fraud);
        let is_found = sale.is_baseline_found;
        baseline.add(test_day, sale, sale.baseline_score, is_found, is_fraud);
        Ok(())
    })?;
    Ok(Evaluated {
        labelled: Some(found.labelled),
        days: Some(days),
        tried: (measured > 0).then(|| tried.metrics()),
        baseline: (measured > 0).then(|| baseline.metrics()),
        curves,
        measured,
    })
}

/// What the first time over the sales gives.
struct Found {
    labelled: LabelledSales,
    first_day: i64,
    /// The last day of which labels tell.
    last_day: i64,
    frauds: Vec<(Fingerprint, i64)>,
}

impl Found {
    /// The first day on which each card had a fraud, since a day.
    fn known_since(&self, start: i64) -> BTreeMap<Fingerprint, i64> {
        let mut first = BTreeMap::new();
        for (card, day) in self.frauds.iter().filter(|(_, day)| *day >= start) {
            let known = first.entry(*card).or_insert(*day);
            *known = (*known).min(*day);
        }
        first
    }
}

/// Puts labels to the sales, in a file of its own.
fn label(judged: &mut Judged, to: &Path) -> anyhow::Result<Found> {
    let mut out = sales_out(to)?;
    let labels = &mut judged.labels;
    let (mut first_day, mut last_labelled, mut last_fraud) = (i64::MAX, i64::MIN, i64::MIN);
    let mut labelled = LabelledSales::default();
    let mut frauds = Vec::new();
    for_each_sale(&judged.sales, |sale| {
        first_day = first_day.min(sale.day);
        sale.is_fraud = labels.label(sale)?;
        match sale.is_fraud {
            None => labelled.unlabelled_sales += 1,
            Some(is_fraud) => {
                labelled.labelled_sales += 1;
                last_labelled = last_labelled.max(sale.day);
                if is_fraud {
                    labelled.frauds += 1;
                    last_fraud = last_fraud.max(sale.day);
                    frauds.push((sale.card, sale.day));
                }
            }
        }
        // Names have served.
        sale.merchant_id.clear();
        sale.transaction_id.clear();
        sale.write(&mut out).context("writing what was judged")
    })?;
    out.flush().context("writing what was judged")?;
    let matched = if labels.is_of_disputes() {
        labelled.frauds
    } else {
        labelled.labelled_sales
    };
    labelled.labels_of_no_sale_judged = labels.counts.transactions.saturating_sub(matched);
    // Sales behind the last dispute have none yet, which says nothing about them.
    let last_day = if labels.is_of_disputes() {
        last_fraud
    } else {
        last_labelled
    };
    Ok(Found {
        labelled,
        first_day: first_day.min(last_day.max(0)),
        last_day: last_day.max(0),
        frauds,
    })
}

/// One rule set's measures as they grow.
#[derive(Default)]
struct Measured {
    ranking: Ranking,
    cards: CardDays,
    confusion: Confusion,
}

impl Measured {
    fn add(&mut self, test_day: u32, sale: &Sale, score: u32, is_found: bool, is_fraud: bool) {
        self.ranking.add(score, is_fraud);
        self.cards.add(test_day, sale.card, score, is_fraud);
        self.confusion.add(is_found, is_fraud);
    }

    fn metrics(&self) -> Metrics {
        let Confusion { found, all } = self.confusion;
        let cards = self.cards.precision(CARDS_LOOKED_AT);
        let of_cards = |value: fn(&CardPrecision) -> f64| cards.as_ref().map(value);
        Metrics {
            roc_auc: self.ranking.roc_auc(),
            average_precision: self.ranking.average_precision(),
            card_precision_100: of_cards(|cards| cards.mean),
            precision: self.confusion.precision(),
            recall: self.confusion.recall(),
            f1: self.confusion.f1(),
            true_positives: found.frauds,
            false_positives: found.genuine,
            false_negatives: all.frauds - found.frauds,
            true_negatives: all.genuine - found.genuine,
            card_precision_100_lowest: of_cards(|cards| cards.lowest),
            card_precision_100_highest: of_cards(|cards| cards.highest),
            card_precision_100_by_day: cards.map_or_else(Vec::new, |cards| cards.by_day),
        }
    }
}
