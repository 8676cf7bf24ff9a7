//! A call of a workflow: follows its run until it ends or waits.

use super::result::{of_error, of_output, waiting};
use super::shared::{Served, Shared, can_ask, failed, told};
use super::{ask, task};
use futures_util::StreamExt as _;
use rmcp::model::{
    CallToolResponse, ElicitRequest, ErrorData, InputRequest, InputRequiredResult, InputResponses,
    ProgressNotificationParam, ProgressToken, ProtocolVersion, RequestStateError, SealOptions,
};
use rmcp::service::{RequestContext, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::time::{Duration, Instant};
use stepwright_core::trace::TraceContext;
use stepwright_core::{
    Answer, Content, Error, ErrorKind, Event, EventKind, Requirement, RunOutput, RunStatus,
};
use stepwright_engine::RunHandle;
use tokio::task::JoinHandle;

/// The shortest time between two messages about progress: a client that shows them needs no more.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The interval of looks at a run that waits for a moment.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The state of a call that waits for input, as the client keeps it.
#[derive(Serialize, Deserialize)]
struct CallState {
    run: String,
    /// The questions of this round by the names that the client sees: see [`ask::key`].
    #[serde(default)]
    asked: BTreeMap<String, String>,
}

/// Begins a run.
pub(super) async fn begin(
    shared: &Shared,
    served: &Served,
    input: Content,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let mut run = served.workflow.run(input).metadata(served.metadata.clone());
    if let Some(user) = &shared.user {
        run = run.user_id(user);
    }
    if let Some(session) = &shared.session {
        run = run.session_id(session);
    }
    if let Some(trace) = trace_of(context) {
        run = run.trace_context(trace);
    }
    match run.background().await {
        Ok(handle) => followed(shared, served, UnderWay::of(handle), context).await,
        Err(error) if error.kind() == ErrorKind::Usage => {
            Err(ErrorData::invalid_params(told(&error), None))
        }
        Err(error) => Ok(failed(told(&error)).into()),
    }
}

/// Goes on with a run whose questions have been answered.
pub(super) async fn go_on(
    shared: &Shared,
    served: &Served,
    state: &str,
    responses: &InputResponses,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    shared.check_answers()?;
    let bound = bound(shared, served);
    let state = match shared.codec.open_json_with::<CallState>(state, bound.as_bytes()) {
        Ok(state) => state,
        Err(RequestStateError::Expired) => {
            let why = "`requestState` has expired; answer the run where it is stored, or call the \
                       tool without it to begin a new run";
            return Err(ErrorData::invalid_params(why, None));
        }
        // It tells nothing about the reason: the client may have forged it.
        Err(_) => {
            let why = "`requestState` is not one that this server gave for this tool and this user";
            return Err(ErrorData::invalid_params(why, None));
        }
    };
    let output = match served.workflow.get_run(&state.run).await {
        Ok(output) => output,
        Err(error) => return Ok(failed(told(&error)).into()),
    };
    // A name of this round means the question of this round, and no later one.
    let responses = responses.iter().filter_map(|(name, response)| {
        let key = state.asked.get(name)?;
        Some((key.clone(), response.clone()))
    });
    let answers = ask::answers(&output.requirements, &responses.collect())
        .map_err(|why| ErrorData::invalid_params(why, None))?;
    match continued(shared, served, &output, answers).await {
        Ok(run) => followed(shared, served, run, context).await,
        Err(error) => Ok(failed(told(&error)).into()),
    }
}

/// Returns the trace that the caller names, which the run continues. One that is not valid is left
/// out, as the W3C asks for.
fn trace_of(context: &RequestContext<RoleServer>) -> Option<TraceContext> {
    let parent = context.meta.get_traceparent()?;
    TraceContext::parse(parent, context.meta.get_tracestate()).ok()
}

/// A run that a call follows.
pub(super) struct UnderWay {
    handle: RunHandle,
    /// The task that drives it, if a call has continued it.
    driven: Option<JoinHandle<Result<RunOutput, Error>>>,
}

impl UnderWay {
    pub(super) fn of(handle: RunHandle) -> Self {
        Self { handle, driven: None }
    }

    /// Waits until it ends or pauses.
    async fn settled(&mut self) -> Result<RunOutput, Error> {
        match self.driven.take() {
            Some(driven) => driven.await.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Run, format!("the run was stopped: {error}")))
            }),
            None => self.handle.settled().await,
        }
    }
}

/// Answers the requests of a run, and drives it on in a task of its own: the call may be lost.
pub(super) async fn continued(
    shared: &Shared,
    served: &Served,
    output: &RunOutput,
    answers: Vec<(String, Answer)>,
) -> Result<UnderWay, Error> {
    let handle = served.workflow.handle(&output.run_id).await?;
    if output.status != RunStatus::Paused || answers.is_empty() {
        return Ok(UnderWay::of(handle));
    }
    // A handle would still see the pause that the answers end.
    let run = shared.continuing(served, output, answers).into_future();
    Ok(UnderWay { handle, driven: Some(tokio::spawn(run)) })
}

/// Returns what a state is bound to: the user and the tool.
fn bound(shared: &Shared, served: &Served) -> String {
    json!([shared.user, served.tool.name]).to_string()
}

