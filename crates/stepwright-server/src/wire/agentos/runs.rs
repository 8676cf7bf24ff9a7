//! Runs of workflows and agents.

use super::events::{Converter, frame};
use super::fault::Fault;
use super::form::Form;
use super::kind::shown;
use super::query::Asked;
use super::{convert, outputs, requirements, stored, tools};
use crate::auth::{Caller, Read, Start, Who};
use crate::followed;
use crate::state::{App, Served, ServedKind};
use crate::stream;
use crate::wire::media::with_media;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self as streams, Stream, StreamExt as _};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::sync::Arc;
use stepwright_core::event::EventKind;
use stepwright_core::json::{self, JsonError};
use stepwright_core::store::RunFilter;
use stepwright_core::{
    Content, Error, ErrorKind, Event, MediaKind, RunId, RunOutput, RunStatus, SessionId,
};
use stepwright_engine::{Resume, Run, Runs};

/// The media type of `AgentOS`'s streams.
const MEDIA_TYPE: &str = "text/event-stream; charset=utf-8";

type EventStream = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

/// Finds a run of a workflow that the caller may see.
pub(super) async fn found(
    app: &App,
    who: &Who,
    served: &Served,
    run: &str,
) -> Result<RunOutput, Fault> {
    let missing = || Fault::not_found("Run not found");
    let run = RunId::new(run).map_err(|_| missing())?;
    let output = match app.seen_by(who)?.get(&run).await {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(error.into()),
    };
    let is_of = output.workflow_id == *served.workflow.id();
    is_of.then_some(output).ok_or_else(missing)
}

/// `POST /workflows/{id}/runs` and its twin of agents.
pub(super) async fn start(
    Caller(who, _): Caller<Start>,
    kind: ServedKind,
    State(app): State<App>,
    Path(id): Path<String>,
    form: Result<Form, Fault>,
) -> Result<Response, Fault> {
    let form = form?;
    let message = form.get("message").ok_or_else(|| Fault::missing("body", "message"))?;
    let (stream, background) = (form.flag("stream", true)?, form.flag("background", false)?);
    let all = form.flag("stream_events", true)?;
    form.number("version")?;
    let served = kind.find(&app, &id)?;
    check_session(&app, &who, &form).await?;
    let run = prepared(&who, served, &form, message)?;
    if !stream {
        return whole(&app, &who, served, run, background).await;
    }
    let slot = app.stream_slot()?;
    let runs = app.seen_by(&who)?;
    let (handle, events) = run.followed().await?;
    // As in AgentOS, the client that leaves cancels the run, unless it is one of the background.
    let events = if background {
        events.boxed()
    } else {
        followed::until_left(&app, &handle, events).boxed()
    };
    let frames = frames(served, runs, events, Options { all, indexed: background, after: None });
    Ok(stream::answer_in(&app, slot, frames, ": keepalive\n\n", MEDIA_TYPE))
}

