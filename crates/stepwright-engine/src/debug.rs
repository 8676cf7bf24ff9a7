//! The log: events that matter to the owner of a process, and all of them with `debug_mode`.

use stepwright_core::redact::redact;
use stepwright_core::{Event, EventKind, WorkflowId};

/// Logs a fact that tells of trouble, or of a run that goes on after its process died. The fields
/// `run`, `path` and `attempt` lead from the line to the run.
pub(crate) fn log_trouble(workflow: &WorkflowId, event: &Event) {
    let Event { run, path, kind, .. } = event;
    match kind {
        EventKind::StepRetrying { attempt, error, delay_ms } => tracing::warn!(
            target: "stepwright", %run, %path, attempt, delay_ms,
            "a step failed and is tried again: {}", redact(&error.message)
        ),
        EventKind::ModelRequestRetrying { attempt, error, delay_ms, .. } => tracing::warn!(
            target: "stepwright", %run, %path, attempt, delay_ms,
            "a request to a model failed and is made again: {}", redact(&error.message)
        ),
        EventKind::WorkflowError { error, step, attempts } => {
            let (path, code) = (step.as_ref().unwrap_or(path), error.id());
            tracing::warn!(
                target: "stepwright", %run, %workflow, %path, attempt = attempts, %code,
                "the run failed: {}", redact(&error.message)
            );
        }
        EventKind::WorkflowCancelled { reason } => {
            tracing::info!(target: "stepwright", %run, "the run was cancelled: {reason}");
        }
        EventKind::WorkflowContinued { driver, .. } => {
            tracing::info!(target: "stepwright", %run, driver = &**driver, "the run goes on");
        }
        EventKind::WorkflowRetried { .. } => {
            tracing::info!(target: "stepwright", %run, "the run is retried");
        }
        EventKind::WorkflowForked(forked) => {
            let origin = &forked.origin.run;
            tracing::info!(target: "stepwright", %run, %origin, "the run was forked");
        }
        _ => {}
    }
}

/// Logs an event. Events hold every prompt, call, answer, decision and change of the state. Pieces
/// of text are left out, because the complete answer follows.
pub(crate) fn log(event: &Event) {
    if matches!(
        event.kind,
        EventKind::RunContent { .. }
            | EventKind::ReasoningContentDelta { .. }
            | EventKind::ToolCallArgumentsDelta { .. }
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
