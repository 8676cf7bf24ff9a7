//! Text, thoughts, refusals, why an answer is over and what it has cost.

use super::seen::{Verdicts, ask};
use super::server::Reply;
use super::speech::{Event, Piece, Script, Stop, Wire, anthropic, chat, gemini, ollama, responses};
use serde_json::json;
use stepwright_core::message::Part;

#[tokio::test]
async fn every_fragment_of_a_text_arrives_as_it_was_sent() {
    let mut verdicts = Verdicts::default();
    let many: Vec<String> = (0..300).map(|n| format!("{n} ")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let texts: [&[&str]; 4] =
        [&["Hello."], &["Hel", "lo, ", "wor", "ld."], &many, &["ä", "\n", " ü"]];
    for wire in Wire::ALL {
        for text in texts {
            let seen = ask(wire, wire.says(&Script::text(text))).await;
            let mut expected: Vec<String> = text.iter().map(|t| format!("text {t:?}")).collect();
            expected.push(end(wire, "end"));
            verdicts.check(&format!("{wire:?}, {} fragments", text.len()), &seen, &expected);
        }
    }
}

/// Returns the end of an answer without counters: Anthropic counts in every answer.
fn end(wire: Wire, reason: &str) -> String {
    if wire == Wire::Anthropic { format!("done {reason} out=30") } else { format!("done {reason}") }
}

#[tokio::test]
async fn thoughts_are_told_apart_from_the_text() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let script = Script::thought(&["Let me ", "think."]).and_text(&["Yes", "."]);
        let seen = ask(wire, wire.says(&script)).await;
        let expected = [
            "thought \"Let me \"",
            "thought \"think.\"",
            "text \"Yes\"",
            "text \".\"",
            &end(wire, "end"),
        ];
        verdicts.check(&format!("{wire:?}"), &seen, &expected);
        let Ok(done) = &seen.answer else { continue };
        let thought = done.turn.parts.first();
        let expected = Part::Reasoning { text: "Let me think.".into() };
        verdicts.that(
            &format!("{wire:?}"),
            thought == Some(&expected),
            "the turn lost its thought",
        );
        verdicts.that(&format!("{wire:?}"), done.turn.native.is_some(), "nothing can be replayed");
    }
}

#[tokio::test]
async fn usage_means_the_same_on_every_wire() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let seen = ask(wire, wire.says(&Script::text(&["Yes."]).with_usage())).await;
        let usage = match wire {
            Wire::Chat | Wire::Responses | Wire::Gemini => "in=100 out=30 cached=40 thought=12",
            // It says what it wrote to its cache, and does not count thoughts apart.
            Wire::Anthropic => "in=100 out=30 cached=40 written=10",
            // It counts no more than this.
            Wire::Ollama => "in=100 out=30",
        };
        let expected = ["text \"Yes.\"", &format!("done end {usage}")];
        verdicts.check(&format!("{wire:?}"), &seen, &expected);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_says_so() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let script = Script::text(&["A long st"]).stopped_by(Stop::Length);
        let seen = ask(wire, wire.says(&script)).await;
        let expected = ["text \"A long st\"", &end(wire, "length")];
        verdicts.check(&format!("{wire:?}"), &seen, &expected);
    }
}

/// Answers in which the model will not answer.
fn refusals() -> Vec<(&'static str, Wire, Vec<Event>)> {
    let refused = |kind: &str, says| {
        let at = json!({"item_id": "msg_0", "output_index": 0, "content_index": 0});
        responses::event(kind, &at, &says)
    };
    let part = json!({"type": "refusal", "refusal": "I cannot."});
    let message = json!({
        "type": "message", "id": "msg_0", "status": "completed", "role": "assistant",
        "content": [part],
    });
    let filtered = json!({
        "id": "resp_1", "object": "response", "status": "incomplete", "output": [],
        "incomplete_details": {"reason": "content_filter"},
    });
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}});
    vec![
        (
            "a refusal in fragments",
            Wire::Chat,
            vec![
                chat::delta(&json!({"refusal": "I can"})),
                chat::delta(&json!({"refusal": "not."})),
                chat::finish("stop"),
                Event::raw("[DONE]"),
            ],
        ),
        (
            "a filter",
            Wire::Chat,
            vec![
                chat::delta(&json!({"content": "How to"})),
                chat::finish("content_filter"),
                Event::raw("[DONE]"),
            ],
        ),
        (
            "a refusal in fragments",
            Wire::Responses,
            vec![
                refused("refusal.delta", json!({"delta": "I can"})),
                refused("refusal.delta", json!({"delta": "not."})),
                refused("refusal.done", json!({"refusal": "I cannot."})),
                responses::end(Stop::End, false, &json!([message])),
            ],
        ),
        ("a filter", Wire::Responses, vec![responses::lifecycle("incomplete", &filtered)]),
        (
            "a refusal",
            Wire::Anthropic,
            vec![
                anthropic::message_start(false),
                anthropic::message_delta("refusal"),
                Event::typed(&json!({"type": "message_stop"})),
            ],
        ),
        ("a blocked prompt", Wire::Gemini, vec![Event::data(&blocked)]),
        (
            "a blocked answer",
            Wire::Gemini,
            vec![gemini::part(&json!({"text": "How to"})), gemini::finish("SAFETY", false)],
        ),
    ]
}

