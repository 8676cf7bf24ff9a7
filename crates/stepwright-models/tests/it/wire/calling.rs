//! Calls of tools, in all the ways in which providers number, split and mix them.

use super::seen::{Seen, Verdicts, ask, lines_on};
use super::speech::chat::{self, call_fragment, call_start};
use super::speech::{Event, Piece, Script, Stop, Wire, anthropic, responses};
use serde_json::json;

/// The two numbers that every call adds.
const FRAGMENTS: [&str; 3] = ["{\"a\"", ": 2, \"b", "\": 3}"];

#[tokio::test]
async fn a_call_arrives_in_its_fragments() {
    let mut verdicts = Verdicts::default();
    let script = Script::call("call_1", "add", &FRAGMENTS);
    for wire in Wire::FRAGMENTED {
        let seen = ask(wire, wire.says(&script)).await;
        let expected = [
            "call 0 add",
            "args 0 {\"a\"",
            "args 0 : 2, \"b",
            "args 0 \": 3}",
            "ready 0 add#call_1 {\"a\":2,\"b\":3}",
            &end(wire),
        ];
        verdicts.check(&format!("{wire:?}"), &seen, &expected);
    }
    // In one piece: there are no fragments on these wires.
    let seen = ask(Wire::Gemini, Wire::Gemini.says(&script)).await;
    let expected = [
        "call 0 add",
        "args 0 {\"a\":2,\"b\":3}",
        "ready 0 add#call_1 {\"a\":2,\"b\":3}",
        "done calls",
    ];
    verdicts.check("Gemini", &seen, &expected);
    let seen = ask(Wire::Ollama, Wire::Ollama.says(&script)).await;
    verdicts.check("Ollama", &seen, &lines_on(Wire::Ollama, &expected));
}

fn end(wire: Wire) -> String {
    if wire == Wire::Anthropic { "done calls out=30".into() } else { "done calls".into() }
}

/// The calls that are ready, in the order of their numbers, and the end; where fragments stand
/// between those of other calls differs from wire to wire.
fn gist(seen: &Seen) -> Vec<String> {
    let is_gist = |line: &&String| !line.starts_with("args") && !line.starts_with("call");
    seen.lines.iter().filter(is_gist).cloned().collect()
}

fn check_gist<S: AsRef<str>>(verdicts: &mut Verdicts, case: &str, seen: Seen, expected: &[S]) {
    let lines = gist(&seen);
    verdicts.check(case, &Seen { lines, ..seen }, expected);
}

#[tokio::test]
async fn calls_in_parallel_keep_their_order() {
    let mut verdicts = Verdicts::default();
    let script = Script::text(&["I add."])
        .and_call("call_1", "add", &["{\"a\":1,", "\"b\":2}"])
        .and_call("call_2", "add", &["{\"a\":3,\"b\":4}"])
        .and_call("call_3", "now", &["{}"]);
    for wire in Wire::ALL {
        let seen = ask(wire, wire.says(&script)).await;
        let expected = [
            "text \"I add.\"",
            "ready 0 add#call_1 {\"a\":1,\"b\":2}",
            "ready 1 add#call_2 {\"a\":3,\"b\":4}",
            "ready 2 now#call_3 {}",
            &end(wire),
        ];
        let expected = lines_on(wire, &expected);
        let ids: Vec<String> = match &seen.answer {
            Ok(done) => done.turn.tool_calls().map(|call| call.id.clone()).collect(),
            Err(_) => Vec::new(),
        };
        let is_unique = (1..ids.len()).all(|at| !ids[..at].contains(&ids[at]));
        verdicts.that(&format!("{wire:?}"), is_unique && ids.len() == 3, &format!("{ids:?}"));
        check_gist(&mut verdicts, &format!("{wire:?}"), seen, &expected);
    }
}

