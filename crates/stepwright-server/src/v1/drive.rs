//! Runs that begin, go on or end.

use super::definitions::served;
use super::views::AcceptedView;
use crate::auth::{Answer as MayAnswer, Caller, Start, Who};
use crate::body::JsonBody;
use crate::error::{Problem, Problems};
use crate::state::{App, Found};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use stepwright_core::sent::SendMode;
use stepwright_core::{Answer, Content, Error, RunId};
use stepwright_engine::RunHandle;
use utoipa::ToSchema;

/// A new run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    /// The input: any JSON.
    #[schema(value_type = Object)]
    input: Value,
    /// The session; a new one by default.
    session_id: Option<String>,
    /// The user of the session.
    user_id: Option<String>,
    /// The id; a new one by default.
    run_id: Option<String>,
    /// Data for the steps besides the input.
    #[schema(value_type = Option<Object>)]
    additional_data: Option<Map<String, Value>>,
}

/// Answers to pending requests.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answers {
    /// By the id of the request, such as `{"Publish!confirm": {"decision": "approve"}}`.
    #[schema(value_type = Object)]
    answers: BTreeMap<String, Answer>,
}

/// The step to do again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// The path of the step.
    from: String,
}

/// A fork.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFork {
    /// The path of the step at which it leaves its origin; its beginning by default.
    at: Option<String>,
    /// Changes of the input, such as `{"input.topic": "sea"}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    set: Map<String, Value>,
}

/// A message to an agent at work.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    /// The text.
    text: String,
    /// `steer`, `follow_up` or `interrupt`.
    #[serde(default)]
    #[schema(value_type = String)]
    mode: SendMode,
    /// The path of the agent, where several are at work.
    to: Option<String>,
}

/// A message that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentView {
    /// The run.
    run_id: String,
    /// The id of the message.
    message_id: String,
    /// `true` if the run has ended: the next run of its session gets the message.
    is_for_next_run: bool,
}

/// The answer of a route that makes a run go on.
pub(super) type Accepted = (StatusCode, Json<AcceptedView>);

/// Answers with the row of a run.
pub(super) async fn accepted(app: &App, who: &Who, run: &RunId) -> Result<Accepted, Problem> {
    let row = app.seen_by(who)?.row(run).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedView::from(&row))))
}

async fn begun(app: &App, who: &Who, handle: &RunHandle) -> Result<Accepted, Problem> {
    accepted(app, who, handle.run_id()).await
}

