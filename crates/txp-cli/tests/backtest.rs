//! `txp backtest` and the life of rules: what is tried is what would have judged, and nothing else
//! changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod support;

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use support::{Place, Server, wait_until};

/// Sales of 40 cards over 30 days; some are frauds, and disputed a week later.
fn history(place: &Place) -> (PathBuf, String) {
    let header = "transaction_id,timestamp,amount,currency,card_number,merchant_id,type,original_transaction_id\n";
    let (mut rows, mut labels) = (Vec::new(), "transaction_id,fraud,scenario\n".to_owned());
    for day in 0..30u32 {
        for card in 0..40u32 {
            let at = 1_760_000_000 + day * 86_400 + card * 600;
            let id = format!("s-{day}-{card}");
            let is_fraud = (day * 40 + card).is_multiple_of(41);
            // Frauds are mostly high, and some others are.
            let is_high = is_fraud && !card.is_multiple_of(3) || (day * 40 + card) % 31 == 3;
            let amount = if is_high { 12_000 + day } else { 20 + card };
            let number = with_check_digit(&format!("41111111{card:07}"));
            rows.push((
                at,
                format!("{id},{at},{amount}.00,USD,{number},m-{},sale,", card % 3),
            ));
            labels.push_str(&format!("{id},{},0\n", u8::from(is_fraud)));
            if is_fraud {
                let then = at + 7 * 86_400;
                let row = format!(
                    "c-{id},{then},{amount}.00,USD,{number},m-{},chargeback,{id}",
                    card % 3
                );
                rows.push((then, row));
            }
        }
    }
    rows.sort();
    let text: String = rows.iter().map(|(_, row)| format!("{row}\n")).collect();
    (
        place.input("history.csv", format!("{header}{text}")),
        labels,
    )
}

fn with_check_digit(digits: &str) -> String {
    let doubled = digits.bytes().rev().enumerate().map(|(place, digit)| {
        let digit = u32::from(digit - b'0');
        match place % 2 {
            0 if digit > 4 => digit * 2 - 9,
            0 => digit * 2,
            _ => digit,
        }
    });
    format!("{digits}{}", (10 - doubled.sum::<u32>() % 10) % 10)
}

fn counts(report: &Value) -> [u64; 5] {
    ["transactions", "findings", "new", "lost", "kept"].map(|key| report[key].as_u64().unwrap())
}

/// A rule file with one rule, in the place's inputs.
fn rule_file(place: &Place, version: &str, high: u64) -> String {
    let file = serde_json::json!({
        "version": version,
        "rules": [{ "id": "high", "kind": "amount_high", "thresholds": { "USD": high } }],
    });
    let path = place.input(&format!("{version}.json"), file.to_string());
    path.to_str().unwrap().to_owned()
}

fn processed() -> (Place, String) {
    let place = Place::new();
    let (file, labels) = history(&place);
    let (code, report) = place.process(&file);
    assert_eq!(code, Some(0), "{report}");
    (place, labels)
}

#[test]
fn active_rules_find_again_what_is_recorded() {
    let (place, _) = processed();
    let shown = place.run(["rules", "show"]);
    let rules = place.input("shown.json", &shown.stdout);
    let rules = rules.to_str().unwrap();
    let flagged = place.run(["events", "--type", "anomaly.flagged"]);
    let recorded = flagged.stdout.lines().count() as u64;
    assert!(recorded > 10, "{recorded}");
    let (code, report) = place.json(["backtest", "--rules", rules, "--parity"]);
    assert_eq!(code, Some(0));
    assert_eq!(counts(&report), [1200, recorded, 0, 0, recorded]);
    assert_eq!(report["parity"]["differences"], 0);
    assert_eq!(report["parity"]["recorded"], recorded);
    // A window judges its part, with the past of before.
    let (code, late) = place.json(["backtest", "--rules", rules, "--from", "2100-01-01"]);
    assert_eq!((code, counts(&late)), (Some(0), [0; 5]));
    assert_eq!(late["judged"]["sales_only_for_the_past"], 1200);
    assert_eq!(late["metrics"], Value::Null);
}

