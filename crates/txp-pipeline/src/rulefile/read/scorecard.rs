//! The scorecard of a rule file, every fault named with its path.

use super::{Object, Reader, echo};
use crate::json::Node;
use crate::rulefile::scorecard::{Marks, ScorecardEntry, SignalEntry};

const SIGNALS: [(&str, &[&str]); 3] = [
    (
        "amount_deviation",
        &["signal", "after", "points_by_permille"],
    ),
    (
        "card_velocity",
        &["signal", "window_seconds", "points_by_count"],
    ),
    (
        "terminal_disputes",
        &[
            "signal",
            "window_seconds",
            "ordinary_below_permille",
            "points_by_share_permille",
            "points_by_age_seconds",
        ],
    ),
];

/// The most marks of a curve.
const MARKS_MAX: usize = 64;

/// The most points of a mark, either way.
const POINTS_MAX: i32 = 100_000;

impl Reader {
    pub(super) fn scorecard(&mut self, path: &str, node: &Node) -> Option<ScorecardEntry> {
        let object = self.object(path, node, &["signals"])?;
        let signals = self.required(&object, "signals", Self::signals);
        Some(ScorecardEntry { signals: signals? })
    }

    fn signals(&mut self, path: &str, node: &Node) -> Option<Vec<SignalEntry>> {
        let Node::List(items) = node else {
            let message = format!("must be a list of signals, not {}", node.kind());
            return self.fault(path, message);
        };
        let signals = items.iter().enumerate();
        Some(
            signals
                .filter_map(|(index, item)| self.signal(&format!("{path}[{index}]"), item))
                .collect(),
        )
    }

    fn signal(&mut self, path: &str, node: &Node) -> Option<SignalEntry> {
        let Node::Object(entries) = node else {
            return self.fault(path, format!("must be an object, not {}", node.kind()));
        };
        let untyped = Object {
            path: path.to_owned(),
            entries,
        };
        let name = self.required(&untyped, "signal", Self::text)?;
        let Some((_, keys)) = SIGNALS.iter().find(|(known, _)| *known == name) else {
            let names = SIGNALS.map(|(known, _)| known).join(", ");
            let message = format!("there is no signal {:?}; use one of {names}", echo(&name));
            return self.fault(untyped.path_of("signal"), message);
        };
        let object = self.object(path, node, keys)?;
        match name.as_str() {
            "amount_deviation" => {
                let after = self.required(&object, "after", Self::whole);
                let marks = self.required(&object, "points_by_permille", Self::marks);
                Some(SignalEntry::AmountDeviation {
                    after: after?,
                    points_by_permille: marks?,
                })
            }
            "card_velocity" => {
                let window = self.required(&object, "window_seconds", Self::whole);
                let marks = self.required(&object, "points_by_count", Self::marks);
                Some(SignalEntry::CardVelocity {
                    window_seconds: window?,
                    points_by_count: marks?,
                })
            }
            _ => {
                let window = self.required(&object, "window_seconds", Self::whole);
                let ordinary = self.required(&object, "ordinary_below_permille", Self::whole);
                let share = self.required(&object, "points_by_share_permille", Self::marks);
                let age = self.required(&object, "points_by_age_seconds", Self::marks);
                Some(SignalEntry::TerminalDisputes {
                    window_seconds: window?,
                    ordinary_below_permille: ordinary?,
                    points_by_share_permille: share?,
                    points_by_age_seconds: age?,
                })
            }
        }
    }

    fn marks(&mut self, path: &str, node: &Node) -> Option<Marks> {
        const FORM: &str =
            "an object such as {\"1000\": 0, \"2500\": 500}, points by what was measured";
        let Node::Object(entries) = node else {
            return self.fault(path, format!("must be {FORM}, not {}", node.kind()));
        };
        if !(1..=MARKS_MAX).contains(&entries.len()) {
            let message = format!("has {} marks; 1 to {MARKS_MAX} are possible", entries.len());
            return self.fault(path, message);
        }
        let mut marks = Marks::new();
        for (key, value) in entries {
            let at = format!("{path}.{}", echo(key));
            // As it is printed: another spelling of a number would be another key of the same mark.
            let measured = key.parse::<u32>().ok();
            let Some(measured) = measured.filter(|measured| measured.to_string() == *key) else {
                let message = format!("is no whole number up to {}; marks are {FORM}", u32::MAX);
                self.fault::<()>(at, message);
                continue;
            };
            let Some(points) = points(value) else {
                let message = format!("must be whole points from -{POINTS_MAX} to {POINTS_MAX}");
                self.fault::<()>(at, message);
                continue;
            };
            if marks.insert(measured, points).is_some() {
                self.fault::<()>(at, "is named twice; keep one");
            }
        }
        Some(marks)
    }
}

fn points(node: &Node) -> Option<i32> {
    let points = match node {
        Node::Whole(points) => i32::try_from(*points).ok()?,
        Node::Negative(points) => i32::try_from(*points).ok()?,
        _ => return None,
    };
    (-POINTS_MAX..=POINTS_MAX)
        .contains(&points)
        .then_some(points)
}
