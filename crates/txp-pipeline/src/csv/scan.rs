//! The sans-I/O core: windows of bytes go in, records come out as ranges.
//!
//! What a record and a field is, is exactly what csv-core says by default (quotes doubled, CR, LF
//! or CRLF end a record, blank lines are none, text after a closing quote belongs to the field),
//! held to it by a differential test. Four things differ, because the contract of the file asks
//! for them:
//! - a byte order mark is not taken off here (the header's reader does it);
//! - a record over [`RECORD_BYTES_MAX`] is skipped and reported, in flat memory;
//! - a quoted field that is open after [`RECORD_BYTES_MAX`] or at the end stops the scan;
//! - of a record only the first [`COLUMNS_MAX`] fields are kept; the others are counted.
//!
//! Results do not depend on how the bytes are cut into windows, and a scan that starts at a
//! [`Checkpoint`] goes on as the one that made it. Deliberately absent: reading, headers, UTF-8
//! checks, and any allocation per record.

use super::mark::{BLOCK_BYTES, Marks, mark_some};
use super::record::{Field, Record, unescape};
use super::{COLUMNS_MAX, RECORD_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// Where a scan can start: always between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Offset in the file of the first byte that has not been read as part of a record.
    pub offset: u64,
    /// The number of the next record; the header is 0, the first record after it 1.
    pub record: u64,
    /// The physical line of `offset`, from 1.
    pub line: u64,
}

impl Checkpoint {
    /// The start of a file: the next record is its header.
    pub const START: Self = Self {
        offset: 0,
        record: 0,
        line: 1,
    };
}

/// A stretch of the file.
#[derive(Clone, Copy, Debug)]
pub struct Window<'w> {
    /// The bytes. They must begin at or before [`Scanner::keep_from`].
    pub bytes: &'w [u8],
    /// The offset in the file of the first of them.
    pub offset: u64,
    /// Whether the file ends where the bytes do.
    pub is_last: bool,
}

/// Where a record, or what should have been one, stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The record's number; the header is 0, the first record after it 1.
    pub record: u64,
    /// The physical line where it starts, from 1.
    pub line: u64,
    /// The offset of its first byte.
    pub start: u64,
    /// The offset behind its line end.
    pub end: u64,
}

/// One step of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record: [`Scanner::record`] gives its fields until the next step.
    Record(Place),
    /// A record longer than [`RECORD_BYTES_MAX`]; the scan goes on behind it.
    TooLong(Place),
    /// The window is used up: come again with more bytes.
    More,
    /// A quoted field never ends, or not within [`RECORD_BYTES_MAX`]. The scan cannot go on.
    Unclosed(Unclosed),
    /// The file has been read.
    End,
}

/// A quoted field that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a quoted field opened on line {line} (record {record}) is not closed: nothing from there on \
     can be read; close or double the quote and send the file again"
)]
pub struct Unclosed {
    /// The physical line where the quote stands, from 1.
    pub line: u64,
    /// The number of the record that it is in.
    pub record: u64,
    /// The offset of the quote.
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside quotes.
    Plain,
    /// Inside quotes.
    Quoted,
    /// Just behind a quote that closes the field or is the first of a doubled one.
    Closing,
    /// Behind a closed quote, in text that should not be there; quotes mean nothing any more.
    Tail,
}

/// The record that was found last.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    place: Place,
    /// Offset of its line end.
    at: u64,
    is_ascii: bool,
    field_count: usize,
}

impl Last {
    #[inline(always)]
    fn bytes<'w>(&self, window: &Window<'w>) -> &'w [u8] {
        let range = index(self.place.start, window)..index(self.at, window);
        window.bytes.get(range).unwrap_or_default()
    }
}

