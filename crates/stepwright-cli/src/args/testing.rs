//! The arguments of `stepwright test`.

use super::OneRun;
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(super) const TEST: &str = "\
Nothing is reached over the network, no command runs and no file is written: what models, tools,
commands and people answered stands in the cassette. Templates, expressions, prompts and routes are
those of the workflow file as it is now.

Examples:
  stepwright test from-run r-7 --db runs.db --output tests/refund.cassette.yaml
  stepwright test tests/refund.cassette.yaml
  stepwright test tests
  stepwright test tests --update
  stepwright test tests --json";

pub(super) const FROM_RUN: &str = "\
The cassette has what the run's models, tools, commands, requests and people answered, without
secrets. The golden tree beside it has what happened. The run must have ended, and its workflow file
must be as it was. `stepwright erase` does not reach these files: they are yours.

Examples:
  stepwright test from-run r-7 --db runs.db
  stepwright test from-run last --output tests/refund.cassette.yaml";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Test {
    #[command(subcommand)]
    pub(crate) from: Option<TestFrom>,
    /// The cassettes, or folders with files `*.cassette.yaml`
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write the golden trees anew. Changed requests replace the recorded ones, and keep their
    /// answers
    #[arg(long)]
    pub(crate) update: bool,
    /// Write the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TestFrom {
    /// Make a test of a run: a cassette, and the golden tree beside it
    #[command(after_help = FROM_RUN)]
    FromRun(Box<FromRun>),
}

#[derive(Debug, Args)]
pub(crate) struct FromRun {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// The workflow file, if it has moved since the run began
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The cassette to write; its name ends in `.cassette.yaml`. The default is the run's id, in
    /// the current directory
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the names of the files as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
