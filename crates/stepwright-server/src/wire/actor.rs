//! The agent that an event belongs to.

use stepwright_core::event::EventKind;
use stepwright_core::{Event, StepPath};

/// Returns the path of the agent of an event: that of its step, or of the call that it answers.
pub(super) fn actor(event: &Event) -> StepPath {
    let is_call = matches!(
        event.kind,
        EventKind::ToolCallStarted { .. }
            | EventKind::ToolCallCompleted { .. }
            | EventKind::ToolCallError { .. }
    );
    // In older journals a call has the path of its step.
    let caller = event.path.caller().filter(|_| is_call && event.path != event.path.step());
    caller.unwrap_or_else(|| event.path.clone())
}
