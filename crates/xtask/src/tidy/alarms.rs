//! Alarms: each looks at metrics that exist, says what missing data means and why, fits on a phone,
//! reaches people, and has its section in the runbook; no section is of an alarm that is gone.

use super::dashboards::{self, Ours};
use super::tree::Tree;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const ALARMS: &str = "dashboards/alarms.json";
const QUERIES: &str = "dashboards/queries.json";
const RUNBOOK: &str = "RUNBOOK.md";

/// A text message, the name and the state before it.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// CloudWatch's limits of an expression's inputs and of what an alarm looks back over.
const INPUTS_MAX: usize = 10;
const LOOK_BACK_SECONDS_MAX: u64 = 86_400;
/// What every section says, in this order.
const PARTS: [&str; 4] = [
    "**For users:**",
    "**See it:**",
    "**Do:**",
    "**It is over when**",
];
/// Sections that are of no alarm.
const GENERAL: &str = "## ";
const OF_AN_ALARM: &str = "### ";

/// Every alarm.
pub(super) fn alarms(tree: &Tree) -> Vec<String> {
    let (ours, described) = match (dashboards::ours(tree), read(tree, ALARMS)) {
        (Ok(ours), Ok(described)) => (ours, described),
        (Err(problem), _) | (_, Err(problem)) => return vec![problem],
    };
    let composites = list(&described, "composites");
    let rules: Vec<&str> = composites.iter().map(|one| text(one, "rule")).collect();
    let mut problems = Vec::new();
    for alarm in list(&described, "alarms") {
        let name = text(alarm, "name");
        let is_part = rules
            .iter()
            .any(|rule| rule.contains(&format!("ALARM({name})")));
        let mut say = |problem: String| problems.push(format!("{ALARMS}: {name}: {problem}"));
        if !is_part && alarm["notifies"] == false {
            say("it tells nobody and is a part of no composite alarm".to_owned());
        }
        one(alarm, &ours).into_iter().for_each(&mut say);
        description(alarm).into_iter().for_each(&mut say);
    }
    let names: BTreeSet<&str> = list(&described, "alarms")
        .iter()
        .map(|alarm| text(alarm, "name"))
        .collect();
    for composite in composites {
        let name = text(composite, "name");
        let mut say = |problem: String| problems.push(format!("{ALARMS}: {name}: {problem}"));
        for part in text(composite, "rule").split("ALARM(").skip(1) {
            let part = part.split(')').next().unwrap_or_default();
            if !names.contains(part) {
                say(format!("there is no alarm {part}"));
            }
        }
        description(composite).into_iter().for_each(&mut say);
    }
    problems
}

/// The sections of the runbook are those of the alarms.
pub(super) fn runbook(tree: &Tree) -> Vec<String> {
    let described = match read(tree, ALARMS) {
        Ok(described) => described,
        Err(problem) => return vec![problem],
    };
    let Some(page) = tree.text(RUNBOOK) else {
        return vec![format!(
            "{RUNBOOK} is missing: every alarm sends people there"
        )];
    };
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    let mut current = None;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix(OF_AN_ALARM) {
            current = Some(name.trim());
            sections.entry(name.trim()).or_default();
        } else if line.starts_with(GENERAL) {
            current = None;
        } else if let Some(section) = current.and_then(|name| sections.get_mut(name)) {
            section.push_str(line);
            section.push('\n');
        }
    }
    let alarms = list(&described, "alarms").iter();
    let names: BTreeSet<&str> = alarms
        .chain(list(&described, "composites"))
        .map(|alarm| text(alarm, "name"))
        .collect();
    let mut problems = Vec::new();
    for name in &names {
        let Some(section) = sections.get(name) else {
            problems.push(format!("{RUNBOOK} has no section `{OF_AN_ALARM}{name}`"));
            continue;
        };
        let mut from = 0;
        for part in PARTS {
            match section.get(from..).and_then(|rest| rest.find(part)) {
                Some(at) => from += at,
                None => problems.push(format!("{RUNBOOK}: {name}: no `{part}`, or not in order")),
            }
        }
    }
    let gone = sections.keys().filter(|name| !names.contains(*name));
    problems.extend(gone.map(|name| format!("{RUNBOOK}: there is no alarm {name}")));
    problems
}

