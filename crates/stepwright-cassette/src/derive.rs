//! Derives a recording from the journal of a run.

use crate::format::{Entry, Heard, Recorded, Said, clean};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use stepwright_core::event::{EventClass, WorkflowStarted};
use stepwright_core::rewind::effective;
use stepwright_core::{
    ErrorCode, ErrorData, ErrorId, Event, EventKind, RunStatus, StepPath, Timestamp,
};

/// The kinds of effects with places of their own in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Model,
    Tool,
    Guardrail,
    /// A step as a whole: a function of the program, or a built-in one.
    Step,
}

impl Class {
    pub(crate) fn of(kind: &str) -> Self {
        match kind {
            "model" => Self::Model,
            "tool" => Self::Tool,
            "guardrail" => Self::Guardrail,
            _ => Self::Step,
        }
    }
}

/// The answers of a journal. Their requests are not known yet.
pub(crate) struct Derived {
    pub(crate) started: Arc<WorkflowStarted>,
    pub(crate) begun: Timestamp,
    /// The facts that count, without secrets.
    pub(crate) facts: Vec<Event>,
    pub(crate) effects: Vec<(Class, Entry)>,
    pub(crate) values: Vec<Recorded>,
    pub(crate) people: Vec<Said>,
    pub(crate) messages: Vec<Heard>,
    pub(crate) cancelled_after_ms: Option<u64>,
}

/// Derives the answers from the facts of a run. `None` if the run has not ended.
pub(crate) fn derive(facts: &[Event]) -> Option<Derived> {
    let mut facts: Vec<Event> = effective(facts).iter().map(without_secrets).collect();
    // A run that was taken up again has ended before.
    let last = facts.last().filter(|event| event.kind.is_terminal())?.sequence;
    facts.retain(|event| event.sequence == last || !event.kind.is_terminal());
    let is_cancelled =
        matches!(facts.last().map(|event| &event.kind), Some(EventKind::WorkflowCancelled { .. }));
    let mut started = None;
    for event in &facts {
        match &event.kind {
            EventKind::WorkflowStarted(begun) => started = Some((begun.clone(), event.time)),
            EventKind::WorkflowForked(forked) => {
                started = started.map(|(begun, time)| (Arc::new(forked.started(&begun)), time));
            }
            _ => {}
        }
    }
    let (started, begun) = started?;
    let mut deriving = Deriving { begun, ..Deriving::default() };
    for event in &facts {
        deriving.fact(event);
    }
    let Deriving { effects, values, people, messages, cancelled_after_ms, .. } = deriving;
    let cancelled_after_ms = cancelled_after_ms.filter(|_| is_cancelled);
    // In the order of the answers.
    let mut people: Vec<Said> = people.into_values().collect();
    people.sort_by_key(|said| said.after_ms);
    Some(Derived { started, begun, facts, effects, values, people, messages, cancelled_after_ms })
}

/// Removes secrets from a fact. One that cannot be read without them stays as it is: the engine's
/// own texts are none.
fn without_secrets(event: &Event) -> Event {
    let clean = serde_json::to_value(event).ok().map(clean);
    clean.and_then(|clean| serde_json::from_value(clean).ok()).unwrap_or_else(|| event.clone())
}

#[derive(Default)]
struct Deriving {
    begun: Timestamp,
    effects: Vec<(Class, Entry)>,
    values: Vec<Recorded>,
    people: BTreeMap<String, Said>,
    messages: Vec<Heard>,
    cancelled_after_ms: Option<u64>,
    /// The requests to models without an answer, with their retries.
    asking: HashMap<StepPath, Vec<Value>>,
    /// The calls of tools without a result.
    calling: Vec<StepPath>,
}

