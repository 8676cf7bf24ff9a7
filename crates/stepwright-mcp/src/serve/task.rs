//! Runs as tasks of the protocol.
//!
//! The id of a task is that of its run, and its state is read from the store of the run. So a task
//! outlives the call, the connection and the process that began it.

use super::ask;
use super::result::{of_error, of_output, waits};
use super::shared::{Served, Shared, can_ask, told};
use futures_util::StreamExt as _;
use rmcp::model::{
    CallToolResult, CreateTaskResult, DetailedTask, ElicitRequest, ErrorData, InputRequest,
    InputRequests, InputResponses, JsonObject, Task, TaskPayload, TaskStatus,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;
use std::time::Duration;
use stepwright_core::{Error, ErrorKind, RunId, RunOutput, RunStatus, Timestamp};
use stepwright_engine::RunHandle;
use tokio::task::JoinHandle;

/// The time after which a call is a task. A client that takes tasks needs none for a short call.
const TASK_AFTER: Duration = Duration::from_secs(2);

/// The interval at which a client is asked to look at a task.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// Returns `true` if the client takes tasks.
pub(super) fn is_wanted(context: &RequestContext<RoleServer>) -> bool {
    context.client_capabilities().is_some_and(|all| all.supports_tasks())
}

/// Returns the task of a run that goes on by itself.
pub(super) async fn created(
    served: &Served,
    handle: &RunHandle,
) -> Result<CreateTaskResult, Error> {
    let output = served.workflow.get_run(handle.run_id()).await?;
    let task = task(handle, &output, TaskStatus::Working).await?;
    Ok(CreateTaskResult::new(task))
}

/// Returns the result of a run that ends soon. `None` if it goes on, or waits for a person.
pub(super) async fn soon(handle: &RunHandle) -> Option<CallToolResult> {
    match tokio::time::timeout(TASK_AFTER, handle.settled()).await {
        Ok(Ok(output)) if output.status != RunStatus::Paused => Some(of_output(&output)),
        Ok(Err(error)) => Some(of_error(&error, handle)),
        Ok(Ok(_)) | Err(_) => None,
    }
}

/// As [`soon`], for a run that a task of this process drives on.
pub(super) async fn soon_driven(
    driven: JoinHandle<Result<RunOutput, Error>>,
    handle: &RunHandle,
) -> Option<CallToolResult> {
    match tokio::time::timeout(TASK_AFTER, driven).await {
        Ok(Ok(Ok(output))) if output.status != RunStatus::Paused => Some(of_output(&output)),
        Ok(Ok(Err(error))) => Some(of_error(&error, handle)),
        _ => None,
    }
}

/// Returns the state of a task.
pub(super) async fn state(
    shared: &Shared,
    id: &str,
    context: &RequestContext<RoleServer>,
) -> Result<DetailedTask, ErrorData> {
    let (served, output) = found(shared, id).await?;
    let handle = served.workflow.handle(&output.run_id).await.map_err(|error| failed(&error))?;
    let payload = payload(&handle, &output, can_ask(shared, context)).await;
    let mut task =
        task(&handle, &output, payload.status()).await.map_err(|error| failed(&error))?;
    if matches!(payload, TaskPayload::Working) {
        task.status_message = waits(shared, &output);
    }
    Ok(DetailedTask::new(task, payload))
}

/// Answers questions of a task.
pub(super) async fn answered(
    shared: &Shared,
    id: &str,
    responses: &InputResponses,
) -> Result<(), ErrorData> {
    let (served, output) = found(shared, id).await?;
    shared.check_answers()?;
    let answers = ask::answers(&output.requirements, responses)
        .map_err(|why| ErrorData::invalid_params(why, None))?;
    if answers.is_empty() {
        return Ok(());
    }
    let mut left: Vec<String> = answers.iter().map(|(id, _)| id.clone()).collect();
    let recorded = async {
        let run = shared.continuing(served, &output, answers).background().await?;
        // The next look at the task must not show questions that have been answered.
        let mut events = run.events(0).await?;
        while !left.is_empty()
            && let Some(event) = events.next().await
        {
            if let Some(reply) = event?.kind.reply() {
                left.retain(|id| **id != *reply.requirement_id);
            }
        }
        Ok::<_, Error>(())
    };
    recorded.await.map_err(|error| failed(&error))
}

/// Cancels a task. Its run may end a moment later.
pub(super) async fn cancelled(shared: &Shared, id: &str) -> Result<(), ErrorData> {
    let (served, output) = found(shared, id).await?;
    let cancelled = served.workflow.cancel_run(&output.run_id).await;
    cancelled.map(drop).map_err(|error| failed(&error))
}

/// Returns the run of a task, if it is one of this server and of its user.
async fn found<'a>(shared: &'a Shared, id: &str) -> Result<(&'a Served, RunOutput), ErrorData> {
    let unknown = || ErrorData::invalid_params(format!("there is no task `{id}`"), None);
    let run = RunId::new(id).map_err(|_| unknown())?;
    for served in &shared.served {
        let output = match served.workflow.get_run(&run).await {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&error)),
        };
        let user = shared.user.as_deref();
        if user.is_some() && user != output.user_id.as_ref().map(stepwright_core::UserId::as_str) {
            return Err(unknown());
        }
        let mut all = shared.served.iter();
        let of_run = all.find(|served| *served.workflow.id() == output.workflow_id);
        return of_run.map(|served| (served, output)).ok_or_else(unknown);
    }
    Err(unknown())
}

async fn payload(handle: &RunHandle, output: &RunOutput, can_ask: bool) -> TaskPayload {
    match output.status {
        RunStatus::Completed => TaskPayload::Completed { result: object(&of_output(output)) },
        RunStatus::Cancelled => TaskPayload::Cancelled,
        RunStatus::Error => {
            // A failed call is a result, which the model of the client reads.
            let result = match handle.settled().await {
                Ok(output) => of_output(&output),
                Err(error) => of_error(&error, handle),
            };
            TaskPayload::Completed { result: object(&result) }
        }
        // A branch may wait for a person while others work.
        _ if can_ask => {
            let asked = output.requirements.iter().filter(|request| request.needs_person());
            let asked = asked.filter_map(|request| {
                let question = ElicitRequest::new(ask::question(request)?);
                Some((ask::key(request), InputRequest::Elicitation(question)))
            });
            let input_requests: InputRequests = asked.collect();
            if input_requests.is_empty() {
                TaskPayload::Working
            } else {
                TaskPayload::InputRequired { input_requests }
            }
        }
        _ => TaskPayload::Working,
    }
}

async fn task(handle: &RunHandle, output: &RunOutput, status: TaskStatus) -> Result<Task, Error> {
    let updated = handle.row().await?.updated_at;
    let (created, updated) = (iso(output.created_at), iso(updated));
    let poll = u64::try_from(POLL_EVERY.as_millis()).unwrap_or(u64::MAX);
    Ok(Task::new(output.run_id.to_string(), status, created, updated).with_poll_interval_ms(poll))
}

/// Returns a moment as ISO 8601 has it.
fn iso(moment: Timestamp) -> String {
    // It is shown as `2026-07-28 09:00:00.000 UTC`.
    moment.to_string().trim_end_matches(" UTC").replace(' ', "T") + "Z"
}

fn object(result: &CallToolResult) -> JsonObject {
    match serde_json::to_value(result) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}

fn failed(error: &Error) -> ErrorData {
    ErrorData::internal_error(told(error), None)
}
