//! A replay into a table: folded into a directory first, then written item by item.
//!
//! Folding beside costs disk and saves nearly all writes: an item is written once, as it ended. The
//! directory stays, so that the same command goes on with what has come since: that is how a table
//! beside the one in use catches up, as often as is wanted, until it takes over.

use super::super::source::runtime;
use super::super::{Ending, Globals, Refusal};
use super::{Args, Asked, fold_into};
use crate::output;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use txp_aws::config;
use txp_aws::dynamodb::Connection;
use txp_aws::dynamodb::rebuild::{Published, Rebuild, Standing};
use txp_domain::transaction::{Transaction, TransactionKey};
use txp_local::replay::Replayed;
use txp_local::snapshot::Snapshot;
use txp_local::state::Place;

/// Items that are written before it is noted how far: of an interrupted run so many are compared again.
const PAGE: usize = 2_000;

/// The note in the working directory of what the table has.
const NOTE: &str = "published.json";

/// What the table has, by the last run that came to its end.
#[derive(Default, Serialize, Deserialize)]
struct Note {
    table: String,
    /// How far the source was read.
    through: Option<String>,
}

/// Folds, and writes the table.
pub(super) fn into_table(
    asked: &Asked,
    name: &str,
    args: &Args,
    globals: &Globals,
) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let runtime = runtime()?;
    let table = runtime.block_on(prepare(asked, name, args))?;
    let by_id = || PathBuf::from(format!("txp-replay-{}", asked.replay.id));
    let work = args.work_dir.clone().unwrap_or_else(by_id);
    fs::create_dir_all(&work).with_context(|| format!("making {}", output::path(&work)))?;
    let note = read_note(&work, name);
    let folded = work.join("folded");
    let before = Snapshot::of_state(&folded).ok();
    let is_whole = before
        .is_some_and(|before| note.through.is_some() && before.replayed_through == note.through);
    let done = fold_into(asked, folded.clone(), globals.json, is_whole)?;
    let published = runtime.block_on(publish(&table, &folded, &done, is_whole, globals.json))?;
    let through = Snapshot::of_state(&folded)?.replayed_through;
    write_note(
        &work,
        &Note {
            table: name.to_owned(),
            through,
        },
    )?;
    report(asked, name, &work, &done, &published, start, globals)
}

/// Makes the table if it is not there, and refuses one that is somebody's.
async fn prepare(asked: &Asked, name: &str, args: &Args) -> anyhow::Result<Rebuild> {
    let client = config::dynamodb_client(&config::load().await);
    let table = Rebuild::new(Connection::new(client), name);
    let id = &asked.replay.id;
    match table.standing(id).await? {
        Standing::Missing => {
            table.create(id, args.kms_key.as_deref()).await?;
            output::note(&format!("made the table {name}"));
        }
        _ if args.overwrite_live => {}
        Standing::Foreign => {
            return Err(Refusal::wrong_use(format!(
                "the table {name} is there and this replay has not made it: name a new one, or write \
                 into this one with --overwrite-live, which mends what differs and alerts no one"
            )));
        }
        Standing::Own if table.has_live_items().await? => {
            return Err(Refusal::wrong_use(format!(
                "the table {name} is in use by now: the running pipeline has written to it; \
                 --overwrite-live mends what differs in it and alerts no one"
            )));
        }
        Standing::Own => {}
    }
    Ok(table)
}

/// Writes what the table lacks: only what was folded now, where it had all the rest.
async fn publish(
    table: &Rebuild,
    folded: &Path,
    done: &Replayed,
    is_whole: bool,
    quiet: bool,
) -> anyhow::Result<Published> {
    let mut snapshot = Snapshot::of_state(folded)?;
    let kept = "what was written is kept: the same command goes on";
    let mut published = Published::default();
    if let (true, Some(touched)) = (is_whole, &done.touched) {
        let mut items = Vec::new();
        for key in touched {
            items.extend(item_of(&mut snapshot, key)?);
        }
        published.add(table.publish(&items).await.context(kept)?);
        return Ok(published);
    }
    let mut bar = output::bar("write", quiet);
    let mut place: Option<Place> = None;
    loop {
        let (items, next) = snapshot.state.transactions_after(place.as_ref(), PAGE)?;
        published.add(table.publish(&items).await.context(kept)?);
        let Some(next) = next else {
            return Ok(published);
        };
        bar.show(next.per_mille(), 1_000);
        place = Some(next);
    }
}

