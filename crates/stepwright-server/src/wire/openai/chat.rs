//! Chats: one run each.

use super::fault::{ErrorView, Fault};
use super::prompt::Prompt;
use super::shapes::{ChatAnswer, ChatRequest};
use super::stream;
use crate::auth::{Caller, Start, Who};
use crate::body::JsonBody;
use crate::error::Problem;
use crate::state::{App, Served, ServedKind};
use crate::wire::media::with_media;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use stepwright_engine::Run;

/// Answers a chat with a run.
///
/// The last message is the input. With `metadata.session_id` the earlier messages are left to the
/// session; without it an agent or a team gets them before the last one. The stream of a workflow
/// has the text of its last step. A client that leaves a stream cancels the run. A run that fails
/// is answered with 422.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "chat", request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer.", content(
            (ChatAnswer = "application/json"), (String = "text/event-stream"),
        )),
        (status = "4XX", description = "An error.", body = ErrorView),
    )
)]
pub(super) async fn complete_chat(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    body: Result<JsonBody<ChatRequest>, Problem>,
) -> Result<Response, Fault> {
    let JsonBody(chat) = body?;
    if chat.n.is_some_and(|count| count != 1) {
        return Err(Fault::invalid("n", "`n` must be 1"));
    }
    let served = app.of_id(&chat.model).ok_or_else(|| Fault::unknown_model(&chat.model))?;
    let run = prepared(&who, served, &chat)?;
    if chat.stream == Some(true) {
        let with_usage = chat.stream_options.unwrap_or_default().include_usage == Some(true);
        return stream::answer(&app, &who, served, run, with_usage).await;
    }
    // A client that leaves does not cancel it.
    let (handle, events) = run.followed().await?;
    drop(events);
    let output = handle.settled().await?;
    Ok(Json(ChatAnswer::of(&output)).into_response())
}

fn prepared(who: &Who, served: &Served, chat: &ChatRequest) -> Result<Run, Fault> {
    let mut metadata = chat.metadata.clone().unwrap_or_default();
    let session = text(&mut metadata, "session_id")?;
    let id = text(&mut metadata, "run_id")?;
    let history = session.is_none() && served.kind != ServedKind::Workflow;
    let prompt = Prompt::of(&chat.messages, served, history)?;
    let mut run = served.run(who, chat.user.as_deref(), prompt.input)?;
    if let Some(session) = session {
        run = run.session_id(session);
    }
    if let Some(id) = id {
        run = run.run_id(id);
    }
    if !metadata.is_empty() {
        run = run.metadata(served.metadata.clone().into_iter().chain(metadata).collect());
    }
    Ok(with_media(run, prompt.media))
}

/// Takes a text out of the metadata.
fn text(metadata: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Fault> {
    match metadata.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::invalid("metadata", format!("`metadata.{name}` is no text"))),
    }
}
