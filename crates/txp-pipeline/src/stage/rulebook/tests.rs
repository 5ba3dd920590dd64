//! Rules that change, files that are none, and processes that were quicker.

use super::*;
use crate::rulefile::default_rules;
use crate::stage::aggregate::tests::memory::now;
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Default)]
struct Registry {
    latest: Rc<RefCell<Option<Activation>>>,
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
    Ok(rules.rules.version().to_owned())
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
    assert_eq!(book.refusal(), None);
    for bad in [Some(b"{".to_vec()), None] {
        *file.0.borrow_mut() = bad;
        // A new process has the last good ones too.
        let mut other = Rulebook::new(registry.clone(), Some(file.clone()));
        for book in [&mut book, &mut other] {
            assert_eq!(version_at(book, &mut history, 200).unwrap(), "two");
            book.looked_at = None;
            assert!(
                book.refusal()
                    .unwrap()
                    .starts_with("s3://b/rules.json is refused")
            );
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
