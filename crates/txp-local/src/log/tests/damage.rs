//! Cuts, flips, missing files: torn tails are cut and reported, everything else is named.

use super::*;
use crate::log::segment::SEGMENT_HEADER_BYTES;

fn frame_starts(dir: &Path, first: u64) -> Vec<u64> {
    let bytes = fs::read(segment_path(dir, first)).unwrap();
    let mut at = SEGMENT_HEADER_BYTES as usize;
    let mut starts = Vec::new();
    while let Some(header) = frame::FrameHeader::decode(&bytes[at..]) {
        starts.push(at as u64);
        at += header.frame_bytes() as usize;
    }
    starts
}

fn corruption(error: LogError) -> (u64, SequenceSpan, Damage) {
    match error {
        LogError::Corrupt {
            offset,
            sequences,
            why,
            ..
        } => (offset, sequences, why),
        other => panic!("{other}"),
    }
}

/// The log's files as bytes, to put them back.
fn copy(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    paths.map(|p| (p.clone(), fs::read(p).unwrap())).collect()
}

fn restore(dir: &Path, files: &[(std::path::PathBuf, Vec<u8>)]) {
    for entry in fs::read_dir(dir).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (path, bytes) in files {
        fs::write(path, bytes).unwrap();
    }
}

fn four_frames() -> Vec<Given> {
    let event = |n: u8| (n, format!("event {n}").into_bytes());
    (0..4)
        .map(|n| (n, vec![event(n as u8), event(n as u8 + 100)]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_tail_cut_at_any_byte_loses_only_the_last_frame(
        frames in frames(), segment_bytes in 300_u64..900, zeros in 0_usize..60,
    ) {
        let dir = scratch();
        let options = small(segment_bytes);
        let rows = write(dir.path(), &options, &frames);
        let files = copy(dir.path());
        let first = *segment::list(dir.path()).unwrap().last().unwrap();
        let path = segment_path(dir.path(), first);
        let whole = fs::read(&path).unwrap();
        let start = *frame_starts(dir.path(), first).last().unwrap();
        let kept = rows.len() - frames.last().unwrap().1.len();
        for cut in start..whole.len() as u64 {
            restore(dir.path(), &files);
            let mut torn = whole[..cut as usize].to_vec();
            torn.resize(torn.len() + zeros, 0);
            fs::write(&path, &torn).unwrap();
            // The frame's last bytes may be zeros themselves: then it can still be whole.
            let (kept, start) = match torn.starts_with(&whole) {
                true => (rows.len(), whole.len() as u64),
                false => (kept, start),
            };
            let (writer, recovery) = LogWriter::open(dir.path(), &options).unwrap();
            drop(writer);
            let bytes = torn.len() as u64 - start;
            let reported = recovery.cut.map(|cut| (cut.offset, cut.bytes, cut.from_sequence));
            let expected = (bytes > 0).then_some((start, bytes, kept as u64 + 1));
            prop_assert_eq!(reported, expected);
            prop_assert_eq!(recovery.last_sequence, kept as u64);
            prop_assert_eq!(&read_all(dir.path()).unwrap(), &rows[..kept]);
            if kept == rows.len() {
                continue;
            }
            let durable = OpenOptions { known_durable: Some(rows.len() as u64), ..options.clone() };
            restore(dir.path(), &files);
            fs::write(&path, &torn).unwrap();
            let (_, sequences, _) = corruption(LogWriter::open(dir.path(), &durable).err().unwrap());
            prop_assert_eq!(sequences.first, kept as u64 + 1);
        }
    }

    #[test]
    fn a_flipped_byte_anywhere_is_named_or_is_the_torn_last_frame(
        frames in frames(), segment_bytes in 200_u64..700, bit in 0_u32..8,
    ) {
        let dir = scratch();
        let options = small(segment_bytes);
        let rows = write(dir.path(), &options, &frames);
        let durable = OpenOptions { known_durable: Some(rows.len() as u64), ..options.clone() };
        let files = copy(dir.path());
        let segments = segment::list(dir.path()).unwrap();
        let last = *segments.last().unwrap();
        let tail = *frame_starts(dir.path(), last).last().unwrap();
        let kept = rows.len() - frames.last().unwrap().1.len();
        for first in segments {
            let path = segment_path(dir.path(), first);
            let whole = fs::read(&path).unwrap();
            for at in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                fs::write(&path, flipped).unwrap();
                let in_tail = first == last && at as u64 >= tail;
                match read_all(dir.path()) {
                    Err(error) => {
                        let (_, sequences, _) = corruption(error);
                        let to = sequences.last.unwrap_or(u64::MAX);
                        prop_assert!(!in_tail && sequences.first <= to);
                    }
                    Ok(read) => {
                        prop_assert!(in_tail, "segment {} byte {}", first, at);
                        prop_assert_eq!(&read, &rows[..kept]);
                    }
                }
                let is_last = first == last;
                if is_last {
                    corruption(LogWriter::open(dir.path(), &durable).err().unwrap());
                }
                match LogWriter::open(dir.path(), &options) {
                    Err(error) => {
                        corruption(error);
                        prop_assert!(!in_tail);
                    }
                    Ok((_, recovery)) if is_last => {
                        prop_assert!(in_tail);
                        prop_assert_eq!(recovery.cut.unwrap().from_sequence, kept as u64 + 1);
                    }
                    // An earlier segment is the reader's to verify.
                    Ok(_) => prop_assert!(at as u64 >= SEGMENT_HEADER_BYTES),
                }
                restore(dir.path(), &files);
            }
        }
    }
}

#[test]
fn a_bad_frame_before_a_good_one_is_named_with_its_events() {
    let dir = scratch();
    write(dir.path(), &small(9_999), &four_frames());
    let path = segment_path(dir.path(), 1);
    let start = frame_starts(dir.path(), 1)[1];
    let mut bytes = fs::read(&path).unwrap();
    bytes[start as usize + 50] ^= 4;
    fs::write(&path, bytes).unwrap();
    let options = OpenOptions {
        cut_unconfirmed_group: true,
        ..OpenOptions::default()
    };
    let span = SequenceSpan {
        first: 3,
        last: Some(4),
    };
    let refused = LogWriter::open(dir.path(), &options).err().unwrap();
    let text = refused.to_string();
    assert!(
        text.contains("events 3 to 4") && text.contains("0001.log at byte"),
        "{text}"
    );
    let expected = (start, span, Damage::FramePayload);
    assert_eq!(corruption(refused), expected);
    assert_eq!(corruption(read_all(dir.path()).unwrap_err()), expected);
}

#[test]
fn a_group_that_power_loss_tore_is_cut_only_on_demand() {
    let dir = scratch();
    let (mut writer, _) = LogWriter::open(dir.path(), &OpenOptions::default()).unwrap();
    for (n, (_, events)) in (0_u64..).zip(four_frames()) {
        writer.append(n, &mut frame_of(&events)).unwrap();
        if n == 0 {
            writer.sync().unwrap();
        }
    }
    drop(writer);
    let path = segment_path(dir.path(), 1);
    let starts = frame_starts(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[starts[1] as usize..starts[2] as usize].fill(0);
    fs::write(&path, bytes).unwrap();
    let refused = LogWriter::open(dir.path(), &OpenOptions::default()).err();
    assert_eq!(corruption(refused.unwrap()).2, Damage::UnconfirmedGroup);
    let mut options = OpenOptions {
        cut_unconfirmed_group: true,
        known_durable: Some(3),
        ..OpenOptions::default()
    };
    let refused = LogWriter::open(dir.path(), &options).err();
    assert_eq!(corruption(refused.unwrap()).2, Damage::Zeros);
    options.known_durable = Some(2);
    let (_, recovery) = LogWriter::open(dir.path(), &options).unwrap();
    assert_eq!(recovery.cut.unwrap().from_sequence, 3);
    assert_eq!(read_all(dir.path()).unwrap().len(), 2);
}

#[test]
fn missing_shortened_and_exchanged_segments_are_named() {
    let dir = scratch();
    write(dir.path(), &small(100), &four_frames());
    let files = copy(dir.path());
    assert_eq!(segment::list(dir.path()).unwrap(), [1, 3, 5, 7]);
    let path = |first| segment_path(dir.path(), first);
    let cases: [(&str, &dyn Fn(), Damage, u64); 5] = [
        (
            "first",
            &|| fs::remove_file(path(1)).unwrap(),
            Damage::SegmentMissing,
            1,
        ),
        (
            "middle",
            &|| fs::remove_file(path(5)).unwrap(),
            Damage::SegmentMissing,
            5,
        ),
        (
            "short",
            &|| fs::write(path(3), &fs::read(path(3)).unwrap()[..60]).unwrap(),
            Damage::SegmentLength,
            3,
        ),
        (
            "empty",
            &|| fs::write(path(3), "").unwrap(),
            Damage::SegmentHeader,
            3,
        ),
        (
            "exchanged",
            &|| fs::copy(path(3), path(5)).map(drop).unwrap(),
            Damage::SegmentHeader,
            5,
        ),
    ];
    for (name, damage, why, first) in cases {
        damage();
        let refused = LogWriter::open(dir.path(), &OpenOptions::default()).err();
        let (_, sequences, found) = corruption(refused.unwrap());
        assert_eq!((found, sequences.first), (why, first), "{name}");
        let (_, sequences, _) = corruption(read_all(dir.path()).unwrap_err());
        assert_eq!(sequences.first, first, "{name}");
        restore(dir.path(), &files);
    }
    for first in [1, 3, 5, 7] {
        fs::remove_file(path(first)).unwrap();
    }
    let options = OpenOptions {
        known_durable: Some(8),
        ..OpenOptions::default()
    };
    let refused = LogWriter::open(dir.path(), &options).err();
    assert_eq!(corruption(refused.unwrap()).2, Damage::SegmentMissing);
}

#[test]
fn a_log_that_ends_before_the_checkpoint_is_named() {
    let dir = scratch();
    write(dir.path(), &small(9_999), &four_frames());
    let options = OpenOptions {
        known_durable: Some(9),
        ..OpenOptions::default()
    };
    let (_, sequences, why) = corruption(LogWriter::open(dir.path(), &options).err().unwrap());
    assert_eq!((sequences.first, why), (9, Damage::EndsEarly));
}

#[test]
fn a_reader_that_knows_what_is_durable_takes_no_damage_for_the_end() {
    let dir = scratch();
    write(dir.path(), &small(9_999), &four_frames());
    let (path, files) = (segment_path(dir.path(), 1), copy(dir.path()));
    let whole = fs::read(&path).unwrap();
    let last = *frame_starts(dir.path(), 1).last().unwrap() as usize;
    let known = |known| LogReader::open(dir.path()).unwrap().known_durable(known);
    let flipped = || {
        let mut bytes = whole.clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    let cases: [(&str, &dyn Fn(), Damage); 4] = [
        (
            "cut",
            &|| fs::write(&path, &whole[..last + 9]).unwrap(),
            Damage::Incomplete,
        ),
        (
            "gone",
            &|| fs::write(&path, &whole[..last]).unwrap(),
            Damage::EndsEarly,
        ),
        ("flipped", &flipped, Damage::FramePayload),
        (
            "no log",
            &|| fs::remove_file(&path).unwrap(),
            Damage::SegmentMissing,
        ),
    ];
    for (name, damage, why) in cases {
        damage();
        let (_, sequences, found) = corruption(drain(&mut known(8)).unwrap_err());
        assert_eq!((found, sequences.last), (why, Some(8)), "{name}");
        let (_, _, found) = corruption(LogReader::check_holds(dir.path(), 8).unwrap_err());
        assert_eq!(found, why, "{name}");
        if name != "no log" {
            assert_eq!(
                drain(&mut known(6)).unwrap().len(),
                6,
                "{name}: a torn tail"
            );
            LogReader::check_holds(dir.path(), 6).unwrap();
        }
        restore(dir.path(), &files);
    }
    let none = dir.path().join("none");
    assert_eq!(read_all(&none).unwrap(), [], "not there yet");
    let (_, _, found) = corruption(LogReader::check_holds(&none, 1).unwrap_err());
    assert_eq!(found, Damage::SegmentMissing);
    // What lies before the event is not looked at.
    let mut bytes = whole.clone();
    bytes[last - 1] ^= 1;
    fs::write(&path, bytes).unwrap();
    LogReader::check_holds(dir.path(), 8).unwrap();
}