#[tokio::test]
async fn a_refusal_is_no_answer() {
    let mut verdicts = Verdicts::default();
    for (name, wire, events) in refusals() {
        let case = format!("{wire:?}, {name}");
        let seen = ask(wire, wire.speaks(&events)).await;
        let end = seen.lines.last().map(String::as_str).unwrap_or_default();
        verdicts.that(&case, end == "error Refused final" || end.starts_with("done refused"), end);
    }
}

#[tokio::test]
async fn what_the_model_says_while_it_refuses_is_kept() {
    let mut verdicts = Verdicts::default();
    for (name, wire, events) in refusals().into_iter().filter(|(n, ..)| n.ends_with("fragments")) {
        let seen = ask(wire, wire.speaks(&events)).await;
        let said = match &seen.answer {
            Ok(done) => done.turn.text(),
            Err(error) => error.message.clone(),
        };
        verdicts.that(&format!("{wire:?}, {name}"), said.contains("I cannot."), &said);
    }
}

/// Stop reasons that only one wire has.
#[tokio::test]
async fn ends_in_the_words_of_a_provider() {
    let mut verdicts = Verdicts::default();
    let anthropic_end = |reason: &str| {
        let (start, mut stop) = (anthropic::message_start(false), vec![]);
        stop.extend([start, anthropic::message_delta(reason)]);
        stop.push(Event::typed(&json!({"type": "message_stop"})));
        Wire::Anthropic.speaks(&stop)
    };
    let cases: Vec<(&str, Wire, Reply, &[&str])> = vec![
        ("a stop sequence", Wire::Anthropic, anthropic_end("stop_sequence"), &["done end out=30"]),
        (
            "a pause of the server's own tools, after which it wants to go on",
            Wire::Anthropic,
            anthropic_end("pause_turn"),
            &["done Other(\"pause_turn\") out=30"],
        ),
        (
            "the window is full",
            Wire::Anthropic,
            anthropic_end("model_context_window_exceeded"),
            &["done length out=30"],
        ),
        (
            "a call that Gemini itself finds malformed",
            Wire::Gemini,
            Wire::Gemini.speaks(&[gemini::finish("MALFORMED_FUNCTION_CALL", false)]),
            &["error Provider retryable"],
        ),
        (
            "the model was unloaded",
            Wire::Ollama,
            Wire::Ollama.speaks(&[ollama::done("unload", false)]),
            &["error Provider retryable"],
        ),
        (
            "the model was only loaded",
            Wire::Ollama,
            Wire::Ollama.speaks(&[ollama::done("load", false)]),
            &["error Provider retryable"],
        ),
    ];
    for (name, wire, reply, expected) in cases {
        verdicts.check(&format!("{wire:?}, {name}"), &ask(wire, reply).await, expected);
    }
}

/// Some models of Ollama think in the middle of their text.
#[tokio::test]
async fn a_thought_in_tags_is_a_thought() {
    let message = |text: &str| ollama::message(&json!({"content": text}));
    let events = [
        message("<thi"),
        message("nk>Hm.</think>"),
        message("\n\nYes."),
        ollama::done("stop", false),
    ];
    let seen = ask(Wire::Ollama, Wire::Ollama.speaks(&events)).await;
    assert_eq!(seen.lines, ["thought \"Hm.\"", "text \"Yes.\"", "done end"]);
}

/// Some gateways do not stream at all behind their stream.
#[tokio::test]
async fn an_item_that_is_only_in_the_last_event_is_not_lost() {
    let (_, item) = responses::item_events(0, &Piece::Text(vec!["All at once.".into()]));
    let events = [responses::end(Stop::End, false, &json!([item]))];
    let seen = ask(Wire::Responses, Wire::Responses.speaks(&events)).await;
    assert_eq!(seen.lines, ["text \"All at once.\"", "done end"]);
}
