//! Published test card numbers and the minor units of ISO 4217.

use super::Problems;
use super::host::{Host, count, text};
use super::leak::luhn;
use super::table::{Record, read};
use anyhow::Result;
use std::fmt::Write;
use std::path::Path;

/// Published brands and our names for them. A brand that is not here is one we do not tell apart:
/// its numbers must be accepted, under whatever brand their range is.
const BRANDS: &[(&str, &str)] = &[
    ("American Express", "amex"),
    ("Diners Club", "diners"),
    ("Discover", "discover"),
    ("Elo", "elo"),
    ("Hiper", "hiper"),
    ("Hipercard", "hipercard"),
    ("JCB", "jcb"),
    ("Maestro", "maestro"),
    ("Mastercard", "mastercard"),
    ("UnionPay", "unionpay"),
    ("Unknown", "unknown"),
    ("Visa", "visa"),
];

/// Numbers, by their start and length, whose published brand is not their range's: what we expect
/// instead, and why. `None`: accepted, under any brand.
const EXCEPTIONS: &[(&str, usize, Option<&str>, &str)] = &[
    (
        "305693",
        14,
        Some("diners"),
        "published under Discover, whose network carries Diners Club",
    ),
    (
        "518557",
        16,
        Some("mastercard"),
        "published as Maestro, in a range of Mastercard",
    ),
    (
        "308800",
        16,
        None,
        "a range that JCB used in the past: tables of ranges differ",
    ),
];

fn field<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).map(String::as_str).unwrap_or_default()
}

/// Every valid number is accepted plain and as published, with its brand; the others are rejected.
pub(super) fn cards(data: &Path, host: &mut Host, problems: &mut Problems) -> Result<()> {
    let published = read(&data.join("vectors/pan_test_numbers.csv"))?;
    let mut file = "transaction_id,amount,merchant_id,card_number\n".to_owned();
    let (mut good, mut bad) = (0, 0);
    for (index, record) in published.iter().enumerate() {
        let number = field(record, "pan");
        host.plant([number]);
        for (spelling, card) in [
            ("plain", number),
            ("published", field(record, "as_published")),
        ] {
            let known_spelling = card
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b" -".contains(&byte));
            if !known_spelling || card.bytes().filter(u8::is_ascii_digit).count() != number.len() {
                continue;
            }
            writeln!(file, "pan-{index}-{spelling},1.00,vectors,{card}")?;
            *if is_card(number) { &mut good } else { &mut bad } += 1;
        }
    }
    let file = host.input("cards.csv", &file)?;
    let report = host.process(&file, &[], problems)?;
    problems.equal("accepted", count(&report, "accepted"), good);
    problems.equal("rejected", count(&report, "rejected"), bad);

    for (index, record) in published
        .iter()
        .enumerate()
        .filter(|(_, record)| is_card(field(record, "pan")))
    {
        let Some(brand) = brand_of(record) else {
            continue;
        };
        let status = host.status(&format!("pan-{index}-plain"))?;
        let what = format!(
            "brand of number {index} ({}, {})",
            field(record, "source"),
            field(record, "note")
        );
        problems.equal(&what, text(&status, "brand"), brand);
    }
    Ok(())
}

fn is_card(number: &str) -> bool {
    (12..=19).contains(&number.len()) && luhn(number.as_bytes())
}

fn brand_of(record: &Record) -> Option<&'static str> {
    let number = field(record, "pan");
    let exception = EXCEPTIONS
        .iter()
        .find(|(start, length, ..)| number.starts_with(start) && number.len() == *length);
    if let Some((.., expected, _)) = exception {
        return *expected;
    }
    BRANDS
        .iter()
        .find(|(name, _)| *name == field(record, "brand"))
        .map(|(_, ours)| *ours)
}

/// Exactly a currency's minor digits are accepted, one more is not; a code without minor units is
/// refused.
pub(super) fn currencies(data: &Path, host: &mut Host, problems: &mut Problems) -> Result<()> {
    const HEADER: &str = "transaction_id,amount,currency,merchant_id,card_number\n";
    const CARD: &str = "4111111111111111";
    host.plant([CARD]);
    let (mut exact, mut more) = (HEADER.to_owned(), HEADER.to_owned());
    let (mut with_minor, mut without) = (0, 0);
    for record in read(&data.join("vectors/iso4217_minor_units.csv"))? {
        let code = field(&record, "code");
        let Ok(digits) = field(&record, "minor_units").parse::<usize>() else {
            writeln!(more, "none-{code},12,{code},vectors,{CARD}")?;
            without += 1;
            continue;
        };
        let decimals = "3".repeat(digits);
        let dot = if digits > 0 { "." } else { "" };
        writeln!(
            exact,
            "exact-{code},12{dot}{decimals},{code},vectors,{CARD}"
        )?;
        writeln!(more, "more-{code},12.{decimals}0,{code},vectors,{CARD}")?;
        with_minor += 1;
    }
    let exact = host.input("exact.csv", &exact)?;
    let report = host.process(&exact, &[], problems)?;
    problems.equal(
        "exact decimals: accepted",
        count(&report, "accepted"),
        with_minor,
    );
    let more = host.input("more.csv", &more)?;
    let report = host.process(&more, &[], problems)?;
    problems.equal(
        "one more decimal: rejected",
        count(&report, "rejected"),
        with_minor + without,
    );
    problems.equal("one more decimal: accepted", count(&report, "accepted"), 0);
    Ok(())
}
