//! The first fact of a retry and of a fork. After it, the run is resumed as any other.

use super::builder::{find_session, no_session, session_used, taken};
use super::input::keep_media;
use crate::owned::is_below;
use crate::runs::near;
use crate::workflow::Workflow;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::{Event, EventKind, Origin, WorkflowForked};
use stepwright_core::executor::RunInput;
use stepwright_core::journal::Append;
use stepwright_core::{
    AnyStore, Error, ErrorId, RunId, RunStatus, SessionId, StepPath, StoreError, Timestamp, UserId,
    rewind,
};

/// The way in which a run is taken up.
pub(super) enum Opening {
    /// A failed run begins its failed steps again.
    Retry {
        /// `true` if a cancelled run is retried, too.
        cancelled_too: bool,
    },
    /// A new run shares the first facts of the given one.
    Fork(Box<ForkOptions>),
}

/// The options of a fork.
#[derive(Default)]
pub(super) struct ForkOptions {
    pub(super) at: String,
    pub(super) input: Option<Result<RunInput, Error>>,
    pub(super) run_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) timeout: Option<Duration>,
    pub(super) debug: bool,
}

/// The run that is taken up, and the way in which that is wanted.
pub(super) struct Opener<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) run: &'a str,
    pub(super) owner: Option<&'a UserId>,
    /// `true` if a changed definition is accepted.
    pub(super) accept: bool,
    pub(super) background: bool,
}

impl Opener<'_> {
    /// Records that the run is retried, or begins the fork. Returns the run to resume.
    pub(super) async fn open(&self, opening: Opening) -> Result<RunId, Error> {
        match opening {
            Opening::Retry { cancelled_too } => self.reopen(cancelled_too).await,
            Opening::Fork(options) => self.fork(*options).await,
        }
    }

    async fn reopen(&self, cancelled_too: bool) -> Result<RunId, Error> {
        let run = RunId::new(self.run)?;
        self.workflow.permit(&run, self.owner).await?;
        let runner = self.workflow.runner();
        let runs = runner.reader(&run)?;
        let snapshot = runs.load_with_facts(&run).await?;
        check_failed(&run, snapshot.status(), cancelled_too)?;
        if let Some(step) = snapshot.fold().undone().first() {
            return Err(was_undone(&run, step, "retry"));
        }
        let steps = snapshot.fold().unfinished();
        let store = runs.store();
        let mut past = snapshot.into_facts();
        let withdrawn = rewind::withdrawn(&past, &steps);
        let kind = EventKind::WorkflowRetried { steps, withdrawn };
        let fact = self.next_fact(&run, &past, past.len() as u64, kind);
        past.push(fact.clone());
        // The run stays as it was if it cannot go on with this definition.
        runner.check_plan(store, &past, self.accept).await?;
        match append(store, fact).await {
            Err(StoreError::Taken { .. }) => {
                let what = format!("run `{run}` was retried by another process meanwhile");
                let error = Error::usage(what).with_id(ErrorId::RUN_NOT_FAILED);
                Err(error.with_hint("let it go on, or resume it"))
            }
            answer => {
                answer?;
                Ok(run)
            }
        }
    }

    async fn fork(&self, options: ForkOptions) -> Result<RunId, Error> {
        let origin = RunId::new(self.run)?;
        self.workflow.permit(&origin, self.owner).await?;
        let (runner, definition) = (self.workflow.runner(), self.workflow.definition());
        let runs = runner.reader(&origin)?;
        let at = match &*options.at {
            "" => StepPath::root(),
            path => path.parse().map_err(|error| path_wrong(&error))?,
        };
        let snapshot = runs.load_with_facts(&origin).await?;
        let Some((steps, open)) = snapshot.fold().beside(&at) else {
            return Err(not_begun(&origin, &at, &snapshot.fold().begun_paths()));
        };
        let undone = snapshot.fold().undone();
        let mut past = snapshot.into_facts();
        let started = rewind::started(&past).ok_or_else(|| runner.unknown(&origin))?;
        let until = rewind::needed(&past, &steps, &open);
        past.truncate(usize::try_from(until).unwrap_or(usize::MAX));
        let is_shared = |step: &&StepPath| {
            past.iter().any(|fact| fact.path == **step)
                && !steps.iter().any(|again| again.contains(step))
        };
        if let Some(step) = undone.iter().find(is_shared) {
            return Err(was_undone(&origin, step, "fork"));
        }
        let store = runs.store();
        let input = match options.input.transpose()? {
            Some(mut input) => {
                definition.prepare_input(&mut input).await?;
                keep_media(&mut input, Some(store))?;
                definition.check_media(&input)?;
                Some(Arc::new(input))
            }
            None => None,
        };
        // The fork follows this definition from here on, so the change is part of its beginning.
        let digest = match runner.check_plan(store, &past, self.accept).await? {
            Some(changed) => changed,
            None => crate::changed::digest_of(past.iter()).unwrap_or_default(),
        };
        let now = runner.world.now();
        let run = match &options.run_id {
            Some(run) => chosen(run, self.owner)?,
            None => runner.world.run_id_in(runner.local().process(&runner.world), now),
        };
        if store.run(&run).await?.is_some() {
            return Err(taken(&run));
        }
        let session_id = match &options.session_id {
            Some(session) => {
                let (user, owner) = (started.user_id.as_ref(), self.owner);
                self.session(store, SessionId::new(session)?, user, owner).await?
            }
            None => started.session_id.clone(),
        };
        let session_used = if definition.gate.session.is_some() {
            let found = store.session(&session_id).await?;
            Some(found.map(|session| session_used(&session.metrics)).unwrap_or_default())
        } else {
            None
        };
        let limit = options.timeout.map(|limit| u64::try_from(limit.as_millis()));
        let kind = EventKind::WorkflowForked(Arc::new(WorkflowForked {
            origin: Origin { run: origin, until },
            at,
            steps,
            open,
            workflow_id: started.workflow_id.clone(),
            digest,
            session_id,
            user_id: started.user_id.clone(),
            input,
            metadata: options.metadata.unwrap_or_else(|| started.metadata.clone()),
            debug: options.debug || started.debug,
            timeout_ms: match limit {
                Some(limit) => Some(limit.unwrap_or(u64::MAX)),
                None => started.timeout_ms,
            },
            background: self.background,
            session_used,
        }));
        let fact = self.next_fact(&run, &past, until, kind);
        match append(store, fact).await {
            Err(StoreError::Taken { .. }) => Err(taken(&run)),
            answer => {
                answer?;
                Ok(run)
            }
        }
    }

    fn next_fact(&self, run: &RunId, past: &[Event], sequence: u64, kind: EventKind) -> Event {
        let last = past.last().map_or(Timestamp::default(), |fact| fact.time);
        let time = self.workflow.runner().world.now().max(last);
        Event { sequence, delta: 0, time, run: run.clone(), path: StepPath::root(), kind }
    }

    async fn session(
        &self,
        store: &AnyStore,
        session: SessionId,
        user: Option<&UserId>,
        owner: Option<&UserId>,
    ) -> Result<SessionId, Error> {
        let found = find_session(store, &session, user).await?;
        match (found, owner) {
            (_, None) => Ok(session),
            (Some(found), Some(owner)) if found.user_id.as_ref() == Some(owner) => Ok(session),
            (None, Some(owner)) if is_below(session.as_str(), owner) => Ok(session),
            (_, Some(owner)) => Err(no_session(&session).with_hint(format!(
                "begin the id of a new session with `{owner}:`, or leave it out"
            ))),
        }
    }
}

