//! Events of a run as those of AG-UI.
//!
//! Clients refuse a run that ends while a message, a step or a subagent is open. So the fold
//! remembers those that are open, and closes them before the end.

use super::answers::interrupt;
use super::usage::Used;
use crate::wire::actor::actor;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_core::message::{Arguments, ToolCall, ToolOutcome};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::state::{Patch, State};
use stepwright_core::{Content, Event, EventKind, Requirement, RunOutput, StepPath};

/// The version of the protocol.
const VERSION: &str = "1.0";

/// Turns the events of one run into those of AG-UI.
pub(super) struct Fold {
    /// The ids that the client has given.
    thread: String,
    run: String,
    /// `false` for facts that an earlier stream has shown.
    shows: bool,
    events: Vec<Value>,
    state: State,
    /// The open steps and containers, the outermost first.
    steps: Vec<StepPath>,
    /// The open message of each agent.
    messages: BTreeMap<StepPath, Message>,
    subagents: BTreeMap<StepPath, Subagent>,
    /// The agents whose text of this turn has been shown.
    told: BTreeSet<StepPath>,
    /// The steps in which an agent has begun.
    agents: BTreeSet<StepPath>,
    /// The calls that have been shown, by path where they have one.
    calls: BTreeMap<String, StepPath>,
    /// The last whole text that no subagent wrote.
    last: String,
    used: Used,
    over: bool,
}

/// An agent that another one has called.
#[derive(Clone)]
struct Subagent {
    id: String,
    name: String,
    /// The ids of the subagent and of the tool call that it belongs to.
    around: Option<String>,
    call: Option<String>,
}

/// A message under way.
struct Message {
    id: String,
    is_reasoning: bool,
    text: String,
}

impl Fold {
    pub(super) fn new(thread: String, run: String) -> Self {
        Self {
            thread,
            run,
            shows: false,
            events: Vec::new(),
            state: State::new(),
            steps: Vec::new(),
            messages: BTreeMap::new(),
            subagents: BTreeMap::new(),
            told: BTreeSet::new(),
            agents: BTreeSet::new(),
            calls: BTreeMap::new(),
            last: String::new(),
            used: Used::default(),
            over: false,
        }
    }

    /// Returns `true` if the stream has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes a fact that an earlier stream has shown.
    pub(super) fn recall(&mut self, event: &Event) {
        self.take(event);
    }

    /// Returns the first events of a stream. The state that a new run begins with comes with its
    /// first fact.
    pub(super) fn begin(&mut self, is_new: bool) -> Vec<Value> {
        self.shows = true;
        let (thread, run) = (self.thread.clone(), self.run.clone());
        self.events.push(json!({
            "type": "RUN_STARTED", "threadId": thread, "runId": run, "protocolVersion": VERSION,
        }));
        if !is_new {
            self.events.push(json!({"type": "STATE_SNAPSHOT", "snapshot": self.state}));
            for path in self.steps.clone() {
                self.events.push(json!({"type": "STEP_STARTED", "stepName": path}));
            }
            for subagent in self.subagents.values() {
                let mut event = subagent.started();
                event["type"] = json!("SUBAGENT_STARTED");
                self.events.push(event);
            }
        }
        std::mem::take(&mut self.events)
    }

    /// Returns what an event becomes. `output` is that of the run, for its end and its pauses, and
    /// `session` the state of its session, for its end.
    pub(super) fn convert(
        &mut self,
        event: &Event,
        output: Option<&RunOutput>,
        session: Option<State>,
    ) -> Vec<Value> {
        self.take(event);
        match &event.kind {
            EventKind::WorkflowPaused { .. } => self.pause(event, output),
            EventKind::WorkflowCompleted { content, .. } => self.complete(event, content, session),
            EventKind::WorkflowCancelled { .. } => {
                self.close(event, &Value::Null);
                self.finish(event, &json!({"type": "cancelled"}), &Value::Null);
            }
            EventKind::WorkflowError { error, .. } => {
                self.close(event, &Value::Null);
                let own = json!({
                    "message": error.message, "code": error.id().to_string(),
                    "usage": self.used.all(),
                });
                self.emit(event, "RUN_ERROR", own);
                self.over = true;
            }
            _ => {}
        }
        std::mem::take(&mut self.events)
    }

