//! What a run gives: its output, and the tree of its steps.

use crate::content::Content;
use crate::error::ErrorData;
use crate::event::{Event, RefusedAnswer};
use crate::executor::ExecutorType;
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::media::{Media, MediaKind};
use crate::message::{AssistantTurn, ToolOutcome, Usage};
use crate::path::StepPath;
use crate::requirement::Requirement;
use crate::world::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where a run stands.
///
/// ```
/// use stepwright_core::RunStatus;
/// let asked = RunStatus::from_word("completed").unwrap();
/// assert_eq!(asked, RunStatus::Completed);
/// assert_eq!(asked.to_string(), "COMPLETED");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RunStatus {
    /// It waits for its turn.
    #[default]
    Pending,
    /// It is being worked on, or was when its process died.
    Running,
    /// It waits for somebody.
    Paused,
    /// It ended well.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It failed.
    Error,
}

impl RunStatus {
    /// Whether nothing will happen any more. Completed, cancelled and failed runs are terminal.
    ///
    /// ```
    /// use stepwright_core::RunStatus;
    /// assert!(RunStatus::Cancelled.is_terminal() && !RunStatus::Paused.is_terminal());
    /// ```
    #[doc(alias = "has_completed")]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Error)
    }

    /// The word for it, in capitals as Agno writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Error => "ERROR",
        }
    }

    /// The status that this word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Paused, Self::Completed, Self::Cancelled, Self::Error]
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a step or a container stands.
///
/// ```
/// use stepwright_core::StepStatus;
/// assert!(StepStatus::Completed.has_output() && !StepStatus::Skipped.has_output());
/// assert_eq!(StepStatus::Skipped.to_string(), "skipped");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// It is being worked on, or was when its process died.
    #[default]
    Running,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It failed, and its definition says to pass over that; or somebody has rejected it. Later
    /// steps see a container in this way, too, that completed and had nothing to do.
    Skipped,
    /// It was stopped.
    Cancelled,
}

impl StepStatus {
    /// Whether there is an output to read.
    pub fn has_output(self) -> bool {
        self == Self::Completed
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What kind of node a step result is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StepType {
    /// A step with an executor.
    Step,
    /// A sequence.
    Steps,
    /// Branches.
    Parallel,
    /// A loop.
    Loop,
    /// A turn of a loop.
    Iteration,
    /// A condition.
    Condition,
    /// A router.
    Router,
    /// A list worked on item by item.
    Map,
    /// An item of such a list.
    Item,
    /// A tool call of a step. It has no result of its own among those of steps.
    ToolCall,
}

/// What became of one step, and of everything inside it.
///
/// ```
/// # use serde_json::json;
/// use stepwright_core::{StepResult, StepStatus};
/// # let facts: StepResult = serde_json::from_value(json!({
/// #     "path": "Facts", "step_type": "Parallel", "status": "completed", "started_at": 0,
/// #     "ended_at": 250, "steps": [
/// #         { "path": "Facts/web", "step_type": "Step", "status": "skipped", "started_at": 0 },
/// #         { "path": "Facts/archive", "step_type": "Step", "status": "completed",
/// #           "started_at": 0, "content": "built in 1883" },
/// #     ],
/// # })).unwrap();
/// // `facts` has two branches: `web`, which was skipped, and `archive`.
/// assert!(facts.success());
/// assert_eq!(facts.duration().as_millis(), 250);
/// let skipped = facts.walk().find(|step| step.status == StepStatus::Skipped).unwrap();
/// assert_eq!((skipped.name(), skipped.path.as_str()), ("web", "Facts/web"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Its address.
    #[doc(alias = "step_id")]
    pub path: StepPath,
    /// What kind of node it is.
    pub step_type: StepType,
    /// What carried it out, for a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_type: Option<ExecutorType>,
    /// What that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_name: Option<Arc<str>>,
    /// How it ended.
    pub status: StepStatus,
    /// What a step gave; for a stopped one, what it had said so far. Containers have none of their
    /// own: what is in it is in their steps.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// Media that it gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Why it failed, or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorData>>,
    /// `true` if this is a loop that made all its turns and whose condition was not met.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
    /// How often it was tried; 0 for containers.
    #[serde(default)]
    pub attempts: u32,
    /// Whether it ended the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What models consumed for it, without what is inside.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// What is inside, in declaration order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Self>,
}

impl StepResult {
    /// The name of the step.
    pub fn name(&self) -> &str {
        self.path.name()
    }

    /// How long it took; for one that runs, nothing yet.
    pub fn duration(&self) -> Duration {
        self.ended_at.map_or(Duration::ZERO, |end| end.since(self.started_at))
    }

    /// Whether it ended well.
    pub fn success(&self) -> bool {
        self.status == StepStatus::Completed
    }

    /// This step and everything inside it, each before what it contains.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut todo = vec![self];
        std::iter::from_fn(move || {
            let next = todo.pop()?;
            todo.extend(next.steps.iter().rev());
            Some(next)
        })
    }
}

