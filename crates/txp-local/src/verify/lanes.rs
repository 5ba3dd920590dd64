//! Decoding on several threads, in the order of the history all the same.
//!
//! ```text
//!            ┌─ lane 0: decodes batches 0, 2, 4 … ─┐
//! reader ────┤                                     ├──── recorded: 0, 1, 2, 3 …
//!            └─ lane 1: decodes batches 1, 3, 5 … ─┘
//! ```
//!
//! Batches go to the lanes by turns and are taken from them by turns, so nothing is to be put in order.
//! Each lane has a few of either kind that go round: when none comes back, it is waited for, and that
//! bounds memory. Whoever ends drops its ends of the channels, and the others end behind it: nobody
//! waits for one who is gone.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;
use txp_pipeline::port::SourceBatch;
use txp_pipeline::replay::ReadBatch;

/// Batches of a kind in each lane, of about a mebibyte each.
const BATCHES: usize = 3;

/// The reader's ends.
pub(super) struct Lanes {
    lanes: Vec<(SyncSender<SourceBatch>, Receiver<SourceBatch>)>,
    turn: usize,
}

/// The ends of who takes what was decoded.
pub(super) struct Parsed {
    lanes: Vec<(Receiver<ReadBatch>, Sender<ReadBatch>)>,
    turn: usize,
}

/// Starts the threads of so many lanes.
pub(super) fn lanes(count: usize) -> io::Result<(Lanes, Vec<JoinHandle<()>>, Parsed)> {
    let (mut to_parse, mut parsing, mut parsed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let (raw, raws) = mpsc::sync_channel(BATCHES);
        let (emptied, emptieds) = mpsc::channel();
        let (batch, batches) = mpsc::sync_channel(BATCHES);
        let (used, useds) = mpsc::channel();
        for _ in 0..BATCHES {
            emptied.send(SourceBatch::default()).ok();
            used.send(ReadBatch::default()).ok();
        }
        to_parse.push((raw, emptieds));
        parsed.push((batches, used));
        let parsing_one = std::thread::Builder::new()
            .name("parse".to_owned())
            .spawn(move || parse((&raws, &emptied), (&useds, &batch)))?;
        parsing.push(parsing_one);
    }
    let (lanes, turn) = (to_parse, 0);
    let to_parse = Lanes { lanes, turn };
    let (lanes, turn) = (parsed, 0);
    Ok((to_parse, parsing, Parsed { lanes, turn }))
}

/// Decodes what comes, until nothing does or nobody takes it any more.
fn parse(
    (raws, emptied): (&Receiver<SourceBatch>, &Sender<SourceBatch>),
    (used, parsed): (&Receiver<ReadBatch>, &SyncSender<ReadBatch>),
) {
    for raw in raws {
        let Ok(mut batch) = used.recv() else {
            return;
        };
        batch.read(&raw, String::new());
        // The reader may have come to its end.
        emptied.send(raw).ok();
        if parsed.send(batch).is_err() {
            return;
        }
    }
}

impl Lanes {
    /// Hands a batch on and gives an emptied one for it; `false` if nobody is there to take it.
    pub(super) fn hand_on(&mut self, batch: &mut SourceBatch) -> bool {
        let turn = self.turn;
        self.turn = (turn + 1) % self.lanes.len().max(1);
        let Some((to_parse, emptied)) = self.lanes.get(turn) else {
            return false;
        };
        let Ok(empty) = emptied.recv() else {
            return false;
        };
        to_parse.send(std::mem::replace(batch, empty)).is_ok()
    }
}

impl Parsed {
    /// The next batch, in the order in which they were handed on; `None` after the last.
    pub(super) fn next(&mut self) -> Option<ReadBatch> {
        let (parsed, _) = self.lanes.get(self.turn)?;
        parsed.recv().ok()
    }

    /// Gives back the batch that was taken last.
    pub(super) fn give_back(&mut self, batch: ReadBatch) {
        if let Some((_, used)) = self.lanes.get(self.turn) {
            // The lane may have come to its end.
            used.send(batch).ok();
        }
        self.turn = (self.turn + 1) % self.lanes.len().max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use txp_domain::position::{Bucket, Position, Sequence};

    /// A batch of one event that cannot be read: its position is what is looked at.
    fn batch(sequence: u64) -> SourceBatch {
        let mut batch = SourceBatch::default();
        let position = Position {
            bucket: Bucket(0),
            sequence: Sequence::from(sequence),
            subsequence: 0,
        };
        batch.push(position, 0, &[b"{}"]);
        batch
    }

    fn sequence(batch: &ReadBatch) -> u64 {
        batch.poisons()[0].position.sequence.as_u64().unwrap()
    }

    #[test]
    fn batches_come_out_in_the_order_in_which_they_went_in() {
        for count in 1..4 {
            let (mut to_parse, parsing, mut parsed) = lanes(count).unwrap();
            let reading = std::thread::spawn(move || {
                for n in 0..200 {
                    assert!(to_parse.hand_on(&mut batch(n)));
                }
            });
            for n in 0..200 {
                let batch = parsed.next().unwrap();
                assert_eq!((sequence(&batch), batch.len()), (n, 1));
                parsed.give_back(batch);
            }
            assert!(parsed.next().is_none());
            reading.join().unwrap();
            parsing.into_iter().for_each(|lane| lane.join().unwrap());
        }
    }

    /// More than all channels hold: a reader that was not told would wait for ever.
    #[test]
    fn a_reader_is_told_when_nobody_takes_what_it_reads() {
        for taken in 0..5 {
            let (mut to_parse, parsing, mut parsed) = lanes(2).unwrap();
            let taking = std::thread::spawn(move || {
                for _ in 0..taken {
                    let batch = parsed.next().unwrap();
                    parsed.give_back(batch);
                }
            });
            let handed_on = (0..1_000).take_while(|n| to_parse.hand_on(&mut batch(*n)));
            assert!(handed_on.count() < 100);
            // A lane that has nothing in hand waits for the reader, which is at its end as well.
            drop(to_parse);
            taking.join().unwrap();
            parsing.into_iter().for_each(|lane| lane.join().unwrap());
        }
    }
}
