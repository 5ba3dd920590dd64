//! One file, from its arrival to the last of its rows folded.

use super::report::{RejectsFile, make_rejects_dir, path_of};
use super::sink::LogSink;
use super::{Host, HostError, HostOptions};
use crate::block_on::block_on;
use std::fs::{self, File};
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use txp_domain::event::{Event, FailureReason, UploadEvent, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::upload::{Upload, UploadState, Watermarks};
use txp_pipeline::batch::UploadContext;
use txp_pipeline::csv::{FileDigest, ReadError, RecordReader};
use txp_pipeline::port::{EventSink, ReportSink as _};
use txp_pipeline::rejects::RejectsWriter;
use txp_pipeline::stage::ingest::{
    Ending, IngestError, Progress, ReadingRules, RowIngest, check, ended, failure_of, ingest,
    measure, strict_refusal,
};
use txp_pipeline::telemetry::{Metric, count, upload_completed};

/// Where scratch directories of dry runs lie, in the data directory.
const SCRATCH_DIR: &str = "tmp";

/// A file to be read.
#[derive(Clone, Debug)]
pub struct Intake {
    /// What is known of the upload: its id is new, or that of an upload to be resumed.
    pub received: UploadReceived,
    /// Where the file lies.
    pub path: PathBuf,
    /// Validate and preview against an empty state; keep nothing, alert no one.
    pub dry_run: bool,
}

/// What reading a file gave.
#[derive(Clone, Debug)]
pub struct IntakeReport {
    /// The upload as it stands once every row is folded. Of a dry run: as it would have stood.
    pub upload: Upload,
    /// Of a dry run: what the rules found.
    pub dry_run_findings: Option<u64>,
    /// The report of rejected rows, if there are any.
    pub rejects: Option<PathBuf>,
}

/// How far a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadProgress {
    /// Records read.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_total: u64,
}

impl Host {
    /// Reads a file into the history; when it returns, every row is durable and folded. The upload
    /// is announced first, so that whatever happens later, it can be found and resumed.
    ///
    /// # Errors
    /// The file cannot be opened, the host failed, or it is being stopped: then the upload is
    /// unfinished and the same call resumes it. Faults of the file are no error but its ending.
    pub fn ingest(
        &self,
        intake: &Intake,
        progress: &mut dyn FnMut(ReadProgress),
    ) -> Result<IntakeReport, HostError> {
        if intake.dry_run {
            return self.dry_run(intake, progress);
        }
        self.measure(|| self.take_in(intake, progress))
    }

    fn take_in(
        &self,
        intake: &Intake,
        progress: &mut dyn FnMut(ReadProgress),
    ) -> Result<IntakeReport, HostError> {
        let id = intake.received.upload_id;
        let known = self.upload(id)?;
        let mut is_read_now = false;
        if known.as_ref().is_none_or(|upload| upload.ending.is_none()) {
            let file = open(&intake.path)?;
            if intake.received.options.strict {
                // Before it is announced: what cannot be read twice would never end.
                (&file)
                    .stream_position()
                    .map_err(HostError::io("looking for the start of", &intake.path))?;
            }
            if known
                .as_ref()
                .is_none_or(|upload| upload.received.is_none())
            {
                self.append_event(Event::Upload(Box::new(UploadEvent::Received(
                    intake.received.clone(),
                ))))?;
                count(Metric::UploadsReceived, 1);
            }
            let folded = known.and_then(|upload| upload.watermarks);
            let ending = self.read(intake, file, folded.as_ref(), progress)?;
            let event = ended(&intake.received, ending);
            measure::ended(&intake.received, &event);
            measure::rows(&event);
            self.append_event(Event::Upload(Box::new(event)))?;
            is_read_now = true;
        }
        self.settle()?;
        let upload = self.upload(id)?.unwrap_or_else(|| Upload::new(id));
        if is_read_now && upload.state() == UploadState::Completed {
            upload_completed(&intake.received, self.now());
        }
        let rejects = Some(self.rejects_path(id)).filter(|path| path.exists());
        Ok(IntakeReport {
            upload,
            dry_run_findings: None,
            rejects,
        })
    }

