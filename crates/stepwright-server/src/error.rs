//! Problems: errors of the API at `/v1`, as RFC 9457 has them.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use std::collections::BTreeMap;
use stepwright_core::{Error, ErrorId, ErrorKind, codes};
use utoipa::openapi::{self, RefOr};
use utoipa::{IntoResponses, ToSchema};

/// The media type of a problem.
const PROBLEM: &str = "application/problem+json";

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: Option<ErrorId>,
    pub(crate) detail: String,
    pub(crate) help: Option<String>,
    pub(crate) origin: Origin,
}

/// The side that an error belongs to.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// The request or the server.
    Server,
    /// The run ended so.
    Run,
}

/// A problem as JSON.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView {
    /// Always `about:blank`: `code` says more.
    r#type: String,
    /// The kind of problem.
    title: String,
    /// The status of the answer.
    status: u16,
    /// The problem with its values.
    detail: String,
    /// The code of the error, such as `SW0701`.
    #[schema(required)]
    code: Option<String>,
    /// The next thing to try.
    #[schema(required)]
    help: Option<String>,
    /// The side that the error belongs to.
    origin: Origin,
    /// The id of the request, which is in the log too.
    request_id: String,
}

/// The description of the problems that every route may answer with.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let view = openapi::Content::new(Some(openapi::Ref::from_schema_name("Problem")));
        let response = openapi::ResponseBuilder::new().description("A problem.");
        let response = response.content(PROBLEM, view).build();
        BTreeMap::from([("4XX".to_owned(), response.into())])
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let (code, help) = (None, None);
        Self { status, code, detail: detail.into(), help, origin: Origin::Server }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Writes the problem as an answer.
    pub(crate) fn rendered(&self, request_id: &str) -> Response {
        let entry = self.code.and_then(codes::find);
        let title = match entry {
            Some(entry) => entry.title,
            None => self.status.canonical_reason().unwrap_or("error"),
        };
        let view = ProblemView {
            r#type: "about:blank".to_owned(),
            title: title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.map(|code| code.to_string()),
            help: self.help.clone(),
            origin: self.origin,
            request_id: request_id.to_owned(),
        };
        let body = serde_json::to_string(&view).unwrap_or_default();
        (self.status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let id = error.id();
        let origin = match error.kind() {
            ErrorKind::Run if error.output().is_some() => Origin::Run,
            ErrorKind::Cancelled => Origin::Run,
            _ => Origin::Server,
        };
        Self {
            status: status(&error),
            code: Some(id),
            detail: error.to_string(),
            help: error.hint().map(str::to_owned),
            origin,
        }
    }
}

/// Returns the status for an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    const CONFLICTS: &[ErrorId] = &[
        ErrorId::RUN_ENDED,
        ErrorId::RUN_DRIVEN_HERE,
        ErrorId::RUN_DRIVEN_ELSEWHERE,
        ErrorId::ANSWERED_BEFORE,
        ErrorId::ANSWER_TOO_LATE,
        ErrorId::RUN_ID_TAKEN,
        ErrorId::RUN_UNDER_WAY,
        ErrorId::RUN_NOT_FAILED,
        ErrorId::REQUESTS_NONE,
        ErrorId::SESSION_BUSY,
    ];
    if CONFLICTS.contains(&error.id()) {
        return StatusCode::CONFLICT;
    }
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Usage | ErrorKind::Definition => StatusCode::BAD_REQUEST,
        ErrorKind::Cancelled | ErrorKind::Skipped => StatusCode::CONFLICT,
        ErrorKind::Store | ErrorKind::Released => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    /// Leaves the problem to the outermost layer, which knows the id of the request.
    fn into_response(self) -> Response {
        let mut answer = self.status.into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}
