//! Outputs of runs as `AgentOS` writes them.

use super::convert::{
    arguments, content, dropped, executor_run_id, input, is_team, media, metrics, model,
    public_metadata, status, steps, tool, usage, waits, written,
};
use super::{requirements, tools};
use serde_json::{Value, json};
use stepwright_core::output::{ExecutorRun, Turn};
use stepwright_core::plan::Plan;
use stepwright_core::{MediaKind, RunOutput, RunStatus};

/// Returns the work of the agents of a run.
pub(super) fn executor_runs(output: &RunOutput) -> Vec<Value> {
    let runs = output.step_executor_runs.iter();
    runs.map(|run| executor_run(output, run, output.run_id.as_str())).collect()
}

/// Returns the work of one agent. That of a tool call belongs to the agent that calls, that of a
/// step to `outer`.
fn executor_run(output: &RunOutput, run: &ExecutorRun, outer: &str) -> Value {
    let caller = run.path.caller().filter(|_| run.path != run.path.step());
    let mut shown = agent_run(output, run, is_team(output, &run.path));
    let parent = caller.map(|caller| executor_run_id(output, &caller));
    shown["parent_run_id"] = json!(parent.as_deref().unwrap_or(outer));
    shown
}

fn agent_run(output: &RunOutput, agent: &ExecutorRun, is_team: bool) -> Value {
    let (provider, model) = model(&agent.model);
    let status = match (&agent.error, status(output)) {
        (Some(_), _) => "ERROR",
        (None, RunStatus::Paused) if agent.content.is_empty() => "PAUSED",
        (None, RunStatus::Cancelled) if agent.content.is_empty() => "CANCELLED",
        _ => "COMPLETED",
    };
    let at = output.created_at.seconds();
    let (messages, mut tools) = conversation(agent, at);
    let asked = tools::waiting(output).filter(|asked| asked.path == agent.path);
    tools.extend(asked.map(|asked| tools::execution(asked, at)));
    let (id, name) = if is_team { ("team_id", "team_name") } else { ("agent_id", "agent_name") };
    json!({
        "run_id": executor_run_id(output, &agent.path),
        id: agent.agent,
        name: agent.agent,
        "session_id": output.session_id,
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
                                "arguments": written(call),
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

fn message(role: &str, content: &str, nth: usize, at: u64) -> Value {
    json!({
        "id": nth.to_string(), "role": role, "content": content, "from_history": false,
        "stop_after_tool_call": false, "created_at": at,
    })
}

/// Returns a run of a workflow, as the immediate answer.
pub(super) fn workflow_run(output: &RunOutput, plan: Option<&Plan>) -> Value {
    let paused = requirements::of(output, plan);
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
        "status": status(output).as_str(),
    });
    if output.status == RunStatus::Cancelled {
        run["cancellation_stage"] =
            json!(if output.step_results.is_empty() { "PENDING" } else { "EXECUTING" });
    }
    if let (true, Some(first)) = (waits(output), paused.first()) {
        run["paused_step_index"] = json!(paused_index(first));
        run["paused_step_name"] = first["step_name"].clone();
        run["pause_kind"] = json!(pause_kind(first));
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
    if waits(output) {
        run["step_requirements"] = paused.into();
    }
    dropped(run)
}

/// Returns the index of the step of the workflow in which a request stands.
pub(super) fn paused_index(asked: &Value) -> Option<u64> {
    asked["step_index"].as_u64().or_else(|| asked["step_index"][0].as_u64())
}

/// Returns the word for a request of a step, or of the agent of a step.
pub(super) fn pause_kind(asked: &Value) -> &'static str {
    if asked["requires_executor_input"] == json!(true) { "executor" } else { "step" }
}

/// Returns a run of an agent or a team alone, as the immediate answer.
pub(super) fn agent_output(output: &RunOutput, is_team: bool) -> Value {
    let mut alone = output.step_executor_runs.iter().rev();
    let leader = alone.find(|run| run.path == run.path.step());
    let mut run = leader.map_or_else(|| json!({}), |leader| agent_run(output, leader, is_team));
    let (id, name) = if is_team { ("team_id", "team_name") } else { ("agent_id", "agent_name") };
    run["run_id"] = json!(output.run_id);
    run[id] = json!(output.workflow_id);
    run[name] = json!(output.workflow_name);
    run["user_id"] = json!(output.user_id);
    run["content"] = content(output);
    run["content_type"] = json!(output.content_type());
    run["session_id"] = json!(output.session_id);
    run["created_at"] = json!(output.created_at.seconds());
    run["status"] = json!(status(output).as_str());
    run["metadata"] = json!(public_metadata(output));
    run["input"] = json!({"input_content": input(&output.input)});
    if is_team {
        let runs = output.step_executor_runs.iter().filter(|run| run.path != run.path.step());
        let (at, outer) = (leader.map(|leader| &leader.path), output.run_id.as_str());
        let members = runs.map(|run| {
            let mut member = executor_run(output, run, outer);
            if run.path.caller().as_ref() == at {
                member["parent_run_id"] = json!(outer);
            }
            member
        });
        run["member_responses"] = members.collect();
    }
    if waits(output) {
        let at = output.created_at.seconds();
        let asked = tools::waiting(output);
        run["requirements"] = asked.map(|asked| tools::requirement(asked, at)).collect();
    }
    if let Some(members) = run.as_object_mut() {
        members.remove("workflow_step_id");
    }
    dropped(run)
}
