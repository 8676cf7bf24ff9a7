//! The ends of an execution that are no output, and the facts that a step keeps.

use serde_json::Value;
use stepwright_core::{EventKind, StepError};

/// The reason that an execution ends early.
pub(crate) enum Failure {
    /// The failure still has to be recorded.
    New(StepError),
    /// The failure is in the journal, or the journal is lost.
    Recorded(StepError),
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self::New(error)
    }
}

/// Returns a value as a fact keeps it.
pub(crate) fn recorded(key: &str, value: Value) -> EventKind {
    EventKind::StepRecorded { key: key.into(), value }
}
