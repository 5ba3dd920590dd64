//! The file that most merchants have must work untouched, and sent again it changes nothing.

use super::Problems;
use super::host::{Host, count};
use anyhow::Result;
use std::path::Path;

const CARDS: [&str; 3] = ["4111111111111111", "5555555555554444", "378282246310005"];

pub(super) fn five_columns(_: &Path, host: &mut Host, problems: &mut Problems) -> Result<()> {
    let lines = CARDS.iter().enumerate().map(|(index, card)| {
        format!(
            "tx-{index},1{index}.50,shop-1,{card},2025-11-0{}T10:00:00Z\n",
            index + 1
        )
    });
    let text = "transaction_id,amount,merchant_id,card_number,timestamp\n".to_owned()
        + &lines.collect::<String>();
    twice(&text, host, problems)
}

pub(super) fn four_columns(_: &Path, host: &mut Host, problems: &mut Problems) -> Result<()> {
    let lines = CARDS
        .iter()
        .enumerate()
        .map(|(index, card)| format!("tx-{index},1{index}.50,shop-1,{card}\n"));
    let text =
        "transaction_id,amount,merchant_id,card_number\n".to_owned() + &lines.collect::<String>();
    twice(&text, host, problems)
}

fn twice(text: &str, host: &mut Host, problems: &mut Problems) -> Result<()> {
    host.plant(CARDS);
    let file = host.input("plain.csv", text)?;
    for (accepted, duplicates) in [(3, 0), (0, 3)] {
        let report = host.process(&file, &[], problems)?;
        problems.equal("rows", count(&report, "rows"), 3);
        problems.equal("accepted", count(&report, "accepted"), accepted);
        problems.equal("duplicates", count(&report, "duplicates"), duplicates);
    }
    for (index, card) in CARDS.iter().enumerate() {
        let status = host.status(&format!("tx-{index}"))?;
        let last4 = card.get(card.len() - 4..).unwrap_or_default();
        problems.equal(
            "card_last4",
            super::host::text(&status, "card_last4"),
            last4,
        );
    }
    Ok(())
}
