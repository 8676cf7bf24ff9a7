//! The contract of all models.

use futures_util::StreamExt as _;
use serde_json::Value;
use stepwright_core::message::{Arguments, Part, ToolCall};
use stepwright_core::model::{Completion, Model, ModelError, ModelEvent, ModelRequest};

/// Sends a request to `model` and checks that the response follows the contract of [`Model`]:
/// deltas, then exactly one `Done` or one error, then the end. The deltas must add up to the
/// content of `Done`.
///
/// Returns the response for further checks.
///
/// ```
/// use stepwright_core::model::ModelRequest;
/// use stepwright_testing::model::{ScriptedModel, check_stream_contract};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let model = ScriptedModel::new(["hello"]);
/// check_stream_contract(&model, ModelRequest::default()).await.unwrap();
/// # }
/// ```
///
/// # Panics
/// Panics if the model breaks the contract, with a message that says how.
pub async fn check_stream_contract(
    model: &dyn Model,
    request: ModelRequest,
) -> Result<Completion, ModelError> {
    let id = model.id().to_owned();
    let mut stream = model.stream(request);
    let mut text = String::new();
    let mut reasoning = String::new();
    let mut fragments: Vec<String> = Vec::new();
    let mut ready: Vec<ToolCall> = Vec::new();
    let answer = loop {
        match stream.next().await {
            None => panic!("`{id}`: the stream ended without `Done` and without an error"),
            Some(Err(error)) => break Err(error),
            Some(Ok(ModelEvent::Done(completion))) => break Ok(completion),
            Some(Ok(ModelEvent::TextDelta(piece))) => text.push_str(&piece),
            Some(Ok(ModelEvent::ReasoningDelta(piece))) => reasoning.push_str(&piece),
            Some(Ok(ModelEvent::ToolCallStart { index, .. })) => {
                assert_eq!(index, fragments.len(), "`{id}`: calls must be numbered from 0");
                fragments.push(String::new());
            }
            Some(Ok(ModelEvent::ToolArgumentsDelta { index, json })) => fragments
                .get_mut(index)
                .unwrap_or_else(|| panic!("`{id}`: arguments of call {index} before its start"))
                .push_str(&json),
            Some(Ok(ModelEvent::ToolCallReady { index, call })) => {
                let written = fragments
                    .get(index)
                    .unwrap_or_else(|| panic!("`{id}`: call {index} is ready before its start"));
                if let (Arguments::Json(value), false) = (&call.arguments, written.is_empty()) {
                    let read: Value = serde_json::from_str(written)
                        .unwrap_or_else(|e| panic!("`{id}`: fragments of call {index}: {e}"));
                    assert_eq!(read, **value, "`{id}`: fragments of call {index} do not add up");
                }
                ready.push(call);
            }
            Some(Ok(ModelEvent::Restarted(_))) => {
                text.clear();
                reasoning.clear();
                fragments.clear();
                ready.clear();
            }
            Some(Ok(_)) => {}
        }
    };
    assert!(stream.next().await.is_none(), "`{id}`: the stream went on after its end");
    if let Ok(completion) = &answer {
        let turn = &completion.turn;
        assert_eq!(text, turn.text(), "`{id}`: the deltas do not add up to the text");
        let calls: Vec<ToolCall> = turn.tool_calls().cloned().collect();
        assert_eq!(ready, calls, "`{id}`: the calls that were ready are not those of the turn");
        let thought = turn.parts.iter().filter_map(|part| match part {
            Part::Reasoning { text } => Some(text.as_str()),
            _ => None,
        });
        // Some providers summarize the reasoning only at the end.
        if !reasoning.is_empty() {
            let thought: String = thought.collect();
            assert_eq!(reasoning, thought, "`{id}`: the deltas do not add up to the reasoning");
        }
    }
    answer
}