    /// Returns the end of a stream that has failed, as when the run is deleted meanwhile.
    pub(super) fn fail(&mut self, message: &str) -> Vec<Value> {
        self.over = true;
        vec![json!({"type": "RUN_ERROR", "message": message})]
    }

    fn emit(&mut self, event: &Event, kind: &str, own: Value) {
        if !self.shows {
            return;
        }
        let mut all = json!({"type": kind, "timestamp": event.time.0});
        if let (Value::Object(all), Value::Object(own)) = (&mut all, own) {
            all.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.events.push(all);
    }

    /// Emits an event of an agent.
    fn emit_of(&mut self, event: &Event, of: &StepPath, kind: &str, mut own: Value) {
        own["subagentRunId"] = json!(self.subagents.get(of).map(|subagent| &subagent.id));
        self.emit(event, kind, own);
    }

    fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::WorkflowStarted(started) => {
                self.state.clone_from(&started.state);
                self.snapshot(event);
            }
            EventKind::StepStarted { .. } | EventKind::ContainerStarted { .. } => {
                if !self.steps.contains(&event.path) {
                    self.steps.push(event.path.clone());
                    self.emit(event, "STEP_STARTED", json!({"stepName": event.path}));
                }
            }
            EventKind::StepCompleted { output } => {
                if self.agents.remove(&event.path) {
                    self.catch_up(event, &event.path, &output.content);
                }
                self.change(event, &output.patches);
                self.end_step(event, &event.path);
            }
            EventKind::StepError { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::StepCancelled { .. }
            | EventKind::ContainerCompleted { .. } => self.end_step(event, &event.path),
            EventKind::StepProgress { content, progress } => {
                let value = json!({"step": event.path, "content": content, "progress": progress});
                self.emit(event, "CUSTOM", json!({"name": "StepProgress", "value": value}));
            }
            EventKind::CustomEvent { name, data } => {
                let value = json!({"step": event.path, "data": data});
                self.emit(event, "CUSTOM", json!({"name": name, "value": value}));
            }
            EventKind::StepExecutorPaused { requirement } => self.ask(event, requirement),
            _ => self.take_of_agent(event),
        }
    }

