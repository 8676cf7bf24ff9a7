//! The arguments about stored runs.

use super::{Doors, In, OneRun, Shown};
use crate::completion;
use crate::run_reference::RunReference;
use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCandidates;
use std::path::PathBuf;
use stepwright::sent::SendMode;
use stepwright::{OnInterrupted, RunId, RunStatus, SessionId, UserId, WorkflowId};

/// The default number of runs or sessions in a list.
pub(crate) const LISTED: usize = 20;

pub(super) const RUNS: &str = "\
Examples:
  stepwright runs --db runs.db
  stepwright runs --db runs.db --status paused
  stepwright runs --db runs.db --json | jq -r '.[].run_id'";

pub(super) const SHOW: &str = "\
Examples:
  stepwright show r-7 --db runs.db
  stepwright show r-7 --db runs.db --json | jq .requirements";

pub(super) const EVENTS: &str = "\
Examples:
  stepwright events r-7 --db runs.db --follow
  stepwright events r-7 --db runs.db --after 41 --json";

pub(super) const VERIFY: &str = "\
Compares the checksum of everything that is stored of the run, and the chain hashes of its facts.
The last chain hash stands for all facts: note it elsewhere, and a later `verify` that prints the
same one shows that no fact before it has changed. Exit code 5 means damage.

Examples:
  stepwright verify r-7 --db runs.db
  stepwright verify r-7 --db runs.db --json | jq -r .head";

pub(super) const RESUME: &str = "\
What the steps of the run have completed is not done again. The workflow file is the one with which
the run began, unless --file says otherwise.

A step that runs a command, and was under way when its process died, may have been done or not: the
run asks, with exit code 3. --interrupted answers for all.

A run that has failed is not resumed unless --retry says so: then the steps that failed begin again.
An agent goes on where it failed. `stepwright rerun` begins a step from its start.

Examples:
  stepwright resume r-7 --db runs.db
  stepwright resume r-7 --db runs.db --interrupted retry
  stepwright resume r-7 --db runs.db --retry
  stepwright resume r-7 --db runs.db --file moved/publish.yaml --accept-changes";

pub(super) const CONTINUE: &str = "\
ID is what `stepwright show` calls the question, as `publish!confirm`; the path of the step will do
if that asks one thing only. Without answers, you are asked at the terminal. FILE is a JSON
object: {\"publish!confirm\": {\"decision\": \"reject\", \"feedback\": \"too long\"}}.

Examples:
  stepwright continue r-7 --db runs.db
  stepwright continue r-7 --db runs.db --approve publish
  stepwright continue r-7 --db runs.db --reject 'write=shorter, please'
  stepwright continue r-7 --db runs.db --set write.tone=plain --set write.words=300
  stepwright continue r-7 --db runs.db --select format=blog,video
  stepwright continue r-7 --db runs.db --done 'deploy=version 1.2'
  echo '{\"publish\": {\"decision\": \"approve\"}}' | stepwright continue r-7 --answers -";

pub(super) const RERUN: &str = "\
A new run does the step at PATH and all that follows again. Everything before it stays as it was,
and is not paid for again. The run that is named stays as it is.

Examples:
  stepwright rerun r-7 --db runs.db --from write
  stepwright rerun r-7 --db runs.db --from revise#2/write --run-id r-8
  stepwright rerun r-7 --db runs.db";

pub(super) const FORK: &str = "\
As `stepwright rerun`, with something changed: the input, the model, the prompt, or the workflow
file. What comes before the step at PATH keeps what it made of the earlier input.

Examples:
  stepwright fork r-7 --db runs.db --at write --model openai:gpt-5
  stepwright fork r-7 --db runs.db --at write --prompt 'Sing of {{ previous }}.'
  stepwright fork r-7 --db runs.db --at write --set input.topic=bridges
  stepwright fork r-7 --db runs.db --at revise#2/write --file edited.yaml --accept-changes
  stepwright fork r-7 --db runs.db --set input=ants --run-id ants";

pub(super) const UPGRADE: &str = "\
A run that waits goes on with a changed workflow file if everything that it has done so far is the
same in it. Otherwise the first difference is shown, and the run stays as it is.

Examples:
  stepwright upgrade r-7 --db runs.db
  stepwright upgrade r-7 --db runs.db --file moved/publish.yaml";

pub(super) const COMPARE: &str = "\
Examples:
  stepwright compare r-7 r-8 --db runs.db
  stepwright compare r-7 r-8 --db runs.db --json | jq .first_difference";

pub(super) const SEND: &str = "\
The agent gets the message at its next safe point: with `steer` before its next request to the
model, with `follow_up` when it would end, and with `interrupt` at once, which cuts its answer off.
The message is stored before this command ends. If the run has ended, or ends first, the next run of
its session gets it.

Examples:
  stepwright send r-7 'Leave the costs out.' --db runs.db
  stepwright send r-7 'And what of bridges?' --mode follow_up --db runs.db
  stepwright send r-7 'Stop. Use the second file.' --mode interrupt --to panel/critic --db runs.db";

pub(super) const EMIT: &str = "\
The event reaches each run that waits for it now, with `wait_for`, and is stored for it before this
command ends. It is not kept for runs that wait later: the command says how many runs received it.
`stepwright serve` and `stepwright worker` take the runs up; `stepwright resume` does, too.

Examples:
  stepwright emit order.paid --key o-17 -i '{\"amount\": 5}' --db runs.db
  stepwright emit deployed --id \"$BUILD\" --db runs.db";

pub(super) const CANCEL: &str = "\
Another process that drives the run hears of it at once. A run without a driver is ended here.

Examples:
  stepwright cancel r-7 --db runs.db";

#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    pub(crate) kept: In,
    /// Only runs with this status: pending, running, paused, completed, cancelled or failed
    #[arg(long, value_parser = status)]
    pub(crate) status: Option<RunStatus>,
    /// Only runs of this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,
    /// Only runs of this user
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<UserId>,
    /// Only runs of this workflow, by its id: `Content Pipeline` has the id `content-pipeline`
    #[arg(long, value_name = "ID")]
    pub(crate) workflow: Option<WorkflowId>,
    #[command(flatten)]
    pub(crate) page: Page,
    /// Write the runs as a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// A part of a list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// The maximum number of rows, up to 1000
    #[arg(long, value_name = "N", default_value_t = LISTED)]
    pub(crate) limit: usize,
    /// The number of rows to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Write the whole run as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the images, videos, audio and files of the run into this directory, which is created
    /// if it does not exist
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    pub(crate) save_media: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Only events after the one with this number
    #[arg(long, value_name = "N")]
    pub(crate) after: Option<u64>,
    /// Follow the run until it ends, in any process
    #[arg(long)]
    pub(crate) follow: bool,
    /// Write events as JSON, one per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// Write the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelRun {
    #[command(flatten)]
    pub(crate) run: OneRun,
}

