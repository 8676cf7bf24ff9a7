//! What happens in a run: the one stream that everything else is a fold of.

use crate::content::Content;
use crate::error::ErrorData;
use crate::executor::{ExecutorType, RunInput, StepOutput};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::message::{AssistantTurn, ToolCall, ToolOutcome, Usage};
use crate::model::StopReason;
use crate::output::StepStatus;
use crate::path::StepPath;
use crate::state::{Patch, State};
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// Something that happened in a run.
///
/// A *fact* is in the journal before anybody sees it; facts are numbered from 0 without a gap.
/// A *delta* (a piece of text, progress) passes by: it carries the number of the fact that it
/// follows, and its own number behind that.
///
/// As JSON, an event is one flat object: `sequence`, `time_ms`, `run_id`, `path`, `step_name`,
/// `event` with the name of its kind, and that kind's fields.
///
/// ```
/// use stepwright_core::{Event, EventKind, RunId, StepPath, Timestamp};
/// let event = Event {
///     sequence: 4,
///     delta: 1,
///     time: Timestamp(1_780_000_000_000),
///     run: RunId::new("r-1")?,
///     path: StepPath::from("Write"),
///     kind: EventKind::RunContent { content: "Once".into() },
/// };
/// assert_eq!(event.content().unwrap().text(), "Once");
/// assert_eq!(
///     serde_json::to_string(&event).unwrap(),
///     r#"{"sequence":4,"delta":1,"time_ms":1780000000000,"run_id":"r-1","path":"Write","step_name":"Write","event":"RunContent","content":"Once"}"#,
/// );
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Event {
    /// The number of this fact, or of the fact that this delta follows.
    pub sequence: u64,
    /// 0 for a fact; for a delta its number since that fact, from 1.
    pub delta: u32,
    /// When it happened.
    pub time: Timestamp,
    /// In which run.
    pub run: RunId,
    /// Where in the run; the root for what concerns the run as a whole.
    pub path: StepPath,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    /// Whether it is remembered.
    pub fn is_fact(&self) -> bool {
        self.delta == 0
    }

    /// The name of the step, without its surroundings. Empty for the run itself.
    pub fn step_name(&self) -> &str {
        self.path.name()
    }

    /// What there is to read in it, if anything: a piece of text, an output, an error's message.
    pub fn content(&self) -> Option<Content> {
        self.kind.content()
    }

    /// The name of its kind, in Agno's words where Agno has it.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }
}

/// How a run began: everything that is needed to take it up again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowStarted {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// What it is called.
    pub workflow_name: Arc<str>,
    /// The digest of its plan.
    pub digest: Arc<str>,
    /// The session.
    pub session_id: SessionId,
    /// The owner of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What the run was given.
    pub input: Arc<RunInput>,
    /// What its steps see of the session state.
    #[serde(default, skip_serializing_if = "no_state")]
    pub state: Arc<State>,
    /// Changes of the session state that the run begins with: they are in `state` already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Whatever the caller wants to find again beside the run.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Whether prompts, calls and decisions are logged in detail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
    /// How long the run may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

fn no_state(state: &Arc<State>) -> bool {
    state.is_empty()
}

/// What happened. The names are Agno's where Agno has the event.
///
/// ```
/// use stepwright_core::EventKind;
/// fn line(kind: &EventKind) -> Option<String> {
///     match kind {
///         EventKind::StepProgress { content } => Some(format!("... {content}")),
///         EventKind::WorkflowCompleted { content } => Some(content.to_string()),
///         _ => None,
///     }
/// }
/// let progress = EventKind::StepProgress { content: "page 3 of 5".into() };
/// assert_eq!(line(&progress).unwrap(), "... page 3 of 5");
/// assert_eq!((progress.name(), progress.is_fact()), ("StepProgress", false));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
#[non_exhaustive]
pub enum EventKind {
    // --- the run ---
    /// The run began. Its first event.
    WorkflowStarted(Arc<WorkflowStarted>),
    /// The run ended well. Its last event.
    WorkflowCompleted {
        /// What the run gives.
        content: Content,
    },
    /// The run failed. Its last event.
    WorkflowError {
        /// Why.
        error: Box<ErrorData>,
        /// Which step failed, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPath>,
        /// How often that step was tried.
        #[serde(default)]
        attempts: u32,
    },
    /// The run was cancelled. Its last event.
    WorkflowCancelled {
        /// By what.
        reason: Arc<str>,
    },

