//! The arguments of the command line.

#[cfg(test)]
mod docs;
mod keeping;
#[cfg(feature = "knowledge")]
mod knowledge;
mod memories;
mod runs;
mod serving;
mod sessions;
mod testing;
mod tools;
#[cfg(feature = "serve")]
mod triggers;

pub(crate) use tools::{
    Attach, Capabilities, Check, Docs, Fix, Init, Man, Schema, ShowConfig, Skill, SkillInstall, Top,
};

pub(crate) use keeping::{Erase, Export, Import, Prune, Told, Vacuum};
#[cfg(feature = "knowledge")]
pub(crate) use knowledge::{BaseOf, Knowledge};
pub(crate) use memories::{Memories, MemoriesOf};
pub(crate) use runs::{
    Again, CancelRun, Compare, Continue, EmitEvent, Events, Fork, NewRun, Rerun, Resume, Retried,
    Runs, SendToRun, Show, Upgrade, Verify,
};
#[cfg(feature = "mcp")]
pub(crate) use serving::{ALL as ALL_AGENTS, Login, Mcp};
#[cfg(feature = "serve")]
pub(crate) use serving::{KeyList, KeyMade, KeyRevoked, Keys, Serve, Tokens};
pub(crate) use serving::{Worker, Workers};
pub(crate) use sessions::{OneSession, SessionList, SessionState, Sessions};
pub(crate) use testing::{FromRun, Test, TestFrom};
#[cfg(feature = "serve")]
pub(crate) use triggers::{
    Deliveries, DeliveryList, OneSchedule, OneWebhook, Redelivered, ScheduleList, Schedules,
    WebhookList, Webhooks,
};

use crate::completion;
use crate::database::Database;
use crate::dispatcher_address::DispatcherAddress;
use crate::duration;
use crate::folders;
use crate::run_reference::{RunReference, no_runs};
use crate::ui::terminal::write;
use anstream::ColorChoice;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepwright::budgets::Prices;
use stepwright::file::{
    ChangedPrompt, Diagnostics, Options, Variables, misspelt_rules, read_permissions, read_prices,
};
use stepwright::permissions::Permissions;
use stepwright::sent::SendMode;
use stepwright::{Error, ErrorId, ErrorKind, RunId, UserId};

/// The folder of the tokens of logins, in the state folder.
const TOKENS: &str = "tokens";

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  the run completed, or the command succeeded
  1  the run failed, a test differs, or the output could not be written
  2  bad usage, a bad definition, a bad input or a bad answer: nothing ran
  3  the run is paused: it waits for an answer or a moment
  4  the run was cancelled, by Ctrl-C or by another process
  5  the database cannot be opened or written or is damaged, or another process drives the run
  6  the run was stopped by SIGTERM: `stepwright resume` goes on with it
  7  the run is paused: it waits for a decision about a step whose outcome is unknown
  8  the run was skipped: the limits of its workflow did not let it begin

Of `chat`, the last answer counts.

Each error has a code such as SW0701: `stepwright explain SW0701` says what it means.";

