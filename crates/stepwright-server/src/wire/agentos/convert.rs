//! Values of `AgentOS`: contents, media, usage, tool calls and the results of steps.

use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::{Arguments, ToolCall, Usage};
use stepwright_core::{
    Content, Media, MediaKind, MediaSource, Requirement, RunOutput, RunStatus, StepPath,
    StepResult, StepStatus,
};

/// Removes the members that are `null`.
pub(super) fn dropped(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

/// Returns the input as Agno's clients want it: a text, or an object.
pub(super) fn input(content: &Content) -> Value {
    match content.to_value() {
        value @ (Value::Object(_) | Value::String(_)) => value,
        other => Value::from(other.to_string()),
    }
}

/// Returns `true` for a file whose content Agno writes as it is, and not as base64.
fn is_text(media: &Media) -> bool {
    media.kind == MediaKind::File
        && media.mime.as_deref().is_some_and(|mime| mime.starts_with("text/"))
}

/// Returns the media of a kind.
pub(super) fn media(all: &[Media], kind: MediaKind) -> Value {
    let item = |media: &Media| {
        let source = match &media.source {
            MediaSource::Url(url) => json!({"url": url}),
            MediaSource::Path(path) => json!({"filepath": path}),
            _ => match media.live() {
                Some(bytes) if is_text(media) => {
                    json!({"content": String::from_utf8_lossy(&bytes)})
                }
                Some(bytes) => {
                    // As base64, as the core writes bytes.
                    let written = serde_json::to_value(MediaSource::Bytes(bytes));
                    json!({"content": written.unwrap_or_default()["bytes"]})
                }
                // Only the store has large ones of earlier runs: their hash says which they are.
                None => json!({"id": media.stored().map(|stored| &stored.sha256)}),
            },
        };
        let mut item = source;
        item["mime_type"] = json!(media.mime);
        item["filename"] = json!(media.name);
        dropped(item)
    };
    all.iter().filter(|media| media.kind == kind).map(item).collect()
}

/// Returns the usage of models. Members that are zero are left out.
pub(super) fn usage(usage: &Usage) -> Value {
    let all = [
        ("input_tokens", usage.input_tokens),
        ("output_tokens", usage.output_tokens),
        ("total_tokens", Some(usage.total_tokens())),
        ("reasoning_tokens", usage.reasoning_tokens),
        ("cache_read_tokens", usage.cache_read_tokens),
        ("cache_write_tokens", usage.cache_write_tokens),
    ];
    let set = all.into_iter().filter(|(_, count)| count.is_some_and(|count| count > 0));
    Value::Object(set.map(|(name, count)| (name.to_owned(), json!(count))).collect())
}

/// Returns `true` for a turn of a loop or an item of a map, which `AgentOS` does not show.
fn is_turn(step: &StepResult) -> bool {
    matches!(step.step_type.as_str(), "Iteration" | "Item")
}

/// Returns the results of steps. Those of turns stand in the place of the turns.
pub(super) fn steps(all: &[StepResult]) -> Vec<Value> {
    let of = |step: &StepResult| {
        if is_turn(step) { steps(&step.steps) } else { vec![step_output(step)] }
    };
    all.iter().flat_map(of).collect()
}

/// Returns the result of a step.
pub(super) fn step_output(step: &StepResult) -> Value {
    let kind = step.step_type.as_str();
    let is_composite = kind != "Step";
    let inner = steps(&step.steps);
    let content =
        if is_composite { composite_text(step, inner.len()) } else { step.content.to_value() };
    let executor = match (&step.executor_type, kind) {
        (Some(executor), _) => json!(executor),
        (None, "Parallel") => json!("parallel"),
        (None, _) => Value::Null,
    };
    let metrics = if step.usage.is_empty() { Value::Null } else { usage(&step.usage) };
    let mut output = json!({
        "content": content,
        "step_name": step.name(),
        "step_id": step.path,
        "step_type": kind,
        "executor_type": executor,
        "executor_name": step.executor_name,
        "step_run_id": null,
        "images": media(&step.media, MediaKind::Image),
        "videos": media(&step.media, MediaKind::Video),
        "audio": media(&step.media, MediaKind::Audio),
        "files": media(&step.media, MediaKind::File),
        "metrics": metrics,
        "success": step.success(),
        "error": step.error.as_ref().map(|error| error.message.clone()),
        "stop": step.stop,
        "is_paused": step.ended_at.is_none() && step.status == StepStatus::Running,
    });
    if is_composite {
        output["steps"] = inner.into();
    }
    output
}

/// Returns the text that `AgentOS` gives a container.
fn composite_text(step: &StepResult, count: usize) -> Value {
    if step.step_type.as_str() != "Parallel" {
        let kind = step.step_type.as_str();
        return json!(format!("{kind} {} completed with {count} results", step.name()));
    }
    let mut text = "## Parallel Execution Results".to_owned();
    for branch in &step.steps {
        let mark = if branch.success() { "✅ SUCCESS" } else { "❌ FAILURE" };
        let what = match &branch.error {
            Some(error) => error.message.clone(),
            None => branch.content.text().into_owned(),
        };
        let _ = write!(text, "\n\n### {mark}: {}\n{what}", branch.name());
    }
    json!(text)
}

fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

/// Returns the metrics of a run: those of its agents by step, and the duration.
pub(super) fn metrics(output: &RunOutput) -> Value {
    let mut by_step = Map::new();
    for agent in &output.step_executor_runs {
        let step = agent.path.step();
        by_step.insert(
            step.name().to_owned(),
            json!({
                "step_name": step.name(), "executor_type": "agent", "executor_name": agent.agent,
                "metrics": usage(&agent.usage),
            }),
        );
    }
    json!({"steps": by_step, "duration": seconds(output.metrics.duration_ms)})
}

/// Returns the content of a run, or the text that stands in its place.
pub(super) fn content(output: &RunOutput) -> Value {
    match output.status {
        RunStatus::Error => {
            let why = output.error.as_ref().map(|failure| failure.error.message.as_str());
            json!(format!("Workflow execution failed: {}", why.unwrap_or_default()))
        }
        RunStatus::Cancelled => json!(format!("Run {} was cancelled", output.run_id)),
        _ if output.content.is_empty() => Value::Null,
        _ => output.content.to_value(),
    }
}

/// Returns `true` if a run waits for a person. One that waits for a timer goes on by itself.
pub(super) fn waits(output: &RunOutput) -> bool {
    output.is_paused() && output.requirements.iter().any(Requirement::needs_person)
}

/// Returns the status of a run. `AgentOS` has no timers: a run that waits for one is running.
pub(super) fn status(output: &RunOutput) -> RunStatus {
    if output.is_paused() && !waits(output) { RunStatus::Running } else { output.status }
}

/// Returns `true` if the executor of a step is a team.
pub(super) fn is_team(output: &RunOutput, path: &StepPath) -> bool {
    let step = output.walk().find(|step| step.path == *path);
    step.is_some_and(|step| step.executor_type == Some(ExecutorType::Team))
}

/// Returns the id of the run of an agent within a run.
pub(super) fn executor_run_id(output: &RunOutput, path: &StepPath) -> String {
    format!("{}:{path}", output.run_id)
}

/// Splits the name of a model into provider and model.
pub(super) fn model(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or((name, name))
}

/// Returns the arguments of a call as the model wrote them.
pub(super) fn written(call: &ToolCall) -> String {
    match &call.arguments {
        Arguments::Json(arguments) => arguments.to_string(),
        Arguments::Invalid(text) => text.clone(),
    }
}

/// Returns the arguments of a call, which are an object for Agno.
pub(super) fn arguments(call: &ToolCall) -> Value {
    match &call.arguments {
        Arguments::Json(arguments) if arguments.is_object() => (**arguments).clone(),
        Arguments::Json(arguments) => json!({"arguments": arguments}),
        Arguments::Invalid(text) => json!({"arguments": text}),
    }
}

/// Returns a tool call, with all keys that Agno has.
pub(super) fn tool(
    id: &str,
    name: &str,
    arguments: &Value,
    result: Option<&str>,
    failed: bool,
    at: u64,
) -> Value {
    json!({
        "tool_call_id": id, "tool_name": name, "tool_args": arguments, "tool_call_error": failed,
        "result": result, "metrics": null, "child_run_id": null, "stop_after_tool_call": false,
        "created_at": at, "requires_confirmation": null, "confirmed": null,
        "confirmation_note": null, "requires_user_input": null, "user_input_schema": null,
        "user_feedback_schema": null, "answered": null, "external_execution_required": null,
        "external_execution_silent": null, "approval_type": null, "approval_id": null,
        "parent_tool_call_id": null,
    })
}

/// Returns the metadata of a run without the place of its definition, which is the server's.
pub(super) fn public_metadata(output: &RunOutput) -> Map<String, Value> {
    let members = output.metadata.iter().filter(|(name, _)| *name != "definition");
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}