    // --- a step ---
    /// A step began. Once a step, however often it is tried.
    StepStarted {
        /// What carries it out.
        executor_type: ExecutorType,
        /// What that is called.
        executor_name: Arc<str>,
    },
    /// An attempt failed, and another one follows.
    StepRetrying {
        /// Which attempt failed, from 1.
        attempt: u32,
        /// Why.
        error: Box<ErrorData>,
        /// How long it waits before it tries again, in milliseconds.
        delay_ms: u64,
    },
    /// Shown before `StepCompleted` of a function, so that a reader who wants only what there is to
    /// read gets it. A delta: the fact is `StepCompleted`.
    StepOutput {
        /// What the step gave.
        content: Content,
    },
    /// How far a step has come. A delta.
    StepProgress {
        /// What it says.
        content: Content,
    },
    /// A step ended well.
    StepCompleted {
        /// What it gave.
        output: Arc<StepOutput>,
    },
    /// A step failed, after all its attempts.
    StepError {
        /// Why.
        error: Box<ErrorData>,
        /// How often it was tried.
        attempts: u32,
        /// Whether the run goes on, to end as failed: `on_error: continue`.
        #[serde(default)]
        continues: bool,
    },
    /// A step failed, and its definition says to pass over that: `on_error: skip`.
    StepSkipped {
        /// Why it failed.
        error: Box<ErrorData>,
        /// How often it was tried.
        attempts: u32,
    },
    /// A step was stopped: the run was cancelled, took too long, or a sibling failed.
    StepCancelled {
        /// What it had said so far.
        #[serde(default, skip_serializing_if = "Content::is_empty")]
        partial: Content,
    },

