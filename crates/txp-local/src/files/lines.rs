//! One file, an event at a time.

use super::folder::failed;
use super::unpack;
use crate::log::EVENT_BYTES_MAX;
use std::cell::Cell;
use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use txp_domain::position::Position;
use txp_pipeline::history;
use txp_pipeline::port::{ErrorKind, PortError, SourceBatch};

/// The most bytes of a line: of an event, and of its position and arrival.
const LINE_BYTES_MAX: usize = EVENT_BYTES_MAX + 1024;

/// A file that is read, with the event that comes next.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    /// Bytes of the file that were read.
    pub(super) read: Rc<Cell<u64>>,
    line: Vec<u8>,
    number: u64,
    next: Next,
}

/// The event that a line holds.
struct Next {
    position: Position,
    arrival_millis: i64,
    attributes_bytes: usize,
}

impl Lines {
    /// Opens a file at its first event; `None` if it has none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, PortError> {
        let read = Rc::new(Cell::new(0));
        let reader = unpack::open(path, Rc::clone(&read)).map_err(|error| failed(path, error))?;
        let mut lines = Unstarted {
            path: path.to_path_buf(),
            reader,
            line: Vec::new(),
            number: 0,
        };
        Ok(lines.read()?.map(|next| Self {
            path: lines.path,
            reader: lines.reader,
            read,
            line: lines.line,
            number: lines.number,
            next,
        }))
    }

    /// Where the next event stands.
    pub(super) fn position(&self) -> &Position {
        &self.next.position
    }

    /// When it arrived.
    pub(super) fn arrival_millis(&self) -> i64 {
        self.next.arrival_millis
    }

    /// Puts it into a batch.
    pub(super) fn give(&self, batch: &mut SourceBatch) {
        let attributes = self.line.get(..self.next.attributes_bytes);
        let pieces = [attributes.unwrap_or_default(), b"}"];
        batch.push(
            self.next.position.clone(),
            self.next.arrival_millis,
            &pieces,
        );
    }

    /// Goes on to the one behind it; whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, PortError> {
        match read(
            &mut *self.reader,
            &self.path,
            &mut self.line,
            &mut self.number,
        )? {
            Some(next) => {
                self.next = next;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// What is wrong with the event that comes next.
    pub(super) fn fault(&self, what: &str) -> PortError {
        fault(&self.path, self.number, what)
    }
}

/// A file before its first event.
struct Unstarted {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Unstarted {
    fn read(&mut self) -> Result<Option<Next>, PortError> {
        read(
            &mut *self.reader,
            &self.path,
            &mut self.line,
            &mut self.number,
        )
    }
}

/// Reads the next line that is not blank; `None` at the end.
fn read(
    reader: &mut dyn BufRead,
    path: &Path,
    line: &mut Vec<u8>,
    number: &mut u64,
) -> Result<Option<Next>, PortError> {
    loop {
        line.clear();
        *number += 1;
        let mut bounded = reader.take(LINE_BYTES_MAX as u64 + 1);
        let bytes = bounded.read_until(b'\n', line).map_err(|error| {
            let context = format!("reading {} failed at line {number}", path.display());
            PortError::caused(ErrorKind::Corrupt, context, error)
        })?;
        if bytes == 0 {
            return Ok(None);
        }
        if bytes > LINE_BYTES_MAX {
            let what = format!("has more than {LINE_BYTES_MAX} bytes");
            return Err(fault(path, *number, &what));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
        }
        let Some(read) = history::read_line(line) else {
            let what = if line.ends_with(b"\n") {
                "is no event as `txp events` writes one"
            } else {
                "is cut off: the file was not written to its end"
            };
            return Err(fault(path, *number, what));
        };
        return Ok(Some(Next {
            attributes_bytes: read.attributes.len(),
            position: read.position,
            arrival_millis: read.arrival_millis,
        }));
    }
}

fn fault(path: &Path, number: u64, what: &str) -> PortError {
    let context = format!("line {number} of {} {what}", path.display());
    PortError::new(ErrorKind::Corrupt, context)
}
