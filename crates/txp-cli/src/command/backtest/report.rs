//! What a backtest says: the JSON document, and the same for people.

use super::evaluate::{Evaluated, LabelledSales, Metrics};
use super::manifest::Manifest;
use super::parity::ParityReport;
use super::pass::Judged;
use crate::output::grouped;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use txp_domain::event::AnomalyFlagged;
use txp_domain::rule::RuleSet;
use txp_pipeline::backtest::curve::Point;
use txp_pipeline::backtest::metrics::Confusion;
use txp_pipeline::backtest::tally::{Compared, Part};

/// The most merchants that are listed, those with the most that is new or lost first.
const MERCHANTS_MAX: usize = 100;

/// Merchants that people are shown.
const MERCHANTS_SHOWN: usize = 10;

type Money = BTreeMap<&'static str, String>;

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) transactions: u64,
    pub(super) findings: u64,
    pub(super) new: u64,
    pub(super) lost: u64,
    pub(super) kept: u64,
    pub(super) metrics: Option<Metrics>,
    pub(super) baseline: BaselineReport,
    pub(super) money: CategoryMoney,
    pub(super) by_rule: Vec<RuleReport>,
    pub(super) by_merchant: Vec<MerchantReport>,
    /// Merchants with findings that are not listed.
    pub(super) merchants_not_listed: u64,
    pub(super) judged: JudgedReport,
    /// Which settings would find what.
    pub(super) curves: Vec<CurveReport>,
    /// The new findings with the highest scores.
    pub(super) new_findings: Vec<FindingReport>,
    /// The same of those lost.
    pub(super) lost_findings: Vec<FindingReport>,
    /// Sales that a rule could not judge, having no threshold for their currency.
    pub(super) not_judged: Vec<NotJudgedReport>,
    pub(super) notes: Vec<String>,
    /// With --parity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parity: Option<ParityReport>,
    pub(super) manifest: Manifest,
}

#[derive(Debug, Serialize)]
pub(super) struct BaselineReport {
    pub(super) findings: u64,
    pub(super) metrics: Option<Metrics>,
}

#[derive(Debug, Serialize)]
pub(super) struct CategoryMoney {
    pub(super) new: Money,
    pub(super) lost: Money,
    pub(super) kept: Money,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleReport {
    pub(super) rule: String,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, Serialize)]
