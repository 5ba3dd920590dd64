//! `txp generate`: a seeded file, and beside it what is to be expected of it.

use super::{Ending, Globals, Refusal};
use crate::output;
use anyhow::Context as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use txp_pipeline::generate::{Options, generate};

/// Arguments of `txp generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rows
    #[arg(long)]
    rows: u64,
    /// The seed: the same seed and rows give the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the file, and FILE.expected.json beside it; without it the file goes to
    /// standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the file.
pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<Ending> {
    let Some(path) = &args.out else {
        if globals.json {
            return Err(Refusal::wrong_use(
                "--json prints the expected counts and needs --out for the file",
            ));
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        generate(args.rows, args.seed, Options::default(), &mut out)?;
        out.flush()?;
        return Ok(Ending::Done);
    };
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let expected = generate(args.rows, args.seed, Options::default(), &mut out)
        .and_then(|expected| out.flush().map(|()| expected))
        .with_context(|| format!("writing {}", path.display()))?;
    let mut beside = path.clone().into_os_string();
    beside.push(".expected.json");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, serde_json::to_vec_pretty(&expected)?)
        .with_context(|| format!("writing {}", beside.display()))?;
    if globals.json {
        output::json(&expected)?;
    } else {
        output::note(&format!(
            "wrote {} rows to {} and what to expect to {}",
            args.rows,
            path.display(),
            beside.display()
        ));
    }
    Ok(Ending::Done)
}
