//! Errors as `AgentOS` writes them.

use crate::error::{self, Problem};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use stepwright_core::{Error, ErrorId, ErrorKind};

/// An answer `{"detail": …}`.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    detail: Value,
}

impl Fault {
    pub(super) fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn not_found(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn bad(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Returns the detail that clients read.
    pub(super) fn detail(self) -> Value {
        self.detail
    }

    /// Returns the result of a removal. It is no error if there was nothing to remove.
    pub(super) fn unless_gone(removed: Result<(), Self>) -> Result<(), Self> {
        removed.or_else(|fault| match fault.status {
            StatusCode::NOT_FOUND => Ok(()),
            _ => Err(fault),
        })
    }

    /// The fault for a field that is needed.
    pub(super) fn missing(place: &str, field: &str) -> Self {
        let detail = json!([
            {"type": "missing", "loc": [place, field], "msg": "Field required", "input": null}
        ]);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// The fault for a field with a wrong value.
    pub(super) fn invalid(kind: &str, place: &str, field: &str, why: &str, input: &str) -> Self {
        let detail = json!([{"type": kind, "loc": [place, field], "msg": why, "input": input}]);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = error::status(&error);
        if matches!(error.kind(), ErrorKind::Run) {
            // AgentOS names the class, and no message of a step.
            return Self::new(status, "Internal server error (StepError)");
        }
        if error.id() == ErrorId::INPUT_MISMATCH {
            return Self::new(status, format!("Input failed schema validation: {error}"));
        }
        Self::new(status, error.to_string())
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::new(problem.status, problem.detail)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"detail": self.detail}))).into_response()
    }
}
