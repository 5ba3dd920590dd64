//! What a crash leaves of files: torn tails, checkpoints half written, names not yet there.

use super::sink::bytes_of;
use crate::random::Random;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Starts every frame of the log.
const FRAME_MAGIC: [u8; 4] = [0xF5, b't', b'x', 0xFF];

const CHECKPOINT: &str = "CHECKPOINT";
const CHECKPOINT_NEW: &str = "CHECKPOINT.new";

/// The files of a directory.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn files(dir: &Path) -> Files {
    let Ok(entries) = fs::read_dir(dir) else {
        return Files::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let names = paths.map(|path| (name_of(&path), fs::read(&path).unwrap()));
    names.collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn replace(dir: &Path, files: &Files) {
    fs::remove_dir_all(dir).unwrap();
    fs::create_dir(dir).unwrap();
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// Cuts a file to a length.
pub(super) fn cut(path: &Path, bytes: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(bytes).unwrap();
}

/// Cuts a file somewhere behind what is durable. Says whether something is gone.
pub(super) fn cut_behind(random: &mut Random, path: &Path, durable: u64) -> bool {
    let bytes = bytes_of(path);
    if bytes <= durable {
        return false;
    }
    let kept = durable + random.below((bytes - durable) as usize + 1) as u64;
    cut(path, kept);
    kept < bytes
}

/// The segments of a log, in order.
pub(super) fn segments(log: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(log) else {
        return Vec::new();
    };
    let mut segments: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|e| e == "log") && path.is_file());
    segments.sort();
    segments
}

/// Where a log ends: its last segment, and how long that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogEnd {
    pub(super) segment: PathBuf,
    pub(super) bytes: u64,
}

pub(super) fn log_end(log: &Path) -> Option<LogEnd> {
    let segment = segments(log).pop()?;
    let bytes = bytes_of(&segment);
    Some(LogEnd { segment, bytes })
}

/// A tail that was torn off, and what stands there instead.
#[derive(Clone, Debug)]
pub(super) struct Torn {
    pub(super) segment: PathBuf,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// Tears the log's end somewhere behind where it was: what is behind may be gone, zero, or rubbish.
pub(super) fn tear_log(random: &mut Random, log: &Path, before: Option<&LogEnd>) -> Option<Torn> {
    let end = log_end(log)?;
    let durable = match before {
        Some(before) if before.segment == end.segment => before.bytes,
        // A new segment comes with its header, whole.
        _ => header_bytes(&end.segment),
    };
    if end.bytes <= durable {
        return None;
    }
    let written = (end.bytes - durable) as usize;
    let kept = durable + random.below(written) as u64;
    cut(&end.segment, kept);
    let behind = match random.below(4) {
        0 => vec![0; (end.bytes - kept) as usize],
        1 => (0..random.between(1, 40))
            .map(|_| random.draw() as u8)
            .collect(),
        _ => Vec::new(),
    };
    append(&end.segment, &behind);
    Some(Torn {
        offset: durable,
        bytes: fs::read(&end.segment).unwrap()[durable as usize..].to_vec(),
        segment: end.segment,
    })
}

/// Derived files and unfinished ones: an index may be gone or cut, a segment's header half there
/// under another name.
pub(super) fn tear_derived(random: &mut Random, log: &Path, next_sequence: usize) {
    for index in files(log).keys().filter(|name| name.ends_with(".idx")) {
        match random.below(4) {
            0 => fs::remove_file(log.join(index)).unwrap(),
            1 => drop(cut_behind(random, &log.join(index), 0)),
            _ => {}
        }
    }
    if random.permille(200) {
        let unfinished = log.join(segment_name(next_sequence) + ".tmp");
        fs::write(unfinished, b"half a head").unwrap();
    }
}

/// What a segment is called.
pub(super) fn segment_name(first: usize) -> String {
    format!("{first:020}.log")
}

/// What one of the next runs is called.
pub(super) fn next_run_name(random: &mut Random, state: &Path) -> String {
    let names = files(state).into_keys();
    let ids = names.filter_map(|name| u64::from_str_radix(name.strip_suffix(".run")?, 16).ok());
    let next = ids.max().unwrap_or(0) + random.between(1, 4) as u64;
    format!("{next:016x}.run")
}

fn header_bytes(segment: &Path) -> u64 {
    let bytes = fs::read(segment).unwrap();
    let frame = bytes.windows(4).position(|window| window == FRAME_MAGIC);
    frame.unwrap_or(bytes.len()) as u64
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::options().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Puts bytes into the middle of a file, if it is longer. Says whether it was.
pub(super) fn splice(torn: &Torn) -> bool {
    let bytes = fs::read(&torn.segment).unwrap_or_default();
    let Some(rest) = bytes
        .get(torn.offset as usize..)
        .filter(|rest| !rest.is_empty())
    else {
        return false;
    };
    let mut file = fs::File::options().write(true).open(&torn.segment).unwrap();
    file.seek(SeekFrom::Start(torn.offset)).unwrap();
    file.write_all(&torn.bytes).unwrap();
    file.write_all(rest).unwrap();
    true
}

/// Leaves of a checkpoint what a crash in the middle of it leaves.
pub(super) fn tear_checkpoint(random: &mut Random, state: &Path, before: &Files) {
    let after = files(state);
    let is_published = random.permille(300);
    let mut image = if is_published {
        let mut image = after.clone();
        // Merged runs are removed last.
        for (name, bytes) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            if random.permille(500) {
                image.insert(name.clone(), bytes.clone());
            }
        }
        image
    } else {
        before.clone()
    };
    if !is_published {
        // The manifest comes by its other name, and takes this one whole.
        let new = |name: &String| name != CHECKPOINT && !before.contains_key(name);
        let new: Vec<_> = after.iter().filter(|(name, _)| new(name)).collect();
        let whole = random.below(new.len() + 1);
        for ((name, bytes), at) in new.iter().zip(0..) {
            let kept = match at {
                _ if at < whole => bytes.len(),
                _ if at == whole => random.below(bytes.len()),
                _ => break,
            };
            image.insert((*name).clone(), bytes[..kept].to_vec());
        }
        if whole == new.len() {
            let manifest = after.get(CHECKPOINT).cloned().unwrap_or_default();
            let kept = random.below(manifest.len() + 1);
            image.insert(CHECKPOINT_NEW.to_owned(), manifest[..kept].to_vec());
        }
    }
    replace(state, &image);
}

/// Damages a published state so that it can be seen when it is opened. Says whether there was one.
pub(super) fn damage_state(random: &mut Random, state: &Path) -> bool {
    let mut published = files(state);
    if !published.contains_key(CHECKPOINT) {
        return false;
    }
    let runs = published.keys().filter(|name| name.ends_with(".run"));
    let mut names: Vec<_> = runs.cloned().collect();
    names.push(CHECKPOINT.to_owned());
    let name = random.pick(&names);
    let bytes = published.get_mut(name).unwrap();
    let at = random.below(bytes.len());
    if name == CHECKPOINT && random.permille(500) {
        bytes[at] ^= 1 << random.below(8);
    } else {
        bytes.truncate(at);
    }
    replace(state, &published);
    true
}