/// Finds records in windows of bytes.
#[derive(Clone, Debug)]
pub struct Scanner {
    delimiter: u8,
    /// Start of the current record, and what is known of it.
    next: Checkpoint,
    state: State,
    is_too_long: bool,
    /// The current field has a doubled quote, or text behind its closing quote.
    is_escaped: bool,
    /// Some field of the record is escaped.
    has_escaped: bool,
    non_ascii: bool,
    /// Line ends inside the quoted fields of the current record.
    inner_lines: u64,
    /// Offset behind the last CR that was counted, so that its LF is not.
    after_cr: u64,
    field_start: u64,
    /// The line of the last opening quote.
    open_line: u64,
    /// Offset of the last closing quote, in state `Closing`.
    quote_at: u64,
    fields: Box<[Field; COLUMNS_MAX]>,
    field_count: usize,
    unescaped: Vec<u8>,
    unclosed: Option<Unclosed>,
    last: Last,
    /// The current block: its offset, the marks in it still to be seen, and where it ends.
    block: u64,
    marks: Marks,
    marked: u64,
}

impl Scanner {
    /// A scan that starts at `from`.
    #[must_use]
    pub fn new(delimiter: u8, from: Checkpoint) -> Self {
        Self {
            delimiter,
            next: from,
            state: State::Plain,
            is_too_long: false,
            is_escaped: false,
            has_escaped: false,
            non_ascii: false,
            inner_lines: 0,
            after_cr: u64::MAX,
            field_start: from.offset,
            open_line: from.line,
            quote_at: 0,
            fields: Box::new([Field::default(); COLUMNS_MAX]),
            field_count: 0,
            unescaped: Vec::new(),
            unclosed: None,
            last: Last::default(),
            block: from.offset,
            marks: Marks::default(),
            marked: from.offset,
        }
    }

    /// The next window must hold the file's bytes from here on.
    #[must_use]
    pub fn keep_from(&self) -> u64 {
        if self.is_too_long {
            self.marked_from()
        } else {
            self.next.offset
        }
    }

