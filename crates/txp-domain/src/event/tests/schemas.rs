//! The schemas describe what is written: checked with as much of JSON Schema as they use.

use super::frozen::frozen;
use super::samples;
use crate::event::EventType;
use crate::event::schema::{data_schema, envelope_schema};
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// What of `value` breaks `schema`; `root` is where `#/` starts.
fn faults(schema: &Value, root: &Value, value: &Value, path: &str) -> Vec<String> {
    let Value::Object(rules) = schema else {
        return match schema {
            Value::Bool(true) => vec![],
            _ => vec![format!("{path}: nothing is allowed")],
        };
    };
    let mut found = Vec::new();
    let inner = |schema: &Value, value: &Value, step: &str| {
        faults(schema, root, value, &format!("{path}/{step}"))
    };
    for (keyword, rule) in rules {
        let ok = match keyword.as_str() {
            "$ref" => {
                let place = rule.as_str().unwrap().strip_prefix('#');
                // The envelope's references to data are followed by the test.
                place.is_none_or(|place| {
                    found.extend(inner(root.pointer(place).unwrap(), value, "$ref"));
                    true
                })
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is_of(t, value)),
                one => is_of(one, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        found.extend(inner(schema, value, name));
                    }
                }
                true
            }
            "items" => {
                for value in value.as_array().into_iter().flatten() {
                    found.extend(inner(rule, value, "items"));
                }
                true
            }
            "oneOf" => count(rule, |s| inner(s, value, keyword).is_empty()) == 1,
            "anyOf" => count(rule, |s| inner(s, value, keyword).is_empty()) > 0,
            "allOf" => {
                for schema in rule.as_array().unwrap() {
                    found.extend(inner(schema, value, keyword));
                }
                true
            }
            "if" => {
                if inner(rule, value, "if").is_empty() {
                    found.extend(inner(&rules["then"], value, "then"));
                }
                true
            }
            "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
            _ => true,
        };
        if !ok {
            found.push(format!("{path}: {keyword} {rule} of {value}"));
        }
    }
    found
}

fn count(schemas: &Value, holds: impl Fn(&Value) -> bool) -> usize {
    schemas
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| holds(s))
        .count()
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

/// The names of every property that a schema tells of, definitions included.
fn named(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(rules) => {
            let properties = rules.get("properties").and_then(Value::as_object);
            names.extend(properties.into_iter().flat_map(Object::keys).cloned());
            rules.values().for_each(|rule| named(rule, names));
        }
        Value::Array(all) => all.iter().for_each(|rule| named(rule, names)),
        _ => {}
    }
}

/// The names of every field, but for keys of maps and free rules.
fn fields(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                names.push(name.clone());
                let is_map = [
                    "columns",
                    "rejected_by_code",
                    "last_record_by_bucket",
                    "rules",
                ];
                match value.as_object() {
                    _ if is_map.contains(&name.as_str()) => {}
                    Some(by_currency) if name == "sums" => {
                        by_currency.values().for_each(|value| fields(value, names));
                    }
                    _ => fields(value, names),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

fn events() -> Vec<(&'static str, Value)> {
    let rows = samples::rows().into_iter().map(|row| row.0);
    let others = samples::others().into_iter().map(|other| other.0);
    rows.chain(others)
        .map(|name| (name, serde_json::from_slice(&frozen(name)).unwrap()))
        .collect()
}

fn type_of(event: &Value) -> EventType {
    EventType::from_name(event["type"].as_str().unwrap()).unwrap()
}

#[test]
fn every_frozen_event_keeps_its_schema() {
    let envelope = Value::from(envelope_schema());
    for (name, event) in events() {
        assert_eq!(faults(&envelope, &envelope, &event, ""), [""; 0], "{name}");
        let schema = Value::from(data_schema(type_of(&event)));
        assert_eq!(
            faults(&schema, &schema, &event["data"], ""),
            [""; 0],
            "{name}"
        );
        let (mut known, mut written) = (Vec::new(), Vec::new());
        named(&schema, &mut known);
        fields(&event["data"], &mut written);
        written.retain(|field| !known.contains(field));
        assert_eq!(
            written, [""; 0],
            "{name}: fields that the schema does not tell of"
        );
    }
}

#[test]
fn a_missing_or_wrong_field_breaks_the_schema() {
    let envelope = Value::from(envelope_schema());
    for (name, event) in events() {
        let attributes = event.as_object().unwrap().keys();
        // Only a traced upload has a trace.
        for attribute in attributes.filter(|name| *name != "traceparent") {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(attribute);
            assert_ne!(
                faults(&envelope, &envelope, &less, ""),
                [""; 0],
                "{name}: {attribute}"
            );
        }
        let schema = Value::from(data_schema(type_of(&event)));
        for required in schema["required"].as_array().unwrap() {
            let mut less = event["data"].clone();
            less.as_object_mut()
                .unwrap()
                .remove(required.as_str().unwrap());
            assert_ne!(
                faults(&schema, &schema, &less, ""),
                [""; 0],
                "{name}: {required}"
            );
        }
    }
    let schema = Value::from(data_schema(EventType::TransactionAccepted));
    let (_, event) = events()
        .into_iter()
        .find(|(name, _)| name.contains("disputed"))
        .unwrap();
    assert_ne!(faults(&schema, &schema, &event["data"], ""), [""; 0]);
}

#[test]
fn references_lead_to_schemas() {
    let envelope = serde_json::to_string(&envelope_schema()).unwrap();
    for event_type in EventType::ALL {
        let reference = format!("{event_type}/1.json");
        assert!(envelope.contains(&format!("\"$ref\":\"{reference}\"")));
        let schema = Value::from(data_schema(event_type));
        assert_eq!(schema["$id"], format!("schemas/{reference}"));
    }
}
