//! Bodies of requests, with limits of size and time.

use crate::error::Problem;
use crate::limits::{BODY_BYTES_MAX, BODY_TIMEOUT};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use stepwright_core::json;

/// A body that is JSON.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// Reads a body whole.
///
/// # Errors
/// If it is too large or too slow, or breaks off.
pub(crate) async fn read(body: axum::body::Body) -> Result<Bytes, Problem> {
    read_at_most(body, BODY_BYTES_MAX).await
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_at_most(body: axum::body::Body, max: usize) -> Result<Bytes, Problem> {
    let read = Limited::new(body, max).collect();
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let what = format!("the body has more than {max} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what))
        }
        Ok(Err(error)) => Err(Problem::bad(format!("the body cannot be read: {error}"))),
        Err(_) => {
            let what = format!("the body did not arrive in {} seconds", BODY_TIMEOUT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, what))
        }
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media = request.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
        let is_json = media
            .split(';')
            .next()
            .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            // A form of another page can send anything else without being asked.
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not JSON");
            return Err(problem.with_help("send `Content-Type: application/json`"));
        }
        let body = read(request.into_body()).await?;
        let unfit = |what: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what);
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        // A list would be read as the members in their order.
        if first.is_some_and(|byte| b"[\"-0123456789tfn".contains(byte)) {
            return Err(unfit("the body is not an object".to_owned()));
        }
        json::check_depth(&body).map_err(|error| unfit(format!("the body is {error}")))?;
        let value = serde_json::from_slice(&body)
            .map_err(|error| unfit(format!("invalid body: {error}")))?;
        json::check_names(&body).map_err(|error| unfit(format!("invalid body: {error}")))?;
        Ok(Self(value))
    }
}
