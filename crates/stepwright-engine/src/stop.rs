//! Reasons why a walk over the plan ends early.

use std::sync::Arc;
use stepwright_core::error::ErrorData;
use stepwright_core::{Error, ErrorKind, StepError, StepPath, StoreError};

/// Reasons why a walk ends early.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A step failed, after all its attempts.
    Failed(Arc<Failure>),
    /// A sibling failed, and this branch was stopped for it before the run was resumed.
    Sibling,
    /// The run was cancelled, or a person rejected a request in a way that cancels the run.
    Cancelled(Arc<str>),
    /// The journal is lost. No more facts may be recorded.
    Lost(Arc<StoreError>),
}

/// A step that failed.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) path: StepPath,
    pub(crate) error: ErrorData,
    pub(crate) attempts: u32,
}

impl Stop {
    pub(crate) fn failed(path: &StepPath, error: StepError, attempts: u32) -> Self {
        Self::Failed(Arc::new(Failure { path: path.clone(), error: *error.data, attempts }))
    }
}

/// Makes the error of work that stopped before its run began.
pub(crate) fn stop_error(stop: &Stop) -> Error {
    match stop {
        Stop::Lost(error) => Error::from_store(error),
        Stop::Failed(failure) => Error::new(ErrorKind::Run, failure.error.message.clone()),
        Stop::Sibling | Stop::Cancelled(_) => Error::new(ErrorKind::Cancelled, "it was stopped"),
    }
}
