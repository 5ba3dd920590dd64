//! Which sales were frauds: from a labels file, or from the disputes in the history.
//!
//! A labels file may be as long as it wants: labels lie in the scratch folder. What a line holds is
//! never told, only where it stands: someone will give the wrong file.

use super::super::Refusal;
use crate::output;
use anyhow::Context as _;
use flate2::read::MultiGzDecoder;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use txp_domain::id::is_identifier;
use txp_domain::redact::holds_card_number;
use txp_local::scratch::Labels;
use txp_pipeline::backtest::Sale;
use txp_pipeline::port::{ErrorKind, PortError};

/// The longest line of a labels file, in bytes: two ids and some columns that are not looked at.
const LINE_BYTES_MAX: u64 = 4096;

const GENUINE: u8 = 0;
const FRAUD: u8 = 1;

/// What the labels come from, and what was found in it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LabelCounts {
    /// `file` or `disputes`.
    pub(super) from: &'static str,
    /// The file, as it was named.
    pub(super) file: Option<String>,
    /// SHA-256 of the file.
    pub(super) sha256: Option<String>,
    /// Transactions that have a label.
    pub(super) transactions: u64,
    /// Lines that repeat one before.
    pub(super) repeated: u64,
    /// Lines that say something else than one before, which stands.
    pub(super) contradicting: u64,
    /// Lines that cannot be read.
    pub(super) unreadable: u64,
    /// The first of them.
    pub(super) first_unreadable_line: Option<u64>,
}

/// The labels.
pub(super) struct LabelBook {
    labels: Labels,
    is_by_merchant: bool,
    pub(super) counts: LabelCounts,
    name: Vec<u8>,
}

impl LabelBook {
    /// Reads a labels file; without one, waits for disputes.
    pub(super) fn open(folder: &Path, file: Option<&Path>) -> anyhow::Result<Self> {
        let mut book = Self {
            labels: Labels::create(&folder.join("labels"))?,
            is_by_merchant: true,
            counts: LabelCounts {
                from: "disputes",
                file: None,
                sha256: None,
                transactions: 0,
                repeated: 0,
                contradicting: 0,
                unreadable: 0,
                first_unreadable_line: None,
            },
            name: Vec::new(),
        };
        if let Some(path) = file {
            book.counts.from = "file";
            book.counts.file = Some(output::path(path));
            book.read(path)?;
        }
        Ok(book)
    }

    /// Whether disputes are the labels.
    pub(super) fn is_of_disputes(&self) -> bool {
        self.counts.file.is_none()
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.count() == 0
    }

    /// Notes a dispute, if disputes are the labels.
    pub(super) fn disputed(
        &mut self,
        merchant_id: &str,
        transaction_id: &str,
    ) -> Result<(), PortError> {
        if !self.is_of_disputes() {
            return Ok(());
        }
        named(&mut self.name, Some(merchant_id), transaction_id);
        let put = self.labels.put(&self.name, FRAUD);
        put.map_err(|error| PortError::caused(ErrorKind::Permanent, "keeping a label", error))?;
        self.counts.transactions = self.labels.count();
        Ok(())
    }

    /// What is known of a sale. Without a dispute it was none, if disputes are the labels.
    pub(super) fn label(&mut self, sale: &Sale) -> anyhow::Result<Option<bool>> {
        let merchant = self.is_by_merchant.then_some(&*sale.merchant_id);
        named(&mut self.name, merchant, &sale.transaction_id);
        let known = self.labels.get(&self.name)?.map(|label| label == FRAUD);
        Ok(known.or_else(|| self.is_of_disputes().then_some(false)))
    }

    fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let reading = || format!("reading the labels {}", output::path(path));
        let file = File::open(path).with_context(reading)?;
        let mut hashed = Hashed {
            inner: file,
            sha256: Sha256::new(),
        };
        let mut head = BufReader::new(&mut hashed);
        let is_gzip = head
            .fill_buf()
            .with_context(reading)?
            .starts_with(&[0x1f, 0x8b]);
        if is_gzip {
            let mut lines = BufReader::new(MultiGzDecoder::new(head));
            self.read_lines(&mut lines, path).with_context(reading)?;
        } else {
            self.read_lines(&mut head, path).with_context(reading)?;
        }
        // What a reader left behind belongs to the file as well.
        io::copy(&mut hashed, &mut io::sink()).with_context(reading)?;
        let digest = hashed.sha256.finalize();
        self.counts.sha256 = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        self.counts.transactions = self.labels.count();
        Ok(())
    }

    fn read_lines(&mut self, lines: &mut impl BufRead, path: &Path) -> anyhow::Result<()> {
        let mut line = Vec::new();
        let is_header = next_line(lines, &mut line)?;
        let columns = if is_header { Columns::of(&line) } else { None };
        let Some(columns) = columns else {
            return Err(Refusal::problem(format!(
                "{} is no labels file: its first line must name the columns transaction_id and \
                 fraud, with commas between them",
                output::path(path)
            )));
        };
        self.is_by_merchant = columns.merchant.is_some();
        let mut number = 1;
        while next_line(lines, &mut line)? {
            number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            if !self.take_line(&columns, &line)? {
                self.counts.unreadable += 1;
                self.counts.first_unreadable_line.get_or_insert(number);
            }
        }
        Ok(())
    }

    /// Takes a line in; `false` if it cannot be read.
    fn take_line(&mut self, columns: &Columns, line: &[u8]) -> anyhow::Result<bool> {
        let Some(labelled) = columns.read(line) else {
            return Ok(false);
        };
        named(
            &mut self.name,
            labelled.merchant_id,
            labelled.transaction_id,
        );
        match self.labels.put(&self.name, labelled.label)? {
            None => {}
            Some(known) if known == labelled.label => self.counts.repeated += 1,
            Some(_) => self.counts.contradicting += 1,
        }
        Ok(true)
    }
}

