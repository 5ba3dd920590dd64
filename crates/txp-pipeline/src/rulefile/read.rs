//! From JSON to what a rule file says, every fault named with its path.

mod scorecard;

use super::form::{
    Alerts, Deviation, RuleEntry, RuleFile, Velocity, every_type, medium, sales, yes,
};
use crate::json::Node;
use crate::rejects::{holds_long_number, show};
use std::collections::BTreeMap;
use txp_domain::money::Currency;
use txp_domain::row::TransactionType;
use txp_domain::rule::{Fault, Severity};

const KINDS: [(&str, Option<&str>); 5] = [
    ("amount_high", Some("thresholds")),
    ("amount_low", Some("thresholds")),
    ("card_velocity", Some("velocity")),
    ("amount_deviation", Some("deviation")),
    ("conflicting_resubmission", None),
];

/// Keys that every kind of rule has.
const COMMON_KEYS: [&str; 6] = ["kind", "id", "description", "enabled", "severity", "types"];

/// The most characters of the file's own text that a message repeats.
const ECHO_CHARS_MAX: usize = 40;

/// The keys of a kind of rule, if there is such a kind.
pub(super) fn keys_of(kind: &str) -> Option<Vec<&'static str>> {
    let (_, own_key) = KINDS.iter().find(|(name, _)| *name == kind)?;
    Some(COMMON_KEYS.into_iter().chain(*own_key).collect())
}

/// Reads a whole file.
pub(super) fn rule_file(node: &Node) -> Result<RuleFile, Vec<Fault>> {
    let mut reader = Reader { faults: Vec::new() };
    let file = reader.file(node);
    match file {
        Some(file) if reader.faults.is_empty() => Ok(file),
        _ => Err(reader.faults),
    }
}

/// One object of the file, with its path.
struct Object<'a> {
    path: String,
    entries: &'a [(String, Node)],
}

