//! What became of one alert, found without reading the whole table.
//!
//! Alerts are recorded in the order of the history, so the line of an alert is found by halving the
//! table; when and in what it was handed on stands behind it.

use super::line::{Delivery, Line, TABLE};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::Path;
use txp_domain::alert::{Decision, Notice};
use txp_domain::time::Timestamp;
use txp_pipeline::port::AlertRecord;

/// A stretch of the table that is read from its start instead of being halved, in bytes.
const STRETCH_BYTES: u64 = 64 << 10;

/// The table, for looking up single alerts.
#[derive(Debug)]
pub struct Trail {
    file: File,
    bytes: u64,
}

/// An alert, and how it was handed on.
#[derive(Clone, Debug)]
pub struct Trace {
    /// As recorded.
    pub record: AlertRecord,
    /// What became of it.
    pub delivery: Delivery,
    /// When it was handed to the sink.
    pub handed_at: Option<Timestamp>,
    /// In a digest: which, and for how many findings it stands.
    pub digest: Option<(String, u64)>,
}

impl Trail {
    /// Opens the table in a directory; `None` where there is none.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn open(dir: &Path) -> io::Result<Option<Self>> {
        match File::open(dir.join(TABLE)) {
            Ok(file) => Ok(Some(Self {
                bytes: file.metadata()?.len(),
                file,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What became of the alert of a finding, by its id and where its event stands in the log;
    /// `None` if it is not recorded.
    ///
    /// # Errors
    /// The table cannot be read or is damaged.
    pub fn of(&self, id: &str, sequence: u64) -> io::Result<Option<Trace>> {
        let mut lines = self.lines(self.start_for(sequence)?)?;
        let record = loop {
            match lines.next_line()? {
                Some(Line::Recorded { sequence: at, .. }) if at > sequence => return Ok(None),
                Some(line) => {
                    let record = line.into_record();
                    if let Some(record) = record.filter(|record| record.flagged.id() == id) {
                        break record;
                    }
                }
                None => return Ok(None),
            }
        };
        handed(&mut lines, record).map(Some)
    }

    /// A place at the start of a line, at or before that of a sequence, and near.
    fn start_for(&self, sequence: u64) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.bytes);
        while high - low > STRETCH_BYTES {
            let middle = low + (high - low) / 2;
            let mut lines = self.lines(middle)?;
            lines.skip_rest()?;
            let found = loop {
                let at = lines.offset;
                if at >= high {
                    break None;
                }
                match lines.next_line()? {
                    Some(Line::Recorded { sequence, .. }) => break Some((at, sequence)),
                    Some(_) => {}
                    None => break None,
                }
            };
            match found {
                Some((at, found)) if found <= sequence => low = at,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn lines(&self, offset: u64) -> io::Result<Lines> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Lines {
            reader: BufReader::new(file),
            line: Vec::new(),
            offset,
        })
    }
}

/// Goes on behind an alert's line to the one that says that it was handed on.
fn handed(lines: &mut Lines, record: AlertRecord) -> io::Result<Trace> {
    let notice = Notice::of(&record.flagged.finding);
    let mut trace = Trace {
        delivery: Delivery::waiting(record.decision),
        record,
        handed_at: None,
        digest: None,
    };
    if trace.delivery != Delivery::Pending {
        return Ok(trace);
    }
    while let Some(line) = lines.next_line()? {
        match line {
            Line::Handed { id, at } if id == notice.id => {
                trace.delivery = Delivery::Sent;
                trace.handed_at = Some(at);
                break;
            }
            Line::HandedDigest {
                id,
                merchant_id,
                rule,
                count,
                at,
            } if trace.record.decision == Decision::Digest
                && merchant_id == notice.merchant_id
                && rule == notice.rule =>
            {
                trace.delivery = Delivery::SentInDigest;
                trace.handed_at = Some(at);
                trace.digest = Some((id, count));
                break;
            }
            _ => {}
        }
    }
    Ok(trace)
}

/// Lines from a place on, up to the last whole one.
struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    offset: u64,
}

impl Lines {
    /// Goes on to the next start of a line.
    fn skip_rest(&mut self) -> io::Result<()> {
        self.line.clear();
        self.offset += self.reader.read_until(b'\n', &mut self.line)? as u64;
        Ok(())
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        let at = self.offset;
        self.skip_rest()?;
        if !self.line.ends_with(b"\n") {
            return Ok(None);
        }
        let line = Line::decode(&self.line).ok_or_else(|| super::newest::damaged(at))?;
        Ok(Some(line))
    }
}
