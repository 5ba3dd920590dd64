//! A real stream of 20,000 sales and the 188 chargebacks that reveal its frauds.

use super::Problems;
use super::host::{Host, count, text};
use super::table::{Record, read};
use anyhow::Result;
use std::path::{Path, PathBuf};

const SALES: u64 = 20_000;
const DISPUTES: u64 = 188;

struct Sample {
    sales: PathBuf,
    chargebacks: PathBuf,
    disputes: Vec<Record>,
}

fn sample(data: &Path, host: &mut Host) -> Result<Sample> {
    let (sales, chargebacks) = (
        data.join("fraud/sample.csv"),
        data.join("fraud/sample_chargebacks.csv"),
    );
    let card = |record: &Record| record.get("card_number").cloned().unwrap_or_default();
    let disputes = read(&chargebacks)?;
    let cards: Vec<String> = read(&sales)?.iter().chain(&disputes).map(card).collect();
    host.plant(cards.iter().map(String::as_str));
    Ok(Sample {
        sales,
        chargebacks,
        disputes,
    })
}

/// The sales; again, which changes nothing and finds nothing new; then their chargebacks.
pub(super) fn chargebacks_after(
    data: &Path,
    host: &mut Host,
    problems: &mut Problems,
) -> Result<()> {
    let sample = sample(data, host)?;
    let report = host.process(&sample.sales, &[], problems)?;
    problems.equal("accepted", count(&report, "accepted"), SALES);
    let findings = host.events("anomaly.flagged")?;

    let report = host.process(&sample.sales, &[], problems)?;
    problems.equal("accepted again", count(&report, "accepted"), 0);
    problems.equal("duplicates", count(&report, "duplicates"), SALES);
    problems.equal(
        "findings after the repeat",
        host.events("anomaly.flagged")?,
        findings,
    );

    let report = host.process(&sample.chargebacks, &[], problems)?;
    problems.equal("chargebacks accepted", count(&report, "accepted"), DISPUTES);
    disputed(&sample, host, problems)
}

/// The chargebacks first: their sales are awaited, and disputed when they come.
pub(super) fn chargebacks_before(
    data: &Path,
    host: &mut Host,
    problems: &mut Problems,
) -> Result<()> {
    let sample = sample(data, host)?;
    let report = host.process(&sample.chargebacks, &[], problems)?;
    problems.equal("chargebacks accepted", count(&report, "accepted"), DISPUTES);
    if let Some(id) = sample
        .disputes
        .first()
        .and_then(|dispute| dispute.get("original_transaction_id"))
    {
        let status = host.status(id)?;
        problems.equal(
            "an original that has not come",
            text(&status, "status"),
            "awaiting_original",
        );
    }
    let report = host.process(&sample.sales, &[], problems)?;
    problems.equal("accepted", count(&report, "accepted"), SALES);
    disputed(&sample, host, problems)
}

fn disputed(sample: &Sample, host: &mut Host, problems: &mut Problems) -> Result<()> {
    let mut disputed = 0;
    for id in sample
        .disputes
        .iter()
        .filter_map(|dispute| dispute.get("original_transaction_id"))
    {
        disputed += u64::from(text(&host.status(id)?, "status") == "disputed");
    }
    problems.equal("disputed", disputed, DISPUTES);
    Ok(())
}