#[test]
fn labels_from_disputes_and_from_a_file_give_the_same_metrics_and_the_same_bytes_again() {
    let (place, labels) = processed();
    let tried = rule_file(&place, "tried-1", 1_100_000);
    let labels = place.input("labels.csv", labels);
    let days = ["--train-days", "7", "--delay-days", "7", "--test-days", "7"];
    let run = |more: &[&str]| {
        let args = ["backtest", "--rules", &tried, "--train-start", "2025-10-09"];
        let ended = place.run(args.iter().chain(&days).chain(more).chain(&["--json"]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    };
    let by_disputes = run(&[]);
    let by_file = run(&["--labels", labels.to_str().unwrap()]);
    let (disputes, file) = (by_disputes.json(), by_file.json());
    let metrics = &file["metrics"];
    assert_eq!(disputes["metrics"], *metrics);
    assert!(metrics["roc_auc"].as_f64().unwrap() > 0.6, "{metrics}");
    for key in [
        "precision",
        "recall",
        "average_precision",
        "card_precision_100",
    ] {
        let value = metrics[key].as_f64().unwrap();
        assert!(value > 0.0 && value < 1.0, "{key}: {value}");
    }
    // Of the curve, the rule's own setting finds what the rule finds.
    let curve = &file["curves"][0];
    assert_eq!(curve["settings"].as_array().unwrap().len(), 20);
    let own = curve["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["is_own"] == true);
    assert_eq!(own.unwrap()["precision"], metrics["precision"]);
    assert_eq!(own.unwrap()["recall"], metrics["recall"]);

    let out = |name: &str| place.path().join(name);
    let mut written = Vec::new();
    for _ in 0..2 {
        run(&["--scores", "s.csv", "--report", "r.html"]);
        let files = [
            "s.csv",
            "s.csv.manifest.json",
            "r.html",
            "r.html.manifest.json",
        ];
        written.push(files.map(|name| fs::read(out(name)).unwrap()));
    }
    assert!(written[0] == written[1], "a second run writes other bytes");
    let scores = String::from_utf8(written[0][0].clone()).unwrap();
    assert_eq!(scores.lines().count(), 1201);
    assert!(
        scores.starts_with("transaction_id,score\ns-0-0,"),
        "{scores}"
    );
    let page = String::from_utf8(written[0][2].clone()).unwrap();
    assert!(
        !page.contains("<script") && page.matches("<svg").count() == 1,
        "{page}"
    );
    assert!(place.find_leaks([]).is_empty());
}

#[test]
fn other_rules_are_compared_by_rule_merchant_and_money() {
    let (place, _) = processed();
    let low = rule_file(&place, "low-1", 1_200_100);
    let high = rule_file(&place, "high-1", 1_201_500);
    let (_, report) = place.json(["backtest", "--rules", &high, "--baseline", &low]);
    let [sales, findings, new, lost, kept] = counts(&report);
    assert_eq!((sales, new, findings), (1200, 0, kept));
    assert!(lost > 0 && kept > 0, "{report}");
    assert_eq!(report["baseline"]["findings"], lost + kept);
    let cents = |money: &Value| {
        money["USD"]
            .as_str()
            .unwrap()
            .replace('.', "")
            .parse::<u64>()
            .unwrap()
    };
    let merchants = report["by_merchant"].as_array().unwrap();
    let sum: u64 = merchants.iter().map(|m| cents(&m["money"]["lost"])).sum();
    assert_eq!(cents(&report["money"]["lost"]), sum);
    let rule = &report["by_rule"][0];
    assert_eq!(
        (&rule["rule"], &rule["lost"], &rule["kept"]),
        (&"high".into(), &lost.into(), &kept.into())
    );
    // The other way round what was lost is new.
    let (_, turned) = place.json(["backtest", "--rules", &low, "--baseline", &high]);
    assert_eq!(counts(&turned), [1200, lost + kept, lost, 0, kept]);
}

#[test]
fn rules_are_activated_and_rolled_back_and_parity_holds_across() {
    let place = Place::new();
    let (file, _) = history(&place);
    let first = rule_file(&place, "first-1", 1_200_500);
    // A fresh directory begins with the default rules.
    let (code, told) = place.json(["rules", "activate", &first, "--by", "Ada"]);
    assert_eq!((code, &told["activation"]), (Some(0), &2.into()), "{told}");
    assert_eq!(place.process(&file).0, Some(0));
    let (code, told) = place.json(["rules", "rollback", "--by", "Grace"]);
    assert_eq!((code, &told["version"]), (Some(0), &"default-1".into()));
    let again = fs::read_to_string(&file)
        .unwrap()
        .replace("\ns-", "\nt-")
        .replace(",s-", ",t-");
    let again = again.replace("\nc-", "\nd-");
    assert_eq!(place.process(&place.input("again.csv", again)).0, Some(0));
    let (_, log) = place.json(["rules", "log"]);
    let log = log["activations"].as_array().unwrap();
    let by: Vec<_> = log
        .iter()
        .map(|a| (a["activated_by"].as_str().unwrap(), a["active"] == true))
        .collect();
    assert_eq!(
        by,
        [("txp (defaults)", false), ("Ada", false), ("Grace", true)]
    );
    let (code, parity) = place.json(["backtest", "--parity"]);
    assert_eq!(code, Some(0), "{parity}");
    assert_eq!(counts(&parity)[2..4], [0, 0]);
    assert!(
        parity["parity"]["recorded"].as_u64().unwrap() > 20,
        "{parity}"
    );

    // The same again is no activation; a version names one rule set only.
    let ended = place.run(["rules", "rollback", "--to", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let other = rule_file(&place, "first-1", 77);
    let refused = place.run(["rules", "activate", &other]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("version"), "{refused:?}");
    let (_, log) = place.json(["rules", "log"]);
    assert_eq!(log["activations"].as_array().unwrap().len(), 3);
}

#[test]
fn a_running_serve_takes_rules_up() {
    let place = Place::new();
    let server = Server::start(&place);
    let rules = rule_file(&place, "beside-1", 5);
    let (code, told) = place.json(["rules", "activate", &rules]);
    assert_eq!((code, &told["activation"]), (Some(0), &2.into()), "{told}");
    let (code, told) = place.json(["rules", "rollback"]);
    assert_eq!((code, &told["activation"]), (Some(0), &3.into()), "{told}");
    let control = place.data().join("control/rules");
    wait_until("nothing asked for is left", || {
        fs::read_dir(&control).unwrap().next().is_none()
    });
    assert_eq!(server.end(), Some(0));
    let (_, log) = place.json(["rules", "log"]);
    assert_eq!(log["activations"].as_array().unwrap().len(), 3);
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let (place, _) = processed();
    let rules = rule_file(&place, "sound-1", 100);
    let broken = place.input(
        "broken.json",
        r#"{"version":"x","rules":[{"id":"a","kind":"no"}]}"#,
    );
    let cards = place.input("cards.csv", "card\n4111111111111111\n");
    let broken = broken.to_str().unwrap();
    let cards = cards.to_str().unwrap();
    for (args, code, words) in [
        (vec!["--rules", broken], 1, "fault"),
        (vec!["--rules", "nowhere.json"], 3, "nowhere.json"),
        (
            vec!["--rules", &rules, "--labels", cards],
            1,
            "no labels file",
        ),
        (
            vec!["--rules", &rules, "--labels", "nowhere.csv"],
            3,
            "nowhere.csv",
        ),
        (vec!["--rules", &rules, "--baseline", broken], 1, "fault"),
        (
            vec![
                "--rules",
                &rules,
                "--from",
                "2026-01-02",
                "--to",
                "2026-01-01",
            ],
            2,
            "--from",
        ),
        (
            vec!["--rules", &rules, "--test-days", "0"],
            2,
            "--test-days",
        ),
        (vec!["--scores", "s.csv"], 2, "--rules"),
        (vec![], 2, "--rules"),
        (vec!["--rules", &rules, "--data-dir", "empty"], 3, "empty"),
    ] {
        let ended = place.run(std::iter::once("backtest").chain(args.iter().copied()));
        assert_eq!(ended.code, Some(code), "{args:?} {ended:?}");
        assert!(ended.stderr.contains(words), "{args:?} {ended:?}");
        assert!(!ended.stderr.contains("4111"), "{ended:?}");
    }
    // Labels of other sales are counted and measure nothing.
    let others = place.input("others.csv", "transaction_id,fraud\nx-1,1\nx-2,0\nx-1,1\n");
    let args = [
        "backtest",
        "--rules",
        &rules,
        "--labels",
        others.to_str().unwrap(),
    ];
    let (code, report) = place.json(args);
    assert_eq!((code, &report["metrics"]), (Some(0), &Value::Null));
    assert_eq!(report["judged"]["labels_of_no_sale_judged"], 2);
    assert_eq!(report["judged"]["unlabelled_sales"], 1200);
    assert_eq!(report["manifest"]["labels"]["repeated"], 1);
    // An empty history has nothing to judge.
    let fresh = Place::new();
    let rules = rule_file(&fresh, "sound-1", 100);
    assert_eq!(fresh.run(["rules", "activate", &rules]).code, Some(0));
    let (code, report) = fresh.json(["backtest", "--rules", &rules]);
    assert_eq!((code, counts(&report)), (Some(0), [0; 5]));
}
