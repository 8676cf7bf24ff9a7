//! The arguments of the command line.

#[cfg(test)]
mod docs;
mod runs;
mod sessions;

pub(crate) use runs::{
    Again, CancelRun, Compare, Continue, Events, Fork, NewRun, Rerun, Resume, Retried, Runs, Show,
    Upgrade, Verify,
};
pub(crate) use sessions::{OneSession, SessionList, SessionState, Sessions};

use crate::database::Database;
use crate::duration;
use anstream::ColorChoice;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;
use stepwright::file::Options;
use stepwright::{Error, ErrorId, RunId, UserId};

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  the run completed, or the command succeeded
  1  the run failed, or its output could not be written
  2  bad usage, a bad definition, a bad input or a bad answer: nothing ran
  3  the run is paused: it waits for an answer or a moment
  4  the run was cancelled, by Ctrl-C or by another process
  5  the database cannot be opened or written or is damaged, or another process drives the run

Of `chat`, the last answer counts.

Each error has a code such as SW0701: `stepwright explain SW0701` says what it means.";

const EXAMPLES: &str = "\
Examples:
  stepwright check digest.yaml
  stepwright run digest.yaml docs
  stepwright run article.yaml \"AI trends\" --stream
  git diff | stepwright run review.yaml --input-file - --model offline > review.md
  stepwright run chat.yaml \"And then?\" --session-id s-1 --db chat.db
  stepwright run digest.yaml --input-file in.json --json --events > events.jsonl
  stepwright run publish.yaml --db runs.db --run-id r-7    # pauses at a question
  stepwright continue r-7 --db runs.db --approve publish";

const INPUT: &str = "\
Input:
  What a file declares as `input` says how INPUT is read. Without a schema, or where `type` is
  `string`, it is a text. Where `type` is anything else, it is JSON. Where both would do (several
  types with `string` among them, or a schema without `type`), it is JSON if it is a JSON object or
  array, and a text otherwise.";

const EXPLAIN: &str = "\
Examples:
  stepwright explain SW0701
  stepwright explain 701
  stepwright explain
  stepwright explain r-7 --db runs.db";

const COMPLETIONS: &str = "\
Examples:
  stepwright completions bash > ~/.local/share/bash-completion/completions/stepwright
  stepwright completions zsh > ~/.zfunc/_stepwright
  stepwright completions fish > ~/.config/fish/completions/stepwright.fish";

/// Runs workflows of agents and functions that are written as YAML or JSON files
#[derive(Debug, Parser)]
#[command(name = "stepwright", version, max_term_width = 100)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to use colours; `auto` honours `NO_COLOR` and `CLICOLOR_FORCE`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow file: its output goes to stdout, everything else to stderr
    #[command(after_help = format!("{INPUT}\n\n{EXAMPLES}\n\n{EXIT_CODES}"))]
    Run(Box<Run>),
    /// Chat with a workflow file at a prompt: each line is a run of the same session
    #[command(after_help = EXIT_CODES)]
    Chat(Box<Chat>),
    /// Check a workflow file without running it, and show its steps
    #[command(after_help = EXIT_CODES)]
    Check(Check),
    /// List the runs in a database, newest first
    #[command(after_help = runs::RUNS)]
    Runs(Runs),
    /// Show a run: its status, its steps, its pending requests and how to answer them
    #[command(after_help = runs::SHOW)]
    Show(Show),
    /// Show the events of a run; `--follow` waits for new ones
    #[command(after_help = runs::EVENTS)]
    Events(Events),
    /// Resume a run whose process has died, from the end of its journal
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::RESUME))]
    Resume(Box<Resume>),
    /// Begin a new run that does a step of another run again, and all that follows
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::RERUN))]
    Rerun(Box<Rerun>),
    /// Begin a new run that shares the beginning of another one, with something changed
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::FORK))]
    Fork(Box<Fork>),
    /// Move a waiting run to a changed workflow file, if all that it has done is the same there
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::UPGRADE))]
    Upgrade(Box<Upgrade>),
    /// Compare two runs: outputs, tokens, time, and the first difference
    #[command(after_help = runs::COMPARE)]
    Compare(Compare),
    /// Answer the pending requests of a run, and continue it
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::CONTINUE))]
    Continue(Box<Continue>),
    /// Verify that everything stored of a run is as it was written
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::VERIFY))]
    Verify(Verify),
    /// Cancel a run in any process
    #[command(after_help = runs::CANCEL)]
    Cancel(CancelRun),
    /// Manage sessions: list, show, rename and delete them, change their state
    #[command(subcommand, after_help = sessions::EXAMPLES)]
    Sessions(Sessions),
    /// Explain an error code such as `SW0701`, or a run: why it failed, and what to do next
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// Write a completion script for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// A workflow file and its permissions.
#[derive(Debug, Args)]
pub(crate) struct Definition {
    /// The workflow file: YAML or JSON
    pub(crate) file: PathBuf,
    /// The model of all agents as `provider:model`; overrides the file
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Allow steps that run commands; without it, a file with such steps is refused
    #[arg(long)]
    pub(crate) allow_shell: bool,
    #[command(flatten)]
    pub(crate) doors: Doors,
    /// The directory that steps and tools read and write, and cannot leave; by default the current
    /// directory
    #[arg(long, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
}

