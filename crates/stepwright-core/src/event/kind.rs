//! The kinds of events.

use super::{
    Compressed, End, ProcessGroup, RefusedAnswer, Reply, RequestPurpose, WorkflowForked,
    WorkflowStarted,
};
use crate::budget::Limit;
use crate::container::{ContainerKind, Decision, Turns};
use crate::content::Content;
use crate::cost::Cost;
use crate::failure::ErrorData;
use crate::guardrail::verdict::Judged;
use crate::message::{AssistantTurn, StopReason, ToolCall, ToolOutcome, Usage};
use crate::path::StepPath;
use crate::permission::Verdict;
use crate::requirement::Requirement;
use crate::sent::SentMessage;
use crate::status::RunStatus;
use crate::step::{ExecutorType, StepOutput};
use crate::user_memory::MemoryChange;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

macro_rules! kinds {
    (
        $(#[doc = $about:literal])*
        pub enum EventKind;
        $(
            $(#[doc = $doc:literal])*
            $name:ident
            $({ $($(#[doc = $what:literal])* $(#[serde $how:tt])* $field:ident: $kind:ty,)* })?
            $(($inner:ty))?,
        )*
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EventKind {
            $(
                $(#[doc = $doc])*
                $name $({ $($(#[doc = $what])* $field: $kind,)* })? $(($inner))?,
            )*
            /// A container, a turn of a loop or an item of a map started. Its name in JSON is that
            /// of [`ContainerKind::started`], such as `LoopExecutionStarted`.
            ContainerStarted {
                /// The kind of the container.
                kind: ContainerKind,
                /// The work of the container.
                decision: Decision,
            },
            /// A container, a turn of a loop or an item of a map ended. Its name in JSON is that of
            /// [`ContainerKind::completed`], such as `LoopExecutionCompleted`.
            ContainerCompleted {
                /// The kind of the container.
                kind: ContainerKind,
                /// The count with which a loop, a turn or an item ends.
                turns: Turns,
                /// The end of the container.
                end: End,
            },
        }

        /// The kinds of events as JSON, without those of containers: see `wire.rs`.
        #[derive(Serialize, Deserialize)]
        #[serde(remote = "EventKind", tag = "event")]
        pub(super) enum Tagged {
            $($name $({ $($(#[serde $how])* $field: $kind,)* })? $(($inner))?,)*
            #[serde(skip)]
            ContainerStarted { kind: ContainerKind, decision: Decision },
            #[serde(skip)]
            ContainerCompleted { kind: ContainerKind, turns: Turns, end: End },
        }

        /// The names of the kinds in [`Tagged`].
        pub(super) const TAGGED: &[&str] = &[$(stringify!($name)),*];

        impl EventKind {
            /// Returns the name of the kind, which is the `event` field of its JSON.
            ///
            /// ```
            /// use stepwright_core::event::{ContainerKind, Decision, EventKind};
            /// let (kind, decision) = (ContainerKind::Loop, Decision::AtMost(3));
            /// let started = EventKind::ContainerStarted { kind, decision };
            /// assert_eq!(started.name(), "LoopExecutionStarted");
            /// assert_eq!(EventKind::RunContentCompleted.name(), "RunContentCompleted");
            /// ```
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)*
                    Self::ContainerStarted { kind, .. } => kind.started(),
                    Self::ContainerCompleted { kind, .. } => kind.completed(),
                }
            }
        }
    };
}

kinds! {
    /// The kind of an event. The names are Agno's where Agno has the event.
    ///
    /// ```
    /// use stepwright_core::EventKind;
    /// fn line(kind: &EventKind) -> Option<String> {
    ///     match kind {
    ///         EventKind::StepProgress { content, .. } => Some(format!("... {content}")),
    ///         EventKind::WorkflowCompleted { content, .. } => Some(content.to_string()),
    ///         _ => None,
    ///     }
    /// }
    /// let progress = Some(0.6);
    /// let progress = EventKind::StepProgress { content: "page 3 of 5".into(), progress };
    /// assert_eq!(line(&progress).unwrap(), "... page 3 of 5");
    /// assert_eq!((progress.name(), progress.is_fact()), ("StepProgress", false));
    /// ```
    pub enum EventKind;

    // --- the run ---
    /// The run started. Its first event.
    WorkflowStarted(Arc<WorkflowStarted>),
    /// The run completed. Its last event.
    WorkflowCompleted {
        /// The output of the run.
        content: Content,
        /// The step that ended the run early, if one did: see
        /// [`StepOutput::stop`](crate::StepOutput::stop).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stopped_at: Option<StepPath>,
    },
    /// The run failed. Its last event.
    WorkflowError {
        /// The reason.
        error: Box<ErrorData>,
        /// The step that failed, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPath>,
        /// The number of attempts of that step.
        #[serde(default)]
        attempts: u32,
    },
    /// The run was cancelled. Its last event.
    WorkflowCancelled {
        /// The reason.
        reason: Arc<str>,
    },
    /// The run was cancelled or timed out. Its steps were stopped, and the steps run that undo
    /// completed ones, that follow a failure, and that run in any case. Recorded only if the
    /// workflow has such steps.
    WorkflowStopping {
        /// The status with which the run will end: cancelled, or failed because it timed out.
        status: RunStatus,
        /// The reason.
        reason: Arc<str>,
    },
    /// The run waits for an answer or a timer, and uses no resources meanwhile.
    WorkflowPaused {
        /// The time at which the run resumes by itself, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The run was resumed, after a pause or because its process died.
    WorkflowContinued {
        /// The driver that resumed it.
        driver: Arc<str>,
        /// The digest of the plan from here on, if the plan has changed and the change was
        /// accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Arc<str>>,
    },

    /// The run had failed or was cancelled, and is taken up again. The named executions begin
    /// again, and so does everything around them; all else stays as it was.
    WorkflowRetried {
        /// The executions that begin again.
        steps: Vec<StepPath>,
        /// The ids of the requests that are void: they are made again when their steps need them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        withdrawn: Vec<Arc<str>>,
    },
    /// The run waits for a slot, because as many runs of its key are under way as the workflow
    /// allows. See `concurrency`.
    WorkflowQueued {
        /// The key that the runs share. Empty if all runs of the workflow share one.
        key: Arc<str>,
        /// The number of runs of the key at once.
        max: u32,
        /// The number of runs that wait before this one.
        ahead: u32,
    },
    /// The run has got its slot, and goes on.
    WorkflowAdmitted,
    /// The run waits for a worker of another queue: every step that could go on belongs to queues
    /// that its driver does not serve. See `queue`.
    WorkflowHandedOver {
        /// The queues that its steps wait for, in the order of the steps. A worker of any of them
        /// takes the run.
        queues: Vec<Arc<str>>,
        /// The queues that the driver serves.
        served: Vec<Arc<str>>,
    },
    /// The run shares the facts before this one with its origin, and goes on by itself from here.
    /// The first fact that a fork has of its own.
    WorkflowForked(Arc<WorkflowForked>),

    /// An agent in the decision of a container recorded its work. The path is that of the decision,
    /// beneath its container, which may not have begun.
    DeciderRecorded {
        /// The fact of the agent.
        fact: Box<EventKind>,
    },

    // --- a step ---
    /// A step started. Recorded once per step, not once per attempt.
    StepStarted {
        /// The type of its executor.
        executor_type: ExecutorType,
        /// The name of its executor.
        executor_name: Arc<str>,
    },
    /// An attempt failed, and another one follows.
    StepRetrying {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The reason.
        error: Box<ErrorData>,
        /// The delay before the next attempt, in milliseconds.
        delay_ms: u64,
    },
    /// An attempt after the first started, or an interrupted one started again. Recorded only for
    /// steps that are not simply repeated after a crash. See
    /// [`OnInterrupted`](crate::OnInterrupted).
    StepAttemptStarted {
        /// The attempt, from 1.
        attempt: u32,
    },
    /// The output of a function, sent before its `StepCompleted` for readers of content only. A
    /// delta: the fact is `StepCompleted`.
    StepOutput {
        /// The output of the step.
        content: Content,
    },
    /// The progress of a step. A delta.
    StepProgress {
        /// The message.
        content: Content,
        /// The progress from 0 to 1, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<f64>,
    },
    /// A step completed.
    StepCompleted {
        /// The output of the step.
        output: Arc<StepOutput>,
    },
    /// A step failed in all its attempts.
    StepError {
        /// The reason.
        error: Box<ErrorData>,
        /// The number of attempts.
        attempts: u32,
        /// `true` if the run continues and then ends as failed: `on_error: continue`.
        #[serde(default)]
        continues: bool,
    },
    /// A step failed, and its definition ignores that: `on_error: skip`.
    StepSkipped {
        /// The reason.
        error: Box<ErrorData>,
        /// The number of attempts.
        attempts: u32,
    },
    /// A step was stopped, because the run was cancelled or timed out, or because a sibling failed.
    StepCancelled {
        /// The partial output of the step.
        #[serde(default, skip_serializing_if = "Content::is_empty")]
        partial: Content,
    },

    /// A step waits: for a confirmation or a form before it starts, for an answer to
    /// [`StepContext::wait`](crate::StepContext::wait), for a timer, or for a decision about a
    /// failure.
    StepPaused {
        /// The pending request.
        requirement: Box<Requirement>,
    },
    /// A router waits for a person to choose a route.
    RouterPaused {
        /// The pending request, with the choices.
        requirement: Box<Requirement>,
    },
    /// An output, or a turn of a loop, waits for a review.
    StepOutputReview {
        /// The pending request, with the output to review.
        requirement: Box<Requirement>,
    },
    /// An agent waits for the confirmation of a tool call.
    StepExecutorPaused {
        /// The pending request, with the call.
        requirement: Box<Requirement>,
    },
    /// The pending request of a step, a router or a review was answered.
    StepContinued {
        /// The answer.
        #[serde(flatten)]
        reply: Box<Reply>,
    },
    /// The pending request of an agent was answered.
    StepExecutorContinued {
        /// The answer.
        #[serde(flatten)]
        reply: Box<Reply>,
    },
    /// A container got a deadline.
    DeadlineSet {
        /// The deadline.
        requirement: Box<Requirement>,
    },
    /// The deadline of a container has passed. Its running steps are stopped, and it fails.
    DeadlinePassed {
        /// The deadline, as a reply.
        #[serde(flatten)]
        reply: Box<Reply>,
    },
    /// An answer was refused because it arrived after its deadline.
    AnswerRefused {
        /// The answer, the deadline, and the time at which the answer arrived.
        #[serde(flatten)]
        refused: Box<RefusedAnswer>,
    },
    /// A step recorded the result of an effect that happens once. See
    /// [`StepContext::once`](crate::StepContext::once).
    StepRecorded {
        /// The key of the effect.
        key: Arc<str>,
        /// The result of the effect.
        value: Value,
    },

    /// An effect started. Recorded only for a [`StepContext::once`](crate::StepContext::once) with
    /// a policy or a probe.
    StepEffectStarted {
        /// The key of the effect.
        key: Arc<str>,
    },
    /// An effect failed, and is known not to have happened. A later attempt may start it again.
    StepEffectFailed {
        /// The key of the effect.
        key: Arc<str>,
        /// The reason.
        error: Box<ErrorData>,
    },

    /// A step started processes, which have not begun their work. When the run is resumed,
    /// processes that outlived their step's process are killed. Recorded on Linux, for commands.
    StepProcessStarted {
        /// The processes.
        #[serde(flatten)]
        process: Box<ProcessGroup>,
    },

    /// A decision about an effect: the permissions allow it, refuse it, or a person is asked.
    /// Recorded for the step, or for the step that makes the call.
    EffectJudged {
        /// The effect, such as `shell: git push`.
        effect: Arc<str>,
        /// The verdict.
        verdict: Verdict,
        /// The rule that decided. `None` if no rule names the effect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<Arc<str>>,
        /// The permissions that decided, such as `the user` or `the workflow`.
        by: Arc<str>,
    },
    /// A part of a budget is used: [`WARNING_PERCENT`](crate::budget::WARNING_PERCENT). Recorded
    /// once for each limit, at the path that the budget belongs to.
    BudgetWarning {
        /// `true` for the budget of the session.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        of_session: bool,
        /// The limit.
        limit: Limit,
        /// The amount that is used, in the unit of the limit.
        used: u64,
        /// The whole amount.
        of: u64,
    },

    // --- an agent ---
    /// An agent started.
    RunStarted {
        /// The name of the agent.
        agent: Arc<str>,
        /// The name of its model.
        model: Arc<str>,
        /// A notice about the model that people must see, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<Arc<str>>,
        /// The message to the agent.
        message: Content,
    },
    /// A request to a model started.
    ModelRequestStarted {
        /// The turn of the conversation, from 1.
        turn: u32,
        /// The input and output tokens that budgets reserve for the request. If its process dies,
        /// they count as used, because the provider may have answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<[u64; 2]>,
        /// The purpose of a request that is not a turn of the conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<RequestPurpose>,
    },
    /// A request to a model failed, and is sent again. If its answer had begun, the text since the
    /// last `ModelRequestStarted` no longer counts.
    ModelRequestRetrying {
        /// The turn of the conversation, from 1.
        turn: u32,
        /// The request of this turn that failed, from 1.
        attempt: u32,
        /// The reason.
        error: Box<ErrorData>,
        /// The delay before the next request, in milliseconds.
        delay_ms: u64,
        /// The usage of the failed request, as far as the provider reported it.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
    },
    /// A piece of text. A delta.
    RunContent {
        /// The text.
        content: Arc<str>,
    },
    /// A piece of a model's reasoning. A delta.
    ReasoningContentDelta {
        /// The text.
        reasoning_content: Arc<str>,
    },
    /// A piece of the arguments that a model writes for a tool call. A delta at the path of the
    /// agent: the call has no path before the answer is complete.
    ToolCallArgumentsDelta {
        /// The number of the call in the answer, from 0.
        index: u32,
        /// The name of the tool.
        tool: Arc<str>,
        /// The piece, of a JSON text.
        arguments: Arc<str>,
    },
    /// A model answered. Its recorded answer is not paid for again after a crash.
    ModelRequestCompleted {
        /// The turn of the conversation, from 1.
        turn: u32,
        /// The answer.
        answer: Arc<AssistantTurn>,
        /// The reason that the model stopped.
        stop: StopReason,
        /// The usage of the request.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
        /// A warning about an answer that is still used. For example, its stream ended without an
        /// end marker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warning: Option<Arc<str>>,
        /// The id of the model that answered, if the agent has several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<Arc<str>>,
        /// The provider's names of its own tools that it used, one for each use.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosted_tools: Vec<Arc<str>>,
        /// The cost of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Cost>,
        /// The purpose of a request that is not a turn of the conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<RequestPurpose>,
    },
    /// The answer of a model was cut off by a message to its agent. See
    /// [`SendMode::Interrupt`](crate::sent::SendMode::Interrupt).
    ModelRequestInterrupted {
        /// The turn of the conversation, from 1.
        turn: u32,
        /// The text that the model had written.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        partial: Arc<str>,
    },
    /// An agent at work got a message, which its next request to the model has.
    MessageReceived {
        /// The message.
        message: Box<SentMessage>,
    },
    /// A tool call started. Its path consists of the step's path, the tool's name and the number of
    /// the call, such as `order/charge#2`. A call that was interrupted, and is known not to have
    /// happened, can have this event twice.
    ToolCallStarted {
        /// The call.
        tool: Box<ToolCall>,
    },
    /// A tool answered.
    ToolCallCompleted {
        /// The answer.
        tool: Box<ToolOutcome>,
    },
    /// A tool failed or its arguments were invalid, and the model was told so.
    ToolCallError {
        /// The answer to the model.
        tool: Box<ToolOutcome>,
        /// The reason that the step fails, if the model cannot fix the tool's failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<ErrorData>>,
    },
    /// All text of an agent was emitted. A delta.
    RunContentCompleted,
    /// An agent completed.
    RunCompleted {
        /// The output of the agent.
        content: Content,
        /// The usage of its models.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
    },
    /// An agent failed.
    RunError {
        /// The reason.
        error: Box<ErrorData>,
        /// The usage of a failed request to its model that no other event reports.
        #[serde(default, skip_serializing_if = "Usage::is_empty")]
        usage: Usage,
    },

    /// A text was added to the instructions of an agent for this run, such as instructions made
    /// from its context, memories or knowledge. A resumed run uses the recorded text.
    ContextAdded {
        /// The name of the source.
        source: Arc<str>,
        /// The text. Empty if the source had none.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        text: Arc<str>,
    },
    /// The conversation of an agent was compressed: its next requests leave out earlier turns.
    CompressionCompleted {
        /// The part that is left out, and its replacement.
        #[serde(flatten)]
        compressed: Box<Compressed>,
    },
    /// An agent updated the summary of the session.
    SessionSummaryCompleted {
        /// The summary.
        summary: Arc<str>,
    },
    /// An agent changed the memories of the user of the run, after its answer. The store has the
    /// changes.
    MemoryUpdateCompleted {
        /// The changes. Empty if there was nothing to remember.
        changes: Vec<MemoryChange>,
    },
    /// A guardrail judged the input or the output of a step, or the messages, answers and tool
    /// calls of an agent. Recorded for the step.
    GuardrailJudged {
        /// The verdict.
        #[serde(flatten)]
        judged: Box<Judged>,
    },

    // --- custom ---
    /// A custom event. A delta.
    CustomEvent {
        /// Its name.
        name: Arc<str>,
        /// Its data.
        data: Value,
    },
}

/// The names of all kinds of events in JSON.
///
/// ```
/// assert!(stepwright_core::event::NAMES.contains(&"LoopIterationCompleted"));
/// ```
pub const NAMES: &[&str] = &{
    let mut names = [""; TAGGED.len() + 2 * ContainerKind::ALL.len()];
    let mut next = 0;
    while next < TAGGED.len() {
        names[next] = TAGGED[next];
        next += 1;
    }
    let mut nth = 0;
    while nth < ContainerKind::ALL.len() {
        names[next] = ContainerKind::ALL[nth].started();
        names[next + 1] = ContainerKind::ALL[nth].completed();
        (next, nth) = (next + 2, nth + 1);
    }
    names
};

impl EventKind {
    /// Returns the text of the event, if it has any.
    pub fn content(&self) -> Option<Content> {
        match self {
            Self::WorkflowCompleted { content, .. }
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
            Self::MessageReceived { message } => Some(message.text.clone().into()),
            Self::WorkflowError { error, .. }
            | Self::StepError { error, .. }
            | Self::StepSkipped { error, .. }
            | Self::RunError { error, .. } => Some(error.message.as_str().into()),
            _ => None,
        }
    }
}