const EXAMPLES: &str = "\
Examples:
  stepwright check digest.yaml
  stepwright run digest.yaml docs
  stepwright run article.yaml \"AI trends\" --stream
  git diff | stepwright run review.yaml - --model offline > review.md
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
    /// Read variables such as API keys from this file, with `NAME=VALUE` on each line; variables of
    /// the environment win. Can be given several times
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow file: its output goes to stdout, everything else to stderr
    #[command(after_help = format!("{INPUT}\n\n{EXAMPLES}\n\n{EXIT_CODES}"))]
    Run(Box<Run>),
    /// Chat with a workflow file at a prompt: each line is a run of the same session
    #[command(after_help = EXIT_CODES)]
    Chat(Box<Chat>),
    /// Serve workflow files as the tools of an MCP server
    #[cfg(feature = "mcp")]
    #[command(after_help = serving::MCP)]
    Mcp(Box<Mcp>),
    /// Serve workflow files over HTTP, with a page in the browser
    #[cfg(feature = "serve")]
    #[command(after_help = serving::SERVE)]
    Serve(Box<Serve>),
    /// Manage the API keys of `serve`
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Keys(Keys),
    /// List, pause, resume and run the schedules of served workflow files
    #[cfg(feature = "serve")]
    #[command(subcommand, after_help = triggers::SCHEDULES)]
    Schedules(Schedules),
    /// List the webhooks of served workflow files, and renew their tokens
    #[cfg(feature = "serve")]
    #[command(subcommand, after_help = triggers::WEBHOOKS)]
    Webhooks(Webhooks),
    /// List the deliveries of notifications that did not arrive, and send dead ones again
    #[cfg(feature = "serve")]
    #[command(subcommand, after_help = triggers::DELIVERIES)]
    Deliveries(Deliveries),
    /// Drive the background runs of workflow files that other processes submit
    #[command(after_help = serving::WORKER)]
    Worker(Box<Worker>),
    /// List the workers of a PostgreSQL database, and the runs that wait for them
    #[command(after_help = serving::WORKERS)]
    Workers(Workers),
    /// Log in at an MCP server of a workflow file
    #[cfg(feature = "mcp")]
    #[command(after_help = serving::LOGIN)]
    Login(Login),
    /// Check workflow files without running them, and show their steps
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", tools::CHECK))]
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
    /// Replay runs as tests, without network; `from-run` makes a test of a run
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", testing::TEST))]
    Test(Test),
    /// Answer the pending requests of a run, and continue it
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::CONTINUE))]
    Continue(Box<Continue>),
    /// Show a run from its beginning, and follow it until it ends, in any process
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", tools::ATTACH))]
    Attach(Attach),
    /// Show all runs, those under way first; at a terminal it is redrawn until Ctrl-C
    Top(Top),
    /// Verify that everything stored of a run is as it was written
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", runs::VERIFY))]
    Verify(Verify),
    /// Send a message to an agent at work, in any process
    #[command(after_help = runs::SEND)]
    Send(SendToRun),
    /// Send an event to the runs that wait for it
    #[command(after_help = runs::EMIT)]
    Emit(EmitEvent),
    /// Cancel a run in any process
    #[command(after_help = runs::CANCEL)]
    Cancel(CancelRun),
    /// Delete old runs that have ended
    #[command(after_help = keeping::PRUNE)]
    Prune(Prune),
    /// Give the space of deleted data back to the system
    #[command(after_help = keeping::VACUUM)]
    Vacuum(Vacuum),
    /// Write runs as JSON lines, to move or to keep them
    #[command(after_help = keeping::EXPORT)]
    Export(Export),
    /// Read runs that `export` has written
    #[command(after_help = keeping::IMPORT)]
    Import(Import),
    /// Erase everything that is stored of a run, a session or a user
    #[command(after_help = keeping::ERASE)]
    Erase(Erase),
    /// Manage sessions: list, show, rename and delete them, change their state
    #[command(subcommand, after_help = sessions::EXAMPLES)]
    Sessions(Sessions),
    /// Manage memories of users: list, search, add, change and remove them
    #[command(subcommand, after_help = memories::EXAMPLES)]
    Memories(Memories),
    /// Fill, list and search the knowledge bases of a workflow file
    #[cfg(feature = "knowledge")]
    #[command(subcommand, after_help = knowledge::EXAMPLES)]
    Knowledge(Knowledge),
    /// Explain an error code such as `SW0701`, or a run: why it failed, and what to do next
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// Show a page of the documentation; without a topic, list all of them
    #[command(after_help = tools::DOCS)]
    Docs(Docs),
    /// Show the settings that hold, and the file and line of each
    #[command(after_help = tools::CONFIG)]
    Config(ShowConfig),
    /// Write a first workflow, and instructions for coding assistants
    Init(Init),
    /// Correct mistakes in workflow files whose correction is certain
    #[command(after_help = tools::FIX)]
    Fix(Fix),
    /// Write the JSON Schema of workflow files, for editors and other programs
    #[command(after_help = tools::SCHEMA)]
    Schema(Schema),
    /// Teach a coding assistant to write workflow files
    #[command(subcommand, after_help = tools::SKILL)]
    Skill(Skill),
    /// Describe this version for programs: commands, options, exit codes, providers
    Capabilities(Capabilities),
    /// Write the manual page, or one for each command
    Man(Man),
    /// Write a completion script for a shell; it completes the ids of runs too
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// A workflow file and its permissions.
#[derive(Clone, Debug, Args)]
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
    /// Another prompt for one step, of a fork
    #[arg(skip)]
    pub(crate) prompt: Option<ChangedPrompt>,
    /// The agent of the file that is the whole workflow, for `mcp --agents` and its runs
    #[arg(skip)]
    pub(crate) agent: Option<String>,
}

