//! Rows of a deployment: its report of rejected rows says which they were, and its functions take them.

use super::super::Step;
use super::{Args, RunDocument, Told};
use crate::command::{Globals, Refusal, source};
use crate::output;
use txp_aws::clock::SystemClock;
use txp_aws::deployment::Names;
use txp_aws::redrive::{ROWS_MAX, RedriveError, Redrives};
use txp_domain::card::Fingerprinter;
use txp_domain::event::UploadReceived;
use txp_domain::upload::{Upload, UploadState};
use txp_pipeline::port::Clock as _;
use txp_pipeline::redrive::{Rejected, RowsAsked, RowsError, Unjudged, check_file, plan};

/// How often is looked whether the functions are done.
const ASK_EVERY_MILLIS: u64 = 1_000;
/// After so many looks, a quarter of an hour, it is time to look elsewhere.
const LOOKS_MAX: u32 = 900;

pub(super) fn run(globals: &Globals, args: &Args, environment: &str) -> anyhow::Result<Told> {
    if args.max > ROWS_MAX {
        return Err(Refusal::wrong_use(format!(
            "--max is 1 to {ROWS_MAX} in a deployment: run it again for more"
        )));
    }
    let names = Names::of_environment(environment, args.bucket_suffix.as_deref());
    let deployed = async {
        let redrives = Redrives::open(&names, SystemClock).await;
        let rejected = redrives.rejected(args.upload, &args.codes).await;
        let rejected = rejected.map_err(told)?;
        if args.step == Step::List {
            return Ok(Told::Listed(Box::new(rejected)));
        }
        // No fingerprint is kept, nor looked at: the functions make those that are.
        let asked = args.asked(Fingerprinter::new([0; 32]))?;
        if args.step == Step::Preview {
            let new_id = txp_local::mint_upload_id();
            let plan = plan(&asked, &rejected, new_id, &mut Unjudged).await;
            let plan = plan.map_err(in_the_way)?;
            return Ok(Told::Tried(RunDocument::planned("preview", args, &plan)));
        }
        let run = Run {
            redrives,
            rejected,
            asked,
            environment,
            is_quiet: globals.json,
        };
        run.redrive(args).await.map(Told::Tried)
    };
    source::runtime()?.block_on(deployed)
}

/// A run of them.
struct Run<'a> {
    redrives: Redrives<SystemClock>,
    rejected: Rejected,
    asked: RowsAsked<'a>,
    environment: &'a str,
    is_quiet: bool,
}

impl Run<'_> {
    async fn redrive(&self, args: &Args) -> anyhow::Result<RunDocument> {
        let (asked, rejected) = (&self.asked, &self.rejected);
        if let Some(received) = &rejected.unfinished {
            let sha256 = rejected.sha256().map_err(in_the_way)?;
            let checked = check_file(asked, received, &sha256).await;
            checked.map_err(in_the_way)?;
            let mut document = RunDocument::resumed(args);
            document.ended(&self.read_by_the_functions(received).await?)?;
            return Ok(document);
        }
        let new_id = txp_local::mint_upload_id();
        let plan = plan(asked, rejected, new_id, &mut Unjudged).await;
        let plan = plan.map_err(in_the_way)?;
        let mut document = RunDocument::planned("run", args, &plan);
        if plan.valid > 0 {
            let begun = self.redrives.begin(rejected, &plan.received).await;
            begun.map_err(told)?;
            document.ended(&self.read_by_the_functions(&plan.received).await?)?;
        }
        Ok(document)
    }

    /// Puts the file, and waits until every row of it is folded.
    async fn read_by_the_functions(&self, received: &UploadReceived) -> anyhow::Result<Upload> {
        let sha256 = self.rejected.sha256().map_err(in_the_way)?;
        let put = self.redrives.put(received, &sha256, self.asked.file).await;
        put.map_err(told)?;
        let upload_id = received.upload_id;
        if !self.is_quiet {
            output::note(&format!(
                "the file is put as upload {upload_id}; the functions read it"
            ));
        }
        for _ in 0..LOOKS_MAX {
            let view = self.redrives.upload(upload_id).await.map_err(told)?;
            if matches!(view.state, UploadState::Completed | UploadState::Failed) {
                return Ok(view.upload);
            }
            SystemClock.sleep(ASK_EVERY_MILLIS).await;
        }
        Err(Refusal::problem(format!(
            "upload {upload_id} is not completed yet: `txp doctor --env {}` says what it waits for; the same command waits on",
            self.environment
        )))
    }
}

/// What was found in the way is a problem, told as such.
fn told(error: RedriveError) -> anyhow::Error {
    match error {
        RedriveError::Rows(error) => in_the_way(error),
        error @ (RedriveError::Unknown(_)
        | RedriveError::NoReport(_)
        | RedriveError::Conflict(_)) => Refusal::problem(error.to_string()),
        error => error.into(),
    }
}

fn in_the_way(error: RowsError) -> anyhow::Error {
    match error.is_failure() {
        true => error.into(),
        false => Refusal::problem(error.to_string()),
    }
}