/// Saved queries name functions that there are.
pub(super) fn queries(tree: &Tree) -> Vec<String> {
    let described = match read(tree, QUERIES) {
        Ok(described) => described,
        Err(problem) => return vec![problem],
    };
    let known = ["validation", "aggregator", "anomaly", "api", "archiver"];
    let mut problems = Vec::new();
    for query in list(&described, "queries") {
        let name = text(query, "name");
        let functions = query["functions"].as_array();
        let functions = functions.into_iter().flatten().filter_map(Value::as_str);
        let functions: Vec<_> = functions.collect();
        if functions.is_empty() || functions.iter().any(|f| !known.contains(f)) {
            problems.push(format!("{QUERIES}: {name}: of which functions?"));
        }
        if text(query, "description").is_empty() || text(query, "query").is_empty() {
            problems.push(format!("{QUERIES}: {name}: no words, or no query"));
        }
    }
    problems
}

fn read(tree: &Tree, path: &str) -> Result<Value, String> {
    let text = tree
        .text(path)
        .ok_or_else(|| format!("{path} is missing"))?;
    serde_json::from_str(text).map_err(|error| format!("{path} is no JSON: {error}"))
}

fn list<'a>(described: &'a Value, key: &str) -> &'a [Value] {
    described[key]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Names the thing, the number, and the section.
fn description(alarm: &Value) -> Vec<String> {
    let said = text(alarm, "description");
    let section = format!(" {RUNBOOK}#{}", text(alarm, "name"));
    let mut problems = Vec::new();
    if !said.ends_with(&section) {
        problems.push(format!("its text does not end with `{section}`"));
    }
    if !said
        .trim_end_matches(&section)
        .contains(|c: char| c.is_ascii_digit())
    {
        problems.push("its text names no number".to_owned());
    }
    if said.chars().count() > DESCRIPTION_CHARS_MAX {
        problems.push(format!(
            "its text has over {DESCRIPTION_CHARS_MAX} characters"
        ));
    }
    problems
}

fn one(alarm: &Value, ours: &BTreeMap<String, Ours>) -> Vec<String> {
    let mut problems = Vec::new();
    let number = |key: &str| alarm[key].as_u64().unwrap_or(0);
    let (period, periods) = (number("period_seconds"), number("periods"));
    let breaching = number("breaching_periods");
    if period == 0 || period % 60 != 0 || period * periods > LOOK_BACK_SECONDS_MAX {
        problems.push("its period is not in whole minutes, or it looks back over a day".to_owned());
    }
    if breaching == 0 || breaching > periods {
        problems.push(format!("{breaching} of {periods} periods can never breach"));
    }
    if !["breaching", "notBreaching"].contains(&text(alarm, "missing_data")) {
        problems.push("`missing_data` is neither breaching nor notBreaching".to_owned());
    }
    if text(alarm, "missing_data_why").len() < 20 {
        problems.push("`missing_data_why` does not say why".to_owned());
    }
    let empty = Map::new();
    let inputs = alarm["inputs"].as_object().unwrap_or(&empty);
    if inputs.len() > INPUTS_MAX {
        problems.push(format!("an alarm has at most {INPUTS_MAX} inputs"));
    }
    for name in inputs.keys() {
        if !words(text(alarm, "expression")).contains(name.as_str()) {
            problems.push(format!("its expression does not use {name}"));
        }
    }
    let sources = match alarm["expression"].as_str() {
        Some(_) => inputs.values().collect(),
        None => vec![alarm],
    };
    for source in sources {
        if let Err(problem) = looks_at(source, ours) {
            problems.push(problem);
        }
    }
    problems
}

