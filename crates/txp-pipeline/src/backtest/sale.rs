//! A sale that was judged, as it is kept until the labels are known: some 100 bytes, in a file.

use super::days::day_of;
use std::io::{self, Read, Write};
use txp_domain::card::Fingerprint;
use txp_domain::row::Facts;

/// A sale that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Its merchant.
    pub merchant_id: String,
    /// Its id.
    pub transaction_id: String,
    /// Its card.
    pub card: Fingerprint,
    /// The day of its event time.
    pub day: i64,
    /// Its score by the rules that are tried.
    pub score: u32,
    /// Its score by the rules that they are compared with.
    pub baseline_score: u32,
    /// The rules that hit it, a bit each.
    pub hits: u64,
    /// Whether the rules compared with found something.
    pub is_baseline_found: bool,
    /// Of each variation, at how many settings it hits.
    pub settings: Vec<u8>,
    /// Whether it was fraud, once that is known.
    pub is_fraud: Option<bool>,
}

impl Default for Sale {
    fn default() -> Self {
        Self {
            merchant_id: String::new(),
            transaction_id: String::new(),
            card: Fingerprint([0; 16]),
            day: 0,
            score: 0,
            baseline_score: 0,
            hits: 0,
            is_baseline_found: false,
            settings: Vec::new(),
            is_fraud: None,
        }
    }
}

impl Sale {
    /// Becomes the sale of a row, with the counts of its settings; what was found stays to be said.
    pub(super) fn take(&mut self, facts: &Facts<'_>, settings: &[u8]) {
        self.merchant_id.clear();
        self.merchant_id.push_str(facts.merchant_id);
        self.transaction_id.clear();
        self.transaction_id.push_str(facts.transaction_id);
        self.card = facts.card.fingerprint;
        self.day = day_of(facts.timestamp);
        self.settings.clear();
        self.settings.extend_from_slice(settings);
        self.is_fraud = None;
    }

    /// Whether the rules found something in it.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.hits != 0
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Writing failed.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let label = match self.is_fraud {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        out.write_all(&self.card.0)?;
        out.write_all(&self.day.to_le_bytes())?;
        out.write_all(&self.score.to_le_bytes())?;
        out.write_all(&self.baseline_score.to_le_bytes())?;
        out.write_all(&self.hits.to_le_bytes())?;
        out.write_all(&[u8::from(self.is_baseline_found), label])?;
        write_short(out, &self.settings)?;
        write_short(out, self.merchant_id.as_bytes())?;
        write_short(out, self.transaction_id.as_bytes())
    }

    /// Reads the next one that was written, into this one; `false` at the end.
    ///
    /// # Errors
    /// Reading failed, or there is no whole one.
    pub fn read(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut first = [0];
        if from.read(&mut first)? == 0 {
            return Ok(false);
        }
        let rest: [u8; 15] = take(from)?;
        for (to, byte) in self.card.0.iter_mut().zip(first.iter().chain(&rest)) {
            *to = *byte;
        }
        self.day = i64::from_le_bytes(take(from)?);
        self.score = u32::from_le_bytes(take(from)?);
        self.baseline_score = u32::from_le_bytes(take(from)?);
        self.hits = u64::from_le_bytes(take(from)?);
        let [is_baseline_found, label] = take(from)?;
        self.is_baseline_found = is_baseline_found != 0;
        self.is_fraud = match label {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        };
        read_short(from, &mut self.settings)?;
        read_text(from, &mut self.merchant_id)?;
        read_text(from, &mut self.transaction_id)?;
        Ok(true)
    }
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Ids have 64 bytes at most, variations are some 300 at most.
fn write_short(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

fn read_short(from: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    let length = u16::from_le_bytes(take(from)?);
    bytes.resize(usize::from(length), 0);
    from.read_exact(bytes)
}

fn read_text(from: &mut impl Read, text: &mut String) -> io::Result<()> {
    let mut bytes = std::mem::take(text).into_bytes();
    read_short(from, &mut bytes)?;
    *text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let first = Sale {
            merchant_id: "m-1".into(),
            transaction_id: "t".repeat(64),
            card: Fingerprint([9; 16]),
            day: -3,
            score: 70_000,
            baseline_score: 1,
            hits: 1 << 63,
            is_baseline_found: true,
            settings: vec![0, 20, 7],
            is_fraud: Some(true),
        };
        let second = Sale {
            is_fraud: Some(false),
            ..Sale::default()
        };
        let mut bytes = Vec::new();
        first.write(&mut bytes).unwrap();
        second.write(&mut bytes).unwrap();
        let (mut from, mut read) = (bytes.as_slice(), Sale::default());
        assert!(read.read(&mut from).unwrap());
        assert_eq!(read, first);
        assert!(read.read(&mut from).unwrap());
        assert_eq!(read, second);
        assert!(!read.read(&mut from).unwrap());
        let mut cut = &bytes[..bytes.len() - 1];
        assert!(read.read(&mut cut).unwrap());
        assert!(read.read(&mut cut).is_err());
    }
}
