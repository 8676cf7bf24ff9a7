//! The facts and errors that end a run.

use crate::stop::Failure;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{
    Error, ErrorCode, ErrorData, ErrorId, ErrorKind, EventKind, RunOutput, StoreError,
};

/// The reason of a run that was cancelled without another one.
pub(super) const BY_REQUEST: &str = "cancelled by request";

pub(super) fn cancelled(reason: Option<Arc<str>>) -> EventKind {
    EventKind::WorkflowCancelled { reason: reason.unwrap_or_else(|| BY_REQUEST.into()) }
}

pub(super) fn timed_out(limit: Duration) -> EventKind {
    EventKind::WorkflowError { error: Box::new(too_late(limit)), step: None, attempts: 0 }
}

pub(super) fn too_late(limit: Duration) -> ErrorData {
    ErrorData {
        code: ErrorCode::TimedOut,
        id: Some(ErrorId::RUN_TIMED_OUT),
        message: format!("the run took longer than {limit:?}"),
        hint: Some("give the run a longer `timeout`".into()),
        ..ErrorData::default()
    }
}

pub(super) fn failed(failure: &Failure) -> EventKind {
    EventKind::WorkflowError {
        error: Box::new(failure.error.clone()),
        step: Some(failure.path.clone()),
        attempts: failure.attempts,
    }
}

pub(super) fn lost(error: &StoreError, output: Option<RunOutput>) -> Error {
    let made = Error::from_store(error);
    match output {
        Some(output) => made.with_output(output),
        None => made,
    }
}

pub(super) fn released(output: RunOutput) -> Error {
    let run = &output.run_id;
    let what = format!("run `{run}` was stopped, and waits to be resumed");
    Error::new(ErrorKind::Released, what).with_output(output)
}

/// Makes the error of a run that the store does not know: there is nothing to resume.
pub(super) fn not_begun(error: &StoreError) -> Error {
    let hint = match error.hint() {
        Some(hint) => hint.replace("resume the run", "run it again"),
        None => "run it again".to_owned(),
    };
    Error::from_store(error).with_hint(format!("nothing was begun; {hint}"))
}
