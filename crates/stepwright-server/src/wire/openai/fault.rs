//! Errors as `OpenAI` writes them.

use crate::error::Problem;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use stepwright_core::Error;
use utoipa::ToSchema;

/// An error of the chat API.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ChatError)]
pub(super) struct ErrorView {
    /// The error.
    error: ErrorBody,
}

/// The body of an error of the chat API.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ChatErrorBody)]
pub(super) struct ErrorBody {
    /// The problem with its values.
    message: String,
    /// The kind, such as `invalid_request_error`.
    r#type: &'static str,
    /// The member of the request that is wrong.
    #[schema(required)]
    param: Option<&'static str>,
    /// A word for programs.
    #[schema(required)]
    code: Option<String>,
}

/// An answer `{"error": …}`.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    body: ErrorBody,
}

impl Fault {
    /// The fault for a member of the request.
    pub(super) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            message: message.into(),
            r#type: "invalid_request_error",
            param: Some(param),
            code: None,
        };
        Self { status: StatusCode::BAD_REQUEST, body }
    }

    pub(super) fn unknown_model(id: &str) -> Self {
        let mut fault = Self::invalid("model", format!("The model `{id}` does not exist"));
        fault.status = StatusCode::NOT_FOUND;
        fault.body.code = Some("model_not_found".to_owned());
        fault
    }

    /// The fault for a run that failed. It is no error of the server: clients of `OpenAI` try again
    /// after those, and would run the workflow twice.
    pub(super) fn of_run(message: impl Into<String>, code: Option<String>) -> Self {
        let body = ErrorBody { message: message.into(), r#type: "run_error", param: None, code };
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body }
    }

    /// Returns the error as the data of a stream.
    pub(super) fn view(&self) -> ErrorView {
        ErrorView { error: self.body.clone() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if error.output().is_none() {
            return Self::from(Problem::from(error));
        }
        Self::of_run(error.to_string(), Some(error.id().to_string()))
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let kind = match problem.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let code = problem.code.map(|code| code.to_string());
        let body = ErrorBody { message: problem.detail, r#type: kind, param: None, code };
        Self { status: problem.status, body }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(self.view())).into_response()
    }
}

/// Writes a problem as `OpenAI` does.
pub(crate) fn rendered(problem: &Problem) -> Response {
    Fault::from(problem.clone()).into_response()
}
