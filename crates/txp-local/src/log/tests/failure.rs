//! Writes and syncs that fail: the writer stops, says so, and nothing confirmed is lost.

use super::*;
use crate::log::file::AppendFile;
use std::io;

/// A disk with so many bytes left, which may also fail to sync or to truncate.
struct Failing {
    inner: Box<dyn AppendFile>,
    bytes_end: u64,
    sync_fails: bool,
    truncate_fails: bool,
}

impl AppendFile for Failing {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let room = self.bytes_end.saturating_sub(offset) as usize;
        if room >= bytes.len() {
            return self.inner.write_at(bytes, offset);
        }
        self.inner.write_at(&bytes[..room], offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&self) -> io::Result<()> {
        if self.sync_fails {
            return Err(io::Error::other("injected"));
        }
        self.inner.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        if self.truncate_fails {
            return Err(io::Error::other("injected"));
        }
        self.inner.truncate(bytes)
    }

    fn reserve(&self, _offset: u64, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

fn limit(writer: &mut LogWriter, bytes_end: u64, sync_fails: bool, truncate_fails: bool) {
    struct Gone;
    impl AppendFile for Gone {
        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn sync(&self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn truncate(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
    let inner = std::mem::replace(&mut writer.file, Box::new(Gone));
    writer.file = Box::new(Failing {
        inner,
        bytes_end,
        sync_fails,
        truncate_fails,
    });
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing_confirmed() {
    for truncate_fails in [false, true] {
        for bytes_end in 160..330 {
            let dir = scratch();
            let options = OpenOptions::default();
            let (mut writer, _) = LogWriter::open(dir.path(), &options).unwrap();
            limit(&mut writer, bytes_end, false, truncate_fails);
            let mut frame = frame_of(&[(1, vec![b'x'; 60])]);
            let mut confirmed = 0;
            let failure = loop {
                match writer.append(1, &mut frame).and_then(|_| writer.sync()) {
                    Ok(last) => confirmed = last,
                    Err(failure) => break failure,
                }
            };
            assert!(matches!(failure, LogError::DiskFull { .. }), "{failure}");
            for refused in [writer.append(1, &mut frame).err(), writer.sync().err()] {
                let Some(LogError::Poisoned { durable, cause }) = refused else {
                    panic!("{refused:?}");
                };
                assert_eq!(durable, confirmed);
                assert!(cause.contains("no room left to append"), "{cause}");
            }
            drop(writer);
            let (mut writer, recovery) = LogWriter::open(dir.path(), &options).unwrap();
            assert_eq!(recovery.last_sequence, confirmed);
            assert_eq!(read_all(dir.path()).unwrap().len() as u64, confirmed);
            assert_eq!(writer.append(1, &mut frame).unwrap().first, confirmed + 1);
        }
    }
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    let dir = scratch();
    let options = OpenOptions::default();
    let (mut writer, _) = LogWriter::open(dir.path(), &options).unwrap();
    let mut frame = frame_of(&[(1, b"confirmed".to_vec())]);
    writer.append(1, &mut frame).unwrap();
    writer.sync().unwrap();
    limit(&mut writer, u64::MAX, true, false);
    writer.append(2, &mut frame).unwrap();
    assert!(matches!(
        writer.sync(),
        Err(LogError::Io { action: "sync", .. })
    ));
    limit(&mut writer, u64::MAX, false, false);
    assert!(matches!(
        writer.sync(),
        Err(LogError::Poisoned { durable: 1, .. })
    ));
    drop(writer);
    // Not even what the page cache still shows is believed.
    let (_, recovery) = LogWriter::open(dir.path(), &options).unwrap();
    assert_eq!((recovery.last_sequence, recovery.cut), (1, None));
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let dir = scratch();
    let leftover = dir.path().join("00000000000000000009.log.tmp");
    fs::write(&leftover, "half").unwrap();
    drop(LogWriter::open(dir.path(), &OpenOptions::default()).unwrap());
    assert!(!leftover.exists());
}
