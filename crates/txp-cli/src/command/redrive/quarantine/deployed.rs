//! `txp redrive quarantine --env ENV`: what the functions on AWS could not process, and what of it this
//! txp reads in the history.
//!
//! A table is not folded again in place: an event in the middle of the history cannot be folded behind
//! what came after it. What can be read by now is folded into a new table, beside the one in use.

use super::super::Step;
use super::{Args, Document, EventDocument};
use crate::command::source::{self, HistoryArgs, Reading};
use crate::command::{Globals, Refusal};
use std::collections::HashMap;
use txp_aws::config;
use txp_aws::deployment::Names;
use txp_aws::quarantine::{Kept, kept};
use txp_aws::s3::Bucket;
use txp_domain::event::decode;
use txp_domain::position::Position;
use txp_pipeline::document::PositionDocument;
use txp_pipeline::port::{EventSource as _, Progress, SourceBatch};

/// Records that are looked at.
const RECORDS_MAX: usize = 10_000;

/// Lists, or looks each up in the history.
pub(super) fn run(globals: &Globals, args: &Args, environment: &str) -> anyhow::Result<Document> {
    let history = HistoryArgs {
        source: args.source.clone(),
        from: args.from,
        to: args.to,
    };
    let source = match args.step {
        Step::List => None,
        Step::Preview if args.source.is_none() => {
            return Err(Refusal::wrong_use(
                "preview looks into the history: --source s3://BUCKET/PREFIX, kinesis:STREAM or both",
            ));
        }
        Step::Preview => Some(history.source(globals)?),
        Step::Run => return Err(no_run(args)),
    };
    let names = Names::of_environment(environment, args.bucket_suffix.as_deref());
    let runtime = source::runtime()?;
    runtime.block_on(async {
        let client = config::s3_client(&config::load().await);
        let bucket = Bucket::new(client, names.reports_bucket);
        let (records, has_more) = kept(&bucket, RECORDS_MAX).await?;
        let mut document = told(&records, args);
        document.has_more = has_more;
        if let Some(source) = source {
            let mut opened = source.open(history.window(None)).await?;
            look_up(&mut opened, &mut document).await?;
            document.redriven = document.count("readable");
            document.unreadable = document.count("unreadable");
        }
        Ok(document)
    })
}

fn no_run(args: &Args) -> anyhow::Error {
    let source = args.source.as_deref().unwrap_or("SOURCE");
    Refusal::wrong_use(format!(
        "a table is not folded again in place: `txp replay --source {source} --into dynamodb:NEW_TABLE` folds \
         the history into a new one, with these events at their places, and says how to switch to it"
    ))
}

/// Each event that is told of, up to as many as are asked for.
fn told(records: &[Kept], args: &Args) -> Document {
    let mut document = Document::new(args.step);
    let all: u64 = records.iter().map(|record| record.events).sum();
    let each = records.iter().flat_map(|record| {
        let stretches = record.stretches.iter();
        let positions = stretches.flat_map(|stretch| {
            let positions = stretch.positions();
            positions.map(|position| (position, stretch.reason.as_str()))
        });
        positions.map(|(position, reason)| (record.stage.as_str(), position, reason))
    });
    for (stage, position, reason) in each.take(args.max) {
        document.events.push(EventDocument {
            position: PositionDocument::from(&position),
            state: "quarantined",
            stage: stage.to_owned(),
            reason: reason.to_owned(),
            id: None,
            kind: None,
            redriven_at: None,
        });
    }
    let told = u64::try_from(document.events.len()).unwrap_or(u64::MAX);
    document.left_off = all.saturating_sub(told);
    document
}

/// Reads the history through and says of each event how it is read now.
async fn look_up(opened: &mut source::Opened, document: &mut Document) -> anyhow::Result<()> {
    // Two stages may have put the same event aside.
    let mut asked: HashMap<(String, u64), Vec<usize>> = HashMap::new();
    for (index, event) in document.events.iter_mut().enumerate() {
        event.state = "missing";
        let at = (event.position.sequence.clone(), event.position.subsequence);
        asked.entry(at).or_default().push(index);
    }
    let mut batch = SourceBatch::default();
    let mut reading = Reading::new("events", false);
    loop {
        let progress = opened.next(&mut batch).await?;
        reading.goes_on(opened, batch.len());
        for event in batch.events() {
            let found = asked.get(&place_of(&event.position));
            for index in found.into_iter().flatten() {
                if let Some(asked) = document.events.get_mut(*index) {
                    asked.read_now(decode(event.bytes));
                }
            }
        }
        if progress != Progress::More {
            return Ok(());
        }
    }
}

fn place_of(position: &Position) -> (String, u64) {
    (position.sequence.to_string(), position.subsequence)
}
