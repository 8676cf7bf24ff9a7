//! The model that needs no key and no network: it quotes what it was given.

mod format;
mod markdown;
mod reading;
mod sentences;
mod textrank;

use self::format::Format;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use stepwright_core::message::{AssistantTurn, Message, Part};
use stepwright_core::model::{
    Completion, Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream,
    StopReason, ToolChoice,
};
use stepwright_core::session::without_history;

/// A message of at most this many sentences, beside something that tools have read, is a question
/// about it and is not quoted itself.
const QUESTION_SENTENCES_MAX: usize = 2;

/// A keyless model that is not a language model: it quotes the most telling sentences of what it
/// was given. The same request always has the same answer, and nothing leaves the machine.
///
/// It reads the last message and what tools have answered to it, and chooses sentences by
/// `TextRank`. What it is told of earlier runs it passes over. The instructions are read only for
/// the format: `in 3 sentences`, `five bullet points`, `one line`. A short message beside long
/// answers of tools is a question: it is not quoted, it draws the choice, and it may ask for the
/// format as well. Tools that read a file, fetch a page or search are called once, when the message
/// names what to read. Settings of the model have no meaning for it; it counts no tokens.
///
/// ```
/// use stepwright_core::message::Message;
/// use stepwright_core::model::{AnyModel, ModelRequest};
/// use stepwright_models::Offline;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let report = "The bridge was opened in 1932. Its opening followed nine years of work on the \
///     bridge. Many painters like the harbour. The steel of the bridge came from England, and the \
///     work on the bridge employed 1400 people at a time.";
/// let request = ModelRequest {
///     instructions: Some("Summarise in two bullet points.".into()),
///     messages: vec![Message::user(report)],
///     ..ModelRequest::default()
/// };
/// let answer = AnyModel::new(Offline::new()).complete(request).await.unwrap();
/// assert_eq!(
///     answer.turn.text(),
///     "- The bridge was opened in 1932.\n\
///      - The steel of the bridge came from England, and the work on the bridge employed 1400 \
///      people at a time.",
/// );
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline(());

impl Offline {
    pub(crate) const ID: &'static str = "offline:extract";

    /// The model.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Model for Offline {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        // Inside the stream: nothing happens until it is polled.
        stream::once(async move { events(&request) })
            .flat_map(|events| match events {
                Ok(events) => stream::iter(events).map(Ok).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }

    fn notice(&self) -> Option<&str> {
        Some(
            "offline is not a language model: it quotes the most telling sentences of what it was \
             given",
        )
    }
}

fn events(request: &ModelRequest) -> Result<Vec<ModelEvent>, ModelError> {
    if request.output_schema.is_some() {
        return Err(ModelError::new(
            ModelErrorKind::BadRequest,
            "the offline model quotes and cannot write structured output; choose a language model",
        ));
    }
    let given = Given::of(&request.messages);
    if given.is_first_turn && request.tool_choice != ToolChoice::None {
        let tools = request.tools.iter().filter(|tool| match &request.tool_choice {
            ToolChoice::One(name) => tool.name == *name,
            _ => true,
        });
        let calls = reading::calls(tools, &given.message, given.turn);
        if !calls.is_empty() {
            return Ok(call_events(calls));
        }
        if matches!(request.tool_choice, ToolChoice::Required | ToolChoice::One(_)) {
            return Err(ModelError::new(
                ModelErrorKind::BadRequest,
                "the offline model must call a tool here and cannot tell how; choose a language \
                 model",
            ));
        }
    }
    Ok(text_events(answer(&given, request.instructions.as_deref().unwrap_or_default())?))
}

/// The sources of quotations.
struct Given {
    /// The last message of the user.
    message: String,
    /// The results of tools since.
    results: Vec<String>,
    /// The errors of tools since.
    failures: Vec<String>,
    /// `true` if no tool has answered since.
    is_first_turn: bool,
    /// The number of the turn, from 1.
    turn: usize,
}

impl Given {
    fn of(messages: &[Message]) -> Self {
        let is_user = |message: &Message| matches!(message, Message::User { .. });
        let end = messages.iter().rposition(is_user).map_or(0, |last| last + 1);
        let start = messages[..end].iter().rposition(|m| !is_user(m)).map_or(0, |i| i + 1);
        // What was said in earlier runs is no text to quote.
        let said = messages[start..end].iter().map(|message| without_history(&message.text()));
        let said: Vec<String> = said.collect();
        let mut given = Self {
            message: said.join("\n\n"),
            results: Vec::new(),
            failures: Vec::new(),
            is_first_turn: end == messages.len(),
            turn: 1 + messages.iter().filter(|m| matches!(m, Message::Assistant(_))).count(),
        };
        for message in &messages[end..] {
            let Message::Tool { results } = message else { continue };
            for result in results {
                if result.is_error {
                    given.failures.push(format!("`{}`: {}", result.name, result.text));
                } else {
                    given.results.push(result.text.clone());
                }
            }
        }
        given
    }
}

fn answer(given: &Given, instructions: &str) -> Result<String, ModelError> {
    let said = sentences::of(&markdown::passages(&given.message));
    let mut passages = Vec::new();
    for result in &given.results {
        passages.extend(markdown::passages(result));
    }
    let read = sentences::of(&passages);

    let is_question = said.len() <= QUESTION_SENTENCES_MAX;
    if is_question && read.is_empty() && !given.failures.is_empty() {
        let failures = given.failures.join("; ");
        let message = format!("the tools gave the offline model nothing to quote: {failures}");
        return Err(ModelError::new(ModelErrorKind::BadRequest, message));
    }
    let (source, question) = if is_question && !read.is_empty() {
        (read, given.message.as_str())
    } else {
        let mut source = said;
        source.extend(read);
        (source, "")
    };
    if source.is_empty() {
        return Err(ModelError::new(
            ModelErrorKind::BadRequest,
            "the offline model was given no text to quote",
        ));
    }
    // A question may say what the answer shall look like; what is quoted may not.
    let format = Format::read(instructions).or_else(|| Format::read(question)).unwrap_or_default();
    Ok(format.render(&textrank::choose(source, format.sentences, question)))
}

fn text_events(text: String) -> Vec<ModelEvent> {
    let words = text.split_inclusive([' ', '\n']).map(|word| ModelEvent::TextDelta(word.into()));
    let mut events: Vec<_> = words.collect();
    events.push(ModelEvent::Done(Completion {
        turn: AssistantTurn::text_only(text),
        stop: StopReason::EndTurn,
        ..Completion::default()
    }));
    events
}

fn call_events(calls: Vec<stepwright_core::message::ToolCall>) -> Vec<ModelEvent> {
    use stepwright_core::message::Arguments;
    let mut events = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let json = match &call.arguments {
            Arguments::Json(value) => Value::to_string(value),
            Arguments::Invalid(raw) => raw.clone(),
        };
        events.push(ModelEvent::ToolCallStart { index, name: call.name.clone() });
        events.push(ModelEvent::ToolArgumentsDelta { index, json });
        events.push(ModelEvent::ToolCallReady { index, call: call.clone() });
    }
    let parts = calls.into_iter().map(Part::ToolCall).collect();
    events.push(ModelEvent::Done(Completion {
        turn: AssistantTurn { parts, native: None },
        stop: StopReason::ToolCalls,
        ..Completion::default()
    }));
    events
}