/// What one agent did in one attempt of a step, or in a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutorRun {
    /// The step, or the tool call: `order/ask#1`.
    pub path: StepPath,
    /// The agent.
    pub agent: Arc<str>,
    /// Its model.
    pub model: Arc<str>,
    /// What people must be told about the model, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Arc<str>>,
    /// What it was told.
    pub message: Content,
    /// What its model said and its tools answered, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// What it gave, once it has.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// What its model consumed.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorData>>,
}

/// A piece of a conversation between an agent's model and its tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// The model said this.
    Model(Arc<AssistantTurn>),
    /// A tool answered this.
    Tool(ToolOutcome),
}

/// What a run consumed.
///
/// ```
/// use stepwright_core::Metrics;
/// let metrics = Metrics { duration_ms: 1_500, steps: 4, retries: 1, ..Metrics::default() };
/// assert_eq!(metrics.duration().as_secs_f64(), 1.5);
/// assert_eq!(metrics.usage.total_tokens(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How many steps began.
    pub steps: u64,
    /// How many attempts failed and were followed by another.
    pub retries: u64,
    /// How many answers models gave.
    pub model_calls: u64,
    /// How many answers tools gave.
    pub tool_calls: u64,
    /// What models consumed.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}

impl Metrics {
    /// How long it took.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFailure {
    /// What went wrong.
    pub error: ErrorData,
    /// In which step, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepPath>,
    /// How often that step was tried.
    #[serde(default)]
    pub attempts: u32,
}

/// What a run gives: a fold of its events.
///
/// ```
/// # use serde_json::json;
/// use stepwright_core::{RunOutput, RunStatus};
/// # let output: RunOutput = serde_json::from_value(json!({
/// #     "run_id": "r-1", "session_id": "s-1", "workflow_id": "news", "workflow_name": "News",
/// #     "status": "COMPLETED", "input": "bridges", "content": { "points": 3 }, "created_at": 0,
/// #     "metrics": { "duration_ms": 9, "steps": 1, "retries": 0, "model_calls": 0,
/// #                  "tool_calls": 0 },
/// #     "step_results": [{ "path": "Rate", "step_type": "Step", "status": "completed",
/// #                        "started_at": 0, "content": { "points": 3 } }],
/// # })).unwrap();
/// // `output` is what a run gave whose only step is `Rate`.
/// #[derive(serde::Deserialize)]
/// struct Rating {
///     points: u32,
/// }
/// assert_eq!(output.status, RunStatus::Completed);
/// assert_eq!(output.parse::<Rating>()?.points, 3);
/// assert_eq!(output.step_at("Rate").unwrap().content, output.content);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOutput {
    /// The run.
    pub run_id: RunId,
    /// Its session.
    pub session_id: SessionId,
    /// The owner of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// What the workflow is called.
    pub workflow_name: Arc<str>,
    /// Where the run stands.
    pub status: RunStatus,
    /// What the run was given.
    pub input: Content,
    /// What the run gives. Nothing if it failed.
    pub content: Content,
    /// What its steps gave: a tree.
    pub step_results: Vec<StepResult>,
    /// What its agents did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_executor_runs: Vec<ExecutorRun>,
    /// What happened, if the workflow stores events: every fact but those to skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
    /// What it consumed.
    pub metrics: Metrics,
    /// What the caller wanted to find again beside the run; and `notices`, what people must be told
    /// about the models that were used.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// When it began.
    pub created_at: Timestamp,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunFailure>,
    /// Media that its steps gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// What it waits for.
    #[doc(alias = "step_requirements")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// Answers that came after their deadlines, and were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_answers: Vec<RefusedAnswer>,
}

impl RunOutput {
    /// [`Content::type_name`] of the content: `str`, `json` or `none`.
    pub fn content_type(&self) -> &'static str {
        self.content.type_name()
    }

    /// The content as a Rust value.
    ///
    /// # Errors
    /// If it has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.content.parse()
    }

    /// Whether nothing will happen any more: see [`RunStatus::is_terminal`].
    #[doc(alias = "has_completed")]
    pub fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }

    /// Whether it waits: see [`RunOutput::requirements`].
    pub fn is_paused(&self) -> bool {
        self.status == RunStatus::Paused
    }

    /// Agno's name for [`RunOutput::is_terminal`]; here it is true of cancelled runs too, so that a
    /// loop that polls for it ends.
    pub fn has_completed(&self) -> bool {
        self.is_terminal()
    }

    /// Every step result, each before what it contains.
    pub fn walk(&self) -> impl Iterator<Item = &StepResult> {
        self.step_results.iter().flat_map(StepResult::walk)
    }

    /// The step result at this address.
    pub fn step_at(&self, path: &str) -> Option<&StepResult> {
        self.walk().find(|step| step.path.as_str() == path)
    }

    /// Pictures that its steps gave.
    pub fn images(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::Image)
    }

    /// Moving pictures that its steps gave.
    pub fn videos(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::Video)
    }

    /// Sounds that its steps gave.
    pub fn audio(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::Audio)
    }

    /// Other files that its steps gave.
    pub fn files(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::File)
    }

    fn media_of(&self, kind: MediaKind) -> impl Iterator<Item = &Media> {
        self.media.iter().filter(move |media| media.kind == kind)
    }
}

impl fmt::Display for RunOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}