#[derive(Debug, Args)]
pub(crate) struct SendToRun {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// The message; `-` reads it from stdin
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) text: String,
    /// When the agent gets it: `steer`, `follow_up` or `interrupt`
    #[arg(long, value_name = "MODE", default_value = "steer", value_parser = send_mode)]
    pub(crate) mode: SendMode,
    /// The path of the agent, or of a container around it; needed while several agents are at work
    #[arg(long, value_name = "PATH")]
    pub(crate) to: Option<String>,
    /// Your name, which the journal has
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// The arguments to send an event from outside.
#[derive(Debug, Args)]
pub(crate) struct EmitEvent {
    /// The name of the event, such as `order.paid`
    #[arg(value_name = "EVENT")]
    pub(crate) event: String,
    /// The key of the event, such as the number of an order
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: Option<String>,
    /// The payload: JSON, or else a text; `-` reads it from stdin
    #[arg(short = 'i', long = "input", value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) payload: Option<String>,
    /// The id of the event; sent again with the same id, it reaches no run a second time
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Your name, which the journals have
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Act as this user: only runs of this user receive the event
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: Option<UserId>,
    #[command(flatten)]
    pub(crate) kept: In,
    /// Write the id of the event and the runs as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(super) fn send_mode(word: &str) -> Result<SendMode, String> {
    word.parse().map_err(|_| "write `steer`, `follow_up` or `interrupt`".to_owned())
}

/// The arguments to resume a run.
#[derive(Debug, Args)]
pub(crate) struct Again {
    #[command(flatten)]
    pub(crate) run: OneRun,
    /// The workflow file, if it has moved since the run began
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Resume the run although its workflow file has changed, if the file still contains all steps
    /// that the run has done
    #[arg(long)]
    pub(crate) accept_changes: bool,
    /// The model of all agents as `provider:model`; by default the one with which the run began
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Allow steps that run commands; without it, a file with such steps is refused
    #[arg(long)]
    pub(crate) allow_shell: bool,
    #[command(flatten)]
    pub(crate) doors: Doors,
    /// The directory that steps and tools read and write; by default that of the run's beginning
    #[arg(long, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) again: Again,
    /// The answer to all questions about interrupted steps: run them again, or fail them. Without
    /// it, the run asks
    #[arg(long, value_name = "retry|fail", value_parser = interrupted)]
    pub(crate) interrupted: Option<OnInterrupted>,
    /// Retry a run that has failed: the steps that failed or were stopped begin again, what
    /// completed is not done again. `--retry=cancelled` retries a cancelled run too
    #[arg(long, value_name = "failed|cancelled", num_args = 0..=1, require_equals = true,
        default_missing_value = "failed", value_parser = retried)]
    pub(crate) retry: Option<Retried>,
}

/// The end after which a run is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retried {
    /// It failed.
    Failed,
    /// It failed or was cancelled.
    Cancelled,
}

