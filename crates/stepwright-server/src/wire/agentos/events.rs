//! Events as `AgentOS` writes them.

use super::convert::{self, dropped, usage};
use super::index::step_index;
use super::requirements;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use stepwright_core::event::{ContainerKind, Decision, EventKind};
use stepwright_core::executor::ExecutorType;
use stepwright_core::plan::Plan;
use stepwright_core::store::RunRow;
use stepwright_core::{Event, MediaKind, Requirement, RunOutput, StepPath};

/// The events of `AgentOS` that one fact or delta can become.
const KINDS: u64 = 8;

/// The deltas behind one fact that have an index.
const DELTAS: u64 = 1 << 17;

/// An event of `AgentOS`.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) name: &'static str,
    pub(super) members: Map<String, Value>,
    /// Its number in the run; `None` for a delta beyond the last number.
    pub(super) index: Option<u64>,
}

/// Turns the events of one run into those of `AgentOS`.
pub(super) struct Converter {
    row: RunRow,
    name: Arc<str>,
    plan: Option<Arc<Plan>>,
    is_agent: bool,
    functions: HashMap<StepPath, (ExecutorType, Arc<str>)>,
    agents: HashMap<StepPath, (Arc<str>, Arc<str>)>,
    calls: HashMap<String, Value>,
}

/// Returns the index behind which a fact begins.
fn index(sequence: u64, delta: u32, nth: u64) -> Option<u64> {
    let delta = u64::from(delta);
    (delta < DELTAS).then(|| (sequence * DELTAS + delta) * KINDS + nth)
}

