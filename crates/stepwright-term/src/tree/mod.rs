//! The live tree of a run: every step and container with its state. It is a fold of the events, as
//! every view of a run.

mod lines;

use crate::excerpt::{call, short};
use crate::text::{harmless, percent};
use std::time::Duration;
use stepwright_core::cost::Cost;
use stepwright_core::message::Usage;
use stepwright_core::{Event, EventKind, StepPath, StepStatus, Timestamp};
use tokio::time::Instant;

/// The largest number of bytes kept of a step's text: more than the columns of a branch show.
const TAIL_BYTES_MAX: usize = 2048;

/// The state of a run, as a tree.
#[derive(Debug)]
pub(crate) struct LiveTree {
    /// The name of the workflow.
    name: String,
    since: Instant,
    /// The nodes in the order in which they started. A parent stands before its children.
    nodes: Vec<Node>,
    /// `true` while the run goes on.
    is_live: bool,
}

/// A step or a container.
#[derive(Debug)]
struct Node {
    path: StepPath,
    state: State,
    since: Instant,
    began: Timestamp,
    took: Option<Duration>,
    /// The number of the current attempt.
    attempt: u32,
    usage: Usage,
    cost: Cost,
    /// The end of the text that it has written.
    tail: String,
    /// The tool calls in flight.
    calls: Vec<(StepPath, String)>,
    /// A remark that is shown as long as nothing newer is known: a decision, or a failure.
    note: String,
    is_container: bool,
}

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// An attempt has failed, and another one follows.
    Retrying,
    /// It waits for a person.
    Waiting,
    Ended(StepStatus),
}

impl LiveTree {
    pub(crate) fn new() -> Self {
        Self { name: String::new(), since: Instant::now(), nodes: Vec::new(), is_live: false }
    }

    /// Returns `true` if nothing has begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Takes in an event. Returns `true` if the run ends or pauses with it.
    pub(crate) fn event(&mut self, event: &Event) -> bool {
        use EventKind as E;
        match &event.kind {
            E::WorkflowStarted(started) => {
                (self.name, self.is_live) = (started.workflow_name.to_string(), true);
                return false;
            }
            E::WorkflowContinued { .. } => {
                self.is_live = true;
                return false;
            }
            E::WorkflowPaused { .. } => return std::mem::take(&mut self.is_live),
            kind if kind.is_terminal() => return std::mem::take(&mut self.is_live),
            _ => self.is_live = true,
        }
        let path = match event.kind {
            E::ContainerStarted { .. } | E::ContainerCompleted { .. } => event.path.clone(),
            // An event inside a tool call belongs to the step that makes the call.
            _ => event.path.step(),
        };
        if path.is_root() {
            return false;
        }
        match &event.kind {
            E::StepStarted { .. } => self.begin(&path, event.time, false),
            E::ContainerStarted { kind, decision } => {
                self.begin(&path, event.time, true);
                let note = crate::view::decided(*kind, decision).unwrap_or_default();
                if let Some(node) = self.node(&path) {
                    node.note = note;
                }
            }
            kind => {
                // The start of a step is not seen if the run is resumed in the meantime.
                if self.node(&path).is_none() && !matches!(kind, E::DeadlineSet { .. }) {
                    self.begin(&path, event.time, false);
                }
                if let Some(node) = self.node(&path) {
                    node.event(&event.path, event.time, kind);
                }
            }
        }
        false
    }

    fn node(&mut self, path: &StepPath) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.path == *path)
    }

    fn begin(&mut self, path: &StepPath, at: Timestamp, is_container: bool) {
        match self.node(path) {
            // A step that waited before it began, or that begins again.
            Some(node) => {
                let before = Node::new(path.clone(), at, is_container);
                let was = std::mem::replace(node, before);
                (node.usage, node.cost) = (was.usage, was.cost);
            }
            None => self.nodes.push(Node::new(path.clone(), at, is_container)),
        }
    }
}

impl Node {
    fn new(path: StepPath, began: Timestamp, is_container: bool) -> Self {
        Self {
            path,
            state: State::Running,
            since: Instant::now(),
            began,
            took: None,
            attempt: 1,
            usage: Usage::default(),
            cost: Cost::default(),
            tail: String::new(),
            calls: Vec::new(),
            note: String::new(),
            is_container,
        }
    }

