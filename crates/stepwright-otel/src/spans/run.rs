//! The spans of one run.

use super::values::{answered, arguments, error_type, fail, reason, said, set_model, set_usage};
use crate::attributes as name;
use crate::span::{Moment, Span, SpanKind, SpanStatus};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use stepwright_core::event::{Decision, Event, EventKind, WorkflowForked, WorkflowStarted};
use stepwright_core::message::{AssistantTurn, ToolCall};
use stepwright_core::trace::{SpanId, SpanOf, TraceContext, TraceId};
use stepwright_core::{ErrorData, RunId, StepPath, Timestamp};

/// The work of a span in its run.
type Key = (StepPath, SpanOf);

/// The spans of one run.
#[derive(Debug)]
pub(super) struct RunSpans {
    run: RunId,
    trace: TraceId,
    /// The trace that the run continues.
    context: Option<TraceContext>,
    session: Option<String>,
    /// The number of times that the run was continued.
    pub(super) part: u32,
    /// The part with which the trace begins.
    pub(super) first_part: u32,
    /// The spans under way, or those to open anew when the run continues.
    open: BTreeMap<Key, Span>,
    /// The spans that the end of the run has ended, to open anew when it is retried.
    ended: BTreeMap<Key, Span>,
    /// `true` if the spans in `open` have ended, because the run waits.
    is_suspended: bool,
    /// The requests of each agent so far.
    requests: HashMap<StepPath, u32>,
    /// The model of each agent.
    models: HashMap<StepPath, String>,
    /// The run from which this one was forked.
    origin: Option<RunId>,
    last: Timestamp,
    pub(super) finished: Vec<Span>,
    with_content: bool,
}

impl RunSpans {
    pub(super) fn new(run: RunId, with_content: bool) -> Self {
        Self {
            trace: TraceId::of(&run, None),
            run,
            context: None,
            session: None,
            part: 0,
            first_part: 0,
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
            is_suspended: false,
            requests: HashMap::new(),
            models: HashMap::new(),
            origin: None,
            last: Timestamp::default(),
            finished: Vec::new(),
            with_content,
        }
    }