impl Deriving {
    fn after(&self, event: &Event) -> u64 {
        u64::try_from(event.time.since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    fn fact(&mut self, event: &Event) {
        use EventKind as E;
        let at = &event.path;
        match &event.kind {
            E::ModelRequestStarted { .. } => drop(self.asking.insert(at.clone(), Vec::new())),
            E::ModelRequestRetrying { .. } => {
                let retry = serde_json::to_value(&event.kind).unwrap_or_default();
                self.asking.entry(at.clone()).or_default().push(retry);
            }
            E::ModelRequestCompleted { answer, stop, usage, warning, model, .. } => {
                let told = json!({
                    "answer": answer, "stop": stop, "usage": usage, "warning": warning,
                    "model": model,
                });
                self.model(event, told);
            }
            E::ModelRequestInterrupted { partial, .. } => {
                self.model(event, json!({"interrupted": partial}));
            }
            E::MessageReceived { message } => {
                let is_model =
                    |(class, entry): &&(Class, Entry)| *class == Class::Model && entry.at == *at;
                let after = self.effects.iter().filter(is_model).count();
                let (at, message) = (at.clone(), (**message).clone());
                self.messages.push(Heard { at, after, message });
            }
            E::RunError { error, usage } if self.asking.contains_key(at) => {
                self.model(event, json!({"error": error, "usage": usage}));
            }
            E::GuardrailJudged { judged } => {
                let judged = serde_json::to_value(judged).unwrap_or_default();
                self.push(event, Class::Guardrail, at.clone(), Some(Ok(judged)));
            }
            E::ToolCallStarted { .. } if !self.calling.contains(at) => {
                self.calling.push(at.clone());
            }
            E::ToolCallCompleted { tool } => self.tool(event, json!({"result": tool})),
            E::ToolCallError { tool, error } => {
                self.tool(event, json!({"result": tool, "error": error}));
            }
            E::StepCompleted { output } => {
                let output = serde_json::to_value(output).unwrap_or_default();
                self.ended(event, Some(Ok(output)));
            }
            E::StepRetrying { error, .. }
            | E::StepError { error, .. }
            | E::StepSkipped { error, .. } => {
                self.ended(event, (!is_by_clock(error)).then(|| Err(error.clone())));
            }
            E::StepCancelled { .. } => self.ended(event, None),
            E::StepRecorded { key, value } => {
                let (key, value) = (key.to_string(), value.clone());
                self.values.push(Recorded { at: at.clone(), key, value });
            }
            E::ContextAdded { source, text } => {
                let key = format!("context {source}");
                let value = text.to_string().into();
                self.values.push(Recorded { at: at.clone(), key, value });
            }
            E::WorkflowCancelled { .. }
            | E::WorkflowStopping { status: RunStatus::Cancelled, .. } => {
                let after = self.after(event);
                self.cancelled_after_ms.get_or_insert(after);
            }
            kind => match kind.class() {
                EventClass::Asked(asked) => {
                    let id = asked.id.to_string();
                    let said = Said { id: id.clone(), after_ms: self.after(event), answer: None };
                    self.people.insert(id, said);
                }
                EventClass::Answered(reply) => {
                    let after_ms = self.after(event);
                    if let Some(said) = self.people.get_mut(&*reply.requirement_id) {
                        said.after_ms = after_ms;
                        said.answer = (!reply.timed_out).then(|| reply.answer.clone());
                    }
                }
                _ => {}
            },
        }
    }

    fn model(&mut self, event: &Event, mut told: Value) {
        let retries = self.asking.remove(&event.path).unwrap_or_default();
        if !retries.is_empty() {
            told["retries"] = retries.into();
        }
        self.push(event, Class::Model, event.path.clone(), Some(Ok(without_nulls(told))));
    }

    fn tool(&mut self, event: &Event, told: Value) {
        self.calling.retain(|call| *call != event.path);
        self.push(event, Class::Tool, event.path.clone(), Some(Ok(without_nulls(told))));
    }

    /// Notes the end of an attempt. Without an answer, the step was stopped.
    fn ended(&mut self, event: &Event, answer: Option<Result<Value, Box<ErrorData>>>) {
        let step = event.path.clone();
        let asking: Vec<StepPath> =
            self.asking.keys().filter(|at| step.contains(at) || **at == step).cloned().collect();
        for at in asking {
            self.asking.remove(&at);
            self.push(event, Class::Model, at, None);
        }
        let (calling, others) =
            std::mem::take(&mut self.calling).into_iter().partition(|at| step.contains(at));
        self.calling = others;
        let calling: Vec<StepPath> = calling;
        for at in calling {
            self.push(event, Class::Tool, at, None);
        }
        self.push(event, Class::Step, step, answer);
    }

    fn push(
        &mut self,
        event: &Event,
        class: Class,
        at: StepPath,
        answer: Option<Result<Value, Box<ErrorData>>>,
    ) {
        let unanswered = answer.is_none();
        let (answer, error) = match answer {
            Some(Ok(answer)) => (Some(answer), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let (kind, request) = (String::new(), Value::Null);
        let after_ms = self.after(event);
        self.effects
            .push((class, Entry { at, kind, after_ms, request, answer, error, unanswered }));
    }
}

/// Returns `true` for the failure of an attempt that took too long: the engine makes it, and not
/// the effect.
fn is_by_clock(error: &ErrorData) -> bool {
    error.code == ErrorCode::TimedOut && matches!(error.id, None | Some(ErrorId::STEP_IDLE))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().filter(|(_, value)| !value.is_null()).collect()
        }
        other => other,
    }
}
