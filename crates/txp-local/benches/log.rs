//! How fast events become durable: 500 bytes each, frames of 1 MiB, one fdatasync per frame, then
//! read back and verified. Prints one line each; compares nothing.
//!
//! `cargo bench -p txp-local --bench log [-- MIB]`

use std::error::Error;
use std::io::Write;
use std::time::Instant;
use txp_domain::position::Bucket;
use txp_local::log::{FrameBuilder, LogReader, LogWriter, OpenOptions};

const EVENT_BYTES: usize = 500;
const MIB_DEFAULT: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let mib = std::env::args().find_map(|arg| arg.parse().ok());
    let rows = mib.unwrap_or(MIB_DEFAULT) * (1 << 20) / EVENT_BYTES;
    // In the target directory: a temporary one may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (mut writer, _) = LogWriter::open(dir.path(), &OpenOptions::default())?;
    let event = [b'e'; EVENT_BYTES];
    let mut frame = FrameBuilder::new();
    let mut measured = Measured::start();
    for row in 0..rows {
        frame.push(Bucket(u8::try_from(row % 256)?), &event)?;
        if frame.is_full() || row + 1 == rows {
            writer.append(1, &mut frame)?;
            writer.sync()?;
            frame.clear();
        }
    }
    measured.report("append", rows)?;
    drop(writer);
    measured = Measured::start();
    let mut reader = LogReader::open(dir.path())?;
    let mut bytes = 0;
    while let Some(frame) = reader.next_frame()? {
        bytes += frame.events.map(|event| event.bytes.len()).sum::<usize>();
    }
    measured.report("read", bytes / EVENT_BYTES)?;
    measured = Measured::start();
    let (_, recovery) = LogWriter::open(dir.path(), &OpenOptions::default())?;
    measured.report("open", usize::try_from(recovery.last_sequence)?)
}

struct Measured {
    wall: Instant,
    cpu_seconds: f64,
}

impl Measured {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu_seconds: cpu_seconds(),
        }
    }

    #[expect(clippy::float_arithmetic, reason = "figures of a measurement")]
    fn report(&self, what: &str, rows: usize) -> Result<(), Box<dyn Error>> {
        let seconds = self.wall.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - self.cpu_seconds;
        let millions = f64::from(u32::try_from(rows)?) / 1e6;
        let megabytes = millions * f64::from(u32::try_from(EVENT_BYTES)?);
        writeln!(
            std::io::stdout(),
            "{what:6} {rows} rows: {:.0} MB/s, {:.2} M rows/s, {:.3} CPU-s per 1e6 rows",
            megabytes / seconds,
            millions / seconds,
            cpu / millions
        )?;
        Ok(())
    }
}

/// CPU time of this thread, from Linux; 0 elsewhere.
#[expect(clippy::float_arithmetic, reason = "figures of a measurement")]
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