    pub(super) fn take_start(&mut self, started: &WorkflowStarted) {
        self.context.clone_from(&started.trace);
        self.trace = TraceId::of(&self.run, self.context.as_ref());
        self.session = Some(started.session_id.to_string());
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let (at, time) = (&event.path, event.time);
        match &event.kind {
            EventKind::WorkflowStarted(started) => self.begin(started, time),
            EventKind::WorkflowForked(forked) => self.fork(forked, time),
            EventKind::WorkflowRetried { .. } => {
                self.open.append(&mut self.ended);
                self.is_suspended = true;
            }
            EventKind::WorkflowContinued { .. } => self.resume(time),
            EventKind::WorkflowPaused { .. } | EventKind::WorkflowHandedOver { .. } => {
                self.suspend(time);
            }
            EventKind::WorkflowCompleted { .. } => self.end_run(time, "COMPLETED", None),
            EventKind::WorkflowError { error, .. } => self.end_run(time, "ERROR", Some(error)),
            EventKind::WorkflowCancelled { reason } => {
                let reason = format!("cancelled: {reason}");
                self.end_run_with(time, "CANCELLED", &SpanStatus::Error(reason), "cancelled");
            }

            EventKind::ContainerStarted { kind, decision } => {
                let name = format!("{} {}", kind.to_string().to_lowercase(), at.name());
                let number = match decision {
                    Decision::Turn { number, .. } => Some(*number),
                    _ => None,
                };
                let mut span = self.span(at, SpanOf::Node, name, time);
                if let Some(number) = number {
                    span.set("stepwright.turn", number);
                }
                self.open.insert((at.clone(), SpanOf::Node), span);
            }
            EventKind::ContainerCompleted { end, .. } => {
                let status = end.status.as_str();
                self.end(at, SpanOf::Node, time, Some(status), end.error.as_deref());
            }
            EventKind::StepStarted { executor_type, executor_name } => {
                let mut span = self.span(at, SpanOf::Node, format!("step {}", at.name()), time);
                span.set(name::EXECUTOR_TYPE, json!(executor_type));
                span.set(name::EXECUTOR, &**executor_name);
                self.open.insert((at.clone(), SpanOf::Node), span);
            }
            EventKind::StepRetrying { attempt, error, delay_ms } => {
                let attributes = vec![
                    (name::ATTEMPT, json!(attempt)),
                    (name::ERROR_TYPE, json!(error_type(error))),
                    (name::MESSAGE, json!(error.message)),
                    (name::DELAY_MS, json!(delay_ms)),
                ];
                self.end_inside(at, time, Some(error));
                self.moment(at, SpanOf::Node, time, "retry", attributes);
            }
            EventKind::StepCompleted { .. } => {
                self.end(at, SpanOf::Node, time, Some("COMPLETED"), None);
            }
            EventKind::StepError { error, .. } => {
                self.end(at, SpanOf::Node, time, Some("ERROR"), Some(error));
            }
            EventKind::StepSkipped { error, .. } => {
                self.end(at, SpanOf::Node, time, Some("SKIPPED"), Some(error));
            }
            EventKind::StepCancelled { .. } => {
                self.end(at, SpanOf::Node, time, Some("CANCELLED"), None);
            }
            EventKind::StepPaused { requirement }
            | EventKind::RouterPaused { requirement }
            | EventKind::StepOutputReview { requirement }
            | EventKind::StepExecutorPaused { requirement } => {
                let attributes = vec![(name::REQUEST, json!(requirement.id))];
                self.moment(at, SpanOf::Node, time, "waits", attributes);
            }
            EventKind::StepContinued { reply } | EventKind::StepExecutorContinued { reply } => {
                let mut attributes = vec![(name::REQUEST, json!(reply.requirement_id))];
                if let Some(by) = &reply.by {
                    attributes.push((name::ANSWERED_BY, json!(by)));
                }
                self.moment(at, SpanOf::Node, time, "answered", attributes);
            }

            EventKind::RunStarted { agent, model, message, .. } => {
                self.models.insert(at.clone(), model.to_string());
                let named = format!("invoke_agent {agent}");
                let mut span = self.span(at, SpanOf::Agent, named, time);
                span.set(name::OPERATION, "invoke_agent");
                span.set(name::AGENT, &**agent);
                set_model(&mut span, model);
                if self.with_content {
                    span.set(name::INPUT_MESSAGES, said("user", &message.text()));
                }
                self.open.insert((at.clone(), SpanOf::Agent), span);
            }
            EventKind::RunCompleted { content, .. } => {
                if self.with_content
                    && let Some(span) = self.open.get_mut(&(at.clone(), SpanOf::Agent))
                {
                    span.set(name::OUTPUT_MESSAGES, said("assistant", &content.text()));
                }
                self.end(at, SpanOf::Agent, time, None, None);
            }
            EventKind::RunError { error, .. } => {
                self.end(at, SpanOf::Agent, time, None, Some(error));
            }
            EventKind::ModelRequestStarted { .. } => self.ask_model(at, time),
            EventKind::ModelRequestRetrying { error, usage, .. } => {
                if let Some(of) = self.request_of(at) {
                    if let Some(span) = self.open.get_mut(&(at.clone(), of)) {
                        set_usage(span, usage);
                    }
                    self.end(at, of, time, None, Some(error));
                }
                self.ask_model(at, time);
            }
            EventKind::RunContent { .. }
            | EventKind::ReasoningContentDelta { .. }
            | EventKind::ToolCallArgumentsDelta { .. } => {
                if let Some(of) = self.request_of(at)
                    && let Some(span) = self.open.get_mut(&(at.clone(), of))
                    && span.attribute(name::FIRST_CHUNK).is_none()
                {
                    let waited = time.since(span.start).as_secs_f64();
                    span.set(name::FIRST_CHUNK, waited);
                }
            }
            EventKind::ModelRequestCompleted { answer, stop, usage, model, cost, .. } => {
                let Some(of) = self.request_of(at) else { return };
                let with_content = self.with_content;
                if let Some(span) = self.open.get_mut(&(at.clone(), of)) {
                    set_usage(span, usage);
                    span.set(name::FINISH_REASONS, json!([reason(stop)]));
                    if let Some(model) = model {
                        span.set(name::RESPONSE_MODEL, name::provider_and_model(model).1);
                    }
                    if let Some(cost) = cost.filter(|cost| cost.unpriced_requests() == 0) {
                        span.set(name::COST, cost.as_usd());
                    }
                    if with_content {
                        span.set(name::OUTPUT_MESSAGES, answered(answer));
                    }
                }
                self.end(at, of, time, None, None);
            }
            EventKind::ModelRequestInterrupted { partial, .. } => {
                let Some(of) = self.request_of(at) else { return };
                let with_content = self.with_content;
                if let Some(span) = self.open.get_mut(&(at.clone(), of)) {
                    span.set(name::FINISH_REASONS, json!(["interrupted"]));
                    if with_content {
                        let said = AssistantTurn::text_only(&**partial);
                        span.set(name::OUTPUT_MESSAGES, answered(&said));
                    }
                }
                self.end(at, of, time, None, None);
            }
            EventKind::MessageReceived { message } => {
                let mut attributes = vec![("stepwright.message.mode", json!(message.mode))];
                if self.with_content {
                    attributes.push((name::CONTENT, json!(message.text)));
                }
                self.moment(at, SpanOf::Node, time, "message", attributes);
            }
            EventKind::ToolCallStarted { tool } => self.call(at, tool, time),
            EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool, .. } => {
                let failed = tool.is_error.then(|| tool.text.clone());
                let with_content = self.with_content;
                if let Some(span) = self.open.get_mut(&(at.clone(), SpanOf::Tool)) {
                    if with_content {
                        span.set(name::TOOL_RESULT, tool.text.as_str());
                    }
                    if let Some(why) = failed {
                        span.set(name::ERROR_TYPE, "tool");
                        // The model may have written what the tool complains about.
                        let why = if with_content { why } else { "the tool failed".into() };
                        span.status = SpanStatus::Error(why);
                    }
                }
                self.end(at, SpanOf::Tool, time, None, None);
            }
            EventKind::CustomEvent { name: named, data } if self.with_content => {
                let attributes =
                    vec![(name::CONTENT, data.clone()), ("stepwright.event", json!(named))];
                self.moment(at, SpanOf::Node, time, "custom", attributes);
            }
            _ => {}
        }
        self.last = self.last.max(time);
    }

    fn begin(&mut self, started: &WorkflowStarted, time: Timestamp) {
        self.take_start(started);
        let named = format!("invoke_workflow {}", started.workflow_name);
        let root = StepPath::root();
        let mut span = self.span(&root, SpanOf::Run, named, time);
        span.set(name::OPERATION, "invoke_workflow");
        span.set(name::WORKFLOW, &*started.workflow_name);
        span.set(name::WORKFLOW_ID, started.workflow_id.as_str());
        span.set(name::DIGEST, &*started.digest);
        if let Some(user) = &started.user_id {
            span.set(name::USER, user.as_str());
        }
        self.open.insert((root, SpanOf::Run), span);
    }

    /// A fork has a trace of its own, which begins where it leaves its origin.
    fn fork(&mut self, forked: &WorkflowForked, time: Timestamp) {
        self.context = None;
        self.trace = TraceId::of(&self.run, None);
        self.session = Some(forked.session_id.to_string());
        self.origin = Some(forked.origin.run.clone());
        self.is_suspended = true;
        self.last = time;
    }

    /// Ends all spans, because the run waits.
    fn suspend(&mut self, time: Timestamp) {
        self.finish_open(time, "PAUSED");
        self.is_suspended = true;
    }

    /// Opens what was under way anew. What a dead process left open ends at its last event.
    fn resume(&mut self, time: Timestamp) {
        if !self.is_suspended {
            self.finish_open(self.last, "INTERRUPTED");
        }
        let root = StepPath::root();
        let before = SpanId::of(&self.run, &root, SpanOf::Run, self.part);
        let before = match &self.origin {
            Some(origin) => (TraceId::of(origin, None), SpanId::of(origin, &root, SpanOf::Run, 0)),
            None => (self.trace, before),
        };
        self.origin = None;
        self.part += 1;
        self.is_suspended = false;
        let open = std::mem::take(&mut self.open);
        // The enclosing spans come first in the map, and are the parents of those inside.
        for ((path, of), old) in open {
            let mut span = self.span(&path, of, old.name, time);
            let own: Vec<_> = span.attributes.iter().map(|(name, _)| *name).collect();
            let settled = [name::STATUS, name::FIRST_CHUNK];
            span.attributes.extend(
                old.attributes
                    .into_iter()
                    .filter(|(name, _)| !own.contains(name) && !settled.contains(name)),
            );
            if of == SpanOf::Run {
                span.links.push(before);
            }
            self.open.insert((path, of), span);
        }
    }

    /// Copies the open spans to the finished ones, and keeps them to be opened anew.
    fn finish_open(&mut self, time: Timestamp, status: &'static str) {
        for ((_, of), span) in &self.open {
            let mut span = span.clone();
            span.end = time.max(span.start);
            if matches!(of, SpanOf::Run | SpanOf::Node) {
                span.set(name::STATUS, status);
            }
            self.finished.push(span);
        }
    }

    fn end_run(&mut self, time: Timestamp, status: &'static str, error: Option<&ErrorData>) {
        let (outcome, kind) = match error {
            Some(error) => (SpanStatus::Error(error.message.clone()), error_type(error)),
            None => (SpanStatus::Unset, String::new()),
        };
        self.end_run_with(time, status, &outcome, &kind);
    }

    fn end_run_with(
        &mut self,
        time: Timestamp,
        status: &'static str,
        outcome: &SpanStatus,
        error_type: &str,
    ) {
        self.ended = std::mem::take(&mut self.open);
        for ((_, of), mut span) in self.ended.clone() {
            span.end = time.max(span.start);
            if of == SpanOf::Run {
                span.set(name::STATUS, status);
                if *outcome != SpanStatus::Unset {
                    span.set(name::ERROR_TYPE, error_type);
                    span.status = outcome.clone();
                }
            }
            self.finished.push(span);
        }
    }

    /// Makes a span that begins now.
    fn span(&self, at: &StepPath, of: SpanOf, name: String, time: Timestamp) -> Span {
        let parent = self.parent(at, of);
        let is_first = of == SpanOf::Run && self.part == self.first_part;
        let (parent, parent_is_remote) = match (&self.context, parent) {
            (_, Some(parent)) => (Some(parent), false),
            (Some(context), None) if is_first => (Some(context.span_id()), true),
            (_, None) if is_first => (None, false),
            // A later part lies in the first one, which has ended.
            (..) => (Some(SpanId::of(&self.run, at, SpanOf::Run, self.first_part)), false),
        };
        let mut span = Span {
            trace: self.trace,
            id: SpanId::of(&self.run, at, of, self.part),
            parent,
            parent_is_remote,
            is_sampled: self.context.as_ref().is_none_or(TraceContext::is_sampled),
            kind: match of {
                SpanOf::Request(_) => SpanKind::Client,
                _ => SpanKind::Internal,
            },
            name,
            start: time,
            end: time,
            attributes: vec![(name::RUN, json!(self.run.as_str()))],
            moments: Vec::new(),
            links: Vec::new(),
            status: SpanStatus::Unset,
        };
        if !at.is_root() {
            span.set(name::PATH, at.as_str());
        }
        if let Some(session) = &self.session {
            span.set(name::CONVERSATION, session.as_str());
        }
        span
    }

    /// Returns the innermost open span around this work.
    fn parent(&self, at: &StepPath, of: SpanOf) -> Option<SpanId> {
        let around: &[SpanOf] = match of {
            SpanOf::Run => return None,
            SpanOf::Request(_) => &[SpanOf::Agent, SpanOf::Tool, SpanOf::Node],
            SpanOf::Agent => &[SpanOf::Tool, SpanOf::Node],
            SpanOf::Node | SpanOf::Tool => &[],
        };
        let open = |at: &StepPath, of: SpanOf| self.open.get(&(at.clone(), of)).map(|span| span.id);
        if let Some(id) = around.iter().find_map(|of| open(at, *of)) {
            return Some(id);
        }
        let mut path = at.parent();
        while let Some(at) = path {
            let around = [SpanOf::Agent, SpanOf::Tool, SpanOf::Node, SpanOf::Run];
            if let Some(id) = around.iter().find_map(|of| open(&at, *of)) {
                return Some(id);
            }
            path = at.parent();
        }
        open(&StepPath::root(), SpanOf::Run)
    }

    fn ask_model(&mut self, at: &StepPath, time: Timestamp) {
        let nth = self.requests.entry(at.clone()).or_default();
        *nth += 1;
        let of = SpanOf::Request(*nth);
        let id = self.models.get(at).cloned().unwrap_or_default();
        let mut span = self.span(at, of, format!("chat {}", name::provider_and_model(&id).1), time);
        span.set(name::OPERATION, "chat");
        set_model(&mut span, &id);
        self.open.insert((at.clone(), of), span);
    }

    /// Returns the request that the agent at this path waits for.
    fn request_of(&self, at: &StepPath) -> Option<SpanOf> {
        let of = SpanOf::Request(*self.requests.get(at)?);
        self.open.contains_key(&(at.clone(), of)).then_some(of)
    }

    fn call(&mut self, at: &StepPath, tool: &ToolCall, time: Timestamp) {
        let mut span = self.span(at, SpanOf::Tool, format!("execute_tool {}", tool.name), time);
        span.set(name::OPERATION, "execute_tool");
        span.set(name::TOOL, tool.name.as_str());
        span.set(name::TOOL_CALL, tool.id.as_str());
        span.set(name::TOOL_TYPE, "function");
        if self.with_content {
            span.set(name::TOOL_ARGUMENTS, arguments(&tool.arguments));
        }
        self.open.insert((at.clone(), SpanOf::Tool), span);
    }

    fn moment(
        &mut self,
        at: &StepPath,
        of: SpanOf,
        time: Timestamp,
        name: &'static str,
        attributes: Vec<(&'static str, Value)>,
    ) {
        let key = (at.clone(), of);
        // What happens to a call, such as a question, is told at the call.
        let key = if self.open.contains_key(&key) { key } else { (at.clone(), SpanOf::Tool) };
        if let Some(span) = self.open.get_mut(&key) {
            span.moments.push(Moment { time, name, attributes });
        }
    }

    /// Ends a span, and those inside that are still open.
    fn end(
        &mut self,
        at: &StepPath,
        of: SpanOf,
        time: Timestamp,
        status: Option<&'static str>,
        error: Option<&ErrorData>,
    ) {
        if matches!(of, SpanOf::Node | SpanOf::Tool) {
            self.end_inside(at, time, error);
        }
        let Some(mut span) = self.open.remove(&(at.clone(), of)) else { return };
        span.end = time.max(span.start);
        if let Some(status) = status {
            span.set(name::STATUS, status);
        }
        fail(&mut span, error);
        self.finished.push(span);
    }

    /// Ends the spans inside a step or a call: those of an attempt that has ended.
    fn end_inside(&mut self, at: &StepPath, time: Timestamp, error: Option<&ErrorData>) {
        let is_inside = |(path, of): &Key| {
            at.contains(path) && (path != at || !matches!(of, SpanOf::Node | SpanOf::Tool))
        };
        let inside: Vec<Key> = self.open.keys().filter(|key| is_inside(key)).cloned().collect();
        for key in inside.into_iter().rev() {
            if let Some(mut span) = self.open.remove(&key) {
                span.end = time.max(span.start);
                fail(&mut span, error);
                self.finished.push(span);
            }
        }
    }
}