#[tokio::test]
async fn a_call_without_arguments_has_none() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::FRAGMENTED {
        let seen = ask(wire, wire.says(&Script::call("call_1", "now", &[]))).await;
        let expected = ["ready 0 now#call_1 {}", &end(wire)];
        check_gist(&mut verdicts, &format!("{wire:?}"), seen, &expected);
    }
    let gemini = json!({"functionCall": {"name": "now"}});
    let ollama = json!({"content": "", "tool_calls": [{"function": {"name": "now"}}]});
    for (wire, events) in [
        (
            Wire::Gemini,
            [super::speech::gemini::part(&gemini), super::speech::gemini::finish("STOP", false)],
        ),
        (
            Wire::Ollama,
            [super::speech::ollama::message(&ollama), super::speech::ollama::done("stop", false)],
        ),
    ] {
        let seen = ask(wire, wire.speaks(&events)).await;
        check_gist(
            &mut verdicts,
            &format!("{wire:?}"),
            seen,
            &["ready 0 now#new {}", "done calls"],
        );
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_are_kept_as_they_are() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::FRAGMENTED {
        let seen =
            ask(wire, wire.says(&Script::call("call_1", "add", &["{\"a\": ", "two}"]))).await;
        let expected = ["ready 0 add#call_1 invalid \"{\\\"a\\\": two}\"", &end(wire)];
        check_gist(&mut verdicts, &format!("{wire:?}"), seen, &expected);
    }
}

/// A name with a letter of several bytes, and escapes that are cut in two.
#[tokio::test]
async fn fragments_may_be_cut_anywhere() {
    let mut verdicts = Verdicts::default();
    let json = "{\"city\":\"Zürich \\u00e9 \\\"x\\\"\",\"n\":-1.5e3}";
    let letters: Vec<String> = json.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    for wire in Wire::FRAGMENTED {
        let seen = ask(wire, wire.says(&Script::call("call_1", "look", &letters))).await;
        let expected =
            ["ready 0 look#call_1 {\"city\":\"Zürich é \\\"x\\\"\",\"n\":-1500.0}", &end(wire)];
        check_gist(&mut verdicts, &format!("{wire:?}"), seen, &expected);
    }
}

fn chat_calls(fragments: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut events: Vec<Event> = fragments.into_iter().collect();
    events.push(chat::finish("tool_calls"));
    events.push(Event::raw("[DONE]"));
    events
}

/// Returns the ways in which gateways number the calls of Chat. All mean the same two calls.
fn numberings() -> Vec<(&'static str, Vec<Event>)> {
    // Every call is `{"a":1}`, in two fragments.
    let split = |index: Option<u64>, id: &str| {
        vec![
            call_start(index, id, "add"),
            call_fragment(index, "{\"a\""),
            call_fragment(index, ":1}"),
        ]
    };
    let both =
        |first, second| chat_calls([split(first, "call_1"), split(second, "call_2")].concat());
    // Servers that give no numbers give whole calls, or begin them with more than nothing.
    let whole = |ids: [&str; 2]| {
        ids.map(|id| {
            let function = json!({"name": "add", "arguments": "{\"a\":1}"});
            chat::delta(
                &json!({"tool_calls": [{"id": id, "type": "function", "function": function}]}),
            )
        })
    };
    let begun = |id: &str| {
        let function = json!({"name": "add", "arguments": "{\"a\""});
        let start = chat::delta(&json!({"tool_calls": [{"id": id, "function": function}]}));
        [start, call_fragment(None, ":1}")]
    };
    let both_begun = || chat_calls([begun("call_1"), begun("call_2")].concat());
    let [one, two] = [split(Some(0), "call_1"), split(Some(1), "call_2")];
    let mixed = one.iter().zip(&two).flat_map(|(one, two)| [one.clone(), two.clone()]);
    let starts_first = [&one[..1], &two[..1], &two[1..], &one[1..]].concat();
    vec![
        ("from 0", both(Some(0), Some(1))),
        ("from 1", both(Some(1), Some(2))),
        ("with a gap", both(Some(0), Some(7))),
        ("huge", both(Some(50_000_000), Some(50_000_001))),
        ("not at all", chat_calls(whole(["call_1", "call_2"]))),
        ("not at all, and in fragments", both_begun()),
        ("all 0", both(Some(0), Some(0))),
        ("mixed", chat_calls(mixed)),
        ("the second before the first is over", chat_calls(starts_first)),
    ]
}

