//! The log of `debug_mode`.

use stepwright_core::redact::redact;
use stepwright_core::{Event, EventKind};

/// Logs an event. Events hold every prompt, call, answer, decision and change of the state. Pieces
/// of text are left out, because the complete answer follows.
pub(crate) fn log(event: &Event) {
    if matches!(
        event.kind,
        EventKind::RunContent { .. }
            | EventKind::ReasoningContentDelta { .. }
            | EventKind::StepOutput { .. }
            | EventKind::RunContentCompleted
    ) || !tracing::enabled!(target: "stepwright", tracing::Level::DEBUG)
    {
        return;
    }
    let step = if event.path.is_root() { "-".to_owned() } else { event.path.to_string() };
    let detail = serde_json::to_value(&event.kind).map(|mut kind| {
        if let Some(members) = kind.as_object_mut() {
            members.shift_remove("event");
        }
        kind.to_string()
    });
    let detail = detail.unwrap_or_else(|error| error.to_string());
    tracing::debug!(
        target: "stepwright", run = %event.run, sequence = event.sequence,
        "{} {step} {}", event.name(), redact(&detail)
    );
}