impl Converter {
    pub(super) fn new(
        row: RunRow,
        name: Arc<str>,
        plan: Option<Arc<Plan>>,
        is_agent: bool,
    ) -> Self {
        let (functions, agents, calls) = <_>::default();
        Self { row, name, plan, is_agent, functions, agents, calls }
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Returns the events for one of ours. `output` is that of the run, for events that have it.
    pub(super) fn convert(&mut self, event: &Event, output: Option<&RunOutput>) -> Vec<Shown> {
        let found = if self.is_agent {
            self.of_agent(event, output)
        } else {
            self.of_workflow(event, output)
        };
        let numbered = (0..).zip(found).map(|(nth, (name, own))| {
            let mut members = self.common(name, event);
            members.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
            Shown { name, members, index: index(event.sequence, event.delta, nth) }
        });
        numbered.collect()
    }

    fn common(&self, name: &str, event: &Event) -> Map<String, Value> {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
        put("created_at", json!(event.time.seconds()));
        put("event", json!(name));
        let of_agent = matches!(
            event.kind,
            EventKind::RunStarted { .. }
                | EventKind::RunContent { .. }
                | EventKind::ReasoningContentDelta { .. }
                | EventKind::ModelRequestStarted { .. }
                | EventKind::ModelRequestCompleted { .. }
                | EventKind::ToolCallStarted { .. }
                | EventKind::ToolCallCompleted { .. }
                | EventKind::ToolCallError { .. }
                | EventKind::RunContentCompleted
                | EventKind::RunCompleted { .. }
                | EventKind::RunError { .. }
        );
        if self.is_agent {
            put("agent_id", json!(self.row.workflow_id));
            put("agent_name", json!(self.name));
            put("run_id", json!(self.row.run_id));
            put("session_id", json!(self.row.session_id));
            return all;
        }
        let step = event.path.step();
        if of_agent {
            let agent =
                self.agents.get(&step).map_or_else(String::new, |(name, _)| name.to_string());
            put("agent_id", json!(agent));
            put("agent_name", json!(agent));
            put("run_id", json!(format!("{}:{step}", self.row.run_id)));
            put("session_id", json!(self.row.session_id));
            put("workflow_id", json!(self.row.workflow_id));
            put("workflow_run_id", json!(self.row.run_id));
            put("step_id", json!(step));
            put("step_name", json!(step.name()));
            put("step_index", step_index(self.plan(), &step));
            put("nested_depth", json!(0));
            return all;
        }
        put("workflow_id", json!(self.row.workflow_id));
        put("workflow_name", json!(self.name));
        put("session_id", json!(self.row.session_id));
        put("run_id", json!(self.row.run_id));
        if !event.path.is_root() && name != "StepOutput" {
            put("step_id", json!(event.path));
            if let Some(parent) = event.path.parent().filter(|parent| !parent.is_root()) {
                put("parent_step_id", json!(parent));
            }
        }
        put("nested_depth", json!(0));
        if !event.path.is_root() {
            put("step_name", json!(event.path.name()));
            put("step_index", step_index(self.plan(), &event.path));
        }
        all
    }

    fn of_workflow(
        &mut self,
        event: &Event,
        output: Option<&RunOutput>,
    ) -> Vec<(&'static str, Map<String, Value>)> {
        let path = &event.path;
        match &event.kind {
            EventKind::WorkflowStarted(_) | EventKind::WorkflowForked(_) => {
                one("WorkflowStarted", json!({}))
            }
            EventKind::WorkflowCompleted { content, .. } => one(
                "WorkflowCompleted",
                json!({
                    "content": content.to_value(),
                    "content_type": content.type_name(),
                    "metrics": output.map(convert::metrics),
                    "step_results": output.map(|output| convert::steps(&output.step_results)),
                    "step_executor_runs": output.map(convert::executor_runs),
                }),
            ),
            EventKind::WorkflowError { error, .. } => {
                one("WorkflowError", json!({"error": error.message, "error_type": error.code}))
            }
            // No completion follows: a cancelled run must not look completed.
            EventKind::WorkflowCancelled { reason } => {
                let content = format!("Run {} was cancelled", self.row.run_id);
                one("WorkflowCancelled", json!({"reason": reason, "content": content}))
            }
            EventKind::WorkflowPaused { .. } => {
                let Some(output) = output else { return Vec::new() };
                let asked = requirements::of(output, self.plan());
                let first = asked.first().cloned().unwrap_or_default();
                one(
                    "WorkflowPaused",
                    json!({
                        "status": "PAUSED",
                        "paused_step_index": first["step_index"],
                        "paused_step_name": first["step_name"],
                        "pause_kind": "step",
                        "step_results": convert::steps(&output.step_results),
                        "step_executor_runs": convert::executor_runs(output),
                        "step_requirements": asked,
                    }),
                )
            }
            EventKind::StepStarted { executor_type, executor_name } => {
                self.functions.insert(path.clone(), (*executor_type, executor_name.clone()));
                one("StepStarted", json!({}))
            }
            EventKind::StepProgress { content, progress } => {
                let data = progress.map(|progress| json!({"progress": progress}));
                let content = content.to_value();
                one("StepProgress", json!({"attempt": 1, "content": content, "data": data}))
            }
            EventKind::StepCompleted { output } => {
                let executor = self.functions.get(path);
                let response = json!({
                    "content": output.content.to_value(),
                    "step_name": path.name(), "step_id": path, "step_type": "Step",
                    "executor_type": executor.map(|(kind, _)| kind),
                    "executor_name": executor.map(|(_, name)| name.clone()),
                    "step_run_id": null,
                    "images": convert::media(&output.media, MediaKind::Image),
                    "videos": convert::media(&output.media, MediaKind::Video),
                    "audio": convert::media(&output.media, MediaKind::Audio),
                    "files": convert::media(&output.media, MediaKind::File),
                    "metrics": null, "success": true, "error": null,
                    "stop": output.stop, "is_paused": false,
                });
                let is_function = executor.is_some_and(|(kind, _)| *kind == ExecutorType::Function);
                let is_top = path.parent().is_none_or(|parent| parent.is_root());
                let mut all = Vec::new();
                if is_function && is_top {
                    all.extend(one("StepOutput", json!({"step_output": response})));
                }
                let completed = json!({
                    "content": output.content.to_value(),
                    "content_type": output.content.type_name(),
                    "step_response": response,
                });
                all.extend(one("StepCompleted", completed));
                all
            }
            EventKind::StepError { error, .. } => one("StepError", json!({"error": error.message})),
            EventKind::StepPaused { requirement } => self.paused("StepPaused", requirement),
            EventKind::RouterPaused { requirement } => self.paused("RouterPaused", requirement),
            EventKind::StepOutputReview { requirement } => {
                self.paused("StepOutputReview", requirement)
            }
            EventKind::StepExecutorPaused { requirement } => {
                self.paused("StepExecutorPaused", requirement)
            }
            EventKind::StepContinued { .. } => one("StepContinued", json!({})),
            EventKind::StepExecutorContinued { .. } => one("StepExecutorContinued", json!({})),
            EventKind::ContainerStarted { kind, decision } => started(*kind, decision),
            EventKind::ContainerCompleted { kind, turns, .. } => match kind {
                ContainerKind::Iteration => one(
                    kind.completed(),
                    json!({
                        "iteration": turns.number, "iteration_results": [],
                        "should_continue": turns.should_continue,
                    }),
                ),
                ContainerKind::Loop => one(
                    kind.completed(),
                    json!({"total_iterations": turns.number, "all_results": []}),
                ),
                ContainerKind::Item => Vec::new(),
                _ => one(kind.completed(), json!({"step_results": []})),
            },
            _ => self.of_model(event),
        }
    }

    fn paused(
        &self,
        name: &'static str,
        asked: &Requirement,
    ) -> Vec<(&'static str, Map<String, Value>)> {
        let all = requirements::one(asked, self.plan());
        let wanted = [
            "requires_confirmation",
            "confirmation_message",
            "requires_user_input",
            "user_input_message",
            "user_input_schema",
            "available_choices",
            "allow_multiple_selections",
            "requires_output_review",
            "output_review_message",
        ];
        let own: Map<String, Value> =
            wanted.iter().map(|&name| (name.to_owned(), all[name].clone())).collect();
        vec![(name, own)]
    }

    /// The events of agents, inside a workflow and alone.
    fn of_model(&mut self, event: &Event) -> Vec<(&'static str, Map<String, Value>)> {
        let step = event.path.step();
        let (at, model) =
            (event.time.seconds(), self.agents.get(&step).map(|(_, model)| model.clone()));
        let (provider, id) = model.as_deref().map(convert::model).unzip();
        match &event.kind {
            EventKind::RunStarted { agent, model, .. } => {
                let (provider, id) = convert::model(model);
                let own = json!({"model": id, "model_provider": provider});
                self.agents.insert(step, (agent.clone(), model.clone()));
                one("RunStarted", own)
            }
            EventKind::ModelRequestStarted { .. } => {
                one("ModelRequestStarted", json!({"model": id, "model_provider": provider}))
            }
            EventKind::ModelRequestCompleted { usage: used, .. } => {
                let mut own = usage(used);
                own["model"] = json!(id);
                own["model_provider"] = json!(provider);
                one("ModelRequestCompleted", own)
            }
            EventKind::RunContent { content } => one(
                "RunContent",
                json!({
                    "content": content, "workflow_agent": false, "content_type": "str",
                    "reasoning_content": "",
                }),
            ),
            EventKind::ReasoningContentDelta { reasoning_content } => {
                one("ReasoningContentDelta", json!({"reasoning_content": reasoning_content}))
            }
            EventKind::ToolCallStarted { tool } => {
                let arguments = convert::arguments(tool);
                self.calls.insert(tool.id.clone(), arguments.clone());
                let tool = convert::tool(&tool.id, &tool.name, &arguments, None, false, at);
                one("ToolCallStarted", json!({"tool": tool}))
            }
            EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool, .. } => {
                let arguments = self.calls.get(&tool.call_id).cloned().unwrap_or_default();
                let (id, text) = (&tool.call_id, Some(tool.text.as_str()));
                let shown = convert::tool(id, &tool.name, &arguments, text, tool.is_error, at);
                let content = format!("{}({arguments}) completed. ", tool.name);
                one("ToolCallCompleted", json!({"content": content, "tool": shown}))
            }
            EventKind::RunContentCompleted => one("RunContentCompleted", json!({})),
            EventKind::RunCompleted { content, usage: used } => one(
                "RunCompleted",
                json!({
                    "content": content.to_value(), "content_type": content.type_name(),
                    "metrics": usage(used),
                }),
            ),
            EventKind::RunError { error, .. } => {
                one("RunError", json!({"content": error.message, "error_type": error.code}))
            }
            _ => Vec::new(),
        }
    }