#[tokio::test]
async fn however_calls_are_numbered_they_are_the_same() {
    let mut verdicts = Verdicts::default();
    for (case, events) in numberings() {
        let seen = ask(Wire::Chat, Wire::Chat.speaks(&events)).await;
        let starts = seen.lines.iter().filter(|line| line.starts_with("call ")).count();
        verdicts.that(case, starts == 2, "there must be two starts");
        let mut lines = gist(&seen);
        // Whichever is complete first is ready first; the turn has them in their order.
        lines.sort_by_key(|line| (line.starts_with("done"), line.clone()));
        let expected =
            ["ready 0 add#call_1 {\"a\":1}", "ready 1 add#call_2 {\"a\":1}", "done calls"];
        verdicts.check(case, &Seen { lines, ..seen }, &expected);
    }
}

/// To which call a fragment belongs that does not say so cannot be known while the call before it
/// has nothing yet, or is whole.
#[tokio::test]
async fn a_fragment_that_belongs_to_no_call_is_an_error() {
    let mut verdicts = Verdicts::default();
    let begun_with_nothing = [call_start(None, "call_1", "add"), call_fragment(None, "{\"a\":1}")];
    let seen = ask(Wire::Chat, Wire::Chat.speaks(&chat_calls(begun_with_nothing))).await;
    let expected = ["call 0 add", "error Malformed retryable"];
    verdicts.check("after nothing", &seen, &expected);
    let after_a_whole = [
        call_start(None, "call_1", "add"),
        call_start(None, "call_1", "add"),
        call_fragment(None, "{\"a\":1}"),
    ];
    let seen = ask(Wire::Chat, Wire::Chat.speaks(&chat_calls(after_a_whole))).await;
    let end = seen.lines.last().map(String::as_str).unwrap_or_default();
    verdicts.that("after another", end == "error Malformed retryable", end);
}

#[tokio::test]
async fn the_numbers_of_other_wires_may_be_odd_too() {
    let mut verdicts = Verdicts::default();
    let blocks = |numbers: [usize; 2]| {
        let mut events = vec![anthropic::message_start(false)];
        for (number, id) in numbers.into_iter().zip(["call_1", "call_2"]) {
            events.push(anthropic::call_start(number, id, "add"));
            events.push(anthropic::call_fragment(number, "{\"a\":1}"));
            events.push(anthropic::block_stop(number));
        }
        events.push(anthropic::message_delta("tool_use"));
        events
    };
    let items = |numbers: [usize; 2]| {
        let mut events = Vec::new();
        let mut output = Vec::new();
        for (number, id) in numbers.into_iter().zip(["call_1", "call_2"]) {
            let arguments = vec!["{\"a\"".into(), ":1}".into()];
            let piece = Piece::Call { id: id.into(), name: "add".into(), arguments };
            let (mut said, item) = responses::item_events(number, &piece);
            events.append(&mut said);
            output.push(item);
        }
        events.push(responses::end(Stop::Calls, false, &json!(output)));
        events
    };
    for numbers in [[0, 1], [1, 2], [3, 9], [0, 9_000], [0, 50_000_000]] {
        for (wire, events) in
            [(Wire::Anthropic, blocks(numbers)), (Wire::Responses, items(numbers))]
        {
            if wire == Wire::Anthropic && numbers[1] > 10_000 {
                // Room would be made for all the blocks before it: it is refused.
                let seen = ask(wire, wire.speaks(&events)).await;
                let end = seen.lines.last().map(String::as_str).unwrap_or_default();
                verdicts.that("a huge block", end == "error Malformed retryable", end);
                continue;
            }
            let seen = ask(wire, wire.speaks(&events)).await;
            let expected =
                ["ready 0 add#call_1 {\"a\":1}", "ready 1 add#call_2 {\"a\":1}", &end(wire)];
            check_gist(&mut verdicts, &format!("{wire:?}, {numbers:?}"), seen, &expected);
        }
    }
}

