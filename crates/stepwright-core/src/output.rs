//! The output of a run, with the tree of its steps.

use crate::content::Content;
use crate::cost::Cost;
use crate::event::{Event, Origin, RefusedAnswer};
use crate::failure::ErrorData;
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::media::{Media, MediaKind};
use crate::message::{AssistantTurn, ToolOutcome, Usage};
use crate::path::StepPath;
use crate::requirement::{Requirement, RequirementKind};
use crate::sent::SentMessage;
pub use crate::status::{RunStatus, StepStatus, StepType};
use crate::step::ExecutorType;
use crate::workspace::WorkspaceFile;
use crate::world::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of one step and of everything inside it.
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
    /// The path of the step.
    #[doc(alias = "step_id")]
    pub path: StepPath,
    /// The kind of node.
    pub step_type: StepType,
    /// The type of the executor, for a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_type: Option<ExecutorType>,
    /// The name of the executor, for a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_name: Option<Arc<str>>,
    /// The status.
    pub status: StepStatus,
    /// The output of a step, or the partial output of a cancelled one. Containers have no output of
    /// their own: see their steps.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// The media that the step returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// The files that were made or changed in the workspace of the step until it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WorkspaceFile>,
    /// The reason that the step failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorData>>,
    /// `true` if this is a loop that made all its turns and its condition was not met.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
    /// The number of attempts. 0 for containers.
    #[serde(default)]
    pub attempts: u32,
    /// `true` if the step ended the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// The start time.
    pub started_at: Timestamp,
    /// The end time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The usage of models, without that of the steps inside.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The steps inside, in declaration order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Self>,
}

impl StepResult {
    /// Returns the name of the step.
    pub fn name(&self) -> &str {
        self.path.name()
    }

    /// Returns the duration of the step, or zero while it is running.
    pub fn duration(&self) -> Duration {
        self.ended_at.map_or(Duration::ZERO, |end| end.since(self.started_at))
    }

    /// Returns `true` if the step completed.
    pub fn success(&self) -> bool {
        self.status == StepStatus::Completed
    }

    /// Returns this step and everything inside it, each step before its children.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut todo = vec![self];
        std::iter::from_fn(move || {
            let next = todo.pop()?;
            todo.extend(next.steps.iter().rev());
            Some(next)
        })
    }
}

/// The work of one agent in one attempt of a step, or in a tool call.
///
/// ```
/// use stepwright_core::{RunOutput, output::ExecutorRun};
/// fn models(output: &RunOutput) -> Vec<&str> {
///     output.step_executor_runs.iter().map(|run: &ExecutorRun| &*run.model).collect()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutorRun {
    /// The path of the step or of the tool call, such as `order/ask#1`.
    pub path: StepPath,
    /// The name of the agent.
    pub agent: Arc<str>,
    /// The name of its model.
    pub model: Arc<str>,
    /// A notice about the model that people must see, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Arc<str>>,
    /// The message to the agent.
    pub message: Content,
    /// The answers of the model and of the tools, and messages to the agent, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// The output of the agent, once it has completed.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// The usage of the model.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The error, if the agent failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorData>>,
}

/// A piece of a conversation between an agent's model, its tools and its user.
///
/// ```
/// use stepwright_core::output::Turn;
/// fn tool_answers(turns: &[Turn]) -> usize {
///     turns.iter().filter(|turn| matches!(turn, Turn::Tool(_))).count()
/// }
/// assert_eq!(tool_answers(&[]), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// An answer of the model.
    Model(Arc<AssistantTurn>),
    /// An answer of a tool.
    Tool(ToolOutcome),
    /// A message that the agent got while it was at work.
    Message(Box<SentMessage>),
}

/// The metrics of a run: time, counts and usage.
///
/// ```
/// use stepwright_core::Metrics;
/// let metrics = Metrics { duration_ms: 1_500, steps: 4, retries: 1, ..Metrics::default() };
/// assert_eq!(metrics.duration().as_secs_f64(), 1.5);
/// assert_eq!(metrics.usage.total_tokens(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// The duration, in milliseconds.
    pub duration_ms: u64,
    /// The number of steps that started.
    pub steps: u64,
    /// The number of failed attempts that were followed by another one.
    pub retries: u64,
    /// The number of answers from models.
    pub model_calls: u64,
    /// The number of answers from tools.
    pub tool_calls: u64,
    /// The usage of models.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The cost of models.
    #[serde(default, skip_serializing_if = "Cost::is_zero")]
    pub cost: Cost,
}

