//! The alert table and the cooldowns in it: what the stage makes of them when deliveries come again,
//! when processes race, and when they die half-way.

use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::alerts::{ActiveRules, Alerts, SharedCooldowns};
use txp_aws::dynamodb::tables;
use txp_domain::alert::{Decision, Notice};
use txp_emulator::Emulator;
use txp_pipeline::batch::EventBatch;
use txp_pipeline::port::{AlertLedger as _, EventSink, Handed, PortError, Recorded};
use txp_pipeline::rulefile::default_rules;
use txp_pipeline::stage::alert::{Alerting, CooldownStore as _};
use txp_pipeline::stage::rulebook::{RuleRegistry as _, RuleSource, Rulebook};
use txp_tests::conformance::alerts::{COOLDOWN_SECONDS, POLICY, Told, at, findings, id, record};

async fn ledger(emulator: &Emulator) -> Alerts {
    let connection = Connection::new(emulator.dynamodb());
    Alerts::new(connection, emulator.table(&tables::ALERTS).await)
}

/// A process of its own over the table.
fn process(ledger: &Alerts) -> (Alerting<SharedCooldowns>, Alerts, Told) {
    let cooldowns = SharedCooldowns::new(ledger.clone());
    (Alerting::new(cooldowns), ledger.clone(), Told::default())
}

const END: u64 = COOLDOWN_SECONDS as u64;