    /// Where the report of an upload's rejected rows lies once it was read.
    #[must_use]
    pub fn rejects_path(&self, id: UploadId) -> PathBuf {
        path_of(self.dir(), id)
    }

    /// The history, for appending.
    #[must_use]
    pub fn event_sink(&self) -> impl EventSink + use<> {
        LogSink::new(self)
    }

    /// The upload with a file of this identity that was not wholly read, if there is one.
    #[must_use]
    pub fn unfinished_of(&self, identity: &str) -> Option<UploadReceived> {
        let fold = self.lock_fold();
        let mut open = fold
            .state
            .open_uploads()
            .filter(|upload| upload.ending.is_none());
        open.find_map(|upload| {
            upload
                .received
                .clone()
                .filter(|received| received.file.identity.as_deref() == Some(identity))
        })
    }

    fn read(
        &self,
        intake: &Intake,
        mut file: File,
        folded: Option<&Watermarks>,
        progress: &mut dyn FnMut(ReadProgress),
    ) -> Result<Ending, HostError> {
        let rules = ReadingRules::of(&intake.received)?;
        let bytes_total = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
        let mut told = |records, bytes| {
            progress(ReadProgress {
                records,
                bytes,
                bytes_total,
            });
            !self.is_stopping()
        };
        let mut checked = None;
        if intake.received.options.strict {
            match self.check_strictly(intake, &rules, &file, &mut told)? {
                Ending::Parsed(tally) if tally.rejected == 0 => checked = tally.sha256,
                Ending::Parsed(tally) => {
                    let reason = strict_refusal(tally.rejected, tally.records);
                    return Ok(Ending::Failed(reason, tally.without_rows()));
                }
                Ending::Failed(reason, tally) => {
                    return Ok(Ending::Failed(reason, tally.without_rows()));
                }
            }
            file.rewind()
                .map_err(HostError::io("reading again", &intake.path))?;
        }
        let mut rows = self.rows(intake, &rules);
        let reader = match RecordReader::open(file, &rules.aliases, Some(FileDigest::new())) {
            Ok(reader) => reader,
            Err(error) => return Ok(refused(&error, &rows)),
        };
        let mut report = start_report(self, intake.received.upload_id, &reader)?;
        let mut sink = LogSink::new(self);
        let ending = block_on(ingest(
            reader,
            &mut rows,
            &mut sink,
            &mut report,
            folded,
            &mut told,
        ))?;
        finish_report(report, rows.tally().rejected_records())?;
        Ok(match ending {
            Ending::Parsed(tally) if checked.is_some() && checked != tally.sha256 => {
                Ending::Failed(file_changed(), tally)
            }
            ending => ending,
        })
    }

    fn check_strictly(
        &self,
        intake: &Intake,
        rules: &ReadingRules,
        file: &File,
        told: &mut impl Progress,
    ) -> Result<Ending, HostError> {
        let mut rows = self.rows(intake, rules);
        let reader = match RecordReader::open(file, &rules.aliases, Some(FileDigest::new())) {
            Ok(reader) => reader,
            Err(error) => return Ok(refused(&error, &rows)),
        };
        let mut report = start_report(self, intake.received.upload_id, &reader)?;
        let ending = block_on(check(reader, &mut rows, &mut report, told))?;
        finish_report(report, rows.tally().rejected_records())?;
        Ok(ending)
    }

    fn rows(&self, intake: &Intake, rules: &ReadingRules) -> RowIngest {
        let fingerprinter = self.shared.fingerprinter.clone();
        let context = UploadContext {
            upload_id: intake.received.upload_id,
            uploaded_at: intake.received.uploaded_at,
            key_id: fingerprinter.key_id().as_str().into(),
        };
        let only = intake.received.options.redrive.as_ref();
        RowIngest::new(Arc::new(context), rules.rows.clone(), fingerprinter)
            .only(only.map(|redrive| redrive.records.clone()))
    }

