//! One stretch of a file: as many rows as make a batch. The loops that all rows go through do not
//! wait; what waits is around them.

use super::{IngestError, RowIngest, failure_of};
use crate::batch::EventBatch;
use crate::csv::{ReadError, RecordReader};
use crate::port::ObjectSource;
use crate::rejects::RejectsWriter;
use std::io::{Read, Write};
use txp_domain::event::FailureReason;
use txp_domain::upload::Watermarks;

/// How a stretch ended.
pub(super) enum Stretch {
    /// The file goes on: the batch is full, or time is up and the source makes wait.
    Full,
    /// The file has been read.
    End,
    /// The file itself stands in the way.
    Fault(FailureReason),
}

/// Reads rows into a batch until that is full. The batch is settled then. Where the source makes wait,
/// a batch that is not full will do once time is up.
pub(super) async fn read_stretch<R: ObjectSource, W: Write>(
    reader: &mut RecordReader<R>,
    rows: &mut RowIngest,
    batch: &mut EventBatch,
    rejects: &mut RejectsWriter<W>,
    folded: Option<&Watermarks>,
    batch_bytes: usize,
    is_time_up: impl Fn() -> bool,
) -> Result<Stretch, IngestError> {
    let stretch = loop {
        match read_rows(reader, rows, batch, rejects, folded, batch_bytes)? {
            Some(stretch) => break stretch,
            None if !batch.is_empty() && is_time_up() => break Stretch::Full,
            None => reader.more().await.map_err(IngestError::Source)?,
        }
    };
    rows.settle(batch);
    Ok(stretch)
}

/// Reads that many bytes of rows, and counts them only.
pub(super) async fn check_stretch<R: ObjectSource, W: Write>(
    reader: &mut RecordReader<R>,
    rows: &mut RowIngest,
    batch: &mut EventBatch,
    rejects: &mut RejectsWriter<W>,
    bytes: usize,
    is_time_up: impl Fn() -> bool,
) -> Result<Stretch, IngestError> {
    let start = reader.checkpoint().offset;
    let until = start + bytes as u64;
    let stretch = loop {
        match check_rows(reader, rows, batch, rejects, until)? {
            Some(stretch) => break stretch,
            None if reader.checkpoint().offset > start && is_time_up() => break Stretch::Full,
            None => reader.more().await.map_err(IngestError::Source)?,
        }
    };
    rows.settle(batch);
    Ok(stretch)
}

/// `None` where the source must be waited for.
fn read_rows<R: Read, W: Write>(
    reader: &mut RecordReader<R>,
    rows: &mut RowIngest,
    batch: &mut EventBatch,
    rejects: &mut RejectsWriter<W>,
    folded: Option<&Watermarks>,
    batch_bytes: usize,
) -> Result<Option<Stretch>, IngestError> {
    loop {
        let row = match reader.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Some(Stretch::End)),
            Err(ReadError::Pending) => return Ok(None),
            Err(error) => return Ok(Some(Stretch::Fault(failure_of(&error)))),
        };
        if !rows.wants(row.place.record) {
            continue;
        }
        let violations = rows.take(&row, batch);
        if !violations.is_empty() {
            rejects
                .write(&row, violations)
                .map_err(IngestError::Rejects)?;
        }
        if let Some(folded) = folded {
            rows.settle(batch);
            batch.drop_last_if_folded(folded);
        }
        if batch.bytes.len() >= batch_bytes {
            return Ok(Some(Stretch::Full));
        }
    }
}

/// `None` where the source must be waited for.
fn check_rows<R: Read, W: Write>(
    reader: &mut RecordReader<R>,
    rows: &mut RowIngest,
    batch: &mut EventBatch,
    rejects: &mut RejectsWriter<W>,
    until: u64,
) -> Result<Option<Stretch>, IngestError> {
    while reader.checkpoint().offset < until {
        let row = match reader.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Some(Stretch::End)),
            Err(ReadError::Pending) => return Ok(None),
            Err(error) => return Ok(Some(Stretch::Fault(failure_of(&error)))),
        };
        if !rows.wants(row.place.record) {
            continue;
        }
        if batch.unsettled() == 0 {
            batch.restart(rows.context());
        }
        let violations = rows.take(&row, batch);
        if !violations.is_empty() {
            rejects
                .write(&row, violations)
                .map_err(IngestError::Rejects)?;
        }
    }
    Ok(Some(Stretch::Full))
}
