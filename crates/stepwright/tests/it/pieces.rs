//! The arguments that a model writes for a call arrive in pieces, before the call begins.

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use stepwright::models::{
    Arguments, AssistantTurn, Completion, Message, Model, ModelEvent, ModelRequest, ModelStream,
    Part, StopReason, ToolCall,
};
use stepwright::{EventKind, prelude::*};

const PIECES: [&str; 3] = ["{\"text\": \"leaves", " feed a", " fungus\"}"];

/// Writes a call in pieces, each after its reader had the time to take the one before.
struct Writes;

impl Model for Writes {
    fn id(&self) -> &'static str {
        "test:writes"
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let mut events = Vec::new();
        if matches!(request.messages.last(), Some(Message::Tool { .. })) {
            let turn = AssistantTurn::text_only("Done.");
            events.push(ModelEvent::TextDelta("Done.".into()));
            events.push(ModelEvent::Done(Completion { turn, ..Completion::default() }));
        } else {
            let arguments = Arguments::json(json!({"text": "leaves feed a fungus"}));
            let call = ToolCall { id: "c1".into(), name: "note".into(), arguments };
            events.push(ModelEvent::ToolCallStart { index: 0, name: "note".into() });
            let piece = |json: &str| ModelEvent::ToolArgumentsDelta { index: 0, json: json.into() };
            events.extend(PIECES.map(piece));
            events.push(ModelEvent::ToolCallReady { index: 0, call: call.clone() });
            let turn = AssistantTurn { parts: vec![Part::ToolCall(call)], native: None };
            let stop = StopReason::ToolCalls;
            events.push(ModelEvent::Done(Completion { turn, stop, ..Completion::default() }));
        }
        let paced = stream::iter(events).then(|event| async {
            tokio::task::yield_now().await;
            Ok(event)
        });
        paced.boxed()
    }
}

/// Notes a text.
#[tool(read_only)]
fn note(text: String) -> String {
    format!("noted: {text}")
}

#[tokio::test]
async fn the_arguments_of_a_call_arrive_in_pieces_before_it_begins() {
    let writer = Agent::builder("Writer").model(Writes).unwrap().tool(note).build().unwrap();
    let workflow = Workflow::builder("W").step(writer).build().unwrap();
    let mut events = workflow.run("go").stream_events(true).stream();
    let (mut pieces, mut written, mut has_begun) = (0, String::new(), false);
    while let Some(event) = events.next().await {
        match &event.kind {
            EventKind::ToolCallArgumentsDelta { index, tool, arguments } => {
                assert!(!has_begun && *index == 0 && &**tool == "note");
                written.push_str(arguments);
                pieces += 1;
            }
            EventKind::ToolCallStarted { .. } => has_begun = true,
            _ => {}
        }
    }
    assert!(has_begun);
    assert_eq!((pieces, &*written), (PIECES.len(), &*PIECES.concat()));
}
