//! The shapes of the chat API.

use crate::state::{App, Served};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepwright_core::message::Usage;
use stepwright_core::{RunOutput, Timestamp};
use utoipa::ToSchema;

/// A model: a workflow, an agent or a team.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Model)]
pub(super) struct ModelView {
    /// The id of the workflow, agent or team.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// The start of the server, in seconds since 1970.
    created: u64,
    /// Always `stepwright`.
    owned_by: &'static str,
}

/// The models.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models, in the order in which they are served.
    data: Vec<ModelView>,
}

impl ModelView {
    pub(super) fn of(app: &App, served: &Served) -> Self {
        let (id, created) = (served.workflow.id().to_string(), app.started.seconds());
        Self { id, object: "model", created, owned_by: "stepwright" }
    }
}

impl ModelList {
    pub(super) fn of(app: &App) -> Self {
        let data = app.served.iter().map(|served| ModelView::of(app, served)).collect();
        Self { object: "list", data }
    }
}

/// A chat. Members that only a language model has, such as `temperature`, are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatRequest {
    /// The id of a workflow, an agent or a team.
    pub(super) model: String,
    /// The conversation. The last message is the input of the run.
    pub(super) messages: Vec<ChatMessage>,
    /// `true` for a stream.
    #[serde(default)]
    pub(super) stream: Option<bool>,
    /// The settings of a stream.
    #[serde(default)]
    pub(super) stream_options: Option<StreamOptions>,
    /// The user of the session.
    #[serde(default)]
    pub(super) user: Option<String>,
    /// `session_id` names the session of the run, and `run_id` the run. The rest is its metadata.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
    /// The number of answers, which is 1.
    #[serde(default)]
    pub(super) n: Option<u64>,
}

/// The settings of a stream.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub(super) struct StreamOptions {
    /// `true` for a last piece with the usage.
    #[serde(default)]
    pub(super) include_usage: Option<bool>,
}

/// A message of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatMessage {
    /// `user`, `assistant`, `system`, `developer` or `tool`.
    pub(super) role: String,
    /// A text, or a list of parts: texts, images, sounds and files.
    #[serde(default)]
    pub(super) content: Value,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatAnswer {
    /// `chatcmpl-` and the id of the run.
    id: String,
    /// Always `chat.completion`.
    object: &'static str,
    /// The start of the run, in seconds since 1970.
    created: u64,
    /// The id of the workflow, agent or team.
    model: String,
    /// One answer.
    choices: Vec<Choice>,
    /// The tokens of the models of the run.
    usage: TokenUsage,
}

/// An answer of the assistant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Choice {
    /// Always 0.
    index: u32,
    /// The message.
    message: Answered,
    /// Always `stop`.
    finish_reason: &'static str,
}

/// The message of the assistant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answered {
    /// Always `assistant`.
    role: &'static str,
    /// The output of the run, or the question that it waits for.
    content: String,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of OpenAI")]
pub(super) struct TokenUsage {
    /// The input tokens.
    prompt_tokens: u64,
    /// The output tokens.
    completion_tokens: u64,
    /// The sum.
    total_tokens: u64,
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens.unwrap_or(0),
            completion_tokens: usage.output_tokens.unwrap_or(0),
            total_tokens: usage.total_tokens(),
        }
    }
}

/// Returns the id of an answer.
pub(super) fn answer_id(run: &impl std::fmt::Display) -> String {
    format!("chatcmpl-{run}")
}

impl ChatAnswer {
    pub(super) fn of(output: &RunOutput) -> Self {
        let message = Answered { role: "assistant", content: said(output) };
        Self {
            id: answer_id(&output.run_id),
            object: "chat.completion",
            created: Timestamp::seconds(output.created_at),
            model: output.workflow_id.to_string(),
            choices: vec![Choice { index: 0, message, finish_reason: "stop" }],
            usage: output.metrics.usage.into(),
        }
    }
}

/// Returns the text of a run: its output, or the questions or events that it waits for.
pub(super) fn said(output: &RunOutput) -> String {
    if !output.is_paused() {
        return output.content.pretty().into_owned();
    }
    if let Some(waits) = output.awaited_events() {
        return waits;
    }
    let questions = output.requirements.iter().filter(|asked| asked.needs_person());
    let questions: Vec<&str> = questions.map(|asked| &*asked.message).collect();
    let (run, questions) = (&output.run_id, questions.join(" "));
    format!("Run `{run}` waits for an answer: {questions}")
}
