//! Tools that operate runs.

use super::ask;
use super::follow::{UnderWay, continued, followed};
use super::shared::{Served, Shared, failed, told, value};
use futures_util::StreamExt as _;
use rmcp::model::{CallToolResponse, CallToolResult, ErrorData, Tool, ToolAnnotations};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use stepwright_core::store::RunFilter;
use stepwright_core::{Answer, Error, RunId, RunStatus};
use stepwright_engine::Runs;

/// The number of runs in a list, unless the caller says otherwise, and the largest number.
const RUNS: usize = 20;
const RUNS_MAX: usize = 200;

/// The largest number of events in an answer.
const EVENTS_MAX: usize = 500;

/// Returns the tools.
pub(super) fn tools(operates: bool) -> Vec<Tool> {
    let run = || json!({"type": "string", "description": "The id of the run."});
    let reading = ToolAnnotations::new().read_only(true).open_world(false);
    let acting = ToolAnnotations::new().read_only(false).destructive(false).open_world(false);
    let tool = |name: &'static str,
                about: &'static str,
                properties: Value,
                required: Value,
                hints: &ToolAnnotations| {
        let schema = json!({"type": "object", "properties": properties, "required": required});
        let schema = schema.as_object().cloned().unwrap_or_default();
        Tool::new(name, about, Arc::new(schema)).with_annotations(hints.clone())
    };
    let statuses = ["pending", "running", "paused", "completed", "error", "cancelled"];
    let mut all = vec![
        tool(
            "list_runs",
            "Lists runs, newest first.",
            json!({
                "status": {"type": "string", "enum": statuses},
                "limit": {"type": "integer", "minimum": 1, "maximum": RUNS_MAX},
            }),
            json!([]),
            &reading,
        ),
        tool(
            "show_run",
            "Shows a run: its status, output, steps and pending requests.",
            json!({"run": run()}),
            json!(["run"]),
            &reading,
        ),
        tool(
            "run_events",
            "Returns what happened in a run, in order. `after` is the number of the last known \
             event.",
            json!({"run": run(), "after": {"type": "integer", "minimum": 0}}),
            json!(["run"]),
            &reading,
        ),
    ];
    if operates {
        all.push(tool(
            "continue_run",
            "Answers a pending request of a run, and continues it. `show_run` has the requests.",
            json!({
                "run": run(),
                "request": {"type": "string", "description": "The id of the request."},
                "decision": {"type": "string", "enum": [
                    "approve", "always", "reject", "edit", "submit", "select", "retry", "skip",
                ]},
                "text": {
                    "type": "string",
                    "description": "The reason, the text or JSON, or the choices with commas.",
                },
            }),
            json!(["run", "request", "decision"]),
            &acting,
        ));
        all.push(tool(
            "retry_run",
            "Runs the failed steps of a failed run again.",
            json!({"run": run()}),
            json!(["run"]),
            &acting,
        ));
        all.push(tool(
            "fork_run",
            "Begins a new run that shares the beginning of another one, and does the step `at` \
             again, with all that follows.",
            json!({"run": run(), "at": {"type": "string", "description": "The path of a step."}}),
            json!(["run", "at"]),
            &acting,
        ));
        all.push(tool(
            "cancel_run",
            "Cancels a run.",
            json!({"run": run()}),
            json!(["run"]),
            &ToolAnnotations::new().read_only(false).destructive(true).open_world(false),
        ));
    }
    all
}

/// Calls one of the tools. Returns `None` if there is none of that name.
pub(super) async fn call(
    shared: &Shared,
    runs: &Runs,
    name: &str,
    arguments: &Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResponse, ErrorData>> {
    if !shared.tools.iter().any(|tool| tool.name == name) {
        return None;
    }
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let result = match name {
        "list_runs" => listed(runs, text("status"), arguments.get("limit")).await,
        "show_run" => shown(runs, text("run")).await,
        "run_events" => events(runs, text("run"), arguments.get("after")).await,
        "cancel_run" => cancelled(runs, text("run")).await,
        _ => {
            let (run, at) = (text("run"), text("at"));
            let answer = (text("request"), text("decision"), text("text"));
            return Some(driven(shared, runs, name, (run, at), answer, context).await);
        }
    };
    Some(Ok(result.unwrap_or_else(|error| failed(told(&error))).into()))
}

async fn listed(runs: &Runs, status: &str, limit: Option<&Value>) -> Result<CallToolResult, Error> {
    let limit = limit.and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let mut filter =
        RunFilter { limit: limit.unwrap_or(RUNS).clamp(1, RUNS_MAX), ..<_>::default() };
    if !status.is_empty() {
        let status: RunStatus = serde_json::from_value(json!(status.to_uppercase()))
            .map_err(|_| Error::usage(format!("there is no status `{status}`")))?;
        filter.status = Some(status);
    }
    let rows = runs.list(filter).await?;
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "run": row.run_id, "workflow": row.workflow_id, "status": row.status,
                "session": row.session_id, "updated_at": row.updated_at,
            })
        })
        .collect();
    Ok(value(json!({ "runs": rows })))
}

async fn shown(runs: &Runs, run: &str) -> Result<CallToolResult, Error> {
    let output = runs.get(&RunId::new(run)?).await?;
    Ok(value(json!(output)))
}

async fn events(runs: &Runs, run: &str, after: Option<&Value>) -> Result<CallToolResult, Error> {
    let from = after.and_then(Value::as_u64).map_or(0, |after| after.saturating_add(1));
    let mut events = runs.recorded(&RunId::new(run)?, from).await?;
    let mut all = Vec::new();
    while all.len() < EVENTS_MAX
        && let Some(event) = events.next().await
    {
        all.push(json!(event?));
    }
    let more = all.len() == EVENTS_MAX;
    Ok(value(json!({"events": all, "more": more})))
}

async fn cancelled(runs: &Runs, run: &str) -> Result<CallToolResult, Error> {
    let run = RunId::new(run)?;
    let is_under_way = runs.request_cancel(&run).await?;
    Ok(value(json!({"run": run, "cancelled": is_under_way})))
}

/// Drives a run that another one, or an answer, begins.
async fn driven(
    shared: &Shared,
    runs: &Runs,
    name: &str,
    (run, at): (&str, &str),
    (request, decision, text): (&str, &str, &str),
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let begun = async {
        let id = RunId::new(run)?;
        let output = runs.get(&id).await?;
        let of_run = |served: &&Served| *served.workflow.id() == output.workflow_id;
        let served = shared.served.iter().find(of_run).ok_or_else(|| {
            let what =
                format!("run `{run}` is one of `{}`, which is not served here", output.workflow_id);
            Error::usage(what)
        })?;
        let handle = match name {
            "retry_run" => UnderWay::of(served.workflow.retry(&id).background().await?),
            "fork_run" => UnderWay::of(served.workflow.fork(&id).at(at).background().await?),
            _ => {
                let wanted = output.requirements.iter().find(|it| *it.id == *request);
                let wanted = wanted.ok_or_else(|| {
                    Error::usage(format!("run `{run}` has no pending request `{request}`"))
                })?;
                let answer: Answer = ask::decided(decision, text).map_err(Error::usage)?;
                wanted.check(&answer).map_err(Error::usage)?;
                continued(shared, served, &output, vec![(request.to_owned(), answer)]).await?
            }
        };
        Ok::<_, Error>((served, handle))
    };
    match begun.await {
        Ok((served, handle)) => followed(shared, served, handle, context).await,
        Err(error) => Ok(failed(told(&error)).into()),
    }
}