/// Answers with a run as one object: when it is stored, or when it has ended or waits.
async fn whole(
    app: &App,
    who: &Who,
    served: &Served,
    run: Run,
    background: bool,
) -> Result<Response, Fault> {
    if background {
        let handle = run.background().await?;
        let row = app.seen_by(who)?.row(handle.run_id()).await?;
        let (run_id, session_id) = (row.run_id, row.session_id);
        let body = json!({"run_id": run_id, "session_id": session_id, "status": "PENDING"});
        return Ok((StatusCode::ACCEPTED, Json(body)).into_response());
    }
    // A client that leaves does not cancel it.
    let (handle, events) = run.followed().await?;
    drop(events);
    let output = match handle.settled().await {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::Cancelled && error.output().is_some() => {
            error.into_output().ok_or_else(|| Fault::not_found("Run not found"))?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Json(shown(served, &output)).into_response())
}

/// A session of one user takes runs of that user only.
pub(super) async fn check_session(app: &App, who: &Who, form: &Form) -> Result<(), Fault> {
    let Some(session) = form.get("session_id") else { return Ok(()) };
    let user = who.only().or_else(|| form.get("user_id"));
    match app.runs.sessions().get(session).await {
        Ok(known) => match known.user_id {
            Some(owner) if Some(owner.as_str()) != user => {
                Err(Fault::not_found("Session not found"))
            }
            _ => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn prepared(
    who: &Who,
    served: &Served,
    form: &Form,
    message: &str,
) -> Result<Run, Fault> {
    let input = if served.takes_text() {
        Content::from(message)
    } else {
        let value = json::parse_if_json(message)
            .map_err(|error| Fault::bad(format!("Invalid JSON in message field: {error}")))?;
        value.map_or_else(|| Content::from(message), Content::from)
    };
    let mut run = served.run(who, form.get("user_id"), input)?;
    if let Some(session) = form.get("session_id") {
        run = run.session_id(session);
    }
    if let Some(id) = form.get("run_id") {
        run = run.run_id(id);
    }
    if let Some(state) = form.object("session_state")? {
        run = run.session_state(state);
    }
    if let Some(data) = form.object("additional_data")? {
        run = run.additional_data(data);
    }
    if let Some(text) = form.get("metadata") {
        let what = "Invalid metadata parameter: expected a JSON object";
        let own: Map<String, Value> = json::read(text).map_err(|error| match error {
            JsonError::Twice { .. } => Fault::bad(format!("Invalid metadata parameter: {error}")),
            _ => Fault::bad(what),
        })?;
        run = run.metadata(served.metadata.clone().into_iter().chain(own).collect());
    }
    run = run.images(form.media("images", MediaKind::Image)?);
    run = run.audio(form.media("audio", MediaKind::Audio)?);
    run = run.videos(form.media("videos", MediaKind::Video)?);
    run = run.files(form.media("input_files", MediaKind::File)?);
    Ok(with_media(run, form.files.clone()))
}

/// The events that a stream shows, and their form.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) all: bool,
    pub(super) indexed: bool,
    pub(super) after: Option<u64>,
}

/// Turns events into the frames of `AgentOS`. A paused run ends its stream.
pub(super) fn frames(
    served: &Served,
    runs: Runs,
    events: EventStream,
    options: Options,
) -> impl Stream<Item = String> + Send + use<> {
    let (kind, name): (_, Arc<str>) = (served.kind, served.workflow.name().into());
    let plan = Arc::new(served.workflow.plan().clone());
    let state = (events, None::<Converter>, false);
    let pieces = streams::unfold(state, move |(mut events, mut converter, over)| {
        let (runs, name, plan) = (runs.clone(), name.clone(), plan.clone());
        async move {
            if over {
                return None;
            }
            let event = match events.next().await? {
                Ok(event) => event,
                Err(error) => return Some((fault_frame(&error), (events, converter, true))),
            };
            if converter.is_none() {
                let row = runs.row(&event.run).await.ok()?;
                let known = Converter::new(row, name, Some(plan), kind);
                converter = Some(informed(known, &runs, &event).await);
            }
            let wants_output = matches!(
                event.kind,
                EventKind::WorkflowCompleted { .. } | EventKind::WorkflowPaused { .. }
            );
            let output = if wants_output { runs.get(&event.run).await.ok() } else { None };
            let over = matches!(event.kind, EventKind::WorkflowPaused { .. })
                && output.as_ref().is_some_and(convert::waits);
            let mut text = String::new();
            let known = converter.as_mut()?;
            for mut shown in known.convert(&event, output.as_ref()) {
                let after = options.after;
                let is_seen = after.zip(shown.index).is_some_and(|(after, index)| index <= after);
                if is_seen || !(options.all || is_basic(shown.name)) {
                    continue;
                }
                if let Some(index) = shown.index.filter(|_| options.indexed) {
                    shown.members.insert("event_index".to_owned(), json!(index));
                }
                text.push_str(&frame(shown.name, &shown.members));
            }
            let is_workflow = kind == ServedKind::Workflow;
            if let Some(output) = output.filter(|_| over && !options.indexed && is_workflow)
                && let Value::Object(run) = outputs::workflow_run(&output, known.plan())
            {
                text.push_str(&frame("WorkflowRunOutput", &run));
            }
            Some((text, (events, converter, over)))
        }
    });
    pieces.filter(|text| std::future::ready(!text.is_empty()))
}

/// Tells a converter what happened before an event, so that it knows agents that are at work.
async fn informed(mut converter: Converter, runs: &Runs, event: &Event) -> Converter {
    if event.sequence == 0 {
        return converter;
    }
    let Ok(mut facts) = runs.recorded(&event.run, 0).await else { return converter };
    while let Some(Ok(fact)) = facts.next().await {
        if fact.sequence >= event.sequence {
            break;
        }
        converter.convert(&fact, None);
    }
    converter
}

/// Returns `true` for the events that a client gets without `stream_events`.
fn is_basic(name: &str) -> bool {
    matches!(
        name,
        "WorkflowStarted"
            | "StepOutput"
            | "WorkflowCompleted"
            | "WorkflowCancelled"
            | "WorkflowError"
            | "RunContent"
            | "RunStarted"
            | "RunCompleted"
            | "RunError"
            | "TeamRunContent"
            | "TeamRunStarted"
            | "TeamRunCompleted"
            | "TeamRunError"
    )
}

fn fault_frame(error: &Error) -> String {
    let members = json!({"event": "error", "error": error.to_string()});
    members.as_object().map_or_else(String::new, |members| frame("error", members))
}

/// `GET /workflows/{id}/runs/{run_id}`.
pub(super) async fn get(
    Caller(who, _): Caller<Read>,
    kind: ServedKind,
    State(app): State<App>,
    Path((id, run)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Fault> {
    let session = asked.needed("session_id")?;
    let served = kind.find(&app, &id)?;
    let output = found(&app, &who, served, &run).await?;
    if output.session_id.as_str() != session {
        return Err(Fault::not_found("Run not found"));
    }
    let mut run = shown(served, &output);
    run["events"] = stored::events(served, &app.seen_by(&who)?, &output).await?.into();
    Ok(Json(run).into_response())
}

/// `GET /workflows/{id}/runs`.
pub(super) async fn list(
    Caller(who, _): Caller<Read>,
    kind: ServedKind,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Fault> {
    let session = asked.needed("session_id")?;
    let served = kind.find(&app, &id)?;
    let missing = || Fault::not_found("Session not found");
    let session = SessionId::new(session).map_err(|_| missing())?;
    let runs = app.seen_by(&who)?;
    runs.sessions().get(&session).await.map_err(|_| missing())?;
    let filter = RunFilter {
        session_id: Some(session),
        workflow_id: Some(served.workflow.id().clone()),
        ..<_>::default()
    };
    let mut all = Vec::new();
    for row in runs.list(filter).await?.into_iter().rev() {
        let wanted = asked.get("status").is_none_or(|status| status == row.status.as_str());
        if wanted {
            let output = runs.get(&row.run_id).await?;
            all.push(stored::schema(Some(served), &runs, &output).await?);
        }
    }
    Ok(Json(all).into_response())
}

/// `POST …/cancel`. `AgentOS` answers 200 for unknown runs too, and its clients rely on that.
pub(super) async fn cancel(
    Caller(who, _): Caller<Start>,
    kind: ServedKind,
    State(app): State<App>,
    Path((id, run)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let served = kind.find(&app, &id)?;
    if let Ok(output) = found(&app, &who, served, &run).await {
        served.workflow.cancel_run(&output.run_id).await?;
    }
    Ok(Json(json!({})))
}

/// `POST …/continue`.
pub(super) async fn go_on(
    Caller(who, _): Caller<crate::auth::Answer>,
    kind: ServedKind,
    State(app): State<App>,
    Path((id, run)): Path<(String, String)>,
    form: Result<Form, Fault>,
) -> Result<Response, Fault> {
    let form = form?;
    let stream = form.flag("stream", true)?;
    if form.flag("background", false)? {
        let what = "background=true continuation is only available with a durable queue";
        return Err(Fault::new(StatusCode::CONFLICT, what));
    }
    let served = kind.find(&app, &id)?;
    let output = found(&app, &who, served, &run).await?;
    let conflict = match convert::status(&output) {
        RunStatus::Paused => None,
        RunStatus::Completed => Some("run is already completed"),
        RunStatus::Cancelled => Some("run is already cancelled"),
        RunStatus::Error => Some("run has errored"),
        RunStatus::Pending => Some("run is already pending"),
        _ => Some("run is already running"),
    };
    if let Some(why) = conflict {
        return Err(Fault::new(StatusCode::CONFLICT, why));
    }
    let answers = match kind {
        ServedKind::Workflow => {
            requirements::answers(form.get("step_requirements").unwrap_or("[]"), &output)?
        }
        _ => tools::answers(form.get("tools"), form.get("requirements"), &output)?,
    };
    let mut resumed = served.workflow.continue_run(&output.run_id, answers);
    if let Some(name) = who.signs().or_else(|| form.get("user_id")) {
        resumed = resumed.answered_by(name);
    }
    if stream {
        let slot = app.stream_slot()?;
        let events = resumed_events(resumed).await?;
        let options = Options { all: true, indexed: false, after: None };
        let frames = frames(served, app.seen_by(&who)?, events, options);
        return Ok(stream::answer_in(&app, slot, frames, ": keepalive\n\n", MEDIA_TYPE));
    }
    // In a task of its own, which a client that leaves does not end.
    let output = match tokio::spawn(resumed).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.output().is_some() => {
            error.into_output().ok_or_else(|| Fault::not_found("Run not found"))?
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => {
            let what = "Internal server error";
            return Err(Fault::new(StatusCode::INTERNAL_SERVER_ERROR, what));
        }
    };
    Ok(Json(shown(served, &output)).into_response())
}

/// Resumes a run, and returns its events. Others may follow it, and another caller may have begun
/// it, so that no reader who leaves cancels it.
async fn resumed_events(resumed: Resume) -> Result<EventStream, Fault> {
    let mut events = resumed.stream_events(true).stream().outlived();
    let Some(first) = events.next().await else { return Ok(streams::empty().boxed()) };
    if !matches!(first.kind, EventKind::WorkflowError { .. }) {
        return Ok(streams::once(async { Ok(first) }).chain(events.map(Ok)).boxed());
    }
    match events.output().await {
        // It could not be resumed, and the event is in no journal.
        Err(error) if error.output().is_none() => Err(error.into()),
        _ => Ok(streams::once(async { Ok(first) }).boxed()),
    }
}

/// `POST …/resume`.
pub(super) async fn resume(
    Caller(who, _): Caller<Read>,
    kind: ServedKind,
    State(app): State<App>,
    Path((id, run)): Path<(String, String)>,
    form: Result<Form, Fault>,
) -> Result<Response, Fault> {
    let form = form?;
    let after = form.number("last_event_index")?.and_then(|index| u64::try_from(index).ok());
    let served = kind.find(&app, &id)?;
    let Ok(output) = found(&app, &who, served, &run).await else {
        let what = format!("Run {run} not found in buffer or database");
        let text = meta("error", &json!({"event": "error", "error": what}));
        let once = streams::once(async move { text });
        return Ok(stream::answer(&app, once, ": heartbeat\n\n", MEDIA_TYPE)?);
    };
    let runs = app.seen_by(&who)?;
    let options = Options { all: true, indexed: true, after };
    let is_over = output.is_terminal() || convert::waits(&output);
    let status = if is_over { output.status.as_str() } else { "running" };
    let run = &output.run_id;
    let (first, rest) = if is_over {
        let message = format!("Run {status}. Replaying stored events from database.");
        let (shown, count) = recorded(served, &runs, run, options).await?;
        let head = json!({
            "event": "replay", "run_id": run, "status": status, "total_events": count,
            "last_event_index_requested": after.map_or(json!(-1), |after| json!(after)),
            "message": message,
        });
        (meta("replay", &head), streams::iter(shown).boxed())
    } else {
        let message = "Subscribed to workflow run. Receiving live events.";
        let all = Options { after: None, ..options };
        let (_, count) = recorded(served, &runs, run, all).await?;
        let head = json!({
            "event": "subscribed", "run_id": run, "status": status,
            "current_event_count": count, "message": message,
        });
        let events = served.workflow.events(run, 0).await?.boxed();
        let rest = frames(served, runs.clone(), events, options);
        (meta("subscribed", &head), rest.boxed())
    };
    let all = streams::once(async move { first }).chain(rest);
    Ok(stream::answer(&app, all, ": heartbeat\n\n", MEDIA_TYPE)?)
}

/// Returns the recorded events of a run as frames, and their number.
async fn recorded(
    served: &Served,
    runs: &Runs,
    run: &RunId,
    options: Options,
) -> Result<(Vec<String>, usize), Error> {
    let events = runs.recorded(run, 0).await?.boxed();
    let shown: Vec<String> = frames(served, runs.clone(), events, options).collect().await;
    let count = shown.iter().map(|text| text.matches("\ndata: ").count()).sum();
    Ok((shown, count))
}

fn meta(name: &str, members: &Value) -> String {
    members.as_object().map_or_else(String::new, |members| frame(name, members))
}
