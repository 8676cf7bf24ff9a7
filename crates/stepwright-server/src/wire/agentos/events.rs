//! Events as `AgentOS` writes them.

use super::convert::{self, dropped, usage};
use super::index::step_index;
use super::requirements::{self, Executor};
use super::{outputs, tools};
use crate::state::ServedKind;
use crate::wire::actor::actor;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use stepwright_core::event::{ContainerKind, Decision, EventKind, Turns};
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
    kind: ServedKind,
    functions: HashMap<StepPath, (ExecutorType, Arc<str>)>,
    containers: HashMap<StepPath, Inner>,
    agents: HashMap<StepPath, (Arc<str>, Arc<str>)>,
    calls: HashMap<String, Value>,
}

/// The steps that a container has carried out so far.
#[derive(Default)]
struct Inner {
    /// The results of its steps. Those of turns stand in the place of the turns.
    results: Vec<Value>,
    /// The results of the turns of a loop.
    turns: Vec<Value>,
    branch: Option<Arc<str>>,
    at_most: Option<u32>,
}

impl Inner {
    /// Returns the names of the steps that have ended.
    fn executed(&self) -> Value {
        self.results.iter().map(|result| result["step_name"].clone()).collect()
    }
}

/// The events of agents, and those of teams.
const OF_AGENTS: &[(&str, &str)] = &[
    ("RunStarted", "TeamRunStarted"),
    ("RunContent", "TeamRunContent"),
    ("RunContentCompleted", "TeamRunContentCompleted"),
    ("RunCompleted", "TeamRunCompleted"),
    ("RunError", "TeamRunError"),
    ("RunCancelled", "TeamRunCancelled"),
    ("RunPaused", "TeamRunPaused"),
    ("RunContinued", "TeamRunContinued"),
    ("ReasoningContentDelta", "TeamReasoningContentDelta"),
    ("ModelRequestStarted", "TeamModelRequestStarted"),
    ("ModelRequestCompleted", "TeamModelRequestCompleted"),
    ("ToolCallStarted", "TeamToolCallStarted"),
    ("ToolCallCompleted", "TeamToolCallCompleted"),
];

fn is_of_agent(name: &str) -> bool {
    OF_AGENTS.iter().any(|(of_agent, _)| *of_agent == name)
}