/// The permissions of a workflow file. They must be granted again to resume a run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Doors {
    /// Let the file include prompts and other workflows from this directory too; by default only
    /// from its own folder. Can be given several times
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_path: Vec<PathBuf>,
    /// Let the file read this environment variable, and pass it to commands; by default they get
    /// `PATH`, `HOME` and a few others, and no keys. Can be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) pass_env: Vec<String>,
    /// Allow, ask about and deny effects by the rules in this YAML or JSON file; the workflow file
    /// can only narrow them
    #[arg(long, value_name = "FILE")]
    pub(crate) permissions: Option<PathBuf>,
    /// Ask about and deny more effects, by the rules in this YAML or JSON file; an effect that it
    /// allows still needs your own permission
    #[arg(long, value_name = "FILE")]
    pub(crate) project_permissions: Option<PathBuf>,
    /// Read prices of models from this YAML or JSON file; they override the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
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
    /// is `STEPWRIGHT_DB`, then `.stepwright/runs.db` beside the workflow file or in the current
    /// directory if that folder exists, then a file in your state folder
    #[arg(long, value_name = "DB", value_parser = database())]
    db: Option<Database>,
    /// Wait so long while another process writes to the SQLite file; the default is `5s`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    lock_wait: Option<Duration>,
    /// Store nothing: the run ends with this command
    #[arg(long, conflicts_with_all = ["db", "lock_wait"])]
    no_db: bool,
}

/// The database to read.
#[derive(Debug, Args)]
pub(crate) struct In {
    /// The SQLite file with the runs, or the URL of the PostgreSQL database; the default is
    /// `STEPWRIGHT_DB`, then `.stepwright/runs.db` in the current directory if that folder exists,
    /// then the file in your state folder
    #[arg(long, value_name = "DB", value_parser = database())]
    db: Option<Database>,
    /// Wait so long while another process writes to the SQLite file; the default is `5s`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    lock_wait: Option<Duration>,
}

/// A run in a database.
#[derive(Debug, Args)]
pub(crate) struct OneRun {
    /// The id of the run, the beginning or the end of an id, or `last`; `stepwright runs` lists
    /// them
    #[arg(value_name = "RUN_ID", required = true, add = ArgValueCandidates::new(completion::runs))]
    pub(crate) run: Option<RunReference>,
    /// Act as this user: runs of other users, or without a user, are not found
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: Option<UserId>,
    #[command(flatten)]
    pub(crate) kept: In,
}

impl OneRun {
    /// Finds the run.
    pub(crate) async fn find(&self, runs: &stepwright_engine::Runs) -> Result<RunId, Error> {
        match &self.run {
            Some(run) => run.find(runs).await.map_err(|error| self.not_found(error)),
            // The parser demands one, except where the command offers a choice.
            None => Err(no_runs()),
        }
    }

    /// Adds a hint to the error of a run that was not found: the database, and whose runs are
    /// found in it.
    fn not_found(&self, error: Error) -> Error {
        let Ok(db) = self.kept.database() else { return error };
        if error.kind() != ErrorKind::NotFound || error.hint().is_some() {
            return error;
        }
        let hint = match &self.user {
            Some(user) => format!(
                "`--user {user}` finds only runs of `{user}` in `{db}`; `--by {user}` signs an \
                 answer to any run"
            ),
            None => format!(
                "`stepwright runs` lists those in `{db}`; pass `--db DB` if it is in another \
                 database"
            ),
        };
        error.with_id(ErrorId::RUN_NOT_FOUND).with_hint(hint)
    }
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

/// The database that stores a run.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) db: Database,
    /// `true` if the user named it, with an option or a variable.
    pub(crate) is_named: bool,
    /// The database to name in a command line that continues the run, if it must be named.
    pub(crate) said: Option<Database>,
}

impl Kept {
    /// Returns the database that stores the run of this file, if there is one.
    ///
    /// # Errors
    /// Fails for a server with a lock to wait for.
    pub(crate) fn storage(&self, file: &Path) -> Result<Option<Storage>, Error> {
        let Some(mut storage) = self.named(file) else { return Ok(None) };
        storage.db = storage.db.with_lock_wait(self.lock_wait)?;
        Ok(Some(storage))
    }

    /// Returns the database from the command line, ignoring the environment.
    pub(crate) fn said(&self) -> Option<&Database> {
        self.db.as_ref()
    }