async fn append(store: &AnyStore, fact: Event) -> Result<(), StoreError> {
    let run = fact.run.clone();
    store.append(Append { run, facts: vec![fact], close: None, driver: None }).await
}

/// Returns the id that was chosen for a fork. A user chooses it below their own name, as for a run.
fn chosen(run: &str, owner: Option<&UserId>) -> Result<RunId, Error> {
    let run = RunId::new(run)?;
    if let Some(owner) = owner
        && !is_below(run.as_str(), owner)
    {
        let what = format!("user `{owner}` cannot choose the run id `{run}`");
        let hint = format!("begin it with `{owner}:`, or leave it out");
        return Err(Error::usage(what).with_id(ErrorId::USER_REFUSED).with_hint(hint));
    }
    Ok(run)
}

fn check_failed(run: &RunId, status: RunStatus, cancelled_too: bool) -> Result<(), Error> {
    let (what, hint) = match status {
        RunStatus::Error => return Ok(()),
        RunStatus::Cancelled if cancelled_too => return Ok(()),
        RunStatus::Cancelled => (
            "was cancelled",
            "a cancelled run is retried only if you ask for that: `--retry=cancelled` on the \
             command line, or `cancelled_too`",
        ),
        RunStatus::Completed => (
            "has completed",
            "fork it to begin a step again: `stepwright rerun RUN_ID --from PATH`",
        ),
        RunStatus::Paused => ("is paused", "answer its requests, or resume it"),
        _ => ("has not ended", "resume it if its process has died"),
    };
    let error = Error::usage(format!("run `{run}` {what}, so there is nothing to retry"));
    Err(error.with_id(ErrorId::RUN_NOT_FAILED).with_hint(hint))
}

/// Makes the error of a run whose steps were undone: what goes on from there would miss them.
fn was_undone(run: &RunId, step: &StepPath, what: &str) -> Error {
    let hint = match what {
        "fork" => format!("fork it at `{step}`, or before it"),
        _ => "fork it to begin the steps anew: `stepwright rerun RUN_ID`".to_owned(),
    };
    Error::usage(format!("step `{step}` of run `{run}` was undone, so a {what} would miss it"))
        .with_id(ErrorId::RUN_UNDONE)
        .with_hint(hint)
}

fn path_wrong(error: &stepwright_core::path::PathError) -> Error {
    Error::usage(error.to_string())
        .with_id(ErrorId::PATH_NOT_BEGUN)
        .with_hint("a path has names with `/` between them, as in `revise#2/write`")
}

fn not_begun(run: &RunId, at: &StepPath, begun: &[StepPath]) -> Error {
    if let Some(call) = at.called_workflows().next().and_then(|root| StepPath::from(root).parent())
    {
        let what = format!("`{at}` is inside of a tool call, and a run cannot go on from there");
        let error = Error::usage(what).with_id(ErrorId::PATH_NOT_BEGUN);
        return error.with_hint(format!("name the step that makes the call: `{}`", call.step()));
    }
    let step = at.step();
    if step != *at && begun.contains(&step) {
        let what = format!("`{at}` is a tool call, and a run cannot go on from there");
        let error = Error::usage(what).with_id(ErrorId::PATH_NOT_BEGUN);
        return error.with_hint(format!("name its step: `{step}`"));
    }
    let error = Error::usage(format!("run `{run}` has not begun `{at}`"));
    error.with_id(ErrorId::PATH_NOT_BEGUN).with_hint(near::hint(at, begun))
}
