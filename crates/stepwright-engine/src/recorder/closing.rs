//! Facts that end steps, containers and runs.

use stepwright_core::event::{ContainerKind, EventClass, Turns};
use stepwright_core::output::StepType;
use stepwright_core::{Content, EventKind, StepPath, StepStatus};

/// Returns `true` if a fact ends a step, a container or the run. Such facts are accepted at the
/// limit, so that the run can end.
pub(super) fn closes(kind: &EventKind) -> bool {
    use EventClass as C;
    matches!(kind.class(), C::RunEnded(_) | C::StepEnded(_) | C::ContainerEnded(_))
}

/// Returns `true` for the steps that run when others have ended.
pub(super) fn is_after(step_type: StepType) -> bool {
    matches!(
        step_type,
        StepType::Container(
            ContainerKind::OnFailure | ContainerKind::Finally | ContainerKind::Undo
        )
    )
}

/// Makes the fact that a step or a container was stopped. Tool calls have no such fact: they end
/// with their steps.
pub(super) fn stopped(path: &StepPath, step_type: StepType, partial: Content) -> EventKind {
    let StepType::Container(kind) = step_type else { return EventKind::StepCancelled { partial } };
    let turns = Turns { number: path.number().unwrap_or(0), ..Turns::default() };
    EventKind::ContainerCompleted { kind, turns, end: StepStatus::Cancelled.into() }
}
