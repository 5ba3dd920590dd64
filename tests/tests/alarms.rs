//! Every alarm of `dashboards/alarms.json` is driven from OK to ALARM and back by the fault that it
//! names, and stays silent on an idle day. What the embedded host measures comes from the embedded
//! host, with the fault really there. What functions alone measure is driven where their code is as
//! well: `stream-throttles` in `crates/txp-aws/src/kinesis/producer/tests.rs`, `cost` in
//! `crates/txp-aws/src/cost.rs`, `sweeper-silent` in `crates/txp-lambda/tests/validation/swept.rs`; here
//! they stand by figures. The age of iterators, calls of functions, their queues and the gateway's answers
//! are counted by AWS and by no code of ours: they come as AWS documents them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "test code: a panic is how a test says no"
)]

#[path = "alarms/faults.rs"]
mod faults;
#[path = "alarms/measured.rs"]
mod measured;
#[path = "alarms/webhooks.rs"]
mod webhooks;

use txp_tests::alarm::{Alarms, Missing, State, World, drive, evaluate, judge};

const MINUTES_A_DAY: usize = 24 * 60;

/// The tables of "Configuring how CloudWatch alarms treat missing data": the range as it stands
/// there, oldest first (`0` good, `X` bad, `-` missing), and the states for missing, ignore
/// (`r`: the state stays), breaching, notBreaching.
#[test]
fn missing_data_is_treated_as_documented() {
    let three_of_three = [
        ("0-X-X", "OOOO"),
        ("----0", "OOOO"),
        ("-----", "IrAO"),
        ("0XX-X", "AAAA"),
        ("--X--", "ArAO"),
    ];
    let two_of_three = [
        ("0-X-X", "AAAA"),
        ("00X0X", "AAAA"),
        ("0-X--", "OOAO"),
        ("----0", "OOAO"),
        ("---X-", "ArAO"),
    ];
    let tables = [(3, three_of_three), (2, two_of_three)];
    for (breaching, table) in tables {
        for (range, expected) in table {
            let newest_first: Vec<_> = range
                .chars()
                .rev()
                .map(|c| (c != '-').then_some(c == 'X'))
                .collect();
            let treatments = [
                Missing::Missing,
                Missing::Ignore,
                Missing::Breaching,
                Missing::NotBreaching,
            ];
            for (treatment, expected) in treatments.into_iter().zip(expected.chars()) {
                for before in [State::Ok, State::Alarm] {
                    let expected = match expected {
                        'O' => State::Ok,
                        'A' => State::Alarm,
                        'I' => State::InsufficientData,
                        _ => before,
                    };
                    let state = judge(&newest_first, 3, breaching, treatment, before);
                    assert_eq!(state, expected, "{breaching} of 3, {range}, {treatment:?}");
                }
            }
        }
    }
}

#[test]
fn expressions_are_metric_math() {
    let points = [
        ("a", Some(6.0)),
        ("b", Some(2.0)),
        ("none", None),
        ("zero", Some(0.0)),
    ];
    let points = points.map(|(name, point)| (name.to_owned(), point)).into();
    for (expression, value) in [
        ("a", Some(6.0)),
        ("1 + a * b", Some(13.0)),
        ("100 * (a - b) / a / b", Some(100.0 * 4.0 / 6.0 / 2.0)),
        ("a + none", None),
        ("a + FILL(none, 1)", Some(7.0)),
        ("a / zero", None),
        ("IF(a >= 6, b, a)", Some(2.0)),
        ("IF(b >= 6, b, a)", Some(6.0)),
    ] {
        assert_eq!(evaluate(expression, &points), value, "{expression}");
    }
}

#[test]
fn an_idle_day_raises_no_alarm() {
    let alarms = Alarms::of_the_project();
    let mut world = World::new();
    for _ in 0..MINUTES_A_DAY {
        world.idle_minute();
    }
    for alarm in alarms.alarms.values() {
        let (mut state, mut minute) = (State::InsufficientData, 0);
        while minute < MINUTES_A_DAY {
            minute += usize::try_from(alarm.period_seconds / 60).unwrap();
            state = world.state(alarm, minute, state);
            assert_ne!(state, State::Alarm, "{} at minute {minute}", alarm.name);
        }
        assert_eq!(state, State::Ok, "{}: nobody would know", alarm.name);
    }
}

#[test]
fn every_alarm_is_raised_by_the_fault_that_it_names_and_goes_when_it_is_mended() {
    let alarms = Alarms::of_the_project();
    let faults = faults::all();
    let tried: Vec<&str> = faults.iter().map(|fault| fault.alarm).collect();
    let named: Vec<&str> = alarms.alarms.keys().map(String::as_str).collect();
    let mut sorted = tried.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, named, "each alarm has one fault here");
    for fault in faults {
        let alarm = &alarms.alarms[fault.alarm];
        let states = drive(alarm, &fault.broken, &fault.mended);
        assert_eq!(
            states,
            [State::Ok, State::Alarm, State::Ok],
            "{}",
            fault.alarm
        );
        let composed = alarms
            .composites
            .iter()
            .filter(|(_, parts)| parts.contains(&alarm.name));
        let is_seen = composed.count() > 0 || alarm.name == "cost";
        assert!(is_seen, "{} is of no symptom", alarm.name);
    }
}