    fn named(&self, file: &Path) -> Option<Storage> {
        if self.no_db {
            return None;
        }
        if let Some(db) = &self.db {
            return Some(Storage { db: db.clone(), is_named: true, said: Some(db.clone()) });
        }
        if let Some(db) = Database::of_environment() {
            return Some(Storage { db, is_named: true, said: None });
        }
        let db = Database::usual(Some(file))?;
        // Commands without a workflow file look into the current directory.
        let said = (Database::usual(None).as_ref() != Some(&db)).then(|| db.clone());
        Some(Storage { db, is_named: false, said })
    }
}

impl In {
    /// Returns the database to read.
    ///
    /// # Errors
    /// Fails if the user has no folder for one, and names none.
    pub(crate) fn database(&self) -> Result<Database, Error> {
        let named = self.db.clone().or_else(Database::of_environment);
        let database = named.or_else(|| Database::usual(None)).ok_or_else(|| {
            Error::usage("no database specified, and there is no home folder to look into")
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
    /// The input of the run: a text, or JSON if the file declares such an input; `-` reads it from
    /// stdin
    #[arg(allow_negative_numbers = true)]
    pub(crate) input: Option<String>,
    /// Read the input from a file; `-` is stdin. One line break at the end of a text is removed
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    pub(crate) input_file: Option<PathBuf>,
    /// A member of the input: a text or JSON, as the file declares it. `@FILE` reads the value from
    /// a file, `@-` from stdin; `@@` stands for an `@`. Also an image, a video, audio or a file
    /// that the workflow takes: `photo=@photo.png`. Can be given several times
    #[arg(short = 'i', value_name = "NAME=VALUE")]
    pub(crate) pairs: Vec<String>,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// The id of the run, to find it again; must be unique
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<RunId>,
    /// Fail if the run takes longer: `30s`, `5m`, `1h30m`
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Submit the run to a dispatcher, and show it here while a `stepwright worker` of the same
    /// address drives it: the queue of the PostgreSQL database at this URL, which stores the run
    /// too, or a dispatcher beside a PostgreSQL `--db`. `stepwright-restate` has `restate://…`
    #[arg(
        long,
        value_name = "URL",
        value_parser = DispatcherAddress::parse,
        conflicts_with = "no_db"
    )]
    pub(crate) dispatcher: Option<DispatcherAddress>,
    /// Drive the run before those of a lower priority in the queue of PostgreSQL; by default 0
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true,
        requires = "dispatcher"
    )]
    pub(crate) priority: i16,
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
    /// When an agent gets what you type while it works: `steer`, `follow_up` or `interrupt`
    #[arg(long, value_name = "MODE", default_value = "steer", value_parser = runs::send_mode)]
    pub(crate) send: SendMode,
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

/// The files of permissions and of prices.
struct Rules {
    permissions: Option<Permissions>,
    project: Option<Permissions>,
    prices: Option<Prices>,
}

impl Doors {
    /// Returns `true` if there are no permissions.
    pub(crate) fn is_closed(&self) -> bool {
        self.allow_path.is_empty()
            && self.pass_env.is_empty()
            && self.permissions.is_none()
            && self.project_permissions.is_none()
            && self.prices.is_none()
    }

    /// Reads the files of permissions and of prices.
    fn rules(&self) -> Result<Rules, Diagnostics> {
        let read = |path: &PathBuf| {
            let permissions = read_permissions(path)?;
            for warning in misspelt_rules(&permissions) {
                write(&format!("warning: {}: {warning}", path.display()));
            }
            Ok::<_, Diagnostics>(permissions)
        };
        Ok(Rules {
            permissions: self.permissions.as_ref().map(read).transpose()?,
            project: self.project_permissions.as_ref().map(read).transpose()?,
            prices: self.prices.as_deref().map(read_prices).transpose()?,
        })
    }
}

impl Definition {
    /// Returns the options to read the file with.
    ///
    /// # Errors
    /// Fails with the mistakes in the files of permissions and prices.
    pub(crate) fn options(&self) -> Result<Options, Diagnostics> {
        let Rules { permissions, project, prices } = self.doors.rules()?;
        Ok(Options {
            permissions,
            project_permissions: project,
            prices,
            unattended: false,
            allow_shell: self.allow_shell,
            allow_path: self.doors.allow_path.clone(),
            pass_env: self.doors.pass_env.clone(),
            base_dir: self.base_dir.clone(),
            token_dir: folders::state().map(|folder| folder.join(TOKENS)),
            variables: Variables::default(),
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            only_checks: false,
            ..Options::default()
        })
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