impl Metrics {
    /// Returns the duration.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }
}

/// The failure of a run.
///
/// ```
/// use stepwright_core::{RunOutput, output::RunFailure};
/// fn may_be_retried(output: &RunOutput) -> bool {
///     let failure: Option<&RunFailure> = output.error.as_ref();
///     failure.is_some_and(|failure| failure.error.retryable)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFailure {
    /// The error.
    pub error: ErrorData,
    /// The step that failed, if the failure belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepPath>,
    /// The number of attempts of that step.
    #[serde(default)]
    pub attempts: u32,
}

/// The reason that a run waits for a slot: as many runs of its key are under way as its workflow
/// allows.
///
/// ```
/// use stepwright_core::output::QueuedFor;
/// let queued = QueuedFor { key: "acme".into(), max: 2, ahead: 1 };
/// assert_eq!(queued.to_string(), "queued for key `acme`, of which 2 runs may go on at once");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedFor {
    /// The key. Empty if all runs of the workflow share one.
    pub key: Arc<str>,
    /// The number of runs of the key at once.
    pub max: u32,
    /// The number of runs that waited before this one when it began to wait.
    pub ahead: u32,
}

impl fmt::Display for QueuedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = if self.max == 1 { "run" } else { "runs" };
        match &*self.key {
            "" => f.write_str("queued behind other runs of the workflow")?,
            key => write!(f, "queued for key `{key}`")?,
        }
        write!(f, ", of which {} {runs} may go on at once", self.max)
    }
}

/// The output of a run, computed from its events.
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
/// // `output` belongs to a run whose only step is `Rate`.
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
    /// The id of the run.
    pub run_id: RunId,
    /// The id of its session.
    pub session_id: SessionId,
    /// The owner of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The id of the workflow.
    pub workflow_id: WorkflowId,
    /// The name of the workflow.
    pub workflow_name: Arc<str>,
    /// The status of the run.
    pub status: RunStatus,
    /// The input of the run.
    pub input: Content,
    /// The output of the run. Empty if it failed.
    pub content: Content,
    /// The results of its steps, as a tree.
    pub step_results: Vec<StepResult>,
    /// The work of its agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_executor_runs: Vec<ExecutorRun>,
    /// The facts of the run except skipped kinds, if the workflow stores events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
    /// The metrics of the run.
    pub metrics: Metrics,
    /// The metadata that the caller gave the run. `notices` holds notices about the models that
    /// people must see.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The start time.
    pub created_at: Timestamp,
    /// The run from which it was forked, if it was. The shared steps are in its results, and not
    /// in its metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The failure, if the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunFailure>,
    /// The media that its steps returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// The pending requests.
    #[doc(alias = "step_requirements")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// The answers that were refused because they arrived after their deadlines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_answers: Vec<RefusedAnswer>,
    /// The step that ended the run early with its output, if one did: see
    /// [`StepOutput::stop`](crate::StepOutput::stop).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<StepPath>,
    /// The key whose slots are taken, if the run waits for one: see `concurrency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<QueuedFor>,
    /// The queues whose workers the run waits for: a worker of any of them goes on with it. Empty
    /// if the run does not wait for a worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited_queues: Vec<Arc<str>>,
}

impl RunOutput {
    /// Returns a sentence about the events that a paused run waits for. `None` if it waits for a
    /// person, or for no event.
    ///
    /// ```
    /// use stepwright_core::RunOutput;
    /// fn told(output: &RunOutput) -> String {
    ///     output.awaited_events().unwrap_or_else(|| output.content.pretty().into_owned())
    /// }
    /// # let _ = told;
    /// ```
    pub fn awaited_events(&self) -> Option<String> {
        if !self.is_paused() || self.requirements.iter().any(Requirement::needs_person) {
            return None;
        }
        let events = self.requirements.iter().filter_map(|asked| match &asked.kind {
            RequirementKind::Event { name, key: None, .. } => Some(format!("`{name}`")),
            RequirementKind::Event { name, key: Some(key), .. } => {
                Some(format!("`{name}` with the key `{key}`"))
            }
            _ => None,
        });
        let events: Vec<String> = events.collect();
        let noun = if events.len() == 1 { "event" } else { "events" };
        let (run, events) = (&self.run_id, events.join(", "));
        (!events.is_empty()).then(|| format!("Run `{run}` waits for the {noun} {events}."))
    }