    /// What stands between fields.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Where another scan could go on: behind the last record that was handed out.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.next
    }

    /// Offset of the first byte that must still be looked at.
    fn marked_from(&self) -> u64 {
        let open = u64::from(self.marks.special.trailing_zeros());
        self.marked.min(self.block + open)
    }

    /// Marks the next block of the window; `false` if there is none.
    #[inline(always)]
    fn next_block(&mut self, window: &Window<'_>) -> bool {
        let rest = window.bytes.get(index(self.marked, window)..);
        let Some(rest @ [_, ..]) = rest else {
            return false;
        };
        self.block = self.marked;
        self.marked += rest.len().min(BLOCK_BYTES) as u64;
        self.marks = mark_some(rest, self.delimiter);
        self.non_ascii |= self.marks.non_ascii;
        true
    }

    /// The next special byte of the window and its offset.
    fn next_special(&mut self, window: &Window<'_>) -> Option<(u64, u8)> {
        while self.marks.special == 0 {
            if !self.next_block(window) {
                return None;
            }
        }
        let offset = self.block + u64::from(self.marks.special.trailing_zeros());
        let byte = *window.bytes.get(index(offset, window))?;
        Some((offset, byte))
    }

    /// Ends fields outside quotes up to the next special byte that is no delimiter, and gives that.
    ///
    /// The loop that all rows go through: what it changes is kept out of memory.
    #[inline(always)]
    fn plain_fields(&mut self, window: &Window<'_>) -> Option<(u64, u8)> {
        let (delimiter, record_start) = (self.delimiter, self.next.offset);
        let (mut field_start, mut field_count) = (self.field_start, self.field_count);
        let found = loop {
            let mut special = self.marks.special;
            let mut found = None;
            while special != 0 {
                let at = self.block + u64::from(special.trailing_zeros());
                let Some(&byte) = window.bytes.get(index(at, window)) else {
                    break;
                };
                if byte != delimiter {
                    found = Some((at, byte));
                    break;
                }
                special &= special - 1;
                if let Some(field) = self.fields.get_mut(field_count) {
                    *field = Field::plain(field_start - record_start, at - record_start);
                }
                field_count += 1;
                field_start = at + 1;
            }
            self.marks.special = special;
            if found.is_some() || !self.next_block(window) {
                break found;
            }
        };
        self.field_start = field_start;
        self.field_count = field_count;
        found
    }

    /// The special byte has been dealt with.
    #[inline(always)]
    fn pass(&mut self) {
        self.marks.special &= self.marks.special.wrapping_sub(1);
    }

    /// Reads on to the end of the next record, or of the window.
    #[inline]
    pub fn step(&mut self, window: Window<'_>) -> Step {
        if let Some(unclosed) = self.unclosed {
            return Step::Unclosed(unclosed);
        }
        debug_assert!(
            window.offset <= self.keep_from(),
            "the window begins too late"
        );
        loop {
            let found = match self.state {
                State::Plain => self.plain_fields(&window),
                _ => self.next_special(&window),
            };
            let Some((at, byte)) = found else {
                return self.window_end(window);
            };
            if self.state != State::Plain && self.within_quotes(at, byte) {
                if let Some(unclosed) = self.unclosed {
                    return Step::Unclosed(unclosed);
                }
                continue;
            }
            if byte == self.delimiter {
                self.pass();
                self.end_field(at);
                self.field_start = at + 1;
            } else if byte == b'"' {
                self.pass();
                if at == self.field_start && self.state == State::Plain {
                    self.state = State::Quoted;
                    self.open_line = self.next.line + self.inner_lines;
                }
            } else {
                // CR or LF. Behind a CR one byte more must be known: is it followed by LF?
                let Some(end) = self.line_end(at, byte, &window) else {
                    return self.more(window);
                };
                if at == self.next.offset {
                    self.skip_blank_line(end);
                } else {
                    self.end_field(at);
                    return self.end_record(at, end, window);
                }
            }
        }
    }

    /// Passes a CR or LF outside quotes; returns the offset behind the line end, `None` if the
    /// window does not tell.
    #[inline(always)]
    fn line_end(&mut self, at: u64, byte: u8, window: &Window<'_>) -> Option<u64> {
        if byte == b'\n' {
            self.pass();
            return Some(at + 1);
        }
        match window.bytes.get(index(at + 1, window)) {
            Some(b'\n') => {
                self.pass();
                // The LF may be the first mark of a block that is not marked yet.
                let (lf, _) = self.next_special(window)?;
                debug_assert_eq!(lf, at + 1, "the mark behind a CR that has an LF is that LF");
                self.pass();
                Some(at + 2)
            }
            Some(_) => {
                self.pass();
                Some(at + 1)
            }
            None if window.is_last => {
                self.pass();
                Some(at + 1)
            }
            None => None,
        }
    }

    fn skip_blank_line(&mut self, end: u64) {
        self.next.offset = end;
        self.next.line += 1;
        self.field_start = end;
        self.non_ascii = self.marks.non_ascii;
    }

    /// Deals with a special byte in a state other than `Plain`; `false` if it acts as outside
    /// quotes and has not been passed.
    #[cold]
    fn within_quotes(&mut self, at: u64, byte: u8) -> bool {
        if self.state == State::Closing {
            if at != self.quote_at + 1 {
                self.state = State::Tail;
                self.is_escaped = true;
            } else if byte == b'"' {
                self.state = State::Quoted;
                self.is_escaped = true;
                self.pass();
                return true;
            }
            return false;
        }
        if self.state == State::Tail {
            return false;
        }
        if at - self.field_start > RECORD_BYTES_MAX {
            self.fail_unclosed();
            return true;
        }
        match byte {
            b'"' => {
                self.state = State::Closing;
                self.quote_at = at;
            }
            b'\r' => {
                self.inner_lines += 1;
                self.after_cr = at + 1;
            }
            b'\n' if self.after_cr != at => self.inner_lines += 1,
            _ => {}
        }
        self.pass();
        true
    }

    /// Records the field that ends before `at`.
    #[inline(always)]
    fn end_field(&mut self, at: u64) {
        let record_start = self.next.offset;
        if let Some(field) = self.fields.get_mut(self.field_count) {
            *field = Field::plain(self.field_start - record_start, at - record_start);
            if self.state != State::Plain {
                if self.is_escaped {
                    field.is_escaped = true;
                    self.has_escaped = true;
                } else {
                    field.start += 1;
                    field.end -= 1;
                }
            }
        }
        self.field_count += 1;
        self.state = State::Plain;
        self.is_escaped = false;
    }

    /// Hands out the record whose last byte is before `at` and whose line ends before `end`.
    #[inline(always)]
    fn end_record(&mut self, at: u64, end: u64, window: Window<'_>) -> Step {
        let Checkpoint {
            offset: start,
            record,
            line,
        } = self.next;
        let place = Place {
            record,
            line,
            start,
            end,
        };
        let is_too_long = self.is_too_long || at - start > RECORD_BYTES_MAX;
        self.last = Last {
            place,
            at,
            is_ascii: !self.non_ascii,
            field_count: self.field_count,
        };
        self.next = Checkpoint {
            offset: end,
            record: record + 1,
            line: line + 1 + self.inner_lines,
        };
        self.is_too_long = false;
        self.non_ascii = self.marks.non_ascii;
        self.inner_lines = 0;
        self.field_start = end;
        self.field_count = 0;
        if self.has_escaped {
            self.unescape(self.last.bytes(&window));
        }
        if is_too_long {
            return Step::TooLong(place);
        }
        Step::Record(place)
    }

    /// The record of the last step, which must have been a [`Step::Record`] on this window.
    #[inline]
    #[must_use]
    pub fn record<'w>(&'w self, window: Window<'w>) -> Record<'w> {
        let kept = self.last.field_count.min(COLUMNS_MAX);
        Record {
            place: self.last.place,
            is_ascii: self.last.is_ascii,
            bytes: self.last.bytes(&window),
            fields: self.fields.get(..kept).unwrap_or_default(),
            field_count: self.last.field_count,
            unescaped: &self.unescaped,
        }
    }

    /// Moves the fields that need it to the scratch space.
    #[cold]
    fn unescape(&mut self, record: &[u8]) {
        let kept = self.last.field_count.min(COLUMNS_MAX);
        self.has_escaped = false;
        self.unescaped.clear();
        for field in self
            .fields
            .iter_mut()
            .take(kept)
            .filter(|field| field.is_escaped)
        {
            let raw = record.get(field.start as usize..field.end as usize);
            let start = self.unescaped.len() as u32;
            unescape(raw.unwrap_or_default(), &mut self.unescaped);
            *field = Field {
                start,
                end: self.unescaped.len() as u32,
                is_escaped: true,
            };
        }
    }

    /// The window holds no more special bytes.
    #[cold]
    fn window_end(&mut self, window: Window<'_>) -> Step {
        let end = window.offset + window.bytes.len() as u64;
        if !window.is_last {
            return self.more(window);
        }
        match self.state {
            State::Quoted => return self.fail_unclosed(),
            State::Closing if end != self.quote_at + 1 => {
                self.state = State::Tail;
                self.is_escaped = true;
            }
            _ if self.next.offset >= end => return Step::End,
            _ => {}
        }
        self.end_field(end);
        self.end_record(end, end, window)
    }

    /// Asks for more bytes, unless what is open is too long already.
    #[cold]
    fn more(&mut self, window: Window<'_>) -> Step {
        let end = window.offset + window.bytes.len() as u64;
        if self.state == State::Quoted && end > self.field_start + RECORD_BYTES_MAX + 1 {
            return self.fail_unclosed();
        }
        // One more byte than the limit: the last may be a CR that ends the record.
        self.is_too_long |= end > self.next.offset + RECORD_BYTES_MAX + 1;
        Step::More
    }

    fn fail_unclosed(&mut self) -> Step {
        let unclosed = Unclosed {
            line: self.open_line,
            record: self.next.record,
            offset: self.field_start,
        };
        self.unclosed = Some(unclosed);
        Step::Unclosed(unclosed)
    }
}

/// The place in a window of an offset in the file.
#[inline(always)]
fn index(offset: u64, window: &Window<'_>) -> usize {
    offset.wrapping_sub(window.offset) as usize
}

#[cfg(test)]
mod tests;