    /// Runs the whole pipeline on an empty directory of its own, without syncs and alerts, and
    /// keeps nothing of it but the report of rejected rows.
    fn dry_run(
        &self,
        intake: &Intake,
        progress: &mut dyn FnMut(ReadProgress),
    ) -> Result<IntakeReport, HostError> {
        let id = intake.received.upload_id;
        let scratch = self.dir().join(SCRATCH_DIR).join(id.as_str());
        let report = dry_run_in(
            &scratch,
            intake,
            self.shared.fingerprinter.clone(),
            progress,
            &|| self.is_stopping(),
        );
        let report = report.and_then(|report| {
            let Some(rejects) = &report.rejects else {
                return Ok(report);
            };
            let kept = self.rejects_path(id);
            make_rejects_dir(self.dir())?;
            fs::rename(rejects, &kept)
                .map_err(HostError::io("keeping the rejects report as", &kept))?;
            Ok(IntakeReport {
                rejects: Some(kept),
                ..report
            })
        });
        fs::remove_dir_all(&scratch)
            .map_err(HostError::io("removing the dry run's directory", &scratch))?;
        report
    }
}

/// Reads a file against an empty state in a directory that is made for it; nothing is kept but
/// what lies there. It ends early once it is to stop, which it is asked at each progress.
///
/// # Errors
/// The file or the directory cannot be used, or it was stopped.
pub fn dry_run_in(
    scratch: &Path,
    intake: &Intake,
    fingerprinter: txp_domain::card::Fingerprinter,
    progress: &mut dyn FnMut(ReadProgress),
    is_to_stop: &dyn Fn() -> bool,
) -> Result<IntakeReport, HostError> {
    let options = HostOptions {
        command: "dry run",
        fingerprinter,
        is_durable: false,
        alerts: false,
        terminal: None,
    };
    let host = Host::open(scratch, options)?;
    let real = Intake {
        dry_run: false,
        ..intake.clone()
    };
    let mut told = |read| {
        progress(read);
        if is_to_stop() {
            host.shared.is_stopping.store(true, Ordering::Relaxed);
        }
    };
    let report = host.ingest(&real, &mut told);
    let findings = host.findings();
    host.stop()?;
    Ok(IntakeReport {
        dry_run_findings: Some(findings),
        ..report?
    })
}

fn open(path: &Path) -> Result<File, HostError> {
    let file = File::open(path).map_err(HostError::io("opening", path))?;
    let metadata = file.metadata().map_err(HostError::io("opening", path))?;
    if metadata.is_dir() {
        return Err(HostError::io("opening", path)(
            std::io::ErrorKind::IsADirectory.into(),
        ));
    }
    Ok(file)
}

fn refused(error: &ReadError, rows: &RowIngest) -> Ending {
    Ending::Failed(failure_of(error), rows.finish(None, &[]))
}

fn file_changed() -> FailureReason {
    FailureReason {
        code: "file_changed".to_owned(),
        message: "the file changed while it was read".to_owned(),
        hint: "send the file again once nothing writes to it".to_owned(),
        line: None,
    }
}

fn start_report<R: std::io::Read>(
    host: &Host,
    id: UploadId,
    reader: &RecordReader<R>,
) -> Result<RejectsWriter<RejectsFile>, HostError> {
    let file = RejectsFile::create(host.dir(), id)?;
    Ok(RejectsWriter::new(file, reader.header()).map_err(IngestError::Rejects)?)
}

fn finish_report(report: RejectsWriter<RejectsFile>, rejected: u64) -> Result<(), HostError> {
    let mut file = report.finish().map_err(IngestError::Rejects)?;
    let finished = if rejected == 0 {
        block_on(file.discard())
    } else {
        block_on(file.publish())
    };
    finished.map_err(HostError::Port)
}