    fn take_of_agent(&mut self, event: &Event) {
        let of = actor(event);
        match &event.kind {
            EventKind::RunStarted { agent, model, .. } => {
                self.used.names(&of, model);
                self.told.remove(&of);
                if of == of.step() {
                    self.agents.insert(of.clone());
                }
                if of != of.step() && !self.subagents.contains_key(&of) {
                    self.begin_subagent(event, &of, agent);
                }
            }
            EventKind::ModelRequestStarted { purpose, .. } => {
                self.end_message(event, &of);
                if purpose.is_none() {
                    self.told.remove(&of);
                }
            }
            EventKind::RunContent { content } => {
                self.told.insert(of.clone());
                self.write(event, &of, content, false);
            }
            EventKind::ReasoningContentDelta { reasoning_content } => {
                self.write(event, &of, reasoning_content, true);
            }
            // Its text is not shown: guardrails may yet rewrite or refuse it.
            EventKind::ModelRequestCompleted { usage, model, .. } => {
                if self.shows {
                    self.used.add(&of, model.as_deref(), *usage);
                }
                self.end_message(event, &of);
            }
            EventKind::ModelRequestRetrying { .. }
            | EventKind::ModelRequestInterrupted { .. }
            | EventKind::RunContentCompleted => self.end_message(event, &of),
            EventKind::ToolCallStarted { tool } => {
                self.end_message(event, &of);
                self.call(event, &of, tool);
            }
            EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool, .. } => {
                self.result(event, &of, tool);
            }
            EventKind::RunCompleted { content, .. } => {
                if of != of.step() {
                    self.catch_up(event, &of, content);
                }
                self.end_message(event, &of);
                let own = json!({"result": content, "outcome": {"type": "success"}});
                self.end_subagent(event, &of, "SUBAGENT_FINISHED", own);
            }
            EventKind::RunError { error, .. } => {
                self.end_message(event, &of);
                let own = json!({"message": error.message, "code": error.id().to_string()});
                self.end_subagent(event, &of, "SUBAGENT_ERROR", own);
            }
            _ => {}
        }
    }

    fn begin_subagent(&mut self, event: &Event, of: &StepPath, agent: &str) {
        let id = format!("{}/{of}/{}", event.run, event.sequence);
        let around = of.caller().and_then(|caller| self.subagents.get(&caller));
        let around = around.map(|around| around.id.clone());
        let call = self.calls.iter().find(|(_, path)| *path == of).map(|(id, _)| id.clone());
        let subagent = Subagent { id, name: agent.to_owned(), around, call };
        self.emit(event, "SUBAGENT_STARTED", subagent.started());
        self.subagents.insert(of.clone(), subagent);
    }

    fn end_subagent(&mut self, event: &Event, of: &StepPath, kind: &str, mut own: Value) {
        if let Some(subagent) = self.subagents.remove(of) {
            own["subagentRunId"] = json!(subagent.id);
            self.emit(event, kind, own);
        }
    }

    fn end_step(&mut self, event: &Event, path: &StepPath) {
        if let Some(at) = self.steps.iter().position(|open| open == path) {
            self.steps.remove(at);
            self.emit(event, "STEP_FINISHED", json!({"stepName": path}));
        }
    }

    /// Shows the answer of an agent whose text has not been shown: deltas come only from the
    /// process that drives the run.
    fn catch_up(&mut self, event: &Event, of: &StepPath, answer: &Content) {
        if self.told.insert(of.clone()) && !answer.is_empty() {
            self.write(event, of, &answer.pretty(), false);
            self.end_message(event, of);
        }
    }

    /// Adds a piece to the message of an agent, which begins with its first piece.
    fn write(&mut self, event: &Event, of: &StepPath, piece: &str, is_reasoning: bool) {
        if self.messages.get(of).is_some_and(|open| open.is_reasoning != is_reasoning) {
            self.end_message(event, of);
        }
        if !self.messages.contains_key(of) {
            let id = format!("{}/{}.{}/{of}", event.run, event.sequence, event.delta);
            if is_reasoning {
                self.emit_of(event, of, "REASONING_START", json!({"messageId": id}));
                let own = json!({"messageId": id, "role": "reasoning"});
                self.emit_of(event, of, "REASONING_MESSAGE_START", own);
            } else {
                let own = json!({"messageId": id, "role": "assistant"});
                self.emit_of(event, of, "TEXT_MESSAGE_START", own);
            }
            self.messages.insert(of.clone(), Message { id, is_reasoning, text: String::new() });
        }
        let Some(open) = self.messages.get_mut(of) else { return };
        if !is_reasoning {
            open.text.push_str(piece);
        }
        let own = json!({"messageId": open.id, "delta": piece});
        let kind = if is_reasoning { "REASONING_MESSAGE_CONTENT" } else { "TEXT_MESSAGE_CONTENT" };
        self.emit_of(event, of, kind, own);
    }

    fn end_message(&mut self, event: &Event, of: &StepPath) {
        let Some(Message { id, is_reasoning, text }) = self.messages.remove(of) else { return };
        let own = json!({"messageId": id});
        if is_reasoning {
            self.emit_of(event, of, "REASONING_MESSAGE_END", own.clone());
            self.emit_of(event, of, "REASONING_END", own);
            return;
        }
        self.emit_of(event, of, "TEXT_MESSAGE_END", own);
        if *of == of.step() {
            self.last = text;
        }
    }

    fn call(&mut self, event: &Event, of: &StepPath, tool: &ToolCall) {
        if self.calls.insert(tool.id.clone(), event.path.clone()).is_some() {
            // It was shown when a person was asked about it.
            return;
        }
        let arguments = match &tool.arguments {
            Arguments::Json(arguments) => arguments.to_string(),
            Arguments::Invalid(text) => text.clone(),
        };
        let id = json!(tool.id);
        let own = json!({"toolCallId": id, "toolCallName": tool.name});
        self.emit_of(event, of, "TOOL_CALL_START", own);
        let own = json!({"toolCallId": id, "delta": arguments});
        self.emit_of(event, of, "TOOL_CALL_ARGS", own);
        self.emit_of(event, of, "TOOL_CALL_END", json!({"toolCallId": id}));
    }

    fn result(&mut self, event: &Event, of: &StepPath, tool: &ToolOutcome) {
        let id = format!("{}/{}/{}", event.run, event.sequence, event.path);
        let own = json!({
            "messageId": id, "toolCallId": tool.call_id, "content": tool.text, "role": "tool",
        });
        self.calls.remove(&tool.call_id);
        self.emit_of(event, of, "TOOL_CALL_RESULT", own);
    }

    /// Shows the call that a person is asked about.
    fn ask(&mut self, event: &Event, asked: &Requirement) {
        if let RequirementKind::ToolConfirmation { tool } = &asked.kind {
            let path = &asked.path;
            let is_agent = *path == path.step() || self.subagents.contains_key(path);
            let of = path.caller().filter(|_| !is_agent).unwrap_or_else(|| path.clone());
            self.end_message(event, &of);
            self.call(event, &of, tool);
        }
    }

    fn snapshot(&mut self, event: &Event) {
        let snapshot = json!({"snapshot": self.state});
        self.emit(event, "STATE_SNAPSHOT", snapshot);
    }

    fn change(&mut self, event: &Event, patches: &[Patch]) {
        if patches.is_empty() {
            return;
        }
        let before = self.state.clone();
        for patch in patches {
            // A patch that does not apply fails its step.
            let _ = patch.apply(&mut self.state);
        }
        let delta = difference(&before, &self.state);
        if !delta.is_empty() {
            self.emit(event, "STATE_DELTA", json!({"delta": delta}));
        }
    }

    /// Closes everything that is open, the innermost first. `subagents` is the outcome of those.
    fn close(&mut self, event: &Event, subagents: &Value) {
        let open: Vec<StepPath> = self.messages.keys().cloned().collect();
        for of in open {
            self.end_message(event, &of);
        }
        let open: Vec<StepPath> = self.subagents.keys().rev().cloned().collect();
        for of in open {
            let own = json!({"outcome": subagents});
            self.end_subagent(event, &of, "SUBAGENT_FINISHED", own);
        }
        if self.shows {
            for path in self.steps.clone().iter().rev() {
                self.emit(event, "STEP_FINISHED", json!({"stepName": path}));
            }
        }
    }

    fn finish(&mut self, event: &Event, outcome: &Value, result: &Value) {
        let own = json!({
            "threadId": self.thread, "runId": self.run, "outcome": outcome, "result": result,
            "usage": self.used.all(),
        });
        self.emit(event, "RUN_FINISHED", own);
        self.over = true;
    }

    fn complete(&mut self, event: &Event, content: &Content, session: Option<State>) {
        self.close(event, &Value::Null);
        let value = content.to_value();
        // The output of a step that is no agent, or that is made of the answers of several.
        let is_told = self.last.trim() == content.pretty().trim()
            || serde_json::from_str::<Value>(&self.last).is_ok_and(|last| last == value);
        if !is_told && !content.is_empty() {
            let root = StepPath::root();
            self.write(event, &root, &content.pretty(), false);
            self.end_message(event, &root);
        }
        if let Some(state) = session.filter(|state| *state != self.state) {
            self.state = state;
            self.snapshot(event);
        }
        self.finish(event, &json!({"type": "success"}), &value);
    }

    /// Ends the stream if the run waits for a person or for an event. A timer ends by itself.
    fn pause(&mut self, event: &Event, output: Option<&RunOutput>) {
        let asked = output.iter().flat_map(|output| &output.requirements);
        let asked: Vec<Value> = asked.filter(|asked| asked.needs_person()).map(interrupt).collect();
        if asked.is_empty() {
            let waits = output.and_then(RunOutput::awaited_events);
            if let Some(waits) = waits {
                // The stream of a run ends when only an event can take it on.
                let suspended = json!({"type": "suspended"});
                self.close(event, &suspended);
                let root = StepPath::root();
                self.write(event, &root, &waits, false);
                self.end_message(event, &root);
                self.finish(event, &suspended, &Value::Null);
            }
            return;
        }
        self.close(event, &json!({"type": "suspended"}));
        self.finish(event, &json!({"type": "interrupt", "interrupts": asked}), &Value::Null);
    }
}

impl Subagent {
    fn started(&self) -> Value {
        let mut own = json!({"subagentRunId": self.id, "name": self.name});
        if let Some(around) = &self.around {
            own["parentSubagentRunId"] = json!(around);
        }
        if let Some(call) = &self.call {
            own["parentToolCallId"] = json!(call);
        }
        own
    }
}

/// Returns the difference of two states as a JSON Patch of their members.
fn difference(before: &State, after: &State) -> Vec<Value> {
    let pointer = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let gone = gone.map(|key| json!({"op": "remove", "path": pointer(key)}));
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let set = set.map(|(key, value)| json!({"op": "add", "path": pointer(key), "value": value}));
    gone.chain(set).collect()
}
