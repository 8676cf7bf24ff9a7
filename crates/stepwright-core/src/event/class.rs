//! The role of each kind of event in a run.
//!
//! [`EventKind::class`] has no catch-all arm, so the compiler demands a class for each new kind of
//! event. All other sorting of events is derived from it.

use super::{End, EventKind, RefusedAnswer, Reply, WorkflowForked, WorkflowStarted};
use crate::path::StepPath;
use crate::requirement::Requirement;
use crate::status::{RunStatus, StepStatus, StepType};
use std::sync::Arc;

/// The role of an event in a run. See [`EventKind::class`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EventClass<'e> {
    /// The first fact of a run.
    RunStarted(&'e Arc<WorkflowStarted>),
    /// The last fact of a run, with its final status.
    RunEnded(RunStatus),
    /// The run is about to end early.
    RunStopping,
    /// The run waits, and its driver has released it.
    RunPaused,
    /// A driver has resumed the run.
    RunContinued,
    /// The run was taken up again after its end. The executions that begin again.
    RunRetried(&'e [StepPath]),
    /// The run left its origin.
    RunForked(&'e Arc<WorkflowForked>),
    /// A pending request was made, or a deadline set.
    Asked(&'e Requirement),
    /// A pending request was answered, or a deadline has passed.
    Answered(&'e Reply),
    /// An answer arrived too late.
    AnswerRefused(&'e RefusedAnswer),
    /// A step, a container, a turn of a loop or an item of a map started.
    Started(StepType),
    /// A step ended.
    StepEnded(StepStatus),
    /// A container, a turn of a loop or an item of a map ended.
    ContainerEnded(&'e End),
    /// An attempt of a step started, or will start.
    Attempt,
    /// A step started, completed or failed an effect that happens once, or started processes; or a
    /// guardrail of a step judged.
    Effect,
    /// A part of a budget is used.
    Budget,
    /// An agent recorded its work: a request, an answer, a message to it or a tool call.
    Agent,
    /// An agent in the decision of a container recorded its work.
    Decider(&'e EventKind),
    /// The run waits for a slot.
    RunQueued,
    /// The run has got its slot.
    RunAdmitted,
    /// The run waits for a worker of another queue, and its driver has released it.
    RunHandedOver,
    /// A delta, which is in no journal.
    Delta,
}

impl EventKind {
    /// Returns the role of this event in a run.
    ///
    /// ```
    /// use stepwright_core::event::{EventClass, EventKind};
    /// use stepwright_core::output::RunStatus;
    /// let completed =
    ///     EventKind::WorkflowCompleted { content: "done".into(), stopped_at: None };
    /// assert!(matches!(completed.class(), EventClass::RunEnded(RunStatus::Completed)));
    /// ```
    pub fn class(&self) -> EventClass<'_> {
        use EventClass as C;
        match self {
            Self::WorkflowStarted(started) => C::RunStarted(started),
            Self::WorkflowCompleted { .. } => C::RunEnded(RunStatus::Completed),
            Self::WorkflowError { .. } => C::RunEnded(RunStatus::Error),
            Self::WorkflowCancelled { .. } => C::RunEnded(RunStatus::Cancelled),
            Self::WorkflowStopping { .. } => C::RunStopping,
            Self::WorkflowPaused { .. } => C::RunPaused,
            Self::WorkflowContinued { .. } => C::RunContinued,
            Self::WorkflowRetried { steps, .. } => C::RunRetried(steps),
            Self::WorkflowForked(forked) => C::RunForked(forked),
            Self::WorkflowQueued { .. } => C::RunQueued,
            Self::WorkflowAdmitted => C::RunAdmitted,
            Self::WorkflowHandedOver { .. } => C::RunHandedOver,
            Self::DeciderRecorded { fact } => C::Decider(fact),

            Self::StepPaused { requirement }
            | Self::RouterPaused { requirement }
            | Self::StepOutputReview { requirement }
            | Self::StepExecutorPaused { requirement }
            | Self::DeadlineSet { requirement } => C::Asked(requirement),
            Self::StepContinued { reply }
            | Self::StepExecutorContinued { reply }
            | Self::DeadlinePassed { reply } => C::Answered(reply),
            Self::AnswerRefused { refused } => C::AnswerRefused(refused),

            Self::StepStarted { .. } => C::Started(StepType::Step),
            Self::ContainerStarted { kind, .. } => C::Started(StepType::Container(*kind)),

            Self::StepCompleted { .. } => C::StepEnded(StepStatus::Completed),
            Self::StepError { .. } => C::StepEnded(StepStatus::Failed),
            Self::StepSkipped { .. } => C::StepEnded(StepStatus::Skipped),
            Self::StepCancelled { .. } => C::StepEnded(StepStatus::Cancelled),
            Self::ContainerCompleted { end, .. } => C::ContainerEnded(end),

            Self::StepAttemptStarted { .. } | Self::StepRetrying { .. } => C::Attempt,
            Self::StepRecorded { .. }
            | Self::StepEffectStarted { .. }
            | Self::StepEffectFailed { .. }
            | Self::StepProcessStarted { .. }
            | Self::EffectJudged { .. } => C::Effect,
            Self::GuardrailJudged { judged } if judged.place.is_of_step() => C::Effect,
            Self::BudgetWarning { .. } => C::Budget,
            Self::RunStarted { .. }
            | Self::ModelRequestStarted { .. }
            | Self::ModelRequestRetrying { .. }
            | Self::ModelRequestCompleted { .. }
            | Self::ModelRequestInterrupted { .. }
            | Self::MessageReceived { .. }
            | Self::ToolCallStarted { .. }
            | Self::ToolCallCompleted { .. }
            | Self::ToolCallError { .. }
            | Self::RunCompleted { .. }
            | Self::RunError { .. }
            | Self::ContextAdded { .. }
            | Self::CompressionCompleted { .. }
            | Self::SessionSummaryCompleted { .. }
            | Self::MemoryUpdateCompleted { .. }
            | Self::GuardrailJudged { .. } => C::Agent,
            Self::StepOutput { .. }
            | Self::StepProgress { .. }
            | Self::RunContent { .. }
            | Self::ReasoningContentDelta { .. }
            | Self::ToolCallArgumentsDelta { .. }
            | Self::RunContentCompleted
            | Self::CustomEvent { .. } => C::Delta,
        }
    }

    /// Returns `true` for a fact, which is in the journal, and `false` for a delta.
    pub fn is_fact(&self) -> bool {
        !matches!(self.class(), EventClass::Delta)
    }

    /// Returns `true` if readers without `stream_events` get this event: the start, the pauses,
    /// the waits for a slot or a worker and the end of the run, its retries and its origin, and the
    /// text and the pending requests in between.
    pub fn is_content(&self) -> bool {
        match self.class() {
            EventClass::RunStarted(_)
            | EventClass::RunEnded(_)
            | EventClass::RunStopping
            | EventClass::RunPaused
            | EventClass::RunQueued
            | EventClass::RunHandedOver
            | EventClass::RunRetried(_)
            | EventClass::RunForked(_)
            | EventClass::Asked(_) => true,
            _ => matches!(self, Self::StepOutput { .. } | Self::RunContent { .. }),
        }
    }

    /// Returns the end of a container, a turn or an item, if this event is one.
    pub fn end(&self) -> Option<&End> {
        match self.class() {
            EventClass::ContainerEnded(end) => Some(end),
            _ => None,
        }
    }

    /// Returns `true` if an executor records this event about its own work, such as an agent's
    /// requests and calls.
    pub fn is_of_executor(&self) -> bool {
        matches!(self.class(), EventClass::Agent)
    }

    /// Returns the pending request that this event makes, if it makes one.
    pub fn requirement(&self) -> Option<&Requirement> {
        match self.class() {
            EventClass::Asked(requirement) => Some(requirement),
            _ => None,
        }
    }

    /// Returns the answer to a pending request, if this event is one.
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
}