fn looks_at(source: &Value, ours: &BTreeMap<String, Ours>) -> Result<(), String> {
    let (namespace, metric) = (text(source, "namespace"), text(source, "metric"));
    let empty = Map::new();
    let dimensions = source["dimensions"].as_object().unwrap_or(&empty);
    let mut dimensions: Vec<(&str, &str)> = dimensions
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    // JSON objects have no order; lists of dimensions begin with the function.
    dimensions.sort_by_key(|(key, _)| (*key != "function", *key));
    dashboards::check_name(namespace, metric, &dimensions, ours)?;
    if namespace == dashboards::NAMESPACE {
        dashboards::check_stat(metric, &source["statistic"], ours)?;
    }
    Ok(())
}

fn words(expression: &str) -> BTreeSet<&str> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expression.split(|c| !is_of_word(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "alarms": [{
                "name": "late", "description": "Late: over 3 s. RUNBOOK.md#late",
                "namespace": dashboards::NAMESPACE, "metric": "lag", "statistic": "Maximum",
                "dimensions": { "function": "api-lambda-${environment}" },
                "period_seconds": 60, "periods": 3, "breaching_periods": 2, "threshold": 3,
                "missing_data": "notBreaching", "missing_data_why": "nothing came, so it is well",
                "notifies": false,
            }],
            "composites": [{
                "name": "all", "description": "All of 1. RUNBOOK.md#all", "rule": "ALARM(late)",
            }],
        })
    }

    fn tree(described: &Value) -> Tree {
        let metrics = json!({ "metrics": [
            { "name": "lag", "kind": "gauge", "dimensions": [], "functions": ["api"] },
        ]});
        let section = |name: &str| format!("### {name}\n{}\n", PARTS.join("\n"));
        let page = format!("# R\n{}## Other\n{}", section("late"), section("all"));
        Tree::of(&[
            ("schemas/metrics.json", &metrics.to_string()),
            (ALARMS, &described.to_string()),
            (RUNBOOK, &page),
        ])
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(alarms(&tree(&good())), Vec::<String>::new());
        assert_eq!(runbook(&tree(&good())), Vec::<String>::new());
    }

    #[test]
    fn each_fault_of_an_alarm_is_named() {
        let faults = [
            ("/alarms/0/metric", json!("lags"), "no metric lags"),
            ("/alarms/0/statistic", json!("Sum"), "says nothing"),
            ("/alarms/0/dimensions", json!({}), "dimensions function"),
            ("/alarms/0/period_seconds", json!(90), "whole minutes"),
            ("/alarms/0/breaching_periods", json!(4), "never breach"),
            ("/alarms/0/missing_data", json!("ignore"), "neither"),
            ("/alarms/0/missing_data_why", json!("so"), "why"),
            (
                "/alarms/0/description",
                json!("Late. RUNBOOK.md#late"),
                "number",
            ),
            ("/alarms/0/description", json!("Late: over 3 s."), "RUNBOOK"),
            (
                "/composites/0/rule",
                json!("ALARM(other)"),
                "no alarm other",
            ),
            ("/composites/0/rule", json!("ALARM(other)"), "tells nobody"),
        ];
        for (place, value, words) in faults {
            let mut described = good();
            *described.pointer_mut(place).unwrap() = value;
            let problems = alarms(&tree(&described));
            assert!(
                problems.iter().any(|problem| problem.contains(words)),
                "{words}: {problems:?}"
            );
        }
    }

    #[test]
    fn sections_and_alarms_are_the_same() {
        let mut described = good();
        described["alarms"][0]["name"] = "early".into();
        let problems = runbook(&tree(&described));
        assert!(
            problems[0].contains("no section `### early`"),
            "{problems:?}"
        );
        assert!(problems[1].contains("no alarm late"), "{problems:?}");
    }
}