/// Follows a run until it has a result, and asks the person at the client on the way.
pub(super) async fn followed(
    shared: &Shared,
    served: &Served,
    mut run: UnderWay,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    if task::is_wanted(context) {
        // Until a call that answered has been taken up, its handle sees the pause before that.
        let ended = match run.driven.take() {
            Some(driven) => task::soon_driven(driven, &run.handle).await,
            None => task::soon(&run.handle).await,
        };
        if let Some(result) = ended {
            return Ok(result.into());
        }
        return Ok(match task::created(served, &run.handle).await {
            Ok(created) => CallToolResponse::Task(created),
            Err(error) => failed(told(&error)).into(),
        });
    }
    let mut seen = Seen::default();
    loop {
        let handle = run.handle.clone();
        let settled = tokio::select! {
            settled = watched(run, &mut seen, context) => settled,
            () = context.ct.cancelled() => {
                let _ = handle.cancel().await;
                return Err(ErrorData::internal_error("the call was cancelled", None));
            }
        };
        let output = match settled {
            Ok(output) => output,
            Err(error) => return Ok(of_error(&error, &handle).into()),
        };
        if output.status != RunStatus::Paused {
            return Ok(of_output(&output).into());
        }
        let asked: Vec<&Requirement> =
            output.requirements.iter().filter(|request| request.needs_person()).collect();
        if asked.is_empty() && output.awaited_events().is_some() {
            return Ok(waiting(shared, &output).into());
        }
        if asked.is_empty() {
            // It waits for a moment, and goes on by itself.
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = context.ct.cancelled() => {}
            }
            run = UnderWay::of(handle);
            continue;
        }
        if !can_ask(shared, context) {
            return Ok(waiting(shared, &output).into());
        }
        if is_stateless(context) {
            return Ok(input_required(shared, served, &output, &asked)?.into());
        }
        let mut answers = Vec::new();
        for request in asked {
            let Some(question) = ask::question(request) else { continue };
            let result = tokio::select! {
                result = context.peer.create_elicitation(question) => result,
                () = context.ct.cancelled() => {
                    let _ = handle.cancel().await;
                    return Err(ErrorData::internal_error("the call was cancelled", None));
                }
            };
            let Ok(result) = result else { return Ok(waiting(shared, &output).into()) };
            if let Some(answer) = ask::answer(request, &result) {
                answers.push((request.id.to_string(), answer));
            }
        }
        if answers.is_empty() {
            return Ok(waiting(shared, &output).into());
        }
        run = match continued(shared, served, &output, answers).await {
            Ok(run) => run,
            Err(error) => return Ok(failed(told(&error)).into()),
        };
    }
}

/// The progress that a call has told.
#[derive(Default)]
struct Seen {
    /// The first fact that it has not seen.
    from: u64,
    count: u32,
    last: Option<Instant>,
}

/// Waits until a run ends or pauses, and tells its progress.
async fn watched(
    mut run: UnderWay,
    seen: &mut Seen,
    context: &RequestContext<RoleServer>,
) -> Result<RunOutput, Error> {
    let Some(token) = context.meta.get_progress_token() else { return run.settled().await };
    let mut events = run.handle.events(seen.from).await?;
    let mut settled = std::pin::pin!(run.settled());
    loop {
        let event = tokio::select! {
            biased;
            event = events.next() => event,
            output = &mut settled => return output,
        };
        let Some(Ok(event)) = event else { return settled.await };
        seen.from = event.sequence.saturating_add(1);
        let Some(text) = activity(&event) else { continue };
        if seen.last.is_some_and(|last| last.elapsed() < PROGRESS_EVERY) {
            continue;
        }
        (seen.count, seen.last) = (seen.count.saturating_add(1), Some(Instant::now()));
        tell(context, token.clone(), seen.count, text).await;
    }
}

async fn tell(
    context: &RequestContext<RoleServer>,
    token: ProgressToken,
    count: u32,
    text: String,
) {
    let progress = ProgressNotificationParam::new(token, f64::from(count)).with_message(text);
    // A client that is gone does not stop the run.
    let _ = context.peer.notify_progress(progress).await;
}

/// Returns what an event says about progress.
fn activity(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::StepStarted { .. } => Some(format!("{} began", event.path)),
        EventKind::StepCompleted { .. } => Some(format!("{} completed", event.path)),
        EventKind::StepRetrying { .. } => Some(format!("{} is tried again", event.path)),
        EventKind::ToolCallStarted { .. } => Some(format!("{} began", event.path)),
        EventKind::StepProgress { content, .. } => Some(format!("{}: {content}", event.path)),
        _ => None,
    }
}

/// Returns `true` if the protocol has no requests of the server: it returns its questions.
fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|it| it.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

fn input_required(
    shared: &Shared,
    served: &Served,
    output: &RunOutput,
    asked: &[&Requirement],
) -> Result<InputRequiredResult, ErrorData> {
    let mut requests = BTreeMap::new();
    let mut state = CallState { run: output.run_id.to_string(), asked: BTreeMap::new() };
    for request in asked {
        if let Some(question) = ask::question(request) {
            let question = InputRequest::Elicitation(ElicitRequest::new(question));
            let (name, mut unique, mut nth) = (ask::name(request), ask::name(request), 1);
            while state.asked.contains_key(&unique) {
                nth += 1;
                unique = format!("{name}-{nth}");
            }
            state.asked.insert(unique.clone(), ask::key(request));
            requests.insert(unique, question);
        }
    }
    let bound = bound(shared, served);
    let options = SealOptions::new().associated_data(bound.as_bytes()).ttl(shared.state_lifetime);
    let sealed = shared.codec.seal_json_with(&state, &options);
    let sealed = sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(InputRequiredResult::new(Some(requests), Some(sealed)))
}