#[tokio::test]
async fn what_waits_is_found() {
    let emulator = Emulator::shared().await;
    let mut ledger = ledger(&emulator).await;
    let alerts = [
        record(1, "m-1", Decision::Send),
        record(2, "m-1", Decision::Digest),
        record(3, "m-2", Decision::Digest),
        record(4, "m-1", Decision::RecordOnly),
        record(9, "m-1", Decision::Digest),
    ];
    ledger.record(&alerts).await.unwrap();
    let gathered = ledger.gathered("m-1", "", 10).await.unwrap();
    assert_eq!(gathered, [1, 4].map(|at: usize| alerts[at].clone()));
    assert_eq!(ledger.gathered("m-1", "", 1).await.unwrap().len(), 1);
    assert_eq!(ledger.unsent(at(0), 10).await.unwrap(), []);
    assert_eq!(ledger.unsent(at(1), 10).await.unwrap(), alerts[..1]);
    // A digest marks what it tells of, and nothing else.
    let digest = Handed::Digest {
        id: "d-1".to_owned(),
        merchant_id: "m-1".to_owned(),
        rule: String::new(),
        count: 1,
        alerts: vec![alerts[1].flagged.id().to_owned()],
    };
    ledger.mark(&[digest], at(5)).await.unwrap();
    let gathered = ledger.gathered("m-1", "", 10).await.unwrap();
    assert_eq!(gathered, alerts[4..]);
    assert_eq!(ledger.gathered("m-2", "", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_alert_recorded_again_stays_as_it_is() {
    let emulator = Emulator::shared().await;
    let mut ledger = ledger(&emulator).await;
    let first = record(1, "m-1", Decision::Send);
    let mut again = first.clone();
    again.decided_at = at(99);
    ledger.record(std::slice::from_ref(&first)).await.unwrap();
    ledger.record(&[again]).await.unwrap();
    let id = first.flagged.id();
    let known = ledger.look_up(id, &first.position).await.unwrap();
    assert_eq!(known, Recorded::Waiting(Box::new(first.clone())));
}

/// Invariant 5 on a table: recorded, not handed on, delivered again to another process: handed on
/// then, and once. Or not delivered again: whoever looks after what was left behind hands it on.
#[tokio::test]
async fn an_alert_that_a_crash_left_waiting_is_handed_on() {
    let emulator = Emulator::shared().await;
    for is_delivered_again in [true, false] {
        let ledger = ledger(&emulator).await;
        let one = || findings([1], "m-1");
        let (mut alerting, mut alerts, mut told) = process(&ledger);
        told.is_broken = true;
        let handled = alerting.handle(&mut alerts, &mut told, &POLICY, one(), at(2));
        assert!(handled.await.is_err());
        let (mut alerting, mut alerts, mut told) = process(&ledger);
        for expected in [1, 0] {
            if is_delivered_again {
                let handled = alerting.handle(&mut alerts, &mut told, &POLICY, one(), at(3));
                handled.await.unwrap();
            } else {
                let left = alerts.unsent(at(3), 10).await.unwrap();
                alerting
                    .hand_on(&mut alerts, &mut told, &left)
                    .await
                    .unwrap();
            }
            assert_eq!(told.take().len(), expected);
        }
    }
}

/// Several processes, one cooldown: one message by itself, and digests that count each other finding
/// once.
#[tokio::test]
async fn processes_that_race_share_one_cooldown() {
    let emulator = Emulator::shared().await;
    let ledger = ledger(&emulator).await;
    let mut processes = [0; 3].map(|_| process(&ledger));
    let [a, b, c] = &mut processes;
    let handle = async |(alerting, alerts, told): &mut (Alerting<_>, Alerts, Told), from: u64| {
        let some = findings(from..from + 5, "m-1");
        let handled = alerting.handle(alerts, told, &POLICY, some, at(1));
        handled.await.unwrap();
    };
    tokio::join!(handle(a, 10), handle(b, 20), handle(c, 30));
    let sent: Vec<_> = [a, b, c].into_iter().flat_map(|p| p.2.take()).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");

    let [a, b, c] = &mut processes;
    let tick = async |(alerting, alerts, told): &mut (Alerting<_>, Alerts, Told)| {
        let ticked = alerting.tick(alerts, told, &POLICY, at(1 + END)).await;
        ticked.unwrap();
    };
    tokio::join!(tick(a), tick(b), tick(c));
    let bodies = [&a.2, &b.2, &c.2].map(|told| told.messages.iter().map(|m| m.body.clone()));
    let bodies: Vec<_> = bodies.into_iter().flatten().collect();
    assert_eq!(bodies.len(), 1);
    assert!(
        bodies[0].starts_with("14 more findings by "),
        "{}",
        bodies[0]
    );
    assert_eq!(ledger.gathered("m-1", "", 100).await.unwrap(), []);
}

/// Processes whose clocks are minutes apart: windows open and close at odd times, and each finding is
/// told once all the same, by itself or in a digest.
#[tokio::test]
async fn clocks_that_differ_tell_each_finding_once() {
    let emulator = Emulator::shared().await;
    let ledger = ledger(&emulator).await;
    let minutes = 10 * 60;
    let clocks = [minutes, 2 * minutes, 0];
    let mut processes = clocks.map(|clock| (clock, process(&ledger)));
    for round in 0..3 {
        for (number, (clock, (alerting, alerts, told))) in (0..).zip(&mut processes) {
            let from = 1_000 + round * 100 + number * 10;
            let now = at(*clock + round * (END + 1));
            let some = findings(from..from + 5, "m-1");
            let handled = alerting.handle(alerts, told, &POLICY, some, now);
            handled.await.unwrap();
            alerting.tick(alerts, told, &POLICY, now).await.unwrap();
        }
    }
    for (clock, (alerting, alerts, told)) in &mut processes {
        for later in [minutes, 2 * minutes, 3 * minutes] {
            let now = at(*clock + later);
            alerting.tick(alerts, told, &POLICY, now).await.unwrap();
        }
    }
    let told = processes
        .into_iter()
        .flat_map(|(_, (_, _, told))| told.messages);
    let counts = told.map(
        |message| match message.body.split_once(" more findings by ") {
            Some((count, _)) => count.parse::<u64>().unwrap(),
            None => 1,
        },
    );
    assert_eq!(counts.sum::<u64>(), 3 * 3 * 5);
    assert_eq!(ledger.gathered("m-1", "", 100).await.unwrap(), []);
}

/// A process decides and dies; the finding comes again to another.
#[tokio::test]
async fn a_decision_that_was_not_recorded_is_made_again() {
    let emulator = Emulator::shared().await;
    let ledger = ledger(&emulator).await;
    for (number, expected) in [
        (1, Decision::Send),
        (1, Decision::Send),
        (2, Decision::Digest),
        (1, Decision::Send),
    ] {
        let mut cooldowns = SharedCooldowns::new(ledger.clone());
        let notice = Notice::of(&record(number, "m-1", Decision::Send).flagged.finding);
        let decided = cooldowns.decide(&POLICY, &notice, at(number)).await;
        assert_eq!(decided.unwrap(), (expected, None), "{number}");
    }
}

/// Deaths between recording, taking a window, sending its digest and marking: the digest comes, at
/// the latest when the window that was taken is due again, and what it counts is right.
#[tokio::test]
async fn a_digest_that_a_crash_interrupted_comes_again() {
    let emulator = Emulator::shared().await;
    let mut ledger = ledger(&emulator).await;
    let (mut alerting, mut alerts, mut told) = process(&ledger);
    let first = findings([1, 2], "m-1");
    let handled = alerting.handle(&mut alerts, &mut told, &POLICY, first, at(0));
    handled.await.unwrap();
    assert_eq!(told.take(), [id(1)]);
    // Recorded, and dead before the window was armed for it: it comes again.
    let unarmed = record(3, "m-2", Decision::Digest);
    ledger.record(std::slice::from_ref(&unarmed)).await.unwrap();
    let (mut alerting, mut alerts, mut told) = process(&ledger);
    let again = findings([3], "m-2");
    let handled = alerting.handle(&mut alerts, &mut told, &POLICY, again, at(0));
    handled.await.unwrap();
    // Taken, and dead before anything was sent.
    let mut cooldowns = SharedCooldowns::new(ledger.clone());
    let taken = cooldowns.due(&POLICY, at(END)).await.unwrap();
    assert_eq!(taken.len(), 2);
    let (mut alerting, mut alerts, mut told) = process(&ledger);
    for (second, is_broken, expected) in [
        (END + 1, false, 0),
        // Due again; this time the sink is out of order, and then another process finds it due.
        (2 * END, true, 0),
        (3 * END, false, 2),
        (3 * END + 1, false, 0),
    ] {
        told.is_broken = is_broken;
        let ticked = alerting
            .tick(&mut alerts, &mut told, &POLICY, at(second))
            .await;
        assert_eq!(ticked.is_err(), is_broken);
        for message in &told.messages {
            assert!(message.body.starts_with("1 more finding by "));
        }
        assert_eq!(told.take().len(), expected, "at {second}");
    }
}

/// A history that takes everything.
#[derive(Default)]
struct History(Vec<String>);

impl EventSink for History {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        for entry in batch.entries() {
            let json: serde_json::Value = serde_json::from_slice(batch.json(entry)).unwrap();
            self.0.push(json["id"].as_str().unwrap().to_owned());
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

struct File(Vec<u8>);

impl RuleSource for File {
    fn name(&self) -> &str {
        "file"
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        Ok(Some(self.0.clone()))
    }
}

/// Processes that see a new rule file at the same time activate it once; what was activated and not
/// announced is announced by the next.
#[tokio::test]
async fn processes_agree_on_the_rules() {
    let emulator = Emulator::shared().await;
    let ledger = ledger(&emulator).await;
    let mut registry = ActiveRules::new(ledger.clone());
    let (mut one, mut other) = (History::default(), History::default());
    let book = |file: Option<File>| Rulebook::new(ActiveRules::new(ledger.clone()), file);
    let (mut a, mut b) = (book(None), book(None));
    let (x, y) = tokio::join!(a.rules(&mut one, at(1)), b.rules(&mut other, at(1)));
    assert_eq!(x.unwrap(), y.unwrap());
    let version = default_rules().unwrap().rules.version().to_owned();
    // Both may have announced it: under one id.
    one.0.append(&mut other.0);
    assert!(!one.0.is_empty());
    assert!(one.0.iter().all(|id| *id == format!("ruleset:{version}:1")));
    one.0.clear();

    let latest = registry.latest().await.unwrap().unwrap();
    assert!(latest.is_announced);
    let mut changed = default_rules().unwrap().file;
    changed.version = "next".to_owned();
    let file = || Some(File(changed.to_json().into_bytes()));
    // Registered, and dead before it was announced.
    let mut event = latest.event;
    event.activation = 2;
    event.version = "next".to_owned();
    event.rules = serde_json::from_str(&changed.to_json()).unwrap();
    let sha256 = txp_pipeline::rulefile::parse(changed.to_json().as_bytes()).unwrap();
    event.sha256 = sha256
        .rules
        .sha256()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        registry.register(&event).await.unwrap(),
        txp_pipeline::port::Written::Stored
    );
    assert_eq!(
        registry.register(&event).await.unwrap(),
        txp_pipeline::port::Written::Conflict
    );
    for expected in [vec!["ruleset:next:2".to_owned()], vec![]] {
        let mut history = History::default();
        let mut book = book(file());
        let rules = book.rules(&mut history, at(100)).await.unwrap();
        assert_eq!(rules.active.rules.version(), "next");
        assert_eq!(history.0, expected);
    }
}