    // --- containers ---
    /// A sequence began.
    StepsExecutionStarted {
        /// How many steps it has.
        steps_count: u32,
    },
    /// A sequence ended.
    StepsExecutionCompleted {
        /// How.
        #[serde(flatten)]
        end: End,
    },
    /// Branches began.
    ParallelExecutionStarted {
        /// Their names, in declaration order.
        branches: Arc<[Arc<str>]>,
    },
    /// All branches have ended.
    ParallelExecutionCompleted {
        /// How.
        #[serde(flatten)]
        end: End,
    },
    /// A loop began.
    LoopExecutionStarted {
        /// How many turns it may take.
        max_iterations: u32,
    },
    /// A turn began.
    LoopIterationStarted {
        /// Which one, from 1.
        iteration: u32,
        /// How many it may be.
        max_iterations: u32,
    },
    /// A turn ended, and it is decided whether another follows.
    LoopIterationCompleted {
        /// Which one, from 1.
        iteration: u32,
        /// Whether another follows.
        should_continue: bool,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// A loop ended.
    LoopExecutionCompleted {
        /// How many turns it took.
        total_iterations: u32,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// A condition is decided.
    ConditionExecutionStarted {
        /// Whether it holds. `None` if that could not be decided.
        condition_result: Option<bool>,
        /// `if`, `else`, or nothing if neither has steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<Arc<str>>,
    },
    /// A condition ended.
    ConditionExecutionCompleted {
        /// How.
        #[serde(flatten)]
        end: End,
    },
    /// A route is chosen.
    RouterExecutionStarted {
        /// The chosen steps, in the order in which they run.
        selected_steps: Arc<[Arc<str>]>,
    },
    /// A router ended.
    RouterExecutionCompleted {
        /// How.
        #[serde(flatten)]
        end: End,
    },
    /// A list is to be worked on, item by item.
    MapExecutionStarted {
        /// The items.
        items: Arc<[Content]>,
        /// How many are worked on at once.
        concurrency: u32,
    },
    /// Work on an item began.
    MapItemStarted {
        /// Which one, from 1.
        item: u32,
    },
    /// Work on an item ended.
    MapItemCompleted {
        /// Which one, from 1.
        item: u32,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// All items have been worked on.
    MapExecutionCompleted {
        /// How.
        #[serde(flatten)]
        end: End,
    },

    // --- an agent ---
    /// An agent began.
    RunStarted {
        /// The agent.
        agent: Arc<str>,
        /// Its model.
        model: Arc<str>,
        /// What people must be told about the model, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<Arc<str>>,
        /// What it was told.
        message: Content,
    },
    /// A model is asked.
    ModelRequestStarted {
        /// Which turn of the conversation, from 1.
        turn: u32,
    },
    /// A model could not answer, and is asked again: before it said anything, so nothing is lost. A
    /// delta.
    ModelRequestRetrying {
        /// Which turn of the conversation, from 1.
        turn: u32,
        /// Which request of this turn failed, from 1.
        attempt: u32,
        /// Why.
        error: Box<ErrorData>,
        /// How long it waits before it asks again, in milliseconds.
        delay_ms: u64,
    },
    /// A piece of text. A delta.
    RunContent {
        /// The text.
        content: Arc<str>,
    },
    /// A piece of what a model thinks aloud. A delta.
    ReasoningContentDelta {
        /// The text.
        reasoning_content: Arc<str>,
    },
    /// A model has answered. Its answer is not paid for twice.
    ModelRequestCompleted {
        /// Which turn of the conversation, from 1.
        turn: u32,
        /// The answer.
        answer: Box<AssistantTurn>,
        /// Why the model stopped.
        stop: StopReason,
        /// What it consumed.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
    },
    /// A tool is called.
    ToolCallStarted {
        /// The call.
        tool: Box<ToolCall>,
    },
    /// A tool has answered.
    ToolCallCompleted {
        /// The answer.
        tool: Box<ToolOutcome>,
    },
    /// A tool has failed, or its arguments were wrong; the model was told.
    ToolCallError {
        /// What the model was told.
        tool: Box<ToolOutcome>,
    },
    /// All text of an agent has been shown. A delta.
    RunContentCompleted,
    /// An agent ended well.
    RunCompleted {
        /// What it gave.
        content: Content,
        /// What its models consumed.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
    },
    /// An agent failed.
    RunError {
        /// Why.
        error: Box<ErrorData>,
    },

    // --- yours ---
    /// An event of your own. A delta.
    CustomEvent {
        /// Its name.
        name: Arc<str>,
        /// What it says.
        data: Value,
    },
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Completed, failed, cancelled.
    pub status: StepStatus,
    /// Why it failed, if that was its own doing: a decision, a merge of state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorData>>,
}

impl From<StepStatus> for End {
    fn from(status: StepStatus) -> Self {
        Self { status, error: None }
    }
}

impl EventKind {
    /// Facts are remembered; deltas pass by.
    pub fn is_fact(&self) -> bool {
        !matches!(
            self,
            Self::StepOutput { .. }
                | Self::StepProgress { .. }
                | Self::ModelRequestRetrying { .. }
                | Self::RunContent { .. }
                | Self::ReasoningContentDelta { .. }
                | Self::RunContentCompleted
                | Self::CustomEvent { .. }
        )
    }

    /// Whether a reader who did not ask for `stream_events` sees it: how the run begins and ends,
    /// and what there is to read in between.
    pub fn is_content(&self) -> bool {
        self.is_terminal()
            || matches!(
                self,
                Self::WorkflowStarted(_) | Self::StepOutput { .. } | Self::RunContent { .. }
            )
    }

    /// How a container, a turn or an item ended, if this is the end of one.
    pub fn end(&self) -> Option<&End> {
        match self {
            Self::StepsExecutionCompleted { end }
            | Self::ParallelExecutionCompleted { end }
            | Self::LoopIterationCompleted { end, .. }
            | Self::LoopExecutionCompleted { end, .. }
            | Self::ConditionExecutionCompleted { end }
            | Self::RouterExecutionCompleted { end }
            | Self::MapItemCompleted { end, .. }
            | Self::MapExecutionCompleted { end } => Some(end),
            _ => None,
        }
    }

    /// Whether an executor records it, of its own work: what an agent tells.
    pub fn is_of_executor(&self) -> bool {
        matches!(
            self,
            Self::RunStarted { .. }
                | Self::ModelRequestStarted { .. }
                | Self::ModelRequestCompleted { .. }
                | Self::ToolCallStarted { .. }
                | Self::ToolCallCompleted { .. }
                | Self::ToolCallError { .. }
                | Self::RunCompleted { .. }
                | Self::RunError { .. }
        )
    }

    /// Whether it is the last event of a run.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::WorkflowCompleted { .. }
                | Self::WorkflowError { .. }
                | Self::WorkflowCancelled { .. }
        )
    }

    /// What there is to read in it, if anything.
    pub fn content(&self) -> Option<Content> {
        match self {
            Self::WorkflowCompleted { content }
            | Self::StepOutput { content }
            | Self::StepProgress { content }
            | Self::RunCompleted { content, .. } => Some(content.clone()),
            Self::RunContent { content } => Some(content.clone().into()),
            Self::StepCompleted { output } => Some(output.content.clone()),
            Self::StepCancelled { partial } if !partial.is_empty() => Some(partial.clone()),
            Self::ToolCallCompleted { tool } | Self::ToolCallError { tool } => {
                Some(tool.text.as_str().into())
            }
            Self::WorkflowError { error, .. }
            | Self::StepError { error, .. }
            | Self::StepSkipped { error, .. }
            | Self::RunError { error } => Some(error.message.as_str().into()),
            _ => None,
        }
    }
}

macro_rules! names {
    ($($name:ident),*) => {
        /// The names of all kinds of events.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        impl EventKind {
            /// The name of the kind, as in the `event` field of its JSON.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }
    };
}
names!(
    WorkflowStarted,
    WorkflowCompleted,
    WorkflowError,
    WorkflowCancelled,
    StepStarted,
    StepRetrying,
    StepOutput,
    StepProgress,
    StepCompleted,
    StepError,
    StepSkipped,
    StepCancelled,
    StepsExecutionStarted,
    StepsExecutionCompleted,
    ParallelExecutionStarted,
    ParallelExecutionCompleted,
    LoopExecutionStarted,
    LoopIterationStarted,
    LoopIterationCompleted,
    LoopExecutionCompleted,
    ConditionExecutionStarted,
    ConditionExecutionCompleted,
    RouterExecutionStarted,
    RouterExecutionCompleted,
    MapExecutionStarted,
    MapItemStarted,
    MapItemCompleted,
    MapExecutionCompleted,
    RunStarted,
    ModelRequestStarted,
    ModelRequestRetrying,
    RunContent,
    ReasoningContentDelta,
    ModelRequestCompleted,
    ToolCallStarted,
    ToolCallCompleted,
    ToolCallError,
    RunContentCompleted,
    RunCompleted,
    RunError,
    CustomEvent
);

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence)?;
        if self.delta > 0 {
            write!(f, ".{}", self.delta)?;
        }
        write!(f, " {} {:?}", self.path, self.kind)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    sequence: u64,
    #[serde(skip_serializing_if = "is_zero")]
    delta: u32,
    time_ms: Timestamp,
    run_id: &'a RunId,
    path: &'a StepPath,
    step_name: &'a str,
    #[serde(flatten)]
    kind: &'a EventKind,
}

#[derive(Deserialize)]
struct Read {
    sequence: u64,
    #[serde(default)]
    delta: u32,
    time_ms: Timestamp,
    run_id: RunId,
    path: StepPath,
    #[serde(flatten)]
    kind: EventKind,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(delta: &u32) -> bool {
    *delta == 0
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            sequence: self.sequence,
            delta: self.delta,
            time_ms: self.time,
            run_id: &self.run,
            path: &self.path,
            step_name: self.step_name(),
            kind: &self.kind,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { sequence, delta, time_ms, run_id, path, kind } =
            Read::deserialize(deserializer)?;
        Ok(Self { sequence, delta, time: time_ms, run: run_id, path, kind })
    }
}
