//! Parquet: a piece is a row group in a file of its own, so that a run can be cut between two of
//! them; at the end their column chunks are put behind one another, packed as they are.
//!
//! Everything is optional: which kinds of event have a column is no matter of the format. Moments are
//! in microseconds, amounts decimals of four places: what every currency's minor digits fit into.
//!
//! Packed with Snappy, the one that every reader has and that needs no C compiler.

use super::{Column, Form, Kind, Rows};
use anyhow::Context as _;
use parquet::basic::Compression;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, FileReader as _, Length, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use txp_domain::money::{Amount, Currency, MINOR_DIGITS_MAX};
use txp_domain::time::Timestamp;

/// Rows of a row group: some 50 MB before they are packed.
const GROUP_ROWS: usize = 64 * 1024;
/// Bytes of an amount: 15 digits, and four places behind the point.
const AMOUNT_BYTES: usize = 9;
/// Nanoseconds of a microsecond.
const MICRO_NANOS: i64 = 1_000;

/// The rows of a row group.
pub(crate) struct Parquet {
    columns: &'static [Column],
    buffers: Vec<Buffer>,
    next: usize,
    rows: usize,
    schema: TypePtr,
    scratch: String,
}

/// The cells of a column.
#[derive(Debug)]
enum Values {
    Text { bytes: Vec<u8>, ends: Vec<usize> },
    Integers(Vec<i64>),
    Amounts(Vec<[u8; AMOUNT_BYTES]>),
}

/// A column of a row group.
#[derive(Debug)]
struct Buffer {
    values: Values,
    /// 1 for each cell that is there, 0 for each that is empty.
    levels: Vec<i16>,
}

impl Buffer {
    fn of(kind: Kind) -> Self {
        let values = match kind {
            Kind::Name | Kind::Text => Values::Text {
                bytes: Vec::new(),
                ends: Vec::new(),
            },
            Kind::Integer | Kind::Time => Values::Integers(Vec::new()),
            Kind::Amount => Values::Amounts(Vec::new()),
        };
        Self {
            values,
            levels: Vec::new(),
        }
    }
}

fn schema(columns: &[Column]) -> anyhow::Result<TypePtr> {
    let mut message = String::from("message txp {");
    for Column { name, kind } in columns {
        let kind = match kind {
            Kind::Name | Kind::Text => format!("BYTE_ARRAY {name} (STRING)"),
            Kind::Integer => format!("INT64 {name}"),
            Kind::Time => format!("INT64 {name} (TIMESTAMP(MICROS,true))"),
            Kind::Amount => {
                format!(
                    "FIXED_LEN_BYTE_ARRAY ({AMOUNT_BYTES}) {name} (DECIMAL(19,{MINOR_DIGITS_MAX}))"
                )
            }
        };
        message.push_str(&format!(" OPTIONAL {kind};"));
    }
    message.push('}');
    let schema = parse_message_type(&message).context("making the schema of the parquet file")?;
    Ok(Arc::new(schema))
}

fn properties(columns: &[Column]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("txp ", env!("CARGO_PKG_VERSION")).to_owned());
    for Column { name, kind } in columns {
        // What is its own in each row is in no dictionary.
        if *kind != Kind::Name {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(*name), false);
        }
    }
    properties.build()
}

impl Parquet {
    /// Rows of these columns.
    pub(crate) fn new(columns: &'static [Column]) -> anyhow::Result<Self> {
        Ok(Self {
            columns,
            buffers: buffers(columns),
            next: 0,
            rows: 0,
            schema: schema(columns)?,
            scratch: String::new(),
        })
    }

    /// The buffer of the next cell, told whether that is there.
    fn cell(&mut self, is_there: bool) -> Option<&mut Values> {
        let buffer = self.buffers.get_mut(self.next)?;
        self.next += 1;
        buffer.levels.push(i16::from(is_there));
        is_there.then_some(&mut buffer.values)
    }
}

fn buffers(columns: &[Column]) -> Vec<Buffer> {
    columns
        .iter()
        .map(|column| Buffer::of(column.kind))
        .collect()
}

impl Rows for Parquet {
    fn text(&mut self, text: Option<&str>) {
        if let Some(Values::Text { bytes, ends }) = self.cell(text.is_some()) {
            bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
            ends.push(bytes.len());
        }
    }

    fn scratch(&mut self) -> &mut String {
        &mut self.scratch
    }

    fn integer(&mut self, number: Option<u64>) {
        if let Some(Values::Integers(integers)) = self.cell(number.is_some()) {
            integers.push(i64::try_from(number.unwrap_or(0)).unwrap_or(i64::MAX));
        }
    }

    fn time(&mut self, time: Option<Timestamp>) {
        if let Some(Values::Integers(integers)) = self.cell(time.is_some()) {
            integers.push(time.unwrap_or_default().0.div_euclid(MICRO_NANOS));
        }
    }

