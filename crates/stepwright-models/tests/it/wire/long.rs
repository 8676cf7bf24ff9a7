//! Long answers. Their texts do not go through the library that reads the wires, and nothing else
//! may be seen of that.

use super::seen::{Verdicts, hello, watch};
use super::server::{Reply, Server};
use super::speech::{Event, KEY, MODEL, Piece, Script, Stop, Wire, anthropic, responses};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stepwright_core::message::{Message, Part};
use stepwright_core::model::{Model as _, ModelEvent, ModelRequest};
use stepwright_models::Provider;

/// A text of some 150 KiB, in pieces that differ.
fn pieces(seed: usize, count: usize) -> Vec<String> {
    let odd =
        ["\u{10fffd}", "\u{10fffd}0\u{10fffd}", "  ", "\n\n", "<think>", "\"\\", "\u{1F980}", "é"];
    let piece = |at: usize| {
        let words = format!("{seed}.{at} ").repeat(20 + (at * 7 + seed) % 50);
        if at.is_multiple_of(3) { format!("{words}{}", odd[at / 3 % odd.len()]) } else { words }
    };
    (0..count).map(piece).collect()
}

fn script(wire: Wire, seed: usize, count: usize) -> Script {
    let mut script = Script::thought(&["so "]);
    script.pieces = vec![
        Piece::Thought(pieces(seed, count)),
        Piece::Text(pieces(seed + 1, count)),
        Piece::Call {
            id: "call_1".into(),
            name: "add".into(),
            arguments: vec!["{\"a\":1}".into()],
        },
        Piece::Text(pieces(seed + 2, count)),
    ];
    // Its calls stand beside its text, and end with the answer.
    if wire == Wire::Chat {
        script.pieces.pop();
    }
    script.stop = Stop::Calls;
    script
}

/// The kinds and the texts of what a model says, in order.
async fn told(wire: Wire, reply: Reply) -> Result<(Vec<(char, String)>, Vec<Part>), String> {
    let server = Server::start([reply]).await;
    let provider = Provider::named(wire.provider()).unwrap();
    let model = provider.base_url(server.url(wire.base())).api_key(KEY).model(MODEL).unwrap();
    let mut events = model.stream(hello());
    let mut told: Vec<(char, String)> = Vec::new();
    let mut say = |kind: char, text: String| match told.last_mut() {
        Some((last, all)) if *last == kind => all.push_str(&text),
        _ => told.push((kind, text)),
    };
    let mut parts = Vec::new();
    while let Some(event) = events.next().await {
        match event.map_err(|error| error.message)? {
            ModelEvent::TextDelta(text) => say('t', text),
            ModelEvent::ReasoningDelta(text) => say('r', text),
            ModelEvent::ToolCallReady { call, .. } => say('c', call.name),
            ModelEvent::Done(done) => parts = done.turn.parts,
            _ => {}
        }
    }
    Ok((told, parts))
}

fn of_parts(parts: &[Part]) -> Vec<(char, String)> {
    let part = |part: &Part| match part {
        Part::Text { text } => ('t', text.clone()),
        Part::Reasoning { text } => ('r', text.clone()),
        Part::ToolCall(call) => ('c', call.name.clone()),
        other => panic!("{other:?}"),
    };
    parts.iter().map(part).collect()
}

