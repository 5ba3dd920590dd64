//! Who is told, in the simulation: the real outbox, which sometimes refuses, tears or dies.

use crate::random::Random;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use txp_domain::alert::Message;
use txp_local::alerts::Sinks;
use txp_pipeline::port::{AlertSink, ErrorKind, PortError};

/// What the sink and the simulation both know.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) random: Random,
    /// Of the next messages, so many in a thousand fail.
    pub(super) faults_permille: u32,
    /// What was told.
    pub(super) told: Vec<String>,
    /// What of the alert table is known to be durable: someone was told after it was written.
    pub(super) table_durable: u64,
    /// Where a torn outbox is to be cut, once the process is dead.
    pub(super) outbox_cut: Option<u64>,
}

pub(super) type SharedTape = Rc<RefCell<Tape>>;

/// The outbox under faults.
pub(super) struct FaultySink {
    outbox: Sinks,
    dir: PathBuf,
    tape: SharedTape,
}

pub(super) fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

impl FaultySink {
    pub(super) fn open(dir: &Path, tape: &SharedTape) -> std::io::Result<Self> {
        Ok(Self {
            outbox: Sinks::open(dir, None)?,
            dir: dir.to_path_buf(),
            tape: Rc::clone(tape),
        })
    }
}

impl AlertSink for FaultySink {
    async fn send(&mut self, message: &Message) -> Result<(), PortError> {
        let fate = {
            let tape = &mut *self.tape.borrow_mut();
            let chance = tape.faults_permille;
            let is_fault = tape.random.permille(chance);
            is_fault.then(|| tape.random.below(3))
        };
        let failed = |context: &str| Err(PortError::new(ErrorKind::Permanent, context));
        if fate == Some(0) {
            return failed("the sink refuses");
        }
        let table = bytes_of(&self.dir.join("table.jsonl"));
        let outbox = self.dir.join("outbox.jsonl");
        let before = bytes_of(&outbox);
        self.outbox.send(message).await?;
        let tape = &mut *self.tape.borrow_mut();
        tape.table_durable = table;
        tape.told
            .push(format!("{}\n{}", message.subject, message.body));
        match fate {
            None => Ok(()),
            Some(1) => failed("the sink's answer is lost"),
            Some(_) => {
                let written = (bytes_of(&outbox) - before) as usize;
                tape.outbox_cut = Some(before + tape.random.below(written) as u64);
                failed("the outbox is torn")
            }
        }
    }
}
