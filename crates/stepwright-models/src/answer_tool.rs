//! An answer that follows a schema, as the arguments of a tool call: for providers that take no
//! schema, or none beside tools.

use futures_util::StreamExt as _;
use futures_util::stream;
use std::collections::HashMap;
use stepwright_core::message::{Arguments, Part, StopReason};
use stepwright_core::model::{Completion, ModelEvent, ModelRequest, ModelStream, ToolChoice};
use stepwright_core::tool::ToolSpec;

/// The name of the tool.
pub(crate) const ANSWER_TOOL: &str = "final_answer";

const DESCRIPTION: &str = "Gives your last answer. Call it once, when you have all that the answer \
     needs, and write nothing beside the call.";

/// Replaces the schema of a request by the tool. `forced` says that the provider can be made to
/// call a tool.
pub(crate) fn add(request: &mut ModelRequest, forced: bool) {
    let Some(parameters) = request.output_schema.take() else { return };
    request.tool_choice = match std::mem::take(&mut request.tool_choice) {
        // First another tool must be called. The turn after its result has the answer.
        choice @ (ToolChoice::Required | ToolChoice::One(_)) => {
            request.tool_choice = choice;
            return;
        }
        _ if !forced => ToolChoice::Auto,
        ToolChoice::Auto if !request.tools.is_empty() => ToolChoice::Required,
        _ => ToolChoice::One(ANSWER_TOOL.to_owned()),
    };
    let (name, description) = (ANSWER_TOOL.to_owned(), DESCRIPTION.to_owned());
    request.tools.push(ToolSpec { name, description, parameters });
}

/// Returns an answer in which the arguments of the tool are the text.
pub(crate) fn told(answer: ModelStream) -> ModelStream {
    let mut telling = Telling::default();
    answer
        .flat_map(move |event| match event {
            Ok(event) => stream::iter(telling.event(event).into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .boxed()
}

/// The parts of an answer that have come.
#[derive(Default)]
struct Telling {
    /// Text beside the call. It is the answer only if there is no call.
    beside: String,
    /// The numbers of the calls, and those that they have without the answer.
    calls: HashMap<usize, Option<usize>>,
    others: usize,
    /// `true` once the answer was told piece by piece.
    is_told: bool,
}

impl Telling {
    fn event(&mut self, event: ModelEvent) -> Vec<ModelEvent> {
        match event {
            ModelEvent::TextDelta(text) => {
                self.beside.push_str(&text);
                vec![ModelEvent::Heartbeat]
            }
            ModelEvent::ToolCallStart { index, name } if name == ANSWER_TOOL => {
                self.calls.insert(index, None);
                vec![ModelEvent::Heartbeat]
            }
            ModelEvent::ToolCallStart { index, name } => {
                let index = self.number(index);
                vec![ModelEvent::ToolCallStart { index, name }]
            }
            ModelEvent::ToolArgumentsDelta { index, json } => {
                if let Some(None) = self.calls.get(&index) {
                    self.is_told = true;
                    return vec![ModelEvent::TextDelta(json)];
                }
                let index = self.number(index);
                vec![ModelEvent::ToolArgumentsDelta { index, json }]
            }
            ModelEvent::ToolCallReady { call, .. } if call.name == ANSWER_TOOL => {
                vec![ModelEvent::Heartbeat]
            }
            ModelEvent::ToolCallReady { index, call } => {
                let index = self.number(index);
                vec![ModelEvent::ToolCallReady { index, call }]
            }
            ModelEvent::Done(completion) => self.done(completion),
            other => vec![other],
        }
    }

    /// Returns the number of a call among those that are not the answer.
    fn number(&mut self, index: usize) -> usize {
        let next = self.others;
        let number = *self.calls.entry(index).or_insert(Some(next));
        if number == Some(next) {
            self.others += 1;
        }
        number.unwrap_or(next)
    }

    fn done(&mut self, mut completion: Completion) -> Vec<ModelEvent> {
        let parts = &mut completion.turn.parts;
        let answer = parts.iter().find_map(|part| match part {
            Part::ToolCall(call) if call.name == ANSWER_TOOL => Some(match &call.arguments {
                Arguments::Json(value) => value.to_string(),
                Arguments::Invalid(raw) => raw.clone(),
            }),
            _ => None,
        });
        let Some(answer) = answer else {
            // Without the call, what it has written is the answer.
            let beside = std::mem::take(&mut self.beside);
            let text = (!beside.is_empty()).then_some(ModelEvent::TextDelta(beside));
            return text.into_iter().chain([ModelEvent::Done(completion)]).collect();
        };
        let told = (!self.is_told).then(|| ModelEvent::TextDelta(answer.clone()));
        parts.retain(|part| match part {
            Part::Text { .. } => false,
            Part::ToolCall(call) => call.name != ANSWER_TOOL,
            _ => true,
        });
        let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let first = parts.iter().position(|part| matches!(part, Part::ToolCall(_)));
        parts.insert(first.unwrap_or(parts.len()), Part::Text { text: answer });
        // As the provider wrote it, the turn has a call, which needs a result.
        completion.turn.native = None;
        if !calls && completion.stop == StopReason::ToolCalls {
            completion.stop = StopReason::EndTurn;
        }
        told.into_iter().chain([ModelEvent::Done(completion)]).collect()
    }
}