impl<'a> Object<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        let mut entries = self.entries.iter();
        entries.find(|(name, _)| name == key).map(|(_, node)| node)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn fault<T>(&mut self, path: impl Into<String>, message: impl Into<String>) -> Option<T> {
        self.faults.push(Fault::new(path, message));
        None
    }

    fn file(&mut self, node: &Node) -> Option<RuleFile> {
        let file = self.object(
            "",
            node,
            &[
                "$schema",
                "description",
                "version",
                "alerts",
                "rules",
                "scorecard",
            ],
        )?;
        let version = self.required(&file, "version", Self::text);
        let description = self.optional(&file, "description", Self::words);
        let alerts = self.optional(&file, "alerts", Self::alerts);
        let rules = self.required(&file, "rules", Self::rules);
        let scorecard = self.optional(&file, "scorecard", Self::scorecard);
        self.optional(&file, "$schema", Self::text);
        Some(RuleFile {
            schema: None,
            description,
            version: version?,
            alerts: alerts.unwrap_or_default(),
            rules: rules?,
            scorecard,
        })
    }

    fn alerts(&mut self, path: &str, node: &Node) -> Option<Alerts> {
        const KEYS: [&str; 3] = [
            "alert_max_age_seconds",
            "cooldown_seconds",
            "critical_score",
        ];
        let object = self.object(path, node, &KEYS)?;
        let standard = Alerts::default();
        let [age, cooldown, score] = KEYS.map(|key| self.optional(&object, key, Self::whole));
        let score = score.map(|score| u16::try_from(score).unwrap_or(u16::MAX));
        Some(Alerts {
            alert_max_age_seconds: age.unwrap_or(standard.alert_max_age_seconds),
            cooldown_seconds: cooldown.unwrap_or(standard.cooldown_seconds),
            critical_score: score.unwrap_or(standard.critical_score),
        })
    }

    fn rules(&mut self, path: &str, node: &Node) -> Option<Vec<RuleEntry>> {
        let Node::List(items) = node else {
            return self.fault(
                path,
                format!("must be a list of rules, not {}", node.kind()),
            );
        };
        let rules = items.iter().enumerate();
        Some(
            rules
                .filter_map(|(index, item)| self.rule(&format!("{path}[{index}]"), item))
                .collect(),
        )
    }

    fn rule(&mut self, path: &str, node: &Node) -> Option<RuleEntry> {
        let Node::Object(entries) = node else {
            return self.fault(path, format!("must be an object, not {}", node.kind()));
        };
        let untyped = Object {
            path: path.to_owned(),
            entries,
        };
        let kind = self.required(&untyped, "kind", Self::text)?;
        let Some(keys) = keys_of(&kind) else {
            let names = KINDS.map(|(name, _)| name).join(", ");
            let message = format!("there is no kind {:?}; use one of {names}", echo(&kind));
            return self.fault(untyped.path_of("kind"), message);
        };
        let object = self.object(path, node, &keys)?;
        let id = self.required(&object, "id", Self::text);
        let description = self.optional(&object, "description", Self::words);
        let enabled = self
            .optional(&object, "enabled", Self::boolean)
            .unwrap_or_else(yes);
        let severity = self
            .optional(&object, "severity", Self::severity)
            .unwrap_or_else(medium);
        let types = self.optional(&object, "types", Self::types);
        macro_rules! entry {
            ($kind:ident, $default:ident $(, $key:ident: $read:expr)?) => {{
                $(let $key = self.required(&object, stringify!($key), $read);)?
                RuleEntry::$kind {
                    id: id?,
                    description,
                    enabled,
                    severity,
                    types: types.unwrap_or_else($default),
                    $($key: $key?,)?
                }
            }};
        }
        Some(match kind.as_str() {
            "amount_high" => entry!(AmountHigh, sales, thresholds: Self::thresholds),
            "amount_low" => entry!(AmountLow, sales, thresholds: Self::thresholds),
            "card_velocity" => entry!(CardVelocity, sales, velocity: Self::velocity),
            "amount_deviation" => entry!(AmountDeviation, sales, deviation: Self::deviation),
            _ => entry!(ConflictingResubmission, every_type),
        })
    }

    fn velocity(&mut self, path: &str, node: &Node) -> Option<Velocity> {
        let object = self.object(path, node, &["count", "window_seconds"])?;
        let count = self.required(&object, "count", Self::whole);
        let window_seconds = self.required(&object, "window_seconds", Self::whole);
        Some(Velocity {
            count: count?,
            window_seconds: window_seconds?,
        })
    }

    fn deviation(&mut self, path: &str, node: &Node) -> Option<Deviation> {
        let object = self.object(path, node, &["times", "after"])?;
        let times = self.required(&object, "times", Self::whole);
        let after = self.required(&object, "after", Self::whole);
        Some(Deviation {
            times: times?,
            after: after?,
        })
    }

    fn thresholds(&mut self, path: &str, node: &Node) -> Option<BTreeMap<Currency, u64>> {
        let Node::Object(entries) = node else {
            let message = format!(
                "must be an object such as {{\"USD\": 1000000}}, not {}",
                node.kind()
            );
            return self.fault(path, message);
        };
        let mut thresholds = BTreeMap::new();
        for (code, value) in entries {
            let at = format!("{path}.{}", echo(code));
            let Some(currency) = Currency::from_code(code.as_bytes()) else {
                self.fault::<()>(at, "is no currency code of ISO 4217 in capitals");
                continue;
            };
            let Node::Whole(minor) = value else {
                let message = format!(
                    "must be a whole number of minor units ({currency} has {} decimals), not {}",
                    currency.minor_digits(),
                    value.kind()
                );
                self.fault::<()>(at, message);
                continue;
            };
            if thresholds.insert(currency, *minor).is_some() {
                self.fault::<()>(at, "is named twice; keep one");
            }
        }
        Some(thresholds)
    }

    fn types(&mut self, path: &str, node: &Node) -> Option<Vec<TransactionType>> {
        let Node::List(items) = node else {
            return self.fault(
                path,
                format!("must be a list such as [\"sale\"], not {}", node.kind()),
            );
        };
        let mut types = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let name = self.text(&at, item)?;
            match TransactionType::from_name(name.as_bytes()) {
                None => self.fault(at, "must be sale, refund or chargeback")?,
                Some(kind) if types.contains(&kind) => {
                    self.fault(at, "is named twice; keep one")?
                }
                Some(kind) => types.push(kind),
            }
        }
        types.sort_unstable();
        Some(types)
    }

    fn severity(&mut self, path: &str, node: &Node) -> Option<Severity> {
        let name = self.text(path, node)?;
        Severity::from_name(&name)
            .or_else(|| self.fault(path, "must be low, medium, high or critical"))
    }

    fn text(&mut self, path: &str, node: &Node) -> Option<String> {
        match node {
            Node::Text(text) => Some(text.clone()),
            _ => self.fault(path, format!("must be a text, not {}", node.kind())),
        }
    }

    /// Words for people, which are recorded with the rules.
    fn words(&mut self, path: &str, node: &Node) -> Option<String> {
        let text = self.text(path, node)?;
        if holds_long_number(&text) {
            return self.fault(path, "holds a number as long as a card's; leave it out");
        }
        Some(text)
    }

    fn boolean(&mut self, path: &str, node: &Node) -> Option<bool> {
        match node {
            Node::Bool(value) => Some(*value),
            _ => self.fault(path, format!("must be true or false, not {}", node.kind())),
        }
    }

    fn whole(&mut self, path: &str, node: &Node) -> Option<u32> {
        match node {
            Node::Whole(value) => u32::try_from(*value)
                .ok()
                .or_else(|| self.fault(path, format!("is above {}, use a lower number", u32::MAX))),
            _ => self.fault(path, format!("must be a whole number, not {}", node.kind())),
        }
    }

    fn required<T>(
        &mut self,
        object: &Object<'_>,
        key: &str,
        read: impl Fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<T> {
        let path = object.path_of(key);
        match object.get(key) {
            Some(node) => read(self, &path, node),
            None => self.fault(path, "is missing; add it"),
        }
    }

    fn optional<T>(
        &mut self,
        object: &Object<'_>,
        key: &str,
        read: impl Fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Option<T> {
        let node = object.get(key)?;
        read(self, &object.path_of(key), node)
    }

    /// An object with none but these keys, each once.
    fn object<'a>(&mut self, path: &str, node: &'a Node, keys: &[&str]) -> Option<Object<'a>> {
        let Node::Object(entries) = node else {
            let path = if path.is_empty() { "(the file)" } else { path };
            return self.fault(path, format!("must be an object, not {}", node.kind()));
        };
        let object = Object {
            path: path.to_owned(),
            entries,
        };
        for (index, (key, _)) in entries.iter().enumerate() {
            let at = object.path_of(&echo(key));
            if !keys.contains(&key.as_str()) {
                let message = format!("is unknown here; known are {}", keys.join(", "));
                self.fault::<()>(at, message);
            } else if entries
                .iter()
                .take(index)
                .any(|(earlier, _)| earlier == key)
            {
                self.fault::<()>(at, "is named twice; keep one");
            }
        }
        Some(object)
    }
}

/// Text of the file as messages repeat it: cut, without long numbers and control characters.
fn echo(text: &str) -> String {
    show(text, ECHO_CHARS_MAX)
}