fn short(told: &[(char, String)]) -> String {
    let short = |(kind, text): &(char, String)| {
        format!("{kind} {} {:?}", text.len(), text.chars().take(20).collect::<String>())
    };
    told.iter().map(short).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_long_answer_is_told_and_kept_as_a_short_one() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for count in [2, 300] {
            let script = script(wire, 1, count);
            let expected: Vec<(char, String)> = script
                .pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Thought(pieces) => ('r', pieces.concat()),
                    Piece::Text(pieces) => ('t', pieces.concat()),
                    Piece::Call { name, .. } => ('c', name.clone()),
                })
                .collect();
            let bytes: Vec<u8> =
                wire.events(&script).iter().flat_map(|event| wire.bytes(event)).collect();
            for size in [997, 65_536, bytes.len()] {
                let case = format!("{wire:?}, {count} pieces, in {size} bytes");
                let reply = wire.ok().writes(bytes.chunks(size));
                match told(wire, reply).await {
                    Ok((told, parts)) => {
                        verdicts.that(&case, told == expected, &short(&told));
                        let parts = of_parts(&parts);
                        verdicts.that(&case, parts == expected, &short(&parts));
                    }
                    Err(error) => verdicts.that(&case, false, &error),
                }
            }
        }
    }
}

#[tokio::test]
async fn one_long_event_says_what_many_say() {
    let mut verdicts = Verdicts::default();
    let text = pieces(1, 300).concat();
    for wire in Wire::ALL {
        // Twice the same, so that each has to be put back in its place.
        let script = Script::text(&[&text]).and_call("call_1", "add", &["{}"]);
        let script = if wire == Wire::Chat { script } else { script.and_text(&[&text]) };
        let (told, parts) = told(wire, wire.says(&script)).await.unwrap();
        let text = || text.clone();
        let mut expected = vec![('t', text()), ('c', "add".to_owned())];
        expected.extend((wire != Wire::Chat).then(|| ('t', text())));
        verdicts.that(&format!("{wire:?}"), told == expected, &short(&told));
        let parts = of_parts(&parts);
        verdicts.that(&format!("{wire:?}"), parts == expected, &short(&parts));
    }
}

/// Signed content must come back as it was.
#[tokio::test]
async fn a_long_thought_goes_back_to_its_model_as_it_came() {
    for wire in [Wire::Anthropic, Wire::Responses, Wire::Gemini] {
        let (thought, text) = (pieces(1, 300), pieces(2, 300));
        let mut script = Script::thought(&["so "]);
        script.pieces = vec![Piece::Thought(thought.clone()), Piece::Text(text.clone())];
        let server = Server::start([wire.says(&script), wire.says(&Script::text(&["Yes."]))]).await;
        let model = wire.model(&server);
        let first = watch(model.clone(), hello(), None).await.answer.unwrap();
        let native = serde_json::to_string(&first.turn.native).unwrap();
        assert!(native.len() < 20_000, "{wire:?}: {} bytes are kept twice", native.len());
        // As a journal would keep it.
        let turn = serde_json::to_string(&first.turn).unwrap();
        let turn = serde_json::from_str(&turn).unwrap();
        let messages =
            vec![Message::user("hello"), Message::Assistant(turn), Message::user("and now?")];
        let request = ModelRequest { messages, ..ModelRequest::default() };
        watch(model, request, None).await.answer.unwrap();
        let body = server.requests().pop().unwrap().body;
        let texts = texts(&body);
        for expected in [thought.concat(), text.concat()] {
            let found = texts.iter().filter(|text| **text == expected).count();
            assert_eq!(found, 1, "{wire:?}: a text of {} bytes", expected.len());
        }
        if wire == Wire::Anthropic {
            assert!(body.to_string().contains(anthropic::SIGNATURE), "the signature is gone");
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A text that is another at the end than in its pieces is neither of them.
#[tokio::test]
async fn an_item_that_is_done_with_another_text_is_no_answer() {
    let (said, done) = (pieces(1, 300), pieces(2, 300).concat());
    let (mut events, _) = responses::item_events(0, &Piece::Text(said));
    let item = json!({
        "type": "message", "id": "msg_0", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": done, "annotations": []}],
    });
    let last = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    *events.last_mut().unwrap() = Event::typed(&last);
    events.push(responses::end(Stop::End, false, &json!([item])));
    let told = told(Wire::Responses, Wire::Responses.speaks(&events)).await;
    assert!(told.unwrap_err().ends_with("the text at the end is not what was said before"));
}
