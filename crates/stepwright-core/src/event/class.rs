//! The role of each kind of event in a run, and the events that start and end containers.
//!
//! [`EventKind::class`] has no catch-all arm, so the compiler demands a class for each new kind of
//! event. All other sorting of events is derived from it.

use super::{End, EventKind, RefusedAnswer, Reply, WorkflowStarted};
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
    /// The run waits, and its driver has released it.
    RunPaused,
    /// A driver has resumed the run.
    RunContinued,
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
    /// A step started, completed or failed an effect that happens once, or started processes.
    Effect,
    /// An agent recorded its work: a request, an answer or a tool call.
    Agent,
    /// A delta, which is in no journal.
    Delta,
}

impl EventKind {
    /// Returns the role of this event in a run.
    ///
    /// ```
    /// use stepwright_core::event::{EventClass, EventKind};
    /// use stepwright_core::output::RunStatus;
    /// let completed = EventKind::WorkflowCompleted { content: "done".into() };
    /// assert!(matches!(completed.class(), EventClass::RunEnded(RunStatus::Completed)));
    /// ```
    pub fn class(&self) -> EventClass<'_> {
        use EventClass as C;
        match self {
            Self::WorkflowStarted(started) => C::RunStarted(started),
            Self::WorkflowCompleted { .. } => C::RunEnded(RunStatus::Completed),
            Self::WorkflowError { .. } => C::RunEnded(RunStatus::Error),
            Self::WorkflowCancelled { .. } => C::RunEnded(RunStatus::Cancelled),
            Self::WorkflowPaused { .. } => C::RunPaused,
            Self::WorkflowContinued { .. } => C::RunContinued,

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
            Self::StepsExecutionStarted { .. } => C::Started(StepType::Steps),
            Self::ParallelExecutionStarted { .. } => C::Started(StepType::Parallel),
            Self::LoopExecutionStarted { .. } => C::Started(StepType::Loop),
            Self::LoopIterationStarted { .. } => C::Started(StepType::Iteration),
            Self::ConditionExecutionStarted { .. } => C::Started(StepType::Condition),
            Self::RouterExecutionStarted { .. } => C::Started(StepType::Router),
            Self::MapExecutionStarted { .. } => C::Started(StepType::Map),
            Self::MapItemStarted { .. } => C::Started(StepType::Item),

            Self::StepCompleted { .. } => C::StepEnded(StepStatus::Completed),
            Self::StepError { .. } => C::StepEnded(StepStatus::Failed),
            Self::StepSkipped { .. } => C::StepEnded(StepStatus::Skipped),
            Self::StepCancelled { .. } => C::StepEnded(StepStatus::Cancelled),
            Self::StepsExecutionCompleted { end }
            | Self::ParallelExecutionCompleted { end }
            | Self::LoopIterationCompleted { end, .. }
            | Self::LoopExecutionCompleted { end, .. }
            | Self::ConditionExecutionCompleted { end }
            | Self::RouterExecutionCompleted { end }
            | Self::MapItemCompleted { end, .. }
            | Self::MapExecutionCompleted { end } => C::ContainerEnded(end),

            Self::StepAttemptStarted { .. } | Self::StepRetrying { .. } => C::Attempt,
            Self::StepRecorded { .. }
            | Self::StepEffectStarted { .. }
            | Self::StepEffectFailed { .. }
            | Self::StepProcessStarted { .. } => C::Effect,
            Self::RunStarted { .. }
            | Self::ModelRequestStarted { .. }
            | Self::ModelRequestRetrying { .. }
            | Self::ModelRequestCompleted { .. }
            | Self::ToolCallStarted { .. }
            | Self::ToolCallCompleted { .. }
            | Self::ToolCallError { .. }
            | Self::RunCompleted { .. }
            | Self::RunError { .. } => C::Agent,
            Self::StepOutput { .. }
            | Self::StepProgress { .. }
            | Self::RunContent { .. }
            | Self::ReasoningContentDelta { .. }
            | Self::RunContentCompleted
            | Self::CustomEvent { .. } => C::Delta,
        }
    }

    /// Returns the fact that a container, a turn of a loop or an item of a map ended. `number` is
    /// the number of the turn or the item. Returns `None` for a step, which ends with other events.
    pub fn container_ended(
        step_type: StepType,
        number: u32,
        turns: LoopTurns,
        end: End,
    ) -> Option<Self> {
        let LoopTurns { total_iterations, exhausted, should_continue } = turns;
        Some(match step_type {
            StepType::Steps => Self::StepsExecutionCompleted { end },
            StepType::Parallel => Self::ParallelExecutionCompleted { end },
            StepType::Loop => Self::LoopExecutionCompleted { total_iterations, exhausted, end },
            StepType::Iteration => {
                Self::LoopIterationCompleted { iteration: number, should_continue, exhausted, end }
            }
            StepType::Condition => Self::ConditionExecutionCompleted { end },
            StepType::Router => Self::RouterExecutionCompleted { end },
            StepType::Map => Self::MapExecutionCompleted { end },
            StepType::Item => Self::MapItemCompleted { item: number, end },
            StepType::Step | StepType::ToolCall => return None,
        })
    }
}

/// The turns of a loop, when it or one of its turns ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopTurns {
    /// The number of turns that the loop has made.
    pub total_iterations: u32,
    /// `true` if the loop made all its turns and its condition was not met.
    pub exhausted: bool,
    /// `true` if another turn follows this one.
    pub should_continue: bool,
}