    /// The events of an agent that runs alone: its run is the whole one.
    fn of_agent(
        &mut self,
        event: &Event,
        output: Option<&RunOutput>,
    ) -> Vec<(&'static str, Map<String, Value>)> {
        match &event.kind {
            EventKind::WorkflowError { error, .. } => {
                one("RunError", json!({"content": error.message, "error_type": error.code}))
            }
            EventKind::WorkflowCancelled { reason } => {
                one("RunCancelled", json!({"reason": reason}))
            }
            EventKind::WorkflowPaused { .. } => {
                let asked = output.map(|output| requirements::of(output, self.plan()));
                one("RunPaused", json!({"requirements": asked}))
            }
            // Said once, by the end of the run.
            EventKind::RunError { .. } => Vec::new(),
            _ => self.of_model(event),
        }
    }
}

fn one(name: &'static str, own: Value) -> Vec<(&'static str, Map<String, Value>)> {
    match dropped(own) {
        Value::Object(own) => vec![(name, own)],
        _ => vec![(name, Map::new())],
    }
}

fn started(kind: ContainerKind, decision: &Decision) -> Vec<(&'static str, Map<String, Value>)> {
    let own = match decision {
        Decision::Count(count) => json!({"steps_count": count}),
        Decision::AtMost(most) => json!({"max_iterations": most}),
        Decision::Turn { number, at_most } => {
            json!({"iteration": number, "max_iterations": at_most})
        }
        Decision::Holds { holds, .. } => json!({"condition_result": holds}),
        Decision::Names(names) if kind == ContainerKind::Parallel => {
            json!({"parallel_step_count": names.len()})
        }
        Decision::Names(names) => json!({"selected_steps": names}),
        Decision::Items { items, .. } => json!({"items": items.len()}),
    };
    if kind == ContainerKind::Item { Vec::new() } else { one(kind.started(), own) }
}

/// Writes an event as `AgentOS` does: the name twice, JSON in one line, and no character that
/// Agno's client takes for the end of a line.
pub(super) fn frame(name: &str, members: &Map<String, Value>) -> String {
    let data = serde_json::to_string(members).unwrap_or_default();
    let data = data
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .replace('\u{85}', "\\u0085");
    format!("event: {name}\ndata: {data}\n\n")
}