/// The permissions of a workflow file. They must be granted again to resume a run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Doors {
    /// Let the file include prompts and other workflows from this directory too; by default only
    /// from its own folder. Can be given several times
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_path: Vec<PathBuf>,
    /// Pass this environment variable to commands; by default they get `PATH`, `HOME` and a few
    /// others, and no keys. Can be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) pass_env: Vec<String>,
}

/// The owner and the database of a run.
#[derive(Debug, Args)]
pub(crate) struct Kept {
    /// Continue this session, or create it if it does not exist
    #[arg(long, value_name = "ID")]
    pub(crate) session_id: Option<String>,
    /// The user of the run; sessions of other users are not found
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<String>,
    /// Store runs and sessions in this SQLite file, which is created if it does not exist, or in
    /// the PostgreSQL database at this URL: `postgres://user:password@host/database`. The default
    /// is `STEPWRIGHT_DB`; without both, nothing is stored
    #[arg(long, value_name = "DB", value_parser = database())]
    db: Option<Database>,
    /// Wait so long while another process writes to the SQLite file; the default is `5s`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    lock_wait: Option<Duration>,
}

/// The database to read.
#[derive(Debug, Args)]
pub(crate) struct In {
    /// The SQLite file with the runs, or the URL of the PostgreSQL database; the default is
    /// `STEPWRIGHT_DB`
    #[arg(long, value_name = "DB", value_parser = database())]
    db: Option<Database>,
    /// Wait so long while another process writes to the SQLite file; the default is `5s`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    lock_wait: Option<Duration>,
}

/// A run in a database.
#[derive(Debug, Args)]
pub(crate) struct OneRun {
    /// The id of the run; `stepwright runs` lists them
    #[arg(value_name = "RUN_ID")]
    pub(crate) run: RunId,
    /// Act as this user: runs of other users, or without a user, are not found
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: Option<UserId>,
    #[command(flatten)]
    pub(crate) kept: In,
}

/// The output options.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Shown {
    /// Write the text of agents as it arrives; the output is not repeated at the end
    #[arg(long, conflicts_with = "json")]
    pub(crate) stream: bool,
    /// Write text to terminals unchanged, without rendering it as Markdown
    #[arg(long)]
    pub(crate) no_markdown: bool,
    /// Write events as JSON, one per line: the start and the end of the run, and its text
    #[arg(long)]
    pub(crate) json: bool,
    /// Show all events: with --json as JSON on stdout, otherwise as plain lines on stderr
    #[arg(long)]
    pub(crate) events: bool,
    /// Log every event, prompt and answer to stderr
    #[arg(long)]
    pub(crate) debug: bool,
}

fn database() -> impl TypedValueParser<Value = Database> {
    OsStringValueParser::new().map(Database::named)
}

