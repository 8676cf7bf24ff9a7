//! What can happen in a run.

use super::{End, EventClass, ProcessGroup, RefusedAnswer, Reply, WorkflowStarted};
use crate::content::Content;
use crate::error::ErrorData;
use crate::executor::{ExecutorType, StepOutput};
use crate::message::{AssistantTurn, ToolCall, ToolOutcome, Usage};
use crate::model::StopReason;
use crate::path::StepPath;
use crate::requirement::Requirement;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// What happened. The names are Agno's where Agno has the event.
///
/// ```
/// use stepwright_core::EventKind;
/// fn line(kind: &EventKind) -> Option<String> {
///     match kind {
///         EventKind::StepProgress { content, .. } => Some(format!("... {content}")),
///         EventKind::WorkflowCompleted { content } => Some(content.to_string()),
///         _ => None,
///     }
/// }
/// let progress = Some(0.6);
/// let progress = EventKind::StepProgress { content: "page 3 of 5".into(), progress };
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
    /// The run waits, for somebody or for a moment, and nothing is held for it meanwhile.
    WorkflowPaused {
        /// When it goes on by itself, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The run was taken up: after a pause, or because its process died.
    WorkflowContinued {
        /// Who drives it now.
        driver: Arc<str>,
        /// The digest of the plan with which it goes on, where that is another one than before and
        /// the change was accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Arc<str>>,
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
    /// An attempt after the first begins, or one whose outcome was unknown begins again. Recorded
    /// for steps that are not simply repeated when their process dies: see
    /// [`OnInterrupted`](crate::OnInterrupted).
    StepAttemptStarted {
        /// The attempt, counted from 1.
        attempt: u32,
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
        /// How far it has come, from 0 to 1, if it says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<f64>,
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

    /// A step waits: for a confirmation or a form before it begins, for what a function asked with
    /// [`StepContext::wait`](crate::StepContext::wait), for a moment, or for what to do about a
    /// failure.
    StepPaused {
        /// For what.
        requirement: Box<Requirement>,
    },
    /// A router waits for somebody to choose.
    RouterPaused {
        /// Among what.
        requirement: Box<Requirement>,
    },
    /// An output, or a turn of a loop, waits to be looked at.
    StepOutputReview {
        /// What is to be looked at.
        requirement: Box<Requirement>,
    },
    /// An agent waits for the confirmation of a call.
    StepExecutorPaused {
        /// Of which.
        requirement: Box<Requirement>,
    },
    /// What a step, a router or a review waited for is there.
    StepContinued {
        /// How it was answered.
        #[serde(flatten)]
        reply: Box<Reply>,
    },
    /// What an agent waited for is there.
    StepExecutorContinued {
        /// How it was answered.
        #[serde(flatten)]
        reply: Box<Reply>,
    },
    /// A container may take so long, and no longer.
    DeadlineSet {
        /// Until when.
        requirement: Box<Requirement>,
    },
    /// A container has taken too long: what is under way in it is stopped, and it fails.
    DeadlinePassed {
        /// Which deadline it was.
        #[serde(flatten)]
        reply: Box<Reply>,
    },
    /// An answer was refused, because it came after the deadline of what it answers.
    AnswerRefused {
        /// The answer, the deadline, and when the answer came.
        #[serde(flatten)]
        refused: Box<RefusedAnswer>,
    },
    /// A step has done something that is not done twice: see
    /// [`StepContext::once`](crate::StepContext::once).
    StepRecorded {
        /// What it calls that.
        key: Arc<str>,
        /// What came of it.
        value: Value,
    },

    /// An effect of a step begins, of which it is recorded that it begins: a
    /// [`StepContext::once`](crate::StepContext::once) with a policy or a probe.
    StepEffectStarted {
        /// The key of the effect.
        key: Arc<str>,
    },
    /// An effect of a step has failed, and is known not to have happened. A later attempt may begin
    /// it again.
    StepEffectFailed {
        /// The key of the effect.
        key: Arc<str>,
        /// Why it failed.
        error: Box<ErrorData>,
    },

    /// A step has started processes, which have not begun to work: a later life of the run kills
    /// those that have outlived the process of the step. Recorded on Linux, for commands.
    StepProcessStarted {
        /// The processes.
        #[serde(flatten)]
        process: Box<ProcessGroup>,
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
        /// `true` if it was the last one that the loop may make, and the condition of the loop was
        /// not met.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exhausted: bool,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// A loop ended.
    LoopExecutionCompleted {
        /// How many turns it took.
        total_iterations: u32,
        /// Whether it made all its turns and its condition was not met: it failed for that, or goes
        /// on as its `on_exhausted` says.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exhausted: bool,
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
    /// A model could not answer, and is asked again: before it said anything, so nothing is lost.
    ModelRequestRetrying {
        /// Which turn of the conversation, from 1.
        turn: u32,
        /// Which request of this turn failed, from 1.
        attempt: u32,
        /// Why.
        error: Box<ErrorData>,
        /// How long it waits before it asks again, in milliseconds.
        delay_ms: u64,
        /// What the failed request consumed, as far as the provider said.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
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
        answer: Arc<AssistantTurn>,
        /// Why the model stopped.
        stop: StopReason,
        /// What it consumed.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
        /// A doubt about the answer that does not make it a failure: that its end was not
        /// announced, for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warning: Option<Arc<str>>,
    },
    /// A tool call begins. Its path is that of its step, the name of the tool and the number of the
    /// call: `order/charge#2`. It may stand twice for one call, if the call was interrupted and is
    /// known not to have happened.
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
        /// Why the step fails, if the tool failed in a way that the model cannot mend.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<ErrorData>>,
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
        /// What a request to its model consumed that failed and stands in no other event.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
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

impl EventKind {
    /// Returns `true` for a fact, which is in the journal. Deltas pass by.
    pub fn is_fact(&self) -> bool {
        !matches!(self.class(), EventClass::Delta)
    }

    /// Returns `true` if a reader who did not ask for `stream_events` sees it: how the run begins,
    /// pauses and ends, and what there is to read or to answer in between.
    pub fn is_content(&self) -> bool {
        match self.class() {
            EventClass::RunStarted(_)
            | EventClass::RunEnded(_)
            | EventClass::RunPaused
            | EventClass::Asked(_) => true,
            _ => matches!(self, Self::StepOutput { .. } | Self::RunContent { .. }),
        }
    }

    /// The end of a container, a turn or an item, if this is one.
    pub fn end(&self) -> Option<&End> {
        match self.class() {
            EventClass::ContainerEnded(end) => Some(end),
            _ => None,
        }
    }

    /// Returns `true` if an executor records it, of its own work: an agent's requests and calls.
    pub fn is_of_executor(&self) -> bool {
        matches!(self.class(), EventClass::Agent)
    }

    /// The request that the run waits for from here on, if it asks for something.
    pub fn requirement(&self) -> Option<&Requirement> {
        match self.class() {
            EventClass::Asked(requirement) => Some(requirement),
            _ => None,
        }
    }

    /// The answer to a request, if this is one.
    pub fn reply(&self) -> Option<&Reply> {
        match self.class() {
            EventClass::Answered(reply) => Some(reply),
            _ => None,
        }
    }

    /// Returns `true` for the last event of a run.
    pub fn is_terminal(&self) -> bool {
        matches!(self.class(), EventClass::RunEnded(_))
    }

    /// The text to read in it, if there is any.
    pub fn content(&self) -> Option<Content> {
        match self {
            Self::WorkflowCompleted { content }
            | Self::StepOutput { content }
            | Self::StepProgress { content, .. }
            | Self::RunCompleted { content, .. } => Some(content.clone()),
            Self::RunContent { content } => Some(content.clone().into()),
            Self::StepCompleted { output } => Some(output.content.clone()),
            Self::StepPaused { requirement }
            | Self::RouterPaused { requirement }
            | Self::StepOutputReview { requirement }
            | Self::StepExecutorPaused { requirement } => Some(requirement.message.clone().into()),
            Self::StepCancelled { partial } if !partial.is_empty() => Some(partial.clone()),
            Self::ToolCallCompleted { tool } | Self::ToolCallError { tool, .. } => {
                Some(tool.text.as_str().into())
            }
            Self::WorkflowError { error, .. }
            | Self::StepError { error, .. }
            | Self::StepSkipped { error, .. }
            | Self::RunError { error, .. } => Some(error.message.as_str().into()),
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
    WorkflowPaused,
    WorkflowContinued,
    StepStarted,
    StepRetrying,
    StepAttemptStarted,
    StepOutput,
    StepProgress,
    StepCompleted,
    StepError,
    StepSkipped,
    StepCancelled,
    StepPaused,
    RouterPaused,
    StepOutputReview,
    StepExecutorPaused,
    StepContinued,
    StepExecutorContinued,
    DeadlineSet,
    DeadlinePassed,
    AnswerRefused,
    StepRecorded,
    StepEffectStarted,
    StepEffectFailed,
    StepProcessStarted,
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