    /// Returns the [`Content::type_name`] of the content: `str`, `json` or `none`.
    pub fn content_type(&self) -> &'static str {
        self.content.type_name()
    }

    /// Returns the files that the steps made in their workspaces, each with the first step that
    /// lists it with this content.
    ///
    /// ```
    /// use stepwright_core::RunOutput;
    /// fn charts(output: &RunOutput) -> Vec<&str> {
    ///     let files = output.workspace_files().into_iter().map(|(_, file)| &*file.path);
    ///     files.filter(|path| path.ends_with(".svg")).collect()
    /// }
    /// ```
    pub fn workspace_files(&self) -> Vec<(&StepPath, &WorkspaceFile)> {
        let mut found: Vec<(&StepPath, &WorkspaceFile)> = Vec::new();
        for step in self.step_results.iter().flat_map(StepResult::walk) {
            for file in &step.files {
                if found.iter().all(|(_, other)| *other != file) {
                    found.push((&step.path, file));
                }
            }
        }
        found
    }

    /// Parses the content as a `T`.
    ///
    /// # Errors
    /// Fails if the content is not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.content.parse()
    }

    /// Returns `true` if the status is final. See [`RunStatus::is_terminal`].
    #[doc(alias = "has_completed")]
    pub fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }

    /// Returns `true` if the run is paused. See [`RunOutput::requirements`].
    pub fn is_paused(&self) -> bool {
        self.status == RunStatus::Paused
    }

    /// Agno's name for [`RunOutput::is_terminal`]. Unlike in Agno it is also `true` for cancelled
    /// runs, so that a polling loop ends.
    pub fn has_completed(&self) -> bool {
        self.is_terminal()
    }

    /// Returns all step results, each before its children.
    pub fn walk(&self) -> impl Iterator<Item = &StepResult> {
        self.step_results.iter().flat_map(StepResult::walk)
    }

    /// Returns the step result at this path.
    pub fn step_at(&self, path: &str) -> Option<&StepResult> {
        self.walk().find(|step| step.path.as_str() == path)
    }

    /// Returns the steps that did not complete among those that run when others have ended: under
    /// `undo`, `on_failure` and `finally`. They never hide the failure of the run.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use stepwright_core::RunOutput;
    /// # let output: RunOutput = serde_json::from_value(json!({
    /// #     "run_id": "r-1", "session_id": "s-1", "workflow_id": "news", "workflow_name": "News",
    /// #     "status": "CANCELLED", "input": "", "content": "", "created_at": 0,
    /// #     "metrics": { "duration_ms": 9, "steps": 1, "retries": 0, "model_calls": 0,
    /// #                  "tool_calls": 0 },
    /// #     "step_results": [{ "path": "finally", "step_type": "Finally", "status": "failed",
    /// #         "started_at": 0, "steps": [{ "path": "finally/clean", "step_type": "Step",
    /// #         "started_at": 0, "status": "failed", "error": { "code": "failed",
    /// #         "message": "the disk is full", "retryable": true } }] }],
    /// # })).unwrap();
    /// // `output` belongs to a cancelled run whose step `finally/clean` failed.
    /// let also: Vec<_> = output.also_failed().map(|step| step.path.as_str()).collect();
    /// assert_eq!(also, ["finally/clean"]);
    /// ```
    pub fn also_failed(&self) -> impl Iterator<Item = &StepResult> {
        let own = self.error.as_ref().and_then(|failure| failure.step.as_ref());
        let after = self.walk().filter(|step| match step.step_type {
            StepType::Container(kind) => kind.is_after(),
            _ => false,
        });
        let failed =
            after.filter(|step| matches!(step.status, StepStatus::Failed | StepStatus::Cancelled));
        // The innermost step that has an error, or was stopped.
        let cause = failed.map(|after| {
            let inside = after.walk().filter(|step| step.status == after.status);
            inside
                .filter(|step| step.error.is_some() || step.steps.is_empty())
                .last()
                .unwrap_or(after)
        });
        cause.filter(move |step| Some(&step.path) != own)
    }

    /// Returns the images that its steps returned.
    pub fn images(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::Image)
    }

    /// Returns the videos that its steps returned.
    pub fn videos(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::Video)
    }

    /// Returns the audio that its steps returned.
    pub fn audio(&self) -> impl Iterator<Item = &Media> {
        self.media_of(MediaKind::Audio)
    }

    /// Returns the other files that its steps returned.
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
