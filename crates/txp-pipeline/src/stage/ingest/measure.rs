//! What is measured of a file once it is read, from the event that says so: alike on both hosts.

use crate::telemetry::{Metric, count, count_of};
use txp_domain::event::{UploadEvent, UploadReceived, UploadTally};

/// The currencies whose money is shown: those that the default rules know, which are the most
/// traded ones. A sum of several currencies would say nothing, so the others have none.
const CURRENCIES: [&str; 20] = [
    "USD", "EUR", "JPY", "GBP", "CNY", "AUD", "CAD", "CHF", "HKD", "SGD", "SEK", "KRW", "NOK",
    "NZD", "INR", "MXN", "TWD", "ZAR", "BRL", "DKK",
];

/// Tells of a file that was read to its end.
pub fn ended(received: &UploadReceived, event: &UploadEvent) {
    let (state, tally) = match event {
        UploadEvent::Received(_) => return,
        UploadEvent::Parsed(parsed) => ("parsed", &parsed.tally),
        UploadEvent::Failed(failed) => ("failed", &failed.tally),
    };
    count_of(Metric::UploadsEnded, "state", state.to_owned(), 1);
    count(Metric::UploadBytes, tally.bytes);
    let client = || received.client_id.clone();
    count_of(Metric::ClientRows, "client", client(), tally.records);
    count_of(
        Metric::ClientRowsRejected,
        "client",
        client(),
        tally.rejected,
    );
    for (code, rows) in &tally.rejected_by_code {
        count_of(Metric::RowsRejected, "code", code.clone(), *rows);
    }
    money(tally);
}

/// Tells of all rows at once, where nobody did while they were read.
pub fn rows(event: &UploadEvent) {
    let tally = match event {
        UploadEvent::Received(_) => return,
        UploadEvent::Parsed(parsed) => &parsed.tally,
        UploadEvent::Failed(failed) => &failed.tally,
    };
    count(Metric::RowsRead, tally.records);
    count(Metric::RowsValid, tally.valid);
}

fn money(tally: &UploadTally) {
    for (currency, sums) in &tally.sums {
        let sold = sums.sale.as_deref().unwrap_or_default().replace('.', "");
        if let Ok(minor_units) = sold.parse()
            && CURRENCIES.contains(&currency.as_str())
        {
            count_of(
                Metric::AmountMinorUnits,
                "currency",
                currency.clone(),
                minor_units,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_currencies_are_those_of_the_default_rules() {
        let rules = crate::rulefile::default_rules().unwrap();
        let text = rules.file.to_json();
        for currency in CURRENCIES {
            assert!(text.contains(&format!("\"{currency}\"")), "{currency}");
        }
    }
}