    fn amount(&mut self, amount: Option<(Amount, Currency)>) {
        let scaled = amount.map(|(Amount(minor), currency)| {
            let places = MINOR_DIGITS_MAX.saturating_sub(currency.minor_digits());
            u128::from(minor) * 10_u128.pow(u32::from(places))
        });
        if let Some(Values::Amounts(amounts)) = self.cell(scaled.is_some()) {
            let all = scaled.unwrap_or(0).to_be_bytes();
            let mut low = [0; AMOUNT_BYTES];
            low.copy_from_slice(all.split_at(all.len() - AMOUNT_BYTES).1);
            amounts.push(low);
        }
    }

    fn end(&mut self) {
        self.rows += 1;
        self.next = 0;
    }
}

impl Form for Parquet {
    fn is_full(&self) -> bool {
        self.rows >= GROUP_ROWS
    }

    fn piece(&mut self) -> anyhow::Result<Vec<u8>> {
        if self.rows == 0 {
            return Ok(Vec::new());
        }
        self.rows = 0;
        let buffers = std::mem::replace(&mut self.buffers, buffers(self.columns));
        let properties = Arc::new(properties(self.columns));
        group(&self.schema, properties, buffers).context("making a part of the parquet file")
    }
}

/// A file of one row group.
fn group(
    schema: &TypePtr,
    properties: Arc<WriterProperties>,
    buffers: Vec<Buffer>,
) -> parquet::errors::Result<Vec<u8>> {
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::clone(schema), properties)?;
    let mut group = writer.next_row_group()?;
    let mut buffers = buffers.into_iter();
    while let Some(mut column) = group.next_column()?
        && let Some(Buffer { values, levels }) = buffers.next()
    {
        match (column.untyped(), values) {
            (ColumnWriter::ByteArrayColumnWriter(column), Values::Text { bytes, ends }) => {
                let bytes = bytes::Bytes::from(bytes);
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let texts: Vec<_> = starts
                    .zip(ends.iter().copied())
                    .map(|(start, end)| ByteArray::from(bytes.slice(start..end)))
                    .collect();
                column.write_batch(&texts, Some(&levels), None)?;
            }
            (ColumnWriter::Int64ColumnWriter(column), Values::Integers(integers)) => {
                column.write_batch(&integers, Some(&levels), None)?;
            }
            (ColumnWriter::FixedLenByteArrayColumnWriter(column), Values::Amounts(amounts)) => {
                let amounts: Vec<_> = amounts
                    .iter()
                    .map(|amount| FixedLenByteArray::from(amount.to_vec()))
                    .collect();
                column.write_batch(&amounts, Some(&levels), None)?;
            }
            _ => {
                let why = "a column holds another kind of cells than its type";
                return Err(parquet::errors::ParquetError::General(why.to_owned()));
            }
        }
        column.close()?;
    }
    group.close()?;
    writer.into_inner()
}

/// Puts pieces together to one file.
pub(crate) fn join(
    columns: &[Column],
    file: &File,
    pieces: &[u64],
    out: &mut File,
) -> anyhow::Result<()> {
    let joined = |out: &mut File| -> anyhow::Result<()> {
        let properties = Arc::new(properties(columns));
        let mut writer = SerializedFileWriter::new(out, schema(columns)?, properties)?;
        let mut start = 0;
        for bytes in pieces {
            let part = Part {
                file: Arc::new(file.try_clone()?),
                start,
                bytes: *bytes,
            };
            append(&part, &mut writer)?;
            start += bytes;
        }
        writer.close()?;
        Ok(())
    };
    joined(out).context("putting the parts of the parquet file together")
}

/// Puts the row groups of a piece behind those of others.
fn append(part: &Part, writer: &mut SerializedFileWriter<&mut File>) -> anyhow::Result<()> {
    let reader = SerializedFileReader::new(part.clone())?;
    for group in reader.metadata().row_groups() {
        let mut out = writer.next_row_group()?;
        for column in group.columns() {
            let close = ColumnCloseResult {
                bytes_written: u64::try_from(column.compressed_size())?,
                rows_written: u64::try_from(group.num_rows())?,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            out.append_column(part, close)?;
        }
        out.close()?;
    }
    Ok(())
}

/// A piece in the file of pieces.
#[derive(Clone)]
struct Part {
    file: Arc<File>,
    start: u64,
    bytes: u64,
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Part {
    type T = FromHere;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(FromHere {
            part: self.clone(),
            at: start,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, self.start.saturating_add(start))?;
        Ok(bytes.into())
    }
}

/// A piece, read from a place on.
pub(crate) struct FromHere {
    part: Part,
    at: u64,
}

impl Read for FromHere {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.part.bytes.saturating_sub(self.at);
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let place = self.part.start.saturating_add(self.at);
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let read = self.part.file.read_at(buffer, place)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}
