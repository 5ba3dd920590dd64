//! Rules that change, files that are none, and processes that were quicker.

use super::*;
use crate::rulefile::default_rules;
use crate::stage::aggregate::tests::memory::now;
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Default)]
struct Registry {
    latest: Rc<RefCell<Option<Activation>>>,
    latest_shadow: Rc<RefCell<Option<Shadowing>>>,
}

impl RuleRegistry for Registry {
    async fn latest(&mut self) -> Result<Option<Activation>, PortError> {
        Ok(self.latest.borrow().clone())
    }

    async fn register(&mut self, event: &RulesetActivated) -> Result<Written, PortError> {
        let mut latest = self.latest.borrow_mut();
        let before = latest.as_ref().map_or(0, |latest| latest.event.activation);
        if before + 1 != event.activation {
            return Ok(Written::Conflict);
        }
        *latest = Some(Activation {
            event: event.clone(),
            is_announced: false,
        });
        Ok(Written::Stored)
    }

    async fn announced(&mut self, activation: u64) -> Result<(), PortError> {
        if let Some(latest) = self.latest.borrow_mut().as_mut() {
            latest.is_announced |= latest.event.activation == activation;
        }
        Ok(())
    }

    async fn latest_shadow(&mut self) -> Result<Option<Shadowing>, PortError> {
        Ok(self.latest_shadow.borrow().clone())
    }

    async fn register_shadow(&mut self, event: &RulesetShadowed) -> Result<Written, PortError> {
        let mut latest = self.latest_shadow.borrow_mut();
        let before = latest.as_ref().map_or(0, |latest| latest.event.change);
        if before + 1 != event.change {
            return Ok(Written::Conflict);
        }
        *latest = Some(Shadowing {
            event: event.clone(),
            is_announced: false,
        });
        Ok(Written::Stored)
    }

    async fn shadow_announced(&mut self, change: u64) -> Result<(), PortError> {
        if let Some(latest) = self.latest_shadow.borrow_mut().as_mut() {
            latest.is_announced |= latest.event.change == change;
        }
        Ok(())
    }
}

#[derive(Clone)]
struct File(Rc<RefCell<Option<Vec<u8>>>>);

impl File {
    fn of(version: &str) -> Self {
        let file = Self(Rc::default());
        file.set(version);
        file
    }

    fn set(&self, version: &str) {
        let mut rules = default_rules().unwrap().file;
        rules.version = version.to_owned();
        *self.0.borrow_mut() = Some(rules.to_json().into_bytes());
    }
}

impl RuleSource for File {
    fn name(&self) -> &str {
        "s3://b/rules.json"
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        Ok(self.0.borrow().clone())
    }
}

#[derive(Default)]
struct History {
    ids: Vec<String>,
    is_broken: bool,
}

