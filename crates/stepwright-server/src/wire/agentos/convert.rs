//! Outputs of runs as `AgentOS` writes them.

use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use stepwright_core::message::Usage;
use stepwright_core::output::{ExecutorRun, Turn};
use stepwright_core::plan::Plan;
use stepwright_core::{
    Content, Media, MediaKind, MediaSource, RunOutput, RunStatus, StepResult, StepStatus,
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

/// Returns the media of a kind.
pub(super) fn media(all: &[Media], kind: MediaKind) -> Value {
    let item = |media: &Media| {
        let source = match &media.source {
            MediaSource::Url(url) => json!({"url": url}),
            MediaSource::Path(path) => json!({"filepath": path}),
            MediaSource::Bytes(_) => {
                // As base64, as the core writes bytes.
                let written = serde_json::to_value(&media.source).unwrap_or_default();
                json!({"content": written["bytes"]})
            }
            // Large media are not for a list of runs: their hash says which they are.
            _ => json!({"id": media.stored().map(|stored| &stored.sha256)}),
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

/// Returns the work of the agents of a run.
pub(super) fn executor_runs(output: &RunOutput) -> Vec<Value> {
    output.step_executor_runs.iter().map(|agent| agent_run(output, agent)).collect()
}

/// Splits the name of a model into provider and model.
pub(super) fn model(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or((name, name))
}

fn agent_run(output: &RunOutput, agent: &ExecutorRun) -> Value {
    let (provider, model) = model(&agent.model);
    let status = match (&agent.error, output.status) {
        (Some(_), _) => "ERROR",
        (None, RunStatus::Paused) if agent.content.is_empty() => "PAUSED",
        (None, RunStatus::Cancelled) if agent.content.is_empty() => "CANCELLED",
        _ => "COMPLETED",
    };
    let (messages, tools) = conversation(agent, output.created_at.seconds());
    json!({
        "run_id": format!("{}:{}", output.run_id, agent.path),
        "agent_id": agent.agent,
        "agent_name": agent.agent,
        "session_id": output.session_id,
        "parent_run_id": output.run_id,
        "workflow_step_id": agent.path.step(),
        "content": agent.content.to_value(),
        "content_type": agent.content.type_name(),
        "model": model,
        "model_provider": provider,
        "created_at": output.created_at.seconds(),
        "status": status,
        "metrics": usage(&agent.usage),
        "messages": messages,
        "tools": tools,
        "input": {"input_content": input(&agent.message)},
    })
}

/// Returns the messages of an agent, and its tool calls.
fn conversation(agent: &ExecutorRun, at: u64) -> (Vec<Value>, Vec<Value>) {
    let mut messages = vec![message("user", &agent.message.text(), 0, at)];
    let (mut tools, mut calls) = (Vec::new(), Vec::new());
    for turn in &agent.turns {
        let nth = messages.len();
        match turn {
            Turn::Model(answer) => {
                let mut said = message("assistant", &answer.text(), nth, at);
                let asked: Vec<_> = answer.tool_calls().cloned().collect();
                if !asked.is_empty() {
                    said["tool_calls"] = asked
                        .iter()
                        .map(|call| {
                            json!({"id": call.id, "type": "function", "function": {
                                "name": call.name,
                                "arguments": arguments(call).to_string(),
                            }})
                        })
                        .collect();
                }
                calls.extend(asked);
                messages.push(said);
            }
            Turn::Tool(outcome) => {
                let mut said = message("tool", &outcome.text, nth, at);
                said["tool_call_id"] = json!(outcome.call_id);
                said["tool_name"] = json!(outcome.name);
                said["tool_call_error"] = json!(outcome.is_error);
                messages.push(said);
                let call = calls.iter().find(|call| call.id == outcome.call_id);
                let arguments = call.map_or(Value::Null, arguments);
                let failed = outcome.is_error;
                let (id, name) = (&outcome.call_id, &outcome.name);
                tools.push(tool(id, name, &arguments, Some(&outcome.text), failed, at));
            }
            Turn::Message(sent) => messages.push(message("user", &sent.text, nth, at)),
        }
    }
    (messages, tools)
}

pub(super) fn arguments(call: &stepwright_core::message::ToolCall) -> Value {
    serde_json::to_value(&call.arguments).unwrap_or_default()
}

fn message(role: &str, content: &str, nth: usize, at: u64) -> Value {
    json!({
        "id": nth.to_string(), "role": role, "content": content, "from_history": false,
        "stop_after_tool_call": false, "created_at": at,
    })
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

/// Returns a run of a workflow, as the immediate answer.
pub(super) fn workflow_run(output: &RunOutput, plan: Option<&Plan>) -> Value {
    let paused = super::requirements::of(output, plan);
    let mut run = json!({
        "input": input(&output.input),
        "content": content(output),
        "content_type": output.content_type(),
        "workflow_id": output.workflow_id,
        "workflow_name": output.workflow_name,
        "run_id": output.run_id,
        "session_id": output.session_id,
        "user_id": output.user_id,
        "created_at": output.created_at.seconds(),
        "status": output.status.as_str(),
    });
    if output.status == RunStatus::Cancelled {
        run["cancellation_stage"] =
            json!(if output.step_results.is_empty() { "PENDING" } else { "EXECUTING" });
    }
    if let (true, Some(first)) = (output.is_paused(), paused.first()) {
        run["paused_step_index"] = first["step_index"].clone();
        run["paused_step_name"] = first["step_name"].clone();
        run["pause_kind"] = json!("step");
    }
    run["metadata"] = json!(public_metadata(output));
    if output.status == RunStatus::Completed {
        run["images"] = media(&output.media, MediaKind::Image);
        run["videos"] = media(&output.media, MediaKind::Video);
        run["audio"] = media(&output.media, MediaKind::Audio);
        run["files"] = media(&output.media, MediaKind::File);
    }
    run["step_results"] = steps(&output.step_results).into();
    run["step_executor_runs"] = executor_runs(output).into();
    run["metrics"] = metrics(output);
    if output.is_paused() {
        run["step_requirements"] = paused.into();
    }
    dropped(run)
}

/// Returns the metadata of a run without the place of its definition, which is the server's.
fn public_metadata(output: &RunOutput) -> Map<String, Value> {
    let members = output.metadata.iter().filter(|(name, _)| *name != "definition");
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Returns a run of an agent, as the immediate answer.
pub(super) fn agent_output(output: &RunOutput) -> Value {
    let of = output.step_executor_runs.first();
    let mut run = of.map_or_else(|| json!({}), |agent| agent_run(output, agent));
    run["run_id"] = json!(output.run_id);
    run["agent_id"] = json!(output.workflow_id);
    run["agent_name"] = json!(output.workflow_name);
    run["user_id"] = json!(output.user_id);
    run["content"] = content(output);
    run["content_type"] = json!(output.content_type());
    run["session_id"] = json!(output.session_id);
    run["created_at"] = json!(output.created_at.seconds());
    run["status"] = json!(output.status.as_str());
    run["input"] = json!({"input_content": input(&output.input)});
    if let Some(members) = run.as_object_mut() {
        members.remove("parent_run_id");
        members.remove("workflow_step_id");
    }
    dropped(run)
}
