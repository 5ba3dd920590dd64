//! The words of an alert: a subject that fits a phone's notification, text for a person, then the
//! same as JSON for a program.

use super::{Digest, Notice};
use crate::finding::Finding;
use crate::rule::{SCORE_MAX, Severity};
use serde::Serialize;
use std::fmt;

/// The most characters of a subject: SNS takes fewer than 100.
pub const SUBJECT_CHARS_MAX: usize = 99;

/// What is handed to an alert sink. ASCII throughout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The alert's or digest's id: a sink that saw it before may drop it.
    pub id: String,
    /// One line.
    pub subject: String,
    /// Text for a person, an empty line, one JSON document.
    pub body: String,
    /// For filters.
    pub severity: Severity,
    /// For filters: the leading hit's rule.
    pub rule: String,
    /// For filters.
    pub merchant_id: String,
    /// The same without anything of a card, for sinks that others run.
    pub told: Told,
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// Of one finding.
    Finding(Box<Notice>),
    /// Of several.
    Digest(Box<Digest>),
}

impl Message {
    /// The message of a finding that is sent by itself.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        let notice = Notice::of(finding);
        let subject = format!(
            "{} {} at {}: {}",
            finding.severity.name(),
            notice.money,
            notice.merchant_id,
            notice.rule
        );
        Self {
            subject: cut(subject),
            body: with_json(FindingText(finding).to_string(), finding),
            id: notice.id.clone(),
            severity: finding.severity,
            rule: notice.rule.clone(),
            merchant_id: notice.merchant_id.clone(),
            told: Told::Finding(Box::new(notice)),
        }
    }

    /// The message of a digest.
    #[must_use]
    pub fn of_digest(digest: &Digest) -> Self {
        let subject = format!(
            "{} {} more {} at {}: {}",
            digest.severity.name(),
            digest.count,
            findings(digest.count),
            digest.merchant_id,
            digest.rule
        );
        Self {
            id: digest.id.clone(),
            subject: cut(subject),
            body: with_json(DigestText(digest).to_string(), digest),
            severity: digest.severity,
            rule: digest.rule.clone(),
            merchant_id: digest.merchant_id.clone(),
            told: Told::Digest(Box::new(digest.clone())),
        }
    }

    /// The attributes that subscribers filter by.
    #[must_use]
    pub fn attributes(&self) -> [(&'static str, &str); 3] {
        [
            ("severity", self.severity.name()),
            ("rule", &self.rule),
            ("merchant_id", &self.merchant_id),
        ]
    }
}

/// A finding for a person.
struct FindingText<'a>(&'a Finding);

impl fmt::Display for FindingText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = self.0;
        for hit in &finding.hits {
            writeln!(f, "{}: {}", hit.rule, hit.words)?;
        }
        let card = &finding.card;
        writeln!(f)?;
        writeln!(f, "transaction  {}", finding.transaction_id)?;
        writeln!(f, "merchant     {}", finding.merchant_id)?;
        writeln!(f, "amount       {}", finding.inputs.content.money)?;
        writeln!(
            f,
            "card         {} ending in {}",
            card.brand.name(),
            card.last4
        )?;
        writeln!(f, "event time   {}", finding.event_time())?;
        writeln!(f, "severity     {}", finding.severity.name())?;
        writeln!(f, "score        {} of {SCORE_MAX}", finding.score)?;
        writeln!(f)?;
        writeln!(
            f,
            "next: txp status {} --merchant {}",
            finding.transaction_id, finding.merchant_id
        )
    }
}

/// A digest for a person.
struct DigestText<'a>(&'a Digest);

impl fmt::Display for DigestText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.0;
        writeln!(
            f,
            "{} more {} by {} at {}, after the alert already sent",
            digest.count,
            findings(digest.count),
            digest.rule,
            digest.merchant_id
        )?;
        writeln!(f)?;
        writeln!(f, "first        {}", digest.first.at)?;
        writeln!(f, "last         {}", digest.last.at)?;
        for total in digest.totals() {
            writeln!(f, "together     {total}")?;
        }
        writeln!(f)?;
        writeln!(f, "highest scores:")?;
        for notice in &digest.top {
            let Notice {
                score,
                transaction_id,
                words,
                ..
            } = notice;
            writeln!(f, "{score} {transaction_id}: {words}")?;
        }
        Ok(())
    }
}

fn findings(count: u64) -> &'static str {
    if count == 1 { "finding" } else { "findings" }
}

/// Cuts a subject to its limit. What it is made of is ASCII, and the start says the most.
fn cut(subject: String) -> String {
    const MARK: &str = "...";
    if subject.chars().count() <= SUBJECT_CHARS_MAX {
        return subject;
    }
    let kept = subject.chars().take(SUBJECT_CHARS_MAX - MARK.len());
    kept.chain(MARK.chars()).collect()
}

fn with_json(mut text: String, value: &impl Serialize) -> String {
    text.push('\n');
    // A value of strings and integers always serialises; the text stands without it, too.
    if let Ok(json) = serde_json::to_string_pretty(value) {
        text.push_str(&json);
        text.push('\n');
    }
    text
}