    fn event(&mut self, call_path: &StepPath, at: Timestamp, kind: &EventKind) {
        use EventKind as E;
        match kind {
            E::StepRetrying { attempt, error, .. } => {
                self.state = State::Retrying;
                self.attempt = attempt + 1;
                self.note = format!("attempt {attempt} failed: {}", short(&error.message));
                self.tail.clear();
                self.calls.clear();
            }
            E::StepAttemptStarted { attempt } => {
                (self.state, self.attempt) = (State::Running, *attempt);
            }
            E::StepProgress { content, progress } => {
                let done = progress.map(|done| format!("{} ", percent(done)));
                self.hear(&format!("\n{}{}", done.unwrap_or_default(), content.text()));
            }
            E::RunContent { content } => self.hear(content),
            E::ReasoningContentDelta { reasoning_content } => self.hear(reasoning_content),
            E::ModelRequestStarted { .. } => self.hear("\n"),
            E::ModelRequestRetrying { attempt, error, usage, .. } => {
                self.usage += *usage;
                if !usage.is_empty() {
                    self.cost += Cost::UNPRICED;
                }
                self.hear(&format!("\nrequest {attempt} failed: {}", short(&error.message)));
            }
            E::ModelRequestCompleted { usage, cost, .. } => {
                self.usage += *usage;
                self.cost += cost.unwrap_or(Cost::UNPRICED);
            }
            E::ToolCallStarted { tool } => {
                self.calls.retain(|(path, _)| path != call_path);
                self.calls.push((call_path.clone(), call(tool)));
            }
            E::ToolCallCompleted { .. } | E::ToolCallError { .. } => {
                self.calls.retain(|(path, _)| path != call_path);
            }
            E::StepPaused { requirement }
            | E::RouterPaused { requirement }
            | E::StepOutputReview { requirement }
            | E::StepExecutorPaused { requirement } => {
                self.state = State::Waiting;
                self.note = short(&requirement.message);
            }
            E::StepContinued { .. } | E::StepExecutorContinued { .. } => {
                self.state = State::Running;
                self.note.clear();
            }
            E::StepCompleted { output } => {
                let text = output.content.text();
                self.end(StepStatus::Completed, at);
                self.note = short(text.trim().lines().next().unwrap_or_default());
            }
            E::StepError { error, attempts, .. } => {
                self.attempt = (*attempts).max(1);
                self.end(StepStatus::Failed, at);
                self.note = short(&error.message);
            }
            E::StepSkipped { error, attempts } => {
                self.attempt = (*attempts).max(1);
                self.end(StepStatus::Skipped, at);
                self.note = format!("skipped: {}", short(&error.message));
            }
            E::StepCancelled { .. } => {
                self.end(StepStatus::Cancelled, at);
                "cancelled".clone_into(&mut self.note);
            }
            E::ContainerCompleted { end, turns, .. } => {
                self.end(end.status, at);
                if let Some(error) = &end.error {
                    self.note = short(&error.message);
                } else if turns.exhausted {
                    "its condition was not met".clone_into(&mut self.note);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, status: StepStatus, at: Timestamp) {
        self.state = State::Ended(status);
        self.took = Some(at.since(self.began));
        self.tail = String::new();
        self.calls.clear();
    }

    /// Adds text to the tail. Earlier lines are dropped when it becomes long.
    fn hear(&mut self, text: &str) {
        self.tail.push_str(text);
        let from = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..self.tail.ceil_char_boundary(from));
    }

    /// Returns the last line of what it has written.
    fn last_line(&self) -> String {
        let tail = self.tail.trim_end();
        let from = tail.rfind('\n').map_or(0, |at| at + 1);
        harmless(tail[from..].trim())
    }

    fn name(&self) -> String {
        let name = harmless(self.path.name());
        match self.path.number() {
            // A turn or an item, beneath its loop or map.
            Some(number) => format!("{name}#{number}"),
            None => name,
        }
    }

    fn is_running(&self) -> bool {
        !matches!(self.state, State::Ended(_))
    }

    /// Returns `true` if it writes text now.
    fn speaks(&self) -> bool {
        self.state == State::Running && self.calls.is_empty() && !self.tail.trim().is_empty()
    }

    fn elapsed(&self) -> Duration {
        self.took.unwrap_or_else(|| self.since.elapsed())
    }
}
