//! AG-UI: any workflow, agent or team for user interfaces of others.

mod answers;
mod fold;
mod shapes;
mod usage;

use self::fold::Fold;
use self::shapes::{ResumeEntry, RunAgentInput};
use crate::auth::{Answer, Caller, Drive, Start, Who};
use crate::body::JsonBody;
use crate::error::Problem;
use crate::state::{App, Served};
use crate::stream::{self, begun};
use crate::wire::media::with_media;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use futures_util::stream::{self as streams, Stream, StreamExt as _};
use serde_json::Value;
use std::fmt::Write as _;
use stepwright_core::store::RunFilter;
use stepwright_core::{Event, EventKind, RunOutput, RunStatus, SessionId};
use stepwright_engine::{RunStream, Runs};

/// Returns the routes.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/agui", post(run_first)).route("/agui/{id}", post(run_named))
}

/// Runs what is served first.
async fn run_first(
    Caller(who, _): Caller<Drive>,
    State(app): State<App>,
    JsonBody(input): JsonBody<RunAgentInput>,
) -> Result<Response, Problem> {
    let first = app.served.first().ok_or_else(|| Problem::not_found("nothing is served"))?;
    answer(&app, &who, first, input).await
}

/// Runs a workflow, an agent or a team.
async fn run_named(
    Caller(who, _): Caller<Drive>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(input): JsonBody<RunAgentInput>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no workflow, agent or team `{id}`"));
    answer(&app, &who, app.of_id(&id).ok_or_else(missing)?, input).await
}

/// Answers with the events of a run that begins or goes on. A client that leaves cancels it.
async fn answer(
    app: &App,
    who: &Who,
    served: &Served,
    mut input: RunAgentInput,
) -> Result<Response, Problem> {
    let runs = app.seen_by(who)?;
    let entries = input.resume.take().filter(|entries| !entries.is_empty());
    let is_new = entries.is_none();
    let (fold, events) = if let Some(entries) = entries {
        who.check::<Answer>(served.workflow.id().as_str())?;
        resumed(&runs, who, served, &input, &entries).await?
    } else {
        who.check::<Start>(served.workflow.id().as_str())?;
        let events = started(who, served, &input)?;
        (Fold::new(input.thread_id, input.run_id), events)
    };
    let frames = frames(runs, fold, begun(events).await?, is_new);
    stream::answer(app, frames, ": keep-alive\n\n", "text/event-stream")
}

fn started(who: &Who, served: &Served, input: &RunAgentInput) -> Result<RunStream, Problem> {
    let (content, media) = input.prompt(served)?;
    let run = served.run(who, None, content)?;
    let run = run.session_id(who.below(&input.thread_id)).run_id(who.below(&input.run_id));
    let run = with_media(run, media).session_state(input.state()?).additional_data(input.data()?);
    Ok(run.stream_events(true).stream())
}

/// Goes on with the run of the thread that waits for these answers.
async fn resumed(
    runs: &Runs,
    who: &Who,
    served: &Served,
    input: &RunAgentInput,
    entries: &[ResumeEntry],
) -> Result<(Fold, RunStream), Problem> {
    let output = waiting(runs, who, served, input, entries).await?;
    let answers = answers::answers(&output.requirements, entries)?;
    let mut fold = Fold::new(input.thread_id.clone(), input.run_id.clone());
    let mut facts = runs.recorded(&output.run_id, 0).await?;
    while let Some(fact) = facts.next().await {
        fold.recall(&fact?);
    }
    let mut resumed = served.workflow.continue_run(&output.run_id, answers);
    if let Some(name) = who.signs() {
        resumed = resumed.answered_by(name);
    }
    Ok((fold, resumed.stream_events(true).stream()))
}

/// Finds the run of the thread that waits for one of these answers.
async fn waiting(
    runs: &Runs,
    who: &Who,
    served: &Served,
    input: &RunAgentInput,
    entries: &[ResumeEntry],
) -> Result<RunOutput, Problem> {
    let session = SessionId::new(who.below(&input.thread_id))
        .map_err(|error| Problem::bad(format!("`threadId`: {error}")))?;
    let filter = RunFilter {
        session_id: Some(session),
        workflow_id: Some(served.workflow.id().clone()),
        status: Some(RunStatus::Paused),
        ..<_>::default()
    };
    for row in runs.list(filter).await? {
        let output = runs.get(&row.run_id).await?;
        let is_asked = |entry: &ResumeEntry| {
            output.requirements.iter().any(|asked| *asked.id == *entry.interrupt_id)
        };
        if entries.iter().any(is_asked) {
            return Ok(output);
        }
    }
    Err(answers::unknown(entries.first().map_or("", |entry| &entry.interrupt_id)))
}

fn frames(
    runs: Runs,
    mut fold: Fold,
    events: impl Stream<Item = Event> + Send + 'static,
    is_new: bool,
) -> impl Stream<Item = String> + Send {
    let first = text(&fold.begin(is_new));
    let state = (events.boxed(), fold, runs);
    let rest = streams::unfold(state, |(mut events, mut fold, runs)| async move {
        while !fold.is_over() {
            let shown = match events.next().await {
                Some(event) => converted(&mut fold, &runs, &event).await,
                None => fold.fail("the stream has ended before the run"),
            };
            if !shown.is_empty() {
                return Some((text(&shown), (events, fold, runs)));
            }
        }
        None
    });
    streams::once(async { first }).chain(rest)
}

async fn converted(fold: &mut Fold, runs: &Runs, event: &Event) -> Vec<Value> {
    let is_pause = matches!(event.kind, EventKind::WorkflowPaused { .. });
    let is_end = matches!(event.kind, EventKind::WorkflowCompleted { .. });
    let output = if is_pause || is_end { runs.get(&event.run).await.ok() } else { None };
    let session = match output.as_ref().filter(|_| is_end) {
        Some(output) => runs.sessions().get(&output.session_id).await.ok(),
        None => None,
    };
    fold.convert(event, output.as_ref(), session.map(|session| session.state))
}

/// Writes events as frames.
fn text(events: &[Value]) -> String {
    let mut text = String::new();
    for event in events {
        let _ = write!(text, "data: {event}\n\n");
    }
    text
}