impl Kept {
    /// Returns the database that stores the run, if there is one.
    ///
    /// # Errors
    /// Fails if there is none with a lock to wait for.
    pub(crate) fn database(&self) -> Result<Option<Database>, Error> {
        let database = self.db.clone().or_else(Database::of_environment);
        if self.lock_wait.is_some() && database.is_none() {
            return Err(Error::usage("`--lock-wait` needs a database")
                .with_id(ErrorId::DATABASE_UNSPECIFIED)
                .with_hint("add `--db DB`; a file is made if there is none"));
        }
        database.map(|database| database.with_lock_wait(self.lock_wait)).transpose()
    }

    /// Returns the database from the command line, ignoring the environment.
    pub(crate) fn said(&self) -> Option<&Database> {
        self.db.as_ref()
    }
}

impl In {
    /// Returns the database to read.
    ///
    /// # Errors
    /// Fails if neither the command line nor the environment names one.
    pub(crate) fn database(&self) -> Result<Database, Error> {
        let database = self.db.clone().or_else(Database::of_environment).ok_or_else(|| {
            Error::usage("no database specified")
                .with_id(ErrorId::DATABASE_UNSPECIFIED)
                .with_hint("pass `--db DB`, or set `STEPWRIGHT_DB`")
        })?;
        database.with_lock_wait(self.lock_wait)
    }

    /// Returns the database from the command line, ignoring the environment.
    pub(crate) fn said(&self) -> Option<&Database> {
        self.db.as_ref()
    }
}

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of options")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) definition: Definition,
    /// The input of the run: a text, or JSON if the file declares such an input
    #[arg(allow_negative_numbers = true)]
    pub(crate) input: Option<String>,
    /// Read the input from a file; `-` is stdin. One line break at the end of a text is removed
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    pub(crate) input_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// The id of the run, to find it again; must be unique
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<RunId>,
    /// Fail if the run takes longer: `30s`, `5m`, `1h30m`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Chat {
    #[command(flatten)]
    pub(crate) definition: Definition,
    /// The first message
    #[arg(allow_negative_numbers = true)]
    pub(crate) input: Option<String>,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// Your name at the prompt
    #[arg(long, value_name = "NAME", default_value = "You")]
    pub(crate) user: String,
    /// The emoji before your name
    #[arg(long, value_name = "EMOJI", default_value = "🧑")]
    pub(crate) emoji: String,
    /// A word that leaves, instead of `exit`, `quit`, `bye` and `stop`; can be given several times
    #[arg(long, value_name = "WORD")]
    pub(crate) exit_on: Vec<String>,
    /// Fail an answer that takes longer: `30s`, `5m`, `1h30m`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Write answers only when they are complete
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Write answers unchanged, without rendering them as Markdown
    #[arg(long)]
    pub(crate) no_markdown: bool,
    /// Show only answers, without the steps
    #[arg(long)]
    pub(crate) no_details: bool,
    /// Do not save the lines that you type
    #[arg(long)]
    pub(crate) no_history: bool,
    /// Log every event, prompt and answer to stderr
    #[arg(long)]
    pub(crate) debug: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, as an error prints it, where a number alone will do; or the id of a run. Without
    /// it, all codes are listed
    #[arg(value_name = "CODE|RUN_ID")]
    pub(crate) code: Option<String>,
    /// Act as this user: runs of other users, or without a user, are not found
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: Option<UserId>,
    #[command(flatten)]
    pub(crate) kept: In,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) definition: Definition,
    /// Write the mistakes, or the tree of steps, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Doors {
    /// Returns `true` if there are no permissions.
    pub(crate) fn is_closed(&self) -> bool {
        self.allow_path.is_empty() && self.pass_env.is_empty()
    }
}

impl Definition {
    /// Returns the options to read the file with.
    pub(crate) fn options(&self) -> Options {
        Options {
            allow_shell: self.allow_shell,
            allow_path: self.doors.allow_path.clone(),
            pass_env: self.doors.pass_env.clone(),
            base_dir: self.base_dir.clone(),
            model: self.model.clone(),
        }
    }
}

// The values have no doc comments, because these would take ten lines of every help text.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn into_choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
