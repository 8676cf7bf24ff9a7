//! The part that each kind of event has in a run, and the kinds that begin and end containers.
//!
//! [`EventKind::class`] has no arm for "the rest": for a new kind of event the compiler asks what
//! it is. Everything else that sorts events is made of it.

use super::{End, EventKind, RefusedAnswer, Reply, WorkflowStarted};
use crate::output::{RunStatus, StepStatus, StepType};
use crate::requirement::Requirement;
use std::sync::Arc;

/// The part that an event has in a run: see [`EventKind::class`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EventClass<'e> {
    /// The first fact of a run.
    RunStarted(&'e Arc<WorkflowStarted>),
    /// The last fact of a run, and the status that the run has then.
    RunEnded(RunStatus),
    /// The run waits, and its driver has left it.
    RunPaused,
    /// A driver has taken the run up.
    RunContinued,
    /// A question was asked, or a deadline set.
    Asked(&'e Requirement),
    /// A question was answered, or a deadline has passed.
    Answered(&'e Reply),
    /// An answer came too late.
    AnswerRefused(&'e RefusedAnswer),
    /// A step, a container, a turn of a loop or an item of a map began.
    Started(StepType),
    /// A step ended.
    StepEnded(StepStatus),
    /// A container, a turn of a loop or an item of a map ended.
    ContainerEnded(&'e End),
    /// A step is tried, or will be tried again.
    Attempt,
    /// A step began, ended or failed to do something once, or started processes.
    Effect,
    /// A step's agent recorded its work: a request, an answer, a tool call.
    Agent,
    /// It passes by: a delta is in no journal.
    Delta,
}

impl EventKind {
    /// The part that this event has in a run.
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

    /// The fact that a container, a turn of a loop or an item of a map ended. `number` is that of
    /// the turn or the item. A step ends in other ways: for one this returns `None`.
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
    /// The number of turns that the loop made.
    pub total_iterations: u32,
    /// `true` if it made all its turns and its condition was not met.
    pub exhausted: bool,
    /// Of a turn: whether another one follows.
    pub should_continue: bool,
}