/// The new run that shares the beginning of another one.
#[derive(Debug, Args)]
pub(crate) struct NewRun {
    /// The id of the new run; must be unique
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<RunId>,
    /// The session of the new run, which is created if it does not exist; by default that of its
    /// origin
    #[arg(long, value_name = "ID")]
    pub(crate) session_id: Option<SessionId>,
}

#[derive(Debug, Args)]
pub(crate) struct Rerun {
    #[command(flatten)]
    pub(crate) again: Again,
    /// The step that begins again, such as `write` or `revise#2/write`; without it, all of them
    #[arg(long, value_name = "PATH", add = ArgValueCandidates::new(completion::steps))]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) new: NewRun,
}

#[derive(Debug, Args)]
pub(crate) struct Fork {
    #[command(flatten)]
    pub(crate) again: Again,
    /// The step at which the new run leaves its origin, such as `write` or `revise#2/write`;
    /// without it, the new run begins anew
    #[arg(long, value_name = "PATH", add = ArgValueCandidates::new(completion::steps))]
    pub(crate) at: Option<String>,
    /// Another prompt for the step at PATH: a template, as in the file
    #[arg(long, value_name = "TEXT", requires = "at")]
    pub(crate) prompt: Option<String>,
    /// Change the input: `input=VALUE`, or a member of it, such as `input.topic=bridges`. Can be
    /// given several times
    #[arg(long, value_name = "input.NAME=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) new: NewRun,
}

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) again: Again,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The id of the first run
    #[arg(value_name = "RUN_ID")]
    pub(crate) first: RunReference,
    /// The id of the second run
    #[arg(value_name = "OTHER_ID")]
    pub(crate) second: RunReference,
    /// Act as this user: runs of other users, or without a user, are not found
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: Option<UserId>,
    #[command(flatten)]
    pub(crate) kept: In,
    /// Write the comparison as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("answer").multiple(true).conflicts_with("answers"))]
#[command(mut_arg("run", |run| run.required(false).help(
    "The id of the run, the beginning or the end of an id, or `last`; without it, you choose one \
     at the terminal",
)))]
pub(crate) struct Continue {
    #[command(flatten)]
    pub(crate) again: Again,
    /// Approve
    #[arg(long, value_name = "ID", group = "answer", add = requests())]
    pub(crate) approve: Vec<String>,
    /// Permit an effect, now and for the rest of the session or of the run
    #[arg(long, value_name = "ID", group = "answer")]
    pub(crate) always: Vec<String>,
    /// Reject, with feedback
    #[arg(long, value_name = "ID[=FEEDBACK]", group = "answer", add = requests())]
    pub(crate) reject: Vec<String>,
    /// Approve with changes: a text, or JSON if the reviewed content is JSON
    #[arg(long, value_name = "ID=CONTENT", group = "answer", add = requests())]
    pub(crate) edit: Vec<String>,
    /// The requested value, as JSON; a text is enough where one is requested
    #[arg(long, value_name = "ID=JSON", group = "answer", add = requests())]
    pub(crate) submit: Vec<String>,
    /// The requested value, field by field
    #[arg(long, value_name = "ID.FIELD=VALUE", group = "answer", add = requests())]
    pub(crate) set: Vec<String>,
    /// The selected routes
    #[arg(long, value_name = "ID=CHOICE,…", group = "answer", add = requests())]
    pub(crate) select: Vec<String>,
    /// An interrupted step was done, with this text as output
    #[arg(long, value_name = "ID[=OUTPUT]", group = "answer", add = requests())]
    pub(crate) done: Vec<String>,
    /// Retry a failed step, or run an interrupted step that was not done
    #[arg(long, value_name = "ID", group = "answer", add = requests())]
    pub(crate) retry: Vec<String>,
    /// Skip a failed step
    #[arg(long, value_name = "ID", group = "answer", add = requests())]
    pub(crate) skip: Vec<String>,
    /// Read the answers from a JSON file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// The name of the person who answers, for the journal; by default the `--user`
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
}

/// Returns the completions of the id of a request.
fn requests() -> ArgValueCandidates {
    ArgValueCandidates::new(completion::requests)
}

fn interrupted(word: &str) -> Result<OnInterrupted, String> {
    match word {
        "retry" => Ok(OnInterrupted::Retry),
        "fail" => Ok(OnInterrupted::Fail),
        _ => Err("it is neither retry nor fail".to_owned()),
    }
}

fn retried(word: &str) -> Result<Retried, String> {
    match word {
        "failed" => Ok(Retried::Failed),
        "cancelled" => Ok(Retried::Cancelled),
        _ => Err("it is neither failed nor cancelled".to_owned()),
    }
}

fn status(word: &str) -> Result<RunStatus, String> {
    let known = match word {
        "failed" => Some(RunStatus::Error),
        word => RunStatus::from_word(word),
    };
    known.ok_or_else(|| {
        "it is none of pending, running, paused, completed, cancelled, failed".to_owned()
    })
}