impl EventSink for History {
    async fn append(&mut self, batch: &mut EventBatch) -> Result<(), PortError> {
        for entry in batch.entries() {
            let json: serde_json::Value = serde_json::from_slice(batch.json(entry)).unwrap();
            self.ids.push(json["id"].as_str().unwrap().to_owned());
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        if self.is_broken {
            return Err(PortError::new(ErrorKind::Transient, "lost"));
        }
        Ok(())
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp((1_700_000_000 + seconds) * NANOSECONDS_PER_SECOND)
}

fn version_at<S: RuleSource>(
    book: &mut Rulebook<Registry, S>,
    history: &mut History,
    seconds: i64,
) -> Result<String, PortError> {
    let rules = now(book.rules(history, at(seconds)))?;
    Ok(rules.active.rules.version().to_owned())
}

#[test]
fn a_changed_file_is_activated_once_it_is_looked_at_and_a_bad_one_never() {
    let (registry, file) = (Registry::default(), File::of("one"));
    let mut book = Rulebook::new(registry.clone(), Some(file.clone()));
    let mut history = History::default();
    assert_eq!(version_at(&mut book, &mut history, 0).unwrap(), "one");
    file.set("two");
    // Looked at a minute ago at most.
    assert_eq!(version_at(&mut book, &mut history, 59).unwrap(), "one");
    assert_eq!(version_at(&mut book, &mut history, 60).unwrap(), "two");
    assert_eq!(book.refusals(), [""; 0]);
    for bad in [Some(b"{".to_vec()), None] {
        *file.0.borrow_mut() = bad;
        // A new process has the last good ones too.
        let mut other = Rulebook::new(registry.clone(), Some(file.clone()));
        for book in [&mut book, &mut other] {
            assert_eq!(version_at(book, &mut history, 200).unwrap(), "two");
            book.looked_at = None;
            let refusals = book.refusals();
            assert_eq!(refusals.len(), 1);
            assert!(refusals[0].starts_with("s3://b/rules.json is refused"));
        }
    }
    assert_eq!(history.ids, ["ruleset:one:1", "ruleset:two:2"]);
    let latest = registry.latest.borrow().clone().unwrap();
    assert_eq!(latest.event.activated_by, "s3://b/rules.json");
    assert!(latest.is_announced);
}

#[test]
fn without_a_file_the_rules_activated_last_judge_or_the_programs_own() {
    let (registry, mut history) = (Registry::default(), History::default());
    let own = default_rules().unwrap().rules.version().to_owned();
    let mut book = Rulebook::new(registry.clone(), None::<File>);
    assert_eq!(version_at(&mut book, &mut history, 0).unwrap(), own);
    let mut with_file = Rulebook::new(registry, Some(File::of("next")));
    assert_eq!(version_at(&mut with_file, &mut history, 1).unwrap(), "next");
    assert_eq!(version_at(&mut book, &mut history, 61).unwrap(), "next");
    assert_eq!(history.ids.len(), 2);
}

#[test]
fn rules_that_were_not_announced_are_announced_before_they_judge() {
    let (registry, file) = (Registry::default(), File::of("one"));
    let mut broken = History {
        is_broken: true,
        ..History::default()
    };
    for _ in 0..2 {
        let mut book = Rulebook::new(registry.clone(), Some(file.clone()));
        assert!(version_at(&mut book, &mut broken, 0).is_err());
    }
    let mut history = History::default();
    for _ in 0..2 {
        let mut book = Rulebook::new(registry.clone(), Some(file.clone()));
        assert_eq!(version_at(&mut book, &mut history, 9).unwrap(), "one");
    }
    assert_eq!(broken.ids, ["ruleset:one:1", "ruleset:one:1"]);
    assert_eq!(history.ids, ["ruleset:one:1"]);
}

#[test]
fn without_any_sound_rules_judging_waits() {
    let file = File(Rc::default());
    let mut book = Rulebook::new(Registry::default(), Some(file.clone()));
    let mut history = History::default();
    assert!(version_at(&mut book, &mut history, 0).is_err());
    file.set("one");
    assert_eq!(version_at(&mut book, &mut history, 1).unwrap(), "one");
}

fn tried_at(
    book: &mut Rulebook<Registry, File>,
    history: &mut History,
    seconds: i64,
) -> Option<String> {
    let rules = now(book.rules(history, at(seconds))).unwrap();
    assert_eq!(rules.active.rules.version(), "one");
    let shadow = rules.shadow.as_ref();
    shadow.map(|shadow| shadow.rules.version().to_owned())
}

#[test]
fn rules_are_tried_while_their_file_is_there_and_history_knows_before() {
    let (registry, file, tried) = (Registry::default(), File::of("one"), File(Rc::default()));
    let book = || Rulebook::new(registry.clone(), Some(file.clone())).trying(Some(tried.clone()));
    let (mut first, mut history) = (book(), History::default());
    assert_eq!(tried_at(&mut first, &mut history, 0), None);
    tried.set("next");
    assert_eq!(tried_at(&mut first, &mut history, 60), Some("next".into()));
    // Another process finds it announced.
    assert_eq!(tried_at(&mut book(), &mut history, 60), Some("next".into()));
    // What makes no sense, or goes by the name of the rules that judge, is refused.
    let mut same_name = default_rules().unwrap().file;
    same_name.version = "one".to_owned();
    same_name.rules.pop();
    for bad in [b"{".to_vec(), same_name.to_json().into_bytes()] {
        *tried.0.borrow_mut() = Some(bad);
        first.looked_at = None;
        assert_eq!(tried_at(&mut first, &mut history, 200), Some("next".into()));
        let refusals = first.refusals();
        assert_eq!(refusals.len(), 1);
        assert!(refusals[0].contains("goes on being tried"), "{refusals:?}");
    }
    // Rules that judge are not tried as well.
    tried.set("one");
    assert_eq!(tried_at(&mut first, &mut history, 300), None);
    tried.set("again");
    assert_eq!(
        tried_at(&mut first, &mut history, 400),
        Some("again".into())
    );
    *tried.0.borrow_mut() = None;
    assert_eq!(tried_at(&mut first, &mut history, 500), None);
    assert_eq!(tried_at(&mut book(), &mut history, 500), None);
    assert_eq!(
        history.ids,
        [
            "ruleset:one:1",
            "ruleset:next:1:shadow",
            "ruleset:next:2:shadow",
            "ruleset:again:3:shadow",
            "ruleset:again:4:shadow",
        ]
    );
    assert!(
        registry
            .latest_shadow
            .borrow()
            .as_ref()
            .unwrap()
            .is_announced
    );
}

#[test]
fn a_trial_ends_where_no_file_is_named_any_more() {
    let (registry, file) = (Registry::default(), File::of("one"));
    let mut history = History::default();
    let book = Rulebook::new(registry.clone(), Some(file.clone()));
    let mut trying = book.trying(Some(File::of("next")));
    assert_eq!(tried_at(&mut trying, &mut history, 0), Some("next".into()));
    let mut without = Rulebook::new(registry.clone(), Some(file));
    assert_eq!(tried_at(&mut without, &mut history, 1), None);
    let ended = registry.latest_shadow.borrow().clone().unwrap().event;
    assert_eq!((ended.rules, ended.version), (None, "next".to_owned()));
    assert_eq!(ended.shadowed_by, "txp (no rules to try)");
}