fn item_of(snapshot: &mut Snapshot, key: &TransactionKey) -> anyhow::Result<Option<Transaction>> {
    let found = snapshot.state.transactions(&key.transaction_id)?;
    Ok(found.into_iter().find(|item| item.key == *key))
}

/// No note, or one of another table, means that nothing is known.
fn read_note(work: &Path, table: &str) -> Note {
    let bytes = fs::read(work.join(NOTE)).unwrap_or_default();
    let note: Note = serde_json::from_slice(&bytes).unwrap_or_default();
    if note.table == table {
        note
    } else {
        Note::default()
    }
}

fn write_note(work: &Path, note: &Note) -> anyhow::Result<()> {
    let path = work.join(NOTE);
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, serde_json::to_vec(note)?)
        .and_then(|()| fs::rename(&temporary, &path))
        .with_context(|| format!("writing {}", output::path(&path)))
}

fn report(
    asked: &Asked,
    name: &str,
    work: &PathBuf,
    done: &Replayed,
    published: &Published,
    start: Instant,
    globals: &Globals,
) -> anyhow::Result<Ending> {
    let again = again(asked, name, work);
    let verify = format!(
        "txp verify --source {} --against dynamodb:{name}",
        asked.replay.source
    );
    if globals.json {
        output::json(&json!({
            "id": asked.replay.id,
            "source": asked.replay.source,
            "into": format!("dynamodb:{name}"),
            "events": done.counted.events,
            "unreadable": done.counted.unreadable,
            "items": {
                "new": published.new,
                "mended": published.mended,
                "unchanged": published.unchanged,
                "ahead": published.ahead,
            },
            "alerts": 0,
            "seconds": start.elapsed().as_secs_f64(),
            "peak_rss_bytes": output::peak_rss_bytes(),
            "work_dir": work,
            "catch_up": again,
            "verify": verify,
            "switch": switch(name, &again, &verify),
            "back": back(asked, work),
        }))?;
        return Ok(Ending::Done);
    }
    let mut text = String::new();
    let events = output::grouped(done.counted.events);
    writeln!(text, "{events} events folded, dynamodb:{name}:")?;
    for (what, count) in [
        ("new", published.new),
        ("mended", published.mended),
        ("unchanged", published.unchanged),
        ("ahead, left as they are", published.ahead),
    ] {
        writeln!(text, "  {:>12} items {what}", output::grouped(count))?;
    }
    writeln!(text, "nothing appended, no one alerted")?;
    writeln!(text, "\nto switch to this table:")?;
    for step in switch(name, &again, &verify) {
        writeln!(text, "  {step}")?;
    }
    writeln!(text, "\nto go back:")?;
    for step in back(asked, work) {
        writeln!(text, "  {step}")?;
    }
    output::text(&text)?;
    Ok(Ending::Done)
}

fn again(asked: &Asked, name: &str, work: &Path) -> String {
    format!(
        "txp replay --source {} --into dynamodb:{name} --work-dir {}",
        asked.replay.source,
        work.display()
    )
}

/// While the fold is paused the stream keeps what comes, and the old table serves as it is.
fn switch(name: &str, again: &str, verify: &str) -> Vec<String> {
    vec![
        "pulumi config set fold_paused true && pulumi up".to_owned(),
        again.to_owned(),
        verify.to_owned(),
        format!("pulumi config set transactions_table {name}"),
        "pulumi config rm fold_paused && pulumi up".to_owned(),
    ]
}

/// The stack's own table lacks what the other one has got since.
fn back(asked: &Asked, work: &Path) -> Vec<String> {
    vec![
        "pulumi config set fold_paused true && pulumi up".to_owned(),
        format!(
            "txp replay --source {} --into dynamodb:\"$(pulumi stack output own_transactions_table)\" \
             --overwrite-live --work-dir {}",
            asked.replay.source,
            work.display()
        ),
        "pulumi config rm transactions_table".to_owned(),
        "pulumi config rm fold_paused && pulumi up".to_owned(),
    ]
}