pub(super) struct MerchantReport {
    pub(super) merchant_id: String,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

#[derive(Debug, Serialize)]
pub(super) struct Counts {
    pub(super) findings: u64,
    pub(super) baseline_findings: u64,
    pub(super) new: u64,
    pub(super) lost: u64,
    pub(super) kept: u64,
    pub(super) money: CategoryMoney,
}

/// What was judged, and what only said what cards have done.
#[derive(Debug, Serialize)]
pub(super) struct JudgedReport {
    pub(super) sales: u64,
    pub(super) refunds_and_chargebacks: u64,
    pub(super) conflicts: u64,
    pub(super) sales_only_for_the_past: u64,
    pub(super) events_unreadable: u64,
    /// Judgements where no rules were active to compare with.
    pub(super) without_baseline: u64,
    /// Sales that metrics are taken over.
    pub(super) sales_measured: u64,
    #[serde(flatten)]
    pub(super) labels: Option<LabelledSales>,
}

#[derive(Debug, Serialize)]
pub(super) struct CurveReport {
    pub(super) rule: String,
    pub(super) parameter: &'static str,
    /// From the setting that finds most to the one that finds least.
    pub(super) settings: Vec<SettingReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct SettingReport {
    pub(super) setting: u32,
    /// Whether the rule is set so.
    pub(super) is_own: bool,
    /// Sales that the rule hits by itself.
    pub(super) hits: u64,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    /// Sales that any rule hits, this one set so and the others as they are.
    pub(super) findings: u64,
    pub(super) findings_precision: Option<f64>,
    pub(super) findings_recall: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct FindingReport {
    pub(super) transaction_id: String,
    pub(super) merchant_id: String,
    pub(super) score: u32,
    pub(super) amount: String,
    pub(super) event_time: String,
    pub(super) rules: Vec<String>,
    pub(super) words: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct NotJudgedReport {
    pub(super) rule: String,
    pub(super) currency: &'static str,
    pub(super) transactions: u64,
}

impl Report {
    /// What was judged, in numbers.
    pub(super) fn of(
        judged: &Judged,
        evaluated: &Evaluated,
        manifest: Manifest,
    ) -> anyhow::Result<Self> {
        let (totals, tally) = (&judged.backtest.totals, &judged.backtest.tally);
        let rules = &judged.backtest.tried().rules;
        let not_judged = totals.coverage.not_judged(rules);
        let by_merchant = merchants(&tally.by_merchant);
        let listed = by_merchant.len() as u64;
        let has_others = u64::from(tally.other_merchants != Compared::default());
        Ok(Self {
            transactions: totals.transactions,
            findings: tally.all.findings(),
            new: tally.all.new.count,
            lost: tally.all.lost.count,
            kept: tally.all.kept.count,
            metrics: evaluated.tried.clone(),
            baseline: BaselineReport {
                findings: tally.all.baseline(),
                metrics: evaluated.baseline.clone(),
            },
            money: money(&tally.all),
            by_rule: rule_reports(rules, &tally.by_rule),
            by_merchant,
            merchants_not_listed: tally.by_merchant.len() as u64 - listed + has_others,
            judged: JudgedReport {
                sales: totals.transactions,
                refunds_and_chargebacks: totals.other_types,
                conflicts: totals.conflicts,
                sales_only_for_the_past: totals.only_warmed,
                events_unreadable: totals.unreadable,
                without_baseline: totals.without_baseline,
                sales_measured: evaluated.measured,
                labels: evaluated.labelled,
            },
            curves: curves(judged, evaluated),
            new_findings: tally.new.iter().map(finding).collect(),
            lost_findings: tally.lost.iter().map(finding).collect(),
            not_judged: not_judged
                .into_iter()
                .map(|not_judged| NotJudgedReport {
                    rule: not_judged.rule.to_owned(),
                    currency: not_judged.currency.code(),
                    transactions: not_judged.transactions,
                })
                .collect(),
            notes: notes(judged, evaluated),
            parity: None,
            manifest,
        })
    }

    /// For people.
    pub(super) fn to_text(&self) -> anyhow::Result<String> {
        let mut out = String::new();
        writeln!(
            out,
            "{} sales judged: {} findings, {} by the rules compared with",
            grouped(self.transactions),
            grouped(self.findings),
            grouped(self.baseline.findings)
        )?;
        for (name, count, money) in [
            ("new", self.new, &self.money.new),
            ("lost", self.lost, &self.money.lost),
            ("kept", self.kept, &self.money.kept),
        ] {
            writeln!(out, "  {name:<6}{:>12}  {}", grouped(count), in_line(money))?;
        }
        if !self.by_rule.is_empty() {
            writeln!(out, "by rule{:>34}{:>12}{:>12}", "new", "lost", "kept")?;
        }
        for rule in &self.by_rule {
            line(&mut out, &rule.rule, &rule.counts)?;
        }
        let merchants = self.by_merchant.iter().take(MERCHANTS_SHOWN);
        if !self.by_merchant.is_empty() {
            writeln!(out, "by merchant{:>30}{:>12}{:>12}", "new", "lost", "kept")?;
        }
        for merchant in merchants {
            line(&mut out, &merchant.merchant_id, &merchant.counts)?;
        }
        self.metrics_to_text(&mut out)?;
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(out)
    }

    fn metrics_to_text(&self, out: &mut String) -> anyhow::Result<()> {
        let (Some(tried), Some(days)) = (&self.metrics, self.manifest.days()) else {
            return Ok(());
        };
        writeln!(
            out,
            "metrics over {} sales of {} day(s) from {}{:>12}{:>12}",
            grouped(self.judged.sales_measured),
            days.test_days,
            days.first_test_day,
            "rules",
            "compared"
        )?;
        let baseline = self.baseline.metrics.as_ref();
        for (name, value) in metrics_in_words() {
            let shown = |metrics: Option<&Metrics>| {
                let value = metrics.and_then(value);
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
            };
            let (ours, theirs) = (shown(Some(tried)), shown(baseline));
            writeln!(out, "  {name:<28}{ours:>24}{theirs:>12}")?;
        }
        Ok(())
    }
}

/// One metric of all.
type Metric = fn(&Metrics) -> Option<f64>;

/// The metrics as people are told of them.
pub(super) fn metrics_in_words() -> [(&'static str, Metric); 6] {
    [
        ("precision", |metrics| metrics.precision),
        ("recall", |metrics| metrics.recall),
        ("F1", |metrics| metrics.f1),
        ("ROC AUC", |metrics| metrics.roc_auc),
        ("average precision", |metrics| metrics.average_precision),
        ("card precision in 100", |metrics| {
            metrics.card_precision_100
        }),
    ]
}

fn line(out: &mut String, name: &str, counts: &Counts) -> std::fmt::Result {
    let Counts {
        new, lost, kept, ..
    } = counts;
    let [new, lost, kept] = [new, lost, kept].map(|count| grouped(*count));
    writeln!(out, "  {name:<27}{new:>12}{lost:>12}{kept:>12}")
}

fn in_line(money: &Money) -> String {
    let sums = money
        .iter()
        .map(|(currency, sum)| format!("{sum} {currency}"));
    sums.collect::<Vec<_>>().join(", ")
}

fn of_part(part: &Part) -> Money {
    let sums = part.money.iter().map(|(currency, sum)| {
        let mut text = Vec::new();
        sum.write_decimal(*currency, &mut text);
        (currency.code(), String::from_utf8_lossy(&text).into_owned())
    });
    sums.collect()
}

fn money(compared: &Compared) -> CategoryMoney {
    CategoryMoney {
        new: of_part(&compared.new),
        lost: of_part(&compared.lost),
        kept: of_part(&compared.kept),
    }
}

fn counts(compared: &Compared) -> Counts {
    Counts {
        findings: compared.findings(),
        baseline_findings: compared.baseline(),
        new: compared.new.count,
        lost: compared.lost.count,
        kept: compared.kept.count,
        money: money(compared),
    }
}

/// Every rule that judges, in the order of the file, then those that only the other rules have.
fn rule_reports(rules: &RuleSet, found: &BTreeMap<String, Compared>) -> Vec<RuleReport> {
    let own = rules.rules().iter().filter(|rule| rule.enabled);
    let own: Vec<&str> = own.map(|rule| &*rule.id).collect();
    let others = found.keys().map(String::as_str);
    let others = others.filter(|rule| !own.contains(rule));
    let nothing = Compared::default();
    let report = |rule: &str| RuleReport {
        rule: rule.to_owned(),
        counts: counts(found.get(rule).unwrap_or(&nothing)),
    };
    own.iter().copied().chain(others).map(report).collect()
}

fn merchants(found: &BTreeMap<String, Compared>) -> Vec<MerchantReport> {
    let mut all: Vec<_> = found.iter().collect();
    // Stable: of equals in the order of their names.
    all.sort_by_key(|(_, compared)| {
        let changed = compared.new.count + compared.lost.count;
        std::cmp::Reverse((changed, compared.kept.count))
    });
    all.truncate(MERCHANTS_MAX);
    let report = |(merchant_id, compared): (&String, &Compared)| MerchantReport {
        merchant_id: merchant_id.clone(),
        counts: counts(compared),
    };
    all.into_iter().map(report).collect()
}

fn curves(judged: &Judged, evaluated: &Evaluated) -> Vec<CurveReport> {
    let rules = judged.backtest.tried().rules.rules();
    let is_labelled = evaluated.labelled.is_some();
    let variations = judged.backtest.variations().iter().enumerate();
    let curve = |(place, variation): (usize, &txp_domain::rule::Variation)| {
        let rule = rules.get(variation.rule)?;
        let points = evaluated.curves.points(place);
        let settings = variation.settings().zip(points).enumerate();
        let own = variation.own();
        Some(CurveReport {
            rule: rule.id.to_string(),
            parameter: variation.parameter.name(),
            settings: settings
                .map(|(at, (setting, point))| {
                    setting_report(setting, own == Some(at), point, is_labelled)
                })
                .collect(),
        })
    };
    variations.filter_map(curve).collect()
}

fn setting_report(setting: u32, is_own: bool, point: Point, is_labelled: bool) -> SettingReport {
    let Point { alone, set } = point;
    let known =
        |value: fn(Confusion) -> Option<f64>, of: Confusion| value(of).filter(|_| is_labelled);
    SettingReport {
        setting,
        is_own,
        hits: alone.found.all(),
        precision: known(Confusion::precision, alone),
        recall: known(Confusion::recall, alone),
        findings: set.found.all(),
        findings_precision: known(Confusion::precision, set),
        findings_recall: known(Confusion::recall, set),
    }
}

fn finding(flagged: &AnomalyFlagged) -> FindingReport {
    let finding = &flagged.finding;
    FindingReport {
        transaction_id: finding.transaction_id.clone(),
        merchant_id: finding.merchant_id.clone(),
        score: finding.score.into(),
        amount: finding.inputs.content.money.to_string(),
        event_time: finding.event_time().to_string(),
        rules: finding.hits.iter().map(|hit| hit.rule.clone()).collect(),
        words: finding.hits.iter().map(|hit| hit.words.clone()).collect(),
    }
}

/// What a person should know before they believe the numbers.
fn notes(judged: &Judged, evaluated: &Evaluated) -> Vec<String> {
    let totals = &judged.backtest.totals;
    let mut notes = Vec::new();
    if totals.events == 0 {
        notes.push("the history is empty".to_owned());
    } else if totals.transactions == 0 {
        notes.push("no sale arrived in the time that was asked for".to_owned());
    }
    if totals.only_warmed > 0 {
        notes.push(format!(
            "{} sales outside of the time that was asked for were not judged; they only say what a card has done",
            grouped(totals.only_warmed)
        ));
    }
    if totals.without_baseline > 0 && judged.baseline.is_none() {
        notes.push(format!(
            "{} judgements had no active rules to compare with, so all that is found in them is new",
            grouped(totals.without_baseline)
        ));
    }
    if totals.unreadable > 0 {
        notes.push(format!(
            "{} events cannot be read and were left out; `txp doctor` shows the quarantine",
            grouped(totals.unreadable)
        ));
    }
    label_notes(judged, evaluated, &mut notes);
    for not_judged in totals.coverage.not_judged(&judged.backtest.tried().rules) {
        notes.push(format!(
            "{} has no threshold for {}: {} transactions were not judged by it",
            not_judged.rule,
            not_judged.currency,
            grouped(not_judged.transactions)
        ));
    }
    notes
}

fn label_notes(judged: &Judged, evaluated: &Evaluated, notes: &mut Vec<String>) {
    let counts = &judged.labels.counts;
    let Some(labelled) = evaluated.labelled else {
        let source = counts.file.as_deref();
        notes.push(match source {
            Some(file) => {
                format!("{file} holds no labels that can be read, so there are no metrics")
            }
            None => "there are neither labels nor disputes, so there are no metrics".to_owned(),
        });
        return;
    };
    if evaluated.measured == 0 {
        notes.push(
            "no sale with a label lies in the days that are measured, so there are no metrics; \
             --train-start, --train-days, --delay-days and --test-days say which days these are"
                .to_owned(),
        );
    }
    for (count, what) in [
        (
            labelled.labels_of_no_sale_judged,
            "labels are of no sale that was judged",
        ),
        (
            labelled.unlabelled_sales,
            "sales have no label and are not measured",
        ),
        (counts.repeated, "lines of the labels repeat one before"),
        (
            counts.contradicting,
            "lines of the labels contradict one before, which stands",
        ),
        (
            counts.unreadable,
            "lines of the labels cannot be read and were left out",
        ),
    ] {
        if count > 0 {
            notes.push(format!("{} {what}", grouped(count)));
        }
    }
    if let Some(line) = counts.first_unreadable_line {
        notes.push(format!(
            "the first line of the labels that cannot be read is line {line}"
        ));
    }
}