/// Starts a run in the background.
///
/// It goes on if the client leaves.
#[utoipa::path(
    post, path = "/v1/workflows/{id}/runs", tag = "workflows", request_body = NewRun,
    params(("id" = String, Path, description = "The id of the workflow.")),
    responses(
        (status = 202, description = "The run is stored.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn start_run(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewRun>,
) -> Result<Accepted, Problem> {
    let served = served(&app, &id)?;
    let mut run = served.run(&who, new.user_id.as_deref(), Content::from(new.input))?;
    if let Some(session) = &new.session_id {
        run = run.session_id(session);
    }
    if let Some(id) = &new.run_id {
        run = run.run_id(id);
    }
    if let Some(data) = new.additional_data {
        run = run.additional_data(data);
    }
    let handle = run.background().await?;
    begun(&app, &who, &handle).await
}

/// Answers pending requests of a run, which goes on.
///
/// All answers are checked before any counts.
#[utoipa::path(
    post, path = "/v1/runs/{id}/answers", tag = "runs", request_body = Answers,
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The answers are stored.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn answer_run(
    Caller(who, _): Caller<MayAnswer>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(Answers { answers }): JsonBody<Answers>,
) -> Result<Accepted, Problem> {
    if answers.is_empty() {
        return Err(Problem::bad("there are no answers"));
    }
    let found = app.find(&who, &id).await?;
    let run = &found.row.run_id;
    match found.served {
        Some(served) => {
            let mut resumed = served.workflow.continue_run(run, answers);
            if let Some(name) = who.signs() {
                resumed = resumed.answered_by(name);
            }
            resumed.background().await?;
        }
        // Its driver takes them from the inbox, in whichever process it is.
        None => app.seen_by(&who)?.submit(run, answers, who.signs()).await?,
    }
    accepted(&app, &who, run).await
}

/// Cancels a run.
///
/// Takes effect at the next place where the run waits. A second request also ends the steps that
/// run when others were stopped.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs",
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The request is stored.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn cancel_run(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Accepted, Problem> {
    let found = app.find(&who, &id).await?;
    let run = &found.row.run_id;
    let is_under_way = match found.served {
        Some(served) => served.workflow.cancel_run(run).await?,
        None => app.seen_by(&who)?.request_cancel(run).await?,
    };
    if !is_under_way {
        return Err(ended(&found));
    }
    accepted(&app, &who, run).await
}

fn ended(found: &Found<'_>) -> Problem {
    let what = format!("run `{}` has ended", found.row.run_id);
    Error::usage(what).with_id(stepwright_core::ErrorId::RUN_ENDED).into()
}

/// Drives a run that has no driver, as after a crash.
///
/// A paused run waits for its answers again.
#[utoipa::path(
    post, path = "/v1/runs/{id}/resume", tag = "runs",
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The run goes on.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn resume_run(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Accepted, Problem> {
    let found = app.find(&who, &id).await?;
    if found.row.status.is_terminal() {
        return Err(ended(&found));
    }
    let handle = found.driven()?.workflow.resume(&found.row.run_id).background().await?;
    begun(&app, &who, &handle).await
}

/// Takes up a failed run: its failed steps begin again.
///
/// Steps that completed are not done again.
#[utoipa::path(
    post, path = "/v1/runs/{id}/retry", tag = "runs",
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The run goes on.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn retry_run(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Accepted, Problem> {
    let found = app.find(&who, &id).await?;
    let handle = found.driven()?.workflow.retry(&found.row.run_id).background().await?;
    begun(&app, &who, &handle).await
}

/// Begins a new run that does a step again, with all that follows.
///
/// The facts before the step are shared with the other run.
#[utoipa::path(
    post, path = "/v1/runs/{id}/rerun", tag = "runs", request_body = Again,
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The new run.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn rerun_run(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(Again { from }): JsonBody<Again>,
) -> Result<Accepted, Problem> {
    let found = app.find(&who, &id).await?;
    let fork = found.driven()?.workflow.fork(&found.row.run_id).at(from);
    begun(&app, &who, &fork.background().await?).await
}

/// Begins a new run that shares the beginning of this one, with another input.
///
/// Steps before `at` keep what they made of the earlier input.
#[utoipa::path(
    post, path = "/v1/runs/{id}/fork", tag = "runs", request_body = NewFork,
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The new run.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn fork_run(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(NewFork { at, set }): JsonBody<NewFork>,
) -> Result<Accepted, Problem> {
    let found = app.find(&who, &id).await?;
    let run = &found.row.run_id;
    let mut fork = found.driven()?.workflow.fork(run);
    if let Some(at) = at {
        fork = fork.at(at);
    }
    if !set.is_empty() {
        let before = app.seen_by(&who)?.get(run).await?.input.to_value();
        fork = fork.input(Content::from(changed(before, set)?));
    }
    begun(&app, &who, &fork.background().await?).await
}

/// Returns an input with changes.
fn changed(mut input: Value, set: Map<String, Value>) -> Result<Value, Problem> {
    for (path, value) in set {
        let mut names = path.split('.');
        if names.next() != Some("input") {
            let problem = Problem::bad(format!("`set` path `{path}` must begin with `input`"));
            return Err(problem.with_help("write `input`, or `input.NAME` for a part of it"));
        }
        let mut at = &mut input;
        for name in names {
            at = match at {
                Value::Object(members) => members.entry(name).or_insert(Value::Null),
                Value::Array(items) => {
                    let item = name.parse().ok().and_then(|nth: usize| items.get_mut(nth));
                    item.ok_or_else(|| {
                        Problem::bad(format!("invalid `set` path `{path}`: no item `{name}`"))
                    })?
                }
                _ => {
                    let what =
                        format!("invalid `set` path `{path}`: `{name}` has no parent object");
                    return Err(Problem::bad(what));
                }
            };
        }
        *at = value;
    }
    Ok(input)
}

/// Sends a message to an agent at work.
///
/// The agent gets it once, whatever process drives the run.
#[utoipa::path(
    post, path = "/v1/runs/{id}/messages", tag = "runs", request_body = NewMessage,
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 202, description = "The message is stored.", body = SentView),
        Problems,
    )
)]
pub(super) async fn send_message(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(NewMessage { text, mode, to }): JsonBody<NewMessage>,
) -> Result<(StatusCode, Json<SentView>), Problem> {
    let found = app.find(&who, &id).await?;
    let mut message = match found.served {
        Some(served) => served.workflow.send(&found.row.run_id, text),
        None => app.seen_by(&who)?.send(&found.row.run_id, text),
    };
    message = message.mode(mode);
    if let Some(to) = to {
        message = message.to(to);
    }
    if let Some(name) = who.signs() {
        message = message.by(name);
    }
    let sent = message.await?;
    let view = SentView {
        run_id: sent.run_id.to_string(),
        message_id: sent.id.to_string(),
        is_for_next_run: sent.is_for_next_run,
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}
