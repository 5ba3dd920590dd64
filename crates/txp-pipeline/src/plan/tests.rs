//! The model against sums done by hand, and the documents against the model.

use super::*;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pulumi/README.md");
const BEGIN: &str =
    "<!-- plan: `UPDATE_GOLDEN=1 cargo test -p txp-pipeline plan` writes what follows -->\n";
const END: &str = "<!-- plan ends -->\n";

fn ask(rows: u64, warm: Warm) -> Ask {
    Ask {
        rows,
        files: 1,
        sla_seconds: 300,
        warm,
    }
}

fn of(rows: u64, warm: Warm) -> Plan {
    plan(&ask(rows, warm), &Prices::default())
}

#[test]
fn the_table_of_the_documents_is_what_the_model_says() {
    let text = std::fs::read_to_string(README).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let wanted = format!("\n{}\n", markdown(&Prices::default()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(README, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
    } else {
        assert_eq!(table, wanted, "UPDATE_GOLDEN=1 writes it anew");
    }
}

/// 4,000 write units a second at 1.05 a row are 3,809 rows: a million take 263 s, and 3 s beside.
#[test]
fn a_million_rows_on_a_cold_deployment_wait_for_the_table() {
    let plan = of(1_000_000, Warm::Cold);
    assert_eq!((plan.seconds, plan.bottleneck), (266, "transactions table"));
    assert!(plan.is_met && plan.settings.is_empty() && plan.notes.is_empty());
    let stage = |name| plan.stages.iter().find(|s| s.stage == name).unwrap();
    // 4 MB/s by 410 bytes.
    assert_eq!(stage("stream").rows_per_second, 9_756);
    // 8 executions of 0.289 cores at 180 us.
    assert_eq!(stage("aggregator").rows_per_second, 8 * 1_605);
    let usd = |service: &str, what: &str| -> String {
        let lines = plan.costs.iter();
        let found = lines.filter(|line| line.service == service && line.what == what);
        found.map(|line| line.usd).sum::<Usd>().to_string()
    };
    assert_eq!(usd("DynamoDB", "transactions and uploads"), "0.6563");
    assert_eq!(usd("DynamoDB", "profiles, at most"), "0.7500");
    assert_eq!(usd("Kinesis", "in"), "0.0328");
    assert_eq!(usd("Kinesis", "out, two functions"), "0.0328");
    assert_eq!(usd("Lambda", "the functions' time"), "0.0084");
    let sum: Usd = plan.costs.iter().map(|line| line.usd).sum();
    assert_eq!(plan.usd, sum);
}

/// The table doubles every half hour up to its quota, so no time is above what it would take
/// without growing, nor below what the quota allows.
#[test]
fn what_grows_is_between_its_start_and_its_limit() {
    for rows in TABLE_ROWS {
        let seconds = of(rows, Warm::Cold).seconds;
        assert!(seconds <= rows.div_ceil(3_809) + 3, "{rows}: {seconds}");
        assert!(seconds >= rows / 38_096, "{rows}: {seconds}");
    }
}

#[test]
fn a_warmed_deployment_is_in_time_and_says_how_to_get_it() {
    for rows in [10_000_000, 50_000_000, 100_000_000] {
        let ask = Ask {
            files: 10,
            ..ask(rows, Warm::Fit)
        };
        let fitted = plan(&ask, &Prices::default());
        assert!(fitted.is_met, "{rows}: {fitted:?}");
        let get = |key| {
            let mut settings = fitted.settings.iter();
            settings
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(
            get("stream_shards"),
            Some(fitted.capacity.shards.to_string())
        );
        assert_eq!(
            get("warm_write_units"),
            Some(fitted.capacity.write_units.to_string())
        );
        assert_eq!(get("reserved_concurrency").as_deref(), Some("false"));
        // The same said by hand is the same.
        let given = Warm::Given {
            shards: Some(fitted.capacity.shards),
            write_units: Some(fitted.capacity.write_units),
            unreserved: true,
        };
        let again = plan(&Ask { warm: given, ..ask }, &Prices::default());
        assert_eq!((again.seconds, again.usd), (fitted.seconds, fitted.usd));
        // A tenth less of what the rows wait for is late.
        let less = Warm::Given {
            shards: Some(fitted.capacity.shards),
            write_units: Some(fitted.capacity.write_units * 9 / 10),
            unreserved: true,
        };
        assert!(!plan(&Ask { warm: less, ..ask }, &Prices::default()).is_met);
    }
}

#[test]
fn what_no_setting_can_do_is_said() {
    let one_file = of(100_000_000, Warm::Fit);
    assert!(!one_file.is_met);
    assert!(
        one_file.notes.iter().any(|note| note.contains("--files")),
        "{one_file:?}"
    );
    let ask = Ask {
        files: 1000,
        ..ask(1_000_000_000, Warm::Fit)
    };
    let buckets = plan(&ask, &Prices::default());
    assert!(!buckets.is_met && buckets.capacity.shards == 256);
    assert!(
        buckets
            .notes
            .iter()
            .any(|note| note.contains("256 buckets")),
        "{buckets:?}"
    );
}

#[test]
fn prices_are_read_in_the_form_that_is_printed() {
    let mut prices = Prices {
        region: "eu-central-1".to_owned(),
        ..Prices::default()
    };
    prices.table_write.nano_usd *= 2;
    let text = serde_json::to_vec(&prices).unwrap();
    let read = Prices::parse(&text).unwrap();
    assert_eq!(read, prices);
    let dearer = plan(&ask(1_000_000, Warm::Cold), &read).usd;
    assert!(dearer > of(1_000_000, Warm::Cold).usd);
    let text = String::from_utf8(text).unwrap();
    assert!(Prices::parse(b"{}").is_err());
    let nothing = text.replace("\"per\":1000000000", "\"per\":0");
    assert!(
        Prices::parse(nothing.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("0 units")
    );
}

#[test]
fn money_is_rounded_once_and_halves_go_up() {
    for (nano, shown) in [
        (0, "0.0000"),
        (49_999, "0.0000"),
        (50_000, "0.0001"),
        (1_999_950_000, "2.0000"),
        (12_345_678_900_000, "12345.6789"),
    ] {
        assert_eq!(Usd(nano).to_string(), shown);
    }
}

#[test]
fn every_constant_says_where_it_comes_from() {
    for constant in CONSTANTS {
        let known = [
            "measured",
            "AWS",
            "Amazon",
            "deployment",
            "assumed",
            "design",
            "at most",
            "AGGREGATE",
        ];
        assert!(
            known.iter().any(|word| constant.source.contains(word)),
            "{constant:?}"
        );
    }
}
