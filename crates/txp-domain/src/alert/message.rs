//! The words of an alert: a subject that fits a phone's notification, text for a person, then the
//! same as JSON for a program.

use super::{Digest, Notice};
use crate::finding::Finding;
use crate::rule::Severity;
use serde::Serialize;
use std::fmt::Write as _;

/// The most characters of a subject: the limit of SNS for e-mail.
pub const SUBJECT_CHARS_MAX: usize = 100;

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
}

impl Message {
    /// The message of a finding that is sent by itself.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        let notice = Notice::of(finding);
        let mut text = String::new();
        for hit in &finding.hits {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}: {}", hit.rule, hit.words);
        }
        let card = &finding.card;
        let _ = writeln!(text, "\ntransaction  {}", finding.transaction_id);
        let _ = writeln!(text, "merchant     {}", finding.merchant_id);
        let _ = writeln!(text, "amount       {}", notice.money);
        let _ = writeln!(text, "card         {} ending in {}", card.brand, card.last4);
        let _ = writeln!(text, "event time   {}", notice.event_time);
        let _ = writeln!(text, "severity     {}", finding.severity.name());
        let _ = writeln!(text, "score        {} of 1000", finding.score);
        let _ = writeln!(
            text,
            "\nnext: txp status {} --merchant {}",
            finding.transaction_id, finding.merchant_id
        );
        let subject = format!(
            "{} {} at {}: {}",
            finding.severity.name(),
            notice.money,
            notice.merchant_id,
            notice.rule
        );
        Self {
            id: notice.id,
            subject: cut(subject),
            body: with_json(text, finding),
            severity: finding.severity,
            rule: notice.rule,
            merchant_id: notice.merchant_id,
        }
    }

    /// The message of a digest.
    #[must_use]
    pub fn of_digest(digest: &Digest) -> Self {
        let findings = if digest.count == 1 { "finding" } else { "findings" };
        let mut text = format!(
            "{} more {findings} of {} at {} from {} to {}\n\n",
            digest.count, digest.rule, digest.merchant_id, digest.first.at, digest.last.at
        );
        for total in digest.totals() {
            let _ = writeln!(text, "together {total}");
        }
        let _ = writeln!(text, "\nhighest scores:");
        for notice in &digest.top {
            let _ = writeln!(text, "{} {}: {}", notice.score, notice.transaction_id, notice.words);
        }
        let subject = format!(
            "{} {} more {findings} at {}: {}",
            digest.severity.name(),
            digest.count,
            digest.merchant_id,
            digest.rule
        );
        Self {
            id: digest.id.clone(),
            subject: cut(subject),
            body: with_json(text, digest),
            severity: digest.severity,
            rule: digest.rule.clone(),
            merchant_id: digest.merchant_id.clone(),
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
