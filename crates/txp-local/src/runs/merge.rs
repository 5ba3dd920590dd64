//! Many sorted sources as one: of entries with the same key the newest wins.

use super::cursor::RunCursor;
use super::error::StateError;
use super::pending::Pending;

/// One entry of a keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The caller's hash.
    pub hash: u64,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// The sorted entries of a pending table.
#[derive(Debug)]
pub(super) struct PendingCursor<'a> {
    pending: &'a Pending,
    rest: std::vec::IntoIter<(u64, u32)>,
    index: u32,
}

impl<'a> PendingCursor<'a> {
    pub(super) fn new(pending: &'a Pending, order: Vec<(u64, u32)>) -> Self {
        Self {
            pending,
            rest: order.into_iter(),
            index: 0,
        }
    }
}

#[derive(Debug)]
pub(super) enum Source<'a> {
    Pending(PendingCursor<'a>),
    Run(RunCursor),
}

impl Source<'_> {
    #[inline]
    fn advance(&mut self) -> Result<bool, StateError> {
        match self {
            Self::Run(cursor) => cursor.advance(),
            Self::Pending(cursor) => {
                let Some((_, index)) = cursor.rest.next() else {
                    return Ok(false);
                };
                cursor.index = index;
                Ok(true)
            }
        }
    }

    #[inline]
    fn hash(&self) -> u64 {
        match self {
            Self::Run(cursor) => cursor.hash(),
            Self::Pending(cursor) => cursor.pending.hash(cursor.index),
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match self {
            Self::Run(cursor) => cursor.key(),
            Self::Pending(cursor) => cursor.pending.key(cursor.index),
        }
    }

    #[inline]
    fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Run(cursor) => cursor.value(),
            Self::Pending(cursor) => cursor.pending.value(cursor.index),
        }
    }
}

/// An entry or deletion: hash, key, value.
pub(super) type Row<'a> = (u64, &'a [u8], Option<&'a [u8]>);

/// The merge: sources newest first.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    /// Each with the hash that it stands on. Few enough (a bounded count of runs) that a walk beats a heap.
    sources: Vec<(u64, Source<'a>)>,
    is_started: bool,
    winner: usize,
    consumed_bytes: u64,
}

impl<'a> Merge<'a> {
    pub(super) fn new(sources: impl IntoIterator<Item = Source<'a>>) -> Self {
        let sources = sources.into_iter().map(|source| (0, source)).collect();
        Self {
            sources,
            is_started: false,
            winner: usize::MAX,
            consumed_bytes: 0,
        }
    }

    /// Bytes of entries taken from the sources so far.
    pub(super) fn consumed_bytes(&self) -> u64 {
        self.consumed_bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let source_bytes = |(_, source): &(u64, Source<'_>)| match source {
            Source::Run(cursor) => cursor.memory_bytes(),
            Source::Pending(_) => 0,
        };
        self.sources.iter().map(source_bytes).sum()
    }

    /// The next key's newest version, deletions included.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, StateError> {
        if self.is_started {
            self.advance(self.winner)?;
        } else {
            self.is_started = true;
            for index in (0..self.sources.len()).rev() {
                self.advance(index)?;
            }
        }
        let Some(hash) = self.sources.iter().map(|(hash, _)| *hash).min() else {
            return Ok(None);
        };
        let mut standing = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| source.0 == hash)
            .map(|(index, _)| index);
        self.winner = standing.next().unwrap_or(usize::MAX);
        if standing.next().is_some() {
            self.settle_ties(hash)?;
        }
        let Some((_, winner)) = self.sources.get(self.winner) else {
            return Ok(None);
        };
        Ok(Some((hash, winner.key(), winner.value())))
    }

    /// Several sources stand on one hash: the least key wins, the newest source of it, and older versions are passed over.
    fn settle_ties(&mut self, hash: u64) -> Result<(), StateError> {
        for index in self.winner + 1..self.sources.len() {
            let Some((_, source)) = self.sources.get(index).filter(|source| source.0 == hash)
            else {
                continue;
            };
            if self
                .sources
                .get(self.winner)
                .is_some_and(|(_, winner)| source.key() < winner.key())
            {
                self.winner = index;
            }
        }
        for index in (self.winner + 1..self.sources.len()).rev() {
            let Some((_, source)) = self.sources.get(index).filter(|source| source.0 == hash)
            else {
                continue;
            };
            if self
                .sources
                .get(self.winner)
                .is_some_and(|(_, winner)| source.key() == winner.key())
            {
                self.advance(index)?;
            }
        }
        Ok(())
    }

    /// Steps one source and removes it at its end.
    #[inline]
    fn advance(&mut self, index: usize) -> Result<(), StateError> {
        let Some((hash, source)) = self.sources.get_mut(index) else {
            return Ok(());
        };
        if source.advance()? {
            *hash = source.hash();
            self.consumed_bytes +=
                (source.key().len() + source.value().map_or(0, <[u8]>::len)) as u64;
        } else {
            self.sources.remove(index);
        }
        Ok(())
    }
}

/// All entries of a keyspace in key order, streamed.
#[derive(Debug)]
pub struct Iter<'a> {
    merge: Merge<'a>,
    from_hash: u64,
    /// The end: nothing of this hash or a greater one is given.
    before_hash: Option<u64>,
}

impl<'a> Iter<'a> {
    pub(super) fn new(merge: Merge<'a>) -> Self {
        Self::from_hash(merge, 0)
    }

    /// The entries from a hash on, of a merge that begins somewhat before it.
    pub(super) fn from_hash(merge: Merge<'a>, from_hash: u64) -> Self {
        Self {
            merge,
            from_hash,
            before_hash: None,
        }
    }

    /// The same, ending before the first entry of `hash` or a greater one.
    pub(super) fn before_hash(self, hash: u64) -> Self {
        Self {
            before_hash: Some(hash),
            ..self
        }
    }

    /// The next entry; it stands until the next call.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged. The walk cannot go on after that.
    #[expect(
        clippy::should_implement_trait,
        reason = "entries are lent: they stand in the iterator's own buffers"
    )]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, StateError> {
        // Deletions are passed over first, because a lent entry cannot be given back inside the loop.
        while self.merge.stands_before_deletion(self.from_hash)? {}
        Ok(self.current())
    }
}

impl Iter<'_> {
    /// The entry that was lent last.
    #[must_use]
    pub fn current(&self) -> Option<Entry<'_>> {
        let (hash, key, value) = self.merge.current()?;
        let is_given = self.before_hash.is_none_or(|before| hash < before);
        is_given.then(|| Entry {
            hash,
            key,
            value: value.unwrap_or_default(),
        })
    }
}

impl Merge<'_> {
    /// Steps, and tells whether a deletion or an entry below `from_hash` was reached.
    fn stands_before_deletion(&mut self, from_hash: u64) -> Result<bool, StateError> {
        let row = self.next()?;
        Ok(row.is_some_and(|(hash, _, value)| value.is_none() || hash < from_hash))
    }

    fn current(&self) -> Option<Row<'_>> {
        let (hash, winner) = self.sources.get(self.winner)?;
        Some((*hash, winner.key(), winner.value()))
    }
}
