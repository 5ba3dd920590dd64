//! Dashboards: every panel names metrics that exist, under the dimensions that they have, and every
//! metric worth showing has a panel.

use super::tree::Tree;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The list of our metrics, generated from the code.
const METRICS: &str = "schemas/metrics.json";
const FOLDER: &str = "dashboards/";
/// What lies there and is no dashboard.
const OTHERS: [&str; 2] = ["alarms.json", "queries.json"];
pub(super) const NAMESPACE: &str = "transaction-processor-${environment}";

/// What AWS makes by itself, as far as panels and alarms use it: namespace, metric, dimensions.
const AWS: &[(&str, &str, &[&str])] = &[
    ("AWS/ApiGateway", "4XXError", &["ApiName", "Stage"]),
    ("AWS/ApiGateway", "5XXError", &["ApiName", "Stage"]),
    ("AWS/ApiGateway", "Count", &["ApiName", "Stage"]),
    ("AWS/ApiGateway", "Latency", &["ApiName", "Stage"]),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", &["TableName"]),
    ("AWS/DynamoDB", "WriteThrottleEvents", &["TableName"]),
    ("AWS/Kinesis", "IncomingBytes", &["StreamName"]),
    (
        "AWS/Kinesis",
        "WriteProvisionedThroughputExceeded",
        &["StreamName"],
    ),
    ("AWS/Lambda", "Duration", &["FunctionName"]),
    ("AWS/Lambda", "Errors", &["FunctionName"]),
    ("AWS/Lambda", "Invocations", &["FunctionName"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"]),
    ("AWS/SNS", "NumberOfNotificationsFailed", &["TopicName"]),
    (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        &["QueueName"],
    ),
];

/// One of our metrics, as the list has it.
pub(super) struct Ours {
    kind: String,
    dimensions: Vec<String>,
    functions: Vec<String>,
}

/// Our metrics by name.
pub(super) fn ours(tree: &Tree) -> Result<BTreeMap<String, Ours>, String> {
    let missing = || format!("{METRICS} is missing or damaged: run `cargo xtask schema`");
    let text = tree.text(METRICS).ok_or_else(missing)?;
    let document: Value = serde_json::from_str(text).map_err(|_| missing())?;
    let listed = document.get("metrics").and_then(Value::as_array);
    let listed = listed.ok_or_else(missing)?;
    let names = |value: &Value| -> Vec<String> {
        let values = value.as_array().into_iter().flatten();
        values
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let entries = listed.iter().filter_map(|metric| {
        let ours = Ours {
            kind: metric["kind"].as_str()?.to_owned(),
            dimensions: names(&metric["dimensions"]),
            functions: names(&metric["functions"]),
        };
        Some((metric["name"].as_str()?.to_owned(), ours))
    });
    Ok(entries.collect())
}

/// Every dashboard: JSON, its panels, and together a panel for each metric.
pub(super) fn panels(tree: &Tree) -> Vec<String> {
    let ours = match ours(tree) {
        Ok(ours) => ours,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let mut shown = BTreeSet::new();
    for (path, text) in tree.files() {
        let name = path.strip_prefix(FOLDER).unwrap_or_default();
        if !name.ends_with(".json") || OTHERS.contains(&name) {
            continue;
        }
        let Ok(dashboard) = serde_json::from_str::<Value>(text) else {
            problems.push(format!("{path} is no JSON"));
            continue;
        };
        let widgets = dashboard.get("widgets").and_then(Value::as_array);
        for widget in widgets.into_iter().flatten() {
            if widget["type"] != "metric" {
                continue;
            }
            let panel = Panel::of(&widget["properties"], &ours);
            let title = panel.title;
            let found = panel.problems.into_iter();
            problems.extend(found.map(|problem| format!("{path}: panel `{title}`: {problem}")));
            shown.extend(panel.shown);
        }
    }
    let unseen = ours.keys().filter(|name| !shown.contains(*name));
    problems.extend(unseen.map(|name| {
        format!("no panel in {FOLDER} shows the metric {name}: add one, or take the metric out")
    }));
    problems
}

/// What one panel shows, and what is wrong with it.
struct Panel<'a> {
    title: &'a str,
    shown: BTreeSet<String>,
    problems: Vec<String>,
}

impl<'a> Panel<'a> {
    fn of(properties: &'a Value, ours: &BTreeMap<String, Ours>) -> Self {
        let title = properties["title"].as_str().unwrap_or_default();
        let mut panel = Self {
            title,
            shown: BTreeSet::new(),
            problems: Vec::new(),
        };
        if title.is_empty() {
            panel.problems.push("it has no title".to_owned());
        }
        if properties
            .pointer("/yAxis/left/label")
            .is_none_or(|label| !label.is_string())
        {
            panel
                .problems
                .push("`yAxis.left.label` says no unit".to_owned());
        }
        let series = properties["metrics"].as_array();
        if series.is_none_or(Vec::is_empty) {
            panel.problems.push("it has no metrics".to_owned());
        }
        for line in series.into_iter().flatten() {
            let line = line.as_array().map(Vec::as_slice).unwrap_or_default();
            if let Err(problem) = panel.line(line, &properties["stat"], ours) {
                panel.problems.push(problem);
            }
        }
        panel
    }

    fn line(
        &mut self,
        line: &[Value],
        stat: &Value,
        ours: &BTreeMap<String, Ours>,
    ) -> Result<(), String> {
        if let Some(expression) = line.first().and_then(|first| first["expression"].as_str()) {
            for search in searches(expression)? {
                let (name, stat) = (search.name, Value::from(search.stat));
                check_stat(name, &stat, ours)?;
                let ours = ours.get(name).ok_or_else(|| unknown(name))?;
                let wanted = std::iter::once("function");
                let wanted: Vec<_> = wanted
                    .chain(ours.dimensions.iter().map(String::as_str))
                    .collect();
                if search.dimensions != wanted {
                    return Err(format!("{name} has the dimensions {}", wanted.join(",")));
                }
                self.shown.insert(name.to_owned());
            }
            return Ok(());
        }
        let named: Vec<&str> = line.iter().filter_map(Value::as_str).collect();
        let [namespace, name, dimensions @ ..] = named.as_slice() else {
            return Err("a line names no metric".to_owned());
        };
        let last = line.last().filter(|last| last.is_object());
        let stat = last
            .map(|last| &last["stat"])
            .filter(|stat| stat.is_string())
            .unwrap_or(stat);
        check_name(namespace, name, &pairs(dimensions), ours)?;
        if *namespace == NAMESPACE {
            check_stat(name, stat, ours)?;
            self.shown.insert((*name).to_owned());
        }
        Ok(())
    }
}

fn pairs<'a>(flat: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    flat.chunks(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
        .collect()
}

/// A metric exists under exactly these dimensions: with others CloudWatch shows nothing, and says
/// nothing.
pub(super) fn check_name(
    namespace: &str,
    name: &str,
    dimensions: &[(&str, &str)],
    ours: &BTreeMap<String, Ours>,
) -> Result<(), String> {
    let given: Vec<&str> = dimensions.iter().map(|(key, _)| *key).collect();
    if namespace != NAMESPACE {
        let known = AWS
            .iter()
            .find(|(space, metric, _)| (*space, *metric) == (namespace, name));
        return match known {
            None => Err(format!(
                "{namespace} {name} is not known: if AWS makes it, add it to crates/xtask/src/tidy/dashboards.rs"
            )),
            Some((_, _, wanted)) if given != *wanted => Err(format!(
                "{namespace} {name} has the dimensions {}",
                wanted.join(",")
            )),
            Some(_) => Ok(()),
        };
    }
    let metric = ours.get(name).ok_or_else(|| unknown(name))?;
    let mut wanted: Vec<&str> = metric.dimensions.iter().map(String::as_str).collect();
    if metric.functions.is_empty() {
        return if given == wanted {
            Ok(())
        } else {
            Err(format!("{name} is the embedded host's: it has no function"))
        };
    }
    wanted.insert(0, "function");
    if given != wanted {
        return Err(format!("{name} has the dimensions {}", wanted.join(",")));
    }
    let function = dimensions.first().map_or("", |(_, value)| *value);
    let purpose = function.strip_suffix("-lambda-${environment}");
    match purpose {
        Some(purpose) if metric.functions.iter().any(|known| known == purpose) => Ok(()),
        _ => Err(format!(
            "{name} is told by {}, not by {function}",
            metric.functions.join(", ")
        )),
    }
}

/// A statistic that says something of this kind of metric.
pub(super) fn check_stat(
    name: &str,
    stat: &Value,
    ours: &BTreeMap<String, Ours>,
) -> Result<(), String> {
    let metric = ours.get(name).ok_or_else(|| unknown(name))?;
    let stat = stat.as_str().unwrap_or_default();
    let fits = match metric.kind.as_str() {
        "counter" => stat == "Sum",
        "gauge" => ["Maximum", "Minimum", "Average"].contains(&stat),
        _ => {
            ["Maximum", "Average", "SampleCount"].contains(&stat)
                || stat
                    .strip_prefix('p')
                    .is_some_and(|rank| rank.parse::<u32>().is_ok())
        }
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{stat}` of {name}, a {}, says nothing",
            metric.kind
        ))
    }
}

fn unknown(name: &str) -> String {
    format!("there is no metric {name}: see {METRICS}")
}

/// One SEARCH in an expression.
struct Search<'a> {
    name: &'a str,
    dimensions: Vec<&'a str>,
    stat: &'a str,
}

/// The searches of an expression, each as dashboards/README.md says.
fn searches(expression: &str) -> Result<Vec<Search<'_>>, String> {
    let form = || format!("`{expression}` is no SEARCH as dashboards/README.md has it");
    let head = format!("{{\"{NAMESPACE}\",");
    let found = expression.split("SEARCH('").skip(1);
    found
        .map(|search| {
            let rest = search.strip_prefix(head.as_str()).ok_or_else(form)?;
            let (dimensions, rest) = rest.split_once("} MetricName=\"").ok_or_else(form)?;
            let (name, rest) = rest.split_once("\"', '").ok_or_else(form)?;
            let (stat, _) = rest.split_once("', ").ok_or_else(form)?;
            Ok(Search {
                name,
                dimensions: dimensions.split(',').collect(),
                stat,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree_of(metrics: &Value) -> Vec<String> {
        let list = json!({ "metrics": [
            { "name": "rows", "kind": "counter", "dimensions": [], "functions": ["validation"] },
            { "name": "lag", "kind": "gauge", "dimensions": [], "functions": [] },
            { "name": "found", "kind": "counter", "dimensions": ["rule"], "functions": ["anomaly"] },
        ]});
        let widget = json!({ "type": "metric", "properties": {
            "title": "T", "stat": "Sum", "yAxis": { "left": { "label": "rows" } }, "metrics": metrics,
        }});
        let board = json!({ "widgets": [widget] });
        panels(&Tree::of(&[
            (METRICS, &list.to_string()),
            ("dashboards/a.json", &board.to_string()),
            ("dashboards/alarms.json", "{"),
        ]))
    }

    fn right() -> Vec<Value> {
        let search =
            format!("SEARCH('{{\"{NAMESPACE}\",function,rule}} MetricName=\"found\"', 'Sum', 300)");
        vec![
            json!([
                NAMESPACE,
                "rows",
                "function",
                "validation-lambda-${environment}"
            ]),
            json!([NAMESPACE, "lag", { "stat": "Maximum" }]),
            json!([{ "expression": search }]),
            json!([
                "AWS/Lambda",
                "Errors",
                "FunctionName",
                "api-lambda-${environment}"
            ]),
        ]
    }

    #[test]
    fn panels_name_what_there_is() {
        assert_eq!(tree_of(&right().into()), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = [
            (
                0,
                json!([
                    NAMESPACE,
                    "row",
                    "function",
                    "validation-lambda-${environment}"
                ]),
                "no metric row",
            ),
            (0, json!([NAMESPACE, "rows"]), "dimensions function"),
            (
                0,
                json!([NAMESPACE, "rows", "function", "api-lambda-${environment}"]),
                "told by validation",
            ),
            (
                0,
                json!([NAMESPACE, "rows", "function", "validation-lambda-${environment}", { "stat": "p99" }]),
                "says nothing",
            ),
            (
                1,
                json!([NAMESPACE, "lag", "function", "api-lambda-${environment}", { "stat": "Maximum" }]),
                "embedded",
            ),
            (
                2,
                json!([{ "expression": format!("SEARCH('{{\"{NAMESPACE}\",function}} MetricName=\"found\"', 'Sum', 300)") }]),
                "function,rule",
            ),
            (
                2,
                json!([{ "expression": "SEARCH('{elsewhere} x', 'Sum', 1)" }]),
                "README",
            ),
            (
                3,
                json!(["AWS/Lambda", "Error", "FunctionName", "a"]),
                "not known",
            ),
            (
                3,
                json!(["AWS/Lambda", "Errors", "Function", "a"]),
                "FunctionName",
            ),
        ];
        for (place, line, words) in wrong {
            let mut lines = right();
            lines[place] = line.clone();
            let problems = tree_of(&lines.into());
            assert!(
                problems.iter().any(|problem| problem.contains(words)),
                "{line}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_metric_without_a_panel_is_named() {
        let mut lines = right();
        lines.remove(1);
        let problems = tree_of(&lines.into());
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("shows the metric lag"), "{problems:?}");
    }
}