/// The name of a transaction among the labels; identifiers hold no zero byte.
fn named(name: &mut Vec<u8>, merchant_id: Option<&str>, transaction_id: &str) {
    name.clear();
    if let Some(merchant_id) = merchant_id {
        name.extend_from_slice(merchant_id.as_bytes());
        name.push(0);
    }
    name.extend_from_slice(transaction_id.as_bytes());
}

/// Reads a line without its end; `false` at the end of the file. One that is too long becomes one that
/// cannot be read.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 == LINE_BYTES_MAX {
        line.clear();
        line.push(0);
        skip_line(from)?;
    }
    line.pop_if(|last| *last == b'\r');
    Ok(true)
}

fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let there = from.fill_buf()?;
        let end = there.iter().position(|byte| *byte == b'\n');
        let (is_end, used) = match end {
            Some(at) => (true, at + 1),
            None => (there.is_empty(), there.len()),
        };
        from.consume(used);
        if is_end {
            return Ok(());
        }
    }
}

/// Where in a line the values stand.
struct Columns {
    transaction: usize,
    merchant: Option<usize>,
    fraud: usize,
}

struct Labelled<'l> {
    transaction_id: &'l str,
    merchant_id: Option<&'l str>,
    label: u8,
}

impl Columns {
    fn of(header: &[u8]) -> Option<Self> {
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        let names: Vec<_> = fields(header).collect();
        let place = |name: &str| {
            let is_it = |field: &&[u8]| field.eq_ignore_ascii_case(name.as_bytes());
            names.iter().position(is_it)
        };
        Some(Self {
            transaction: place("transaction_id")?,
            merchant: place("merchant_id"),
            fraud: place("fraud")?,
        })
    }

    fn read<'l>(&self, line: &'l [u8]) -> Option<Labelled<'l>> {
        let id = |place: usize| {
            let field = fields(line).nth(place)?;
            let is_sound = is_identifier(field) && !holds_card_number(field);
            std::str::from_utf8(field).ok().filter(|_| is_sound)
        };
        let label = match fields(line).nth(self.fraud)? {
            b"0" | b"false" => GENUINE,
            b"1" | b"true" => FRAUD,
            _ => return None,
        };
        let merchant_id = match self.merchant {
            Some(place) => Some(id(place)?),
            None => None,
        };
        Some(Labelled {
            transaction_id: id(self.transaction)?,
            merchant_id,
            label,
        })
    }
}

/// The fields of a line, without blanks and quotes around them. No value that is looked at can hold
/// a comma or a quote.
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b',').map(|field| {
        let field = field.trim_ascii();
        let unquoted = field
            .strip_prefix(b"\"")
            .and_then(|field| field.strip_suffix(b"\""));
        unquoted.unwrap_or(field)
    })
}

/// Hashes what is read.
struct Hashed {
    inner: File,
    sha256: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sha256.update(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(text: &[u8]) -> anyhow::Result<LabelBook> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text)?;
        LabelBook::open(folder.path(), Some(&path))
    }

    fn sale(merchant_id: &str, transaction_id: &str) -> Sale {
        Sale {
            merchant_id: merchant_id.into(),
            transaction_id: transaction_id.into(),
            ..Sale::default()
        }
    }

    #[test]
    fn lines_are_counted_and_never_told() {
        let long = "x".repeat(5000);
        let text = format!(
            "\u{feff}Scenario,\"transaction_id\",FRAUD\r\n0,t-1,0\r\n1,t-2,1\n\n0,t-1,0\n0,t-2,0\n\
             0,4111111111111111,1\n0,t-3,maybe\n{long}\n0,t-4,true"
        );
        let mut book = book(text.as_bytes()).unwrap();
        let counts = book.counts.clone();
        assert_eq!((counts.transactions, counts.repeated), (3, 1));
        assert_eq!((counts.contradicting, counts.unreadable), (1, 3));
        assert_eq!(counts.first_unreadable_line, Some(7));
        for (id, expected) in [("t-1", Some(false)), ("t-2", Some(true)), ("t-3", None)] {
            assert_eq!(book.label(&sale("m", id)).unwrap(), expected, "{id}");
        }
        assert_eq!(book.label(&sale("m", "t-4")).unwrap(), Some(true));
    }

    #[test]
    fn gzip_is_read_and_merchants_tell_ids_apart() {
        use std::io::Write as _;
        let text = b"merchant_id,transaction_id,fraud\nm-1,t-1,1\nm-2,t-1,0\n";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        let mut packed = book(&gzip.finish().unwrap()).unwrap();
        let mut plain = book(text).unwrap();
        assert_ne!(packed.counts.sha256, plain.counts.sha256);
        for book in [&mut packed, &mut plain] {
            assert_eq!(book.label(&sale("m-1", "t-1")).unwrap(), Some(true));
            assert_eq!(book.label(&sale("m-2", "t-1")).unwrap(), Some(false));
            assert_eq!(book.label(&sale("m-3", "t-1")).unwrap(), None);
        }
    }

    #[test]
    fn another_file_is_refused_without_telling_what_is_in_it() {
        for text in ["", "4111111111111111,1\n", "id,fraud\n"] {
            let error = book(text.as_bytes()).err().unwrap();
            let told = format!("{error:#}");
            assert!(
                told.contains("no labels file") && !told.contains("4111"),
                "{told}"
            );
        }
    }
}
