//! Streams of server-sent events.

use crate::error::Problem;
use crate::limits::KEEP_ALIVE;
use crate::state::App;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use http::header;
use std::convert::Infallible;
use stepwright_core::{Error, ErrorKind, Event, EventKind};
use stepwright_engine::RunStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// A stream on its way to a client.
struct Open {
    frames: BoxStream<'static, String>,
    stop: CancellationToken,
    comment: &'static str,
    _slot: OwnedSemaphorePermit,
}

/// The next occurrence on a stream: a frame, a silence, or the server's stop.
enum Next {
    Frame(Option<String>),
    Silence,
    Stop,
}

/// Begins a run. Returns its events, of which the first has been read.
///
/// # Errors
/// If the run cannot begin.
pub(crate) async fn begun(
    mut events: RunStream,
) -> Result<impl Stream<Item = Event> + Send, Error> {
    let first = events.next().await;
    let refused = first.as_ref().is_some_and(|event| {
        // The only end that is in no journal.
        event.delta > 0 && matches!(event.kind, EventKind::WorkflowError { .. })
    });
    if refused {
        events.output().await?;
        return Err(Error::new(ErrorKind::Run, "the run did not begin"));
    }
    Ok(stream::iter(first).chain(events))
}

/// Answers with a stream of frames, which are whole events. It ends when the frames do, or when the
/// server stops. `comment` is sent on a silent stream.
pub(crate) fn answer(
    app: &App,
    frames: impl Stream<Item = String> + Send + 'static,
    comment: &'static str,
    media_type: &'static str,
) -> Result<Response, Problem> {
    let slot = app.stream_slot()?;
    Ok(answer_in(app, slot, frames, comment, media_type))
}

/// Answers with a stream in a slot that was taken before, so that nothing begins without one.
pub(crate) fn answer_in(
    app: &App,
    slot: OwnedSemaphorePermit,
    frames: impl Stream<Item = String> + Send + 'static,
    comment: &'static str,
    media_type: &'static str,
) -> Response {
    let open =
        Open { frames: frames.boxed(), stop: app.streams.child_token(), comment, _slot: slot };
    let body = stream::unfold(open, |mut open| async move {
        let next = tokio::select! {
            biased;
            () = open.stop.cancelled() => Next::Stop,
            frame = open.frames.next() => Next::Frame(frame),
            () = tokio::time::sleep(KEEP_ALIVE) => Next::Silence,
        };
        let text = match next {
            Next::Stop | Next::Frame(None) => return None,
            Next::Frame(Some(frame)) => Bytes::from(frame),
            Next::Silence => Bytes::from_static(open.comment.as_bytes()),
        };
        Some((Ok::<_, Infallible>(text), open))
    });
    let headers = [
        (header::CONTENT_TYPE, media_type),
        // Without it, proxies wait for the end.
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}
