//! Errors of JSON-RPC.

use crate::error::Problem;
use http::StatusCode;
use serde_json::{Value, json};
use stepwright_core::{Error, ErrorKind};

/// An error that is the answer to a request.
#[derive(Debug)]
pub(super) struct Fault {
    code: i32,
    message: String,
    /// The code of ours, if the error has one.
    id: Option<String>,
}

impl Fault {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), id: None }
    }

    /// The fault for a body that is no request.
    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    pub(super) fn method(name: &str) -> Self {
        Self::new(-32601, format!("there is no method `{name}`"))
    }

    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    pub(super) fn no_task(id: &str) -> Self {
        Self::new(-32001, format!("there is no task `{id}`"))
    }

    pub(super) fn not_cancelable(id: &str) -> Self {
        Self::new(-32002, format!("the task `{id}` has ended"))
    }

    pub(super) fn no_push() -> Self {
        Self::new(-32003, "push notifications are not supported")
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(-32004, message)
    }

    /// Returns the error of an answer.
    pub(super) fn view(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(id) = &self.id {
            error["data"] = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": id, "domain": "stepwright",
            }]);
        }
        error
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Usage | ErrorKind::Definition | ErrorKind::NotFound => -32602,
            _ => -32603,
        };
        Self { code, message: error.to_string(), id: Some(error.id().to_string()) }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let code = match problem.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => -32004,
            status if status.is_server_error() => -32603,
            _ => -32602,
        };
        Self { code, message: problem.detail, id: problem.code.map(|code| code.to_string()) }
    }
}