/// Returns the name that an event of an agent has for a team.
fn of_team(name: &'static str) -> &'static str {
    let known = OF_AGENTS.iter().find(|(of_agent, _)| *of_agent == name);
    known.map_or(name, |(_, of_team)| of_team)
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
        kind: ServedKind,
    ) -> Self {
        let (functions, containers, agents, calls) = <_>::default();
        Self { row, name, plan, kind, functions, containers, agents, calls }
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Returns the events for one of ours. `output` is that of the run, for events that have it.
    pub(super) fn convert(&mut self, event: &Event, output: Option<&RunOutput>) -> Vec<Shown> {
        let found = match self.kind {
            ServedKind::Workflow => self.of_workflow(event, output),
            ServedKind::Agent | ServedKind::Team => self.alone(event, output),
        };
        let numbered = (0..).zip(found).map(|(nth, (name, own))| {
            let is_of_agent = is_of_agent(name);
            let team = is_of_agent && self.is_of_team(event);
            let name = if team { of_team(name) } else { name };
            let mut members = if is_of_agent {
                self.common_of_agent(name, event, team)
            } else {
                self.common(name, event)
            };
            members.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
            Shown { name, members, index: index(event.sequence, event.delta, nth) }
        });
        numbered.collect()
    }

    /// Returns `true` if the event is that of a team, and not of one of its members.
    fn is_of_team(&self, event: &Event) -> bool {
        let step = event.path.step();
        (event.path.is_root() || actor(event) == step) && self.leads(&step)
    }

    /// Returns `true` if the executor of a step is a team.
    fn leads(&self, step: &StepPath) -> bool {
        let kind = self.functions.get(step).map(|(kind, _)| *kind);
        self.kind == ServedKind::Team || kind == Some(ExecutorType::Team)
    }

    /// Returns the id of the run of an agent. An agent alone has that of the whole run.
    fn run_id(&self, actor: &StepPath) -> String {
        let is_whole =
            self.kind != ServedKind::Workflow && (actor.is_root() || *actor == actor.step());
        if is_whole { self.row.run_id.to_string() } else { format!("{}:{actor}", self.row.run_id) }
    }

    /// Returns what all events of agents and teams have.
    fn common_of_agent(&self, name: &str, event: &Event, is_team: bool) -> Map<String, Value> {
        let (actor, step) = (actor(event), event.path.step());
        let is_alone = self.kind != ServedKind::Workflow;
        let (id, title) = if is_alone && (actor.is_root() || actor == step) {
            (self.row.workflow_id.to_string(), self.name.to_string())
        } else {
            let known = self.agents.get(&actor);
            let name = known.map_or_else(String::new, |(name, _)| name.to_string());
            (name.clone(), name)
        };
        let keys = if is_team { ["team_id", "team_name"] } else { ["agent_id", "agent_name"] };
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
        put("created_at", json!(event.time.seconds()));
        put("event", json!(name));
        put(keys[0], json!(id));
        put(keys[1], json!(title));
        put("run_id", json!(self.run_id(&actor)));
        put("session_id", json!(self.row.session_id));
        if let Some(caller) = actor.caller().filter(|_| actor != step) {
            put("parent_run_id", json!(self.run_id(&caller)));
        }
        if !is_alone {
            put("workflow_id", json!(self.row.workflow_id));
            put("workflow_run_id", json!(self.row.run_id));
            put("step_id", json!(step));
            put("step_name", json!(step.name()));
            put("step_index", step_index(self.plan(), &step));
            put("nested_depth", json!(0));
        }
        all
    }

    fn common(&self, name: &str, event: &Event) -> Map<String, Value> {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
        put("created_at", json!(event.time.seconds()));
        put("event", json!(name));
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
                    "step_executor_runs": output.map(outputs::executor_runs),
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
                if asked.is_empty() {
                    return Vec::new();
                }
                let first = asked.first().cloned().unwrap_or_default();
                one(
                    "WorkflowPaused",
                    json!({
                        "status": "PAUSED",
                        "paused_step_index": outputs::paused_index(&first),
                        "paused_step_name": first["step_name"],
                        "pause_kind": outputs::pause_kind(&first),
                        "step_results": convert::steps(&output.step_results),
                        "step_executor_runs": outputs::executor_runs(output),
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
                self.ended_within(path, &response);
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
            EventKind::StepPaused { requirement } => self.paused("StepPaused", event, requirement),
            EventKind::RouterPaused { requirement } => {
                self.paused("RouterPaused", event, requirement)
            }
            EventKind::StepOutputReview { requirement } => {
                self.paused("StepOutputReview", event, requirement)
            }
            EventKind::StepExecutorPaused { requirement } => {
                self.paused("StepExecutorPaused", event, requirement)
            }
            EventKind::StepContinued { .. } => one("StepContinued", json!({})),
            EventKind::StepExecutorContinued { .. } => one("StepExecutorContinued", json!({})),
            EventKind::ContainerStarted { kind, decision } => {
                let mut inner = Inner::default();
                match decision {
                    Decision::AtMost(most) => inner.at_most = Some(*most),
                    Decision::Holds { branch, .. } => inner.branch.clone_from(branch),
                    _ => {}
                }
                self.containers.insert(path.clone(), inner);
                started(*kind, decision)
            }
            EventKind::ContainerCompleted { kind, turns, .. } => {
                let inner = self.containers.remove(path).unwrap_or_default();
                self.completed(path, *kind, *turns, &inner)
            }
            _ => self.of_model(event),
        }
    }

    /// Notes the result of a step of a container.
    fn ended_within(&mut self, path: &StepPath, result: &Value) {
        let parent = path.parent().filter(|parent| !parent.is_root());
        if let Some(parent) = parent {
            self.containers.entry(parent).or_default().results.push(result.clone());
        }
    }

    /// The end of a container, with what its steps have done.
    fn completed(
        &mut self,
        path: &StepPath,
        kind: ContainerKind,
        turns: Turns,
        inner: &Inner,
    ) -> Vec<(&'static str, Map<String, Value>)> {
        if matches!(kind, ContainerKind::Iteration | ContainerKind::Item) {
            if let Some(parent) = path.parent() {
                let around = self.containers.entry(parent).or_default();
                around.turns.push(inner.results.clone().into());
                around.results.extend(inner.results.iter().cloned());
            }
            if kind == ContainerKind::Item {
                return Vec::new();
            }
            let own = json!({
                "iteration": turns.number, "iteration_results": inner.results,
                "should_continue": turns.should_continue,
            });
            return one(kind.completed(), own);
        }
        let result = json!({
            "step_name": path.name(), "step_id": path, "step_type": kind.name(),
            "success": true, "error": null, "stop": false, "is_paused": false,
            "steps": inner.results,
        });
        self.ended_within(path, &result);
        let own = match kind {
            ContainerKind::Loop => json!({
                "total_iterations": turns.number, "max_iterations": inner.at_most,
                "all_results": inner.turns,
            }),
            ContainerKind::Parallel => json!({"step_results": inner.results}),
            _ => json!({
                "executed_steps": inner.executed(), "branch": inner.branch,
                "step_results": inner.results,
            }),
        };
        one(kind.completed(), own)
    }

    fn paused(
        &self,
        name: &'static str,
        event: &Event,
        asked: &Requirement,
    ) -> Vec<(&'static str, Map<String, Value>)> {
        // A timer is no question.
        if !asked.needs_person() {
            return Vec::new();
        }
        // An agent may ask at the path of its call.
        let known = self.agents.get_key_value(&asked.path);
        let known = known.or_else(|| self.agents.get_key_value(&asked.path.caller()?));
        let executor = known.map(|(path, (name, _))| Executor {
            name,
            run_id: self.run_id(path),
            is_team: *path == path.step() && self.leads(path),
            at: event.time.seconds(),
        });
        let all = requirements::one(asked, self.plan(), executor.as_ref());
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
            "executor_id",
            "executor_name",
            "executor_run_id",
            "executor_type",
            "executor_requirements",
        ];
        let own: Map<String, Value> =
            wanted.iter().map(|&name| (name.to_owned(), all[name].clone())).collect();
        vec![(name, own)]
    }

    /// The events of agents, inside a workflow and alone.
    fn of_model(&mut self, event: &Event) -> Vec<(&'static str, Map<String, Value>)> {
        let actor = actor(event);
        let (at, model) =
            (event.time.seconds(), self.agents.get(&actor).map(|(_, model)| model.clone()));
        let (provider, id) = model.as_deref().map(convert::model).unzip();
        match &event.kind {
            EventKind::RunStarted { agent, model, .. } => {
                let (provider, id) = convert::model(model);
                let own = json!({"model": id, "model_provider": provider});
                self.agents.insert(actor, (agent.clone(), model.clone()));
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

    /// The events of an agent or a team that runs alone: its run is the whole one. Agents that it
    /// calls as tools are shown if they are members of the team.
    fn alone(
        &mut self,
        event: &Event,
        output: Option<&RunOutput>,
    ) -> Vec<(&'static str, Map<String, Value>)> {
        let is_inner = actor(event) != event.path.step();
        match &event.kind {
            EventKind::WorkflowError { error, .. } => {
                one("RunError", json!({"content": error.message, "error_type": error.code}))
            }
            EventKind::WorkflowCancelled { reason } => {
                one("RunCancelled", json!({"reason": reason}))
            }
            EventKind::WorkflowPaused { .. } => {
                let Some(output) = output.filter(|output| convert::waits(output)) else {
                    return Vec::new();
                };
                let at = event.time.seconds();
                let calls = tools::waiting(output).map(|asked| tools::execution(asked, at));
                let asked = tools::waiting(output).map(|asked| tools::requirement(asked, at));
                let (calls, asked): (Vec<_>, Vec<_>) = (calls.collect(), asked.collect());
                one("RunPaused", json!({"tools": calls, "requirements": asked}))
            }
            EventKind::WorkflowContinued { .. } => one("RunContinued", json!({})),
            // Said once, by the end of the run.
            EventKind::RunError { .. } if !is_inner => Vec::new(),
            _ => {
                let found = self.of_model(event);
                if is_inner && self.kind == ServedKind::Agent { Vec::new() } else { found }
            }
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