/// Habits of gateways that do not change what is called.
#[tokio::test]
async fn chat_may_repeat_or_withhold_what_it_likes() {
    let mut verdicts = Verdicts::default();
    let whole = |call: serde_json::Value| chat::delta(&json!({"tool_calls": [call]}));
    let function = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
    let cases = [
        (
            "all in one chunk",
            vec![whole(
                json!({"index": 0, "id": "call_1", "function": function("add", "{\"a\":1}")}),
            )],
        ),
        (
            "the identifier in every chunk",
            vec![
                whole(json!({"index": 0, "id": "call_1", "function": function("add", "{\"a\"")})),
                whole(json!({"index": 0, "id": "call_1", "function": {"arguments": ":1}"}})),
            ],
        ),
        (
            "empty identifiers and names afterwards",
            vec![
                whole(json!({"index": 0, "id": "call_1", "function": function("add", "")})),
                whole(json!({"index": 0, "id": "", "function": function("", "{\"a\"")})),
                whole(
                    json!({"index": 0, "id": null, "function": {"name": null, "arguments": ":1}"}}),
                ),
            ],
        ),
    ];
    for (case, events) in cases {
        let seen = ask(Wire::Chat, Wire::Chat.speaks(&chat_calls(events))).await;
        let expected = ["ready 0 add#call_1 {\"a\":1}", "done calls"];
        check_gist(&mut verdicts, case, seen, &expected);
    }
}

/// Two calls with one identifier could not be answered apart.
#[tokio::test]
async fn calls_with_the_same_identifier_get_different_ones() {
    let mut verdicts = Verdicts::default();
    let script =
        Script::call("call_1", "add", &["{\"a\":1}"]).and_call("call_1", "add", &["{\"a\":2}"]);
    for wire in Wire::FRAGMENTED {
        let seen = ask(wire, wire.says(&script)).await;
        let expected = ["ready 0 add#call_1 {\"a\":1}", "ready 1 add#new {\"a\":2}", &end(wire)];
        check_gist(&mut verdicts, &format!("{wire:?}"), seen, &expected);
    }
}

/// Nothing could answer a call of nothing.
#[tokio::test]
async fn a_call_without_a_name_is_no_silent_loss() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let script = match wire {
            Wire::Gemini | Wire::Ollama => Script::call("call_1", "", &["{}"]),
            _ => Script::call("call_1", "", &["{\"a\":1}"]),
        };
        let seen = ask(wire, wire.says(&script)).await;
        let end = seen.lines.last().map(String::as_str).unwrap_or_default();
        verdicts.that(&format!("{wire:?}"), end.starts_with("error Malformed"), end);
    }
}

/// The model was cut off while it wrote its arguments: the call must not be made.
#[tokio::test]
async fn a_call_that_was_cut_off_by_the_limit_is_not_made() {
    let mut verdicts = Verdicts::default();
    for wire in [Wire::Chat, Wire::Anthropic] {
        let script = Script::call("call_1", "add", &["{\"a\": 2, \"b"]).stopped_by(Stop::Length);
        let mut events = wire.events(&script);
        // The block is never stopped.
        events.retain(|event| event.name.as_deref() != Some("content_block_stop"));
        let seen = ask(wire, wire.speaks(&events)).await;
        let end = seen.lines.last().map(String::as_str).unwrap_or_default();
        verdicts.that(&format!("{wire:?}"), end.starts_with("done length"), end);
        let is_made =
            seen.lines.iter().any(|line| line.starts_with("ready") && !line.contains("invalid"));
        verdicts.that(&format!("{wire:?}"), !is_made, "half a call was taken for a whole one");
    }
}
