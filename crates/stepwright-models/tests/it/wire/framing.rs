//! Bytes in pieces of every size: what arrives together, and what is cut, changes nothing.

use super::seen::{Verdicts, ask, lines_on};
use super::speech::{Event, Script, Wire};
use serde_json::json;

/// A thought, a text with letters of one to four bytes, and a call; and what must be seen of it.
fn script(wire: Wire) -> (Script, Vec<String>) {
    let script = Script::thought(&["hm… "])
        .and_text(&["ä", "\u{1F980}", "\r\n\"q\"", "日本"])
        .and_call("call_1", "add", &["{\"a\":\"ß\"}"]);
    let expected = [
        "thought \"hm… \"",
        "text \"ä\"",
        "text \"\u{1F980}\"",
        "text \"\\r\\n\\\"q\\\"\"",
        "text \"日本\"",
        "call 0 add",
        "args 0 {\"a\":\"ß\"}",
        "ready 0 add#call_1 {\"a\":\"ß\"}",
        if wire == Wire::Anthropic { "done calls out=30" } else { "done calls" },
    ];
    (script, lines_on(wire, &expected))
}

fn whole(wire: Wire, events: &[Event]) -> Vec<u8> {
    events.iter().flat_map(|event| wire.bytes(event)).collect()
}

#[tokio::test]
async fn bytes_may_be_cut_anywhere() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let (script, expected) = script(wire);
        let bytes = whole(wire, &wire.events(&script));
        for size in [1, 2, 3, 7, 64, 1_000_000] {
            let seen = ask(wire, wire.ok().writes(bytes.chunks(size))).await;
            verdicts.check(&format!("{wire:?}, {size} bytes at once"), &seen, &expected);
        }
    }
}

#[tokio::test]
async fn lines_may_end_as_they_like() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let (script, expected) = script(wire);
        let text = String::from_utf8(whole(wire, &wire.events(&script))).unwrap();
        let crlf = text.replace('\n', "\r\n").into_bytes();
        for size in [1, 2, 3, 1_000_000] {
            let seen = ask(wire, wire.ok().writes(crlf.chunks(size))).await;
            verdicts.check(&format!("{wire:?}, CRLF, {size} bytes at once"), &seen, &expected);
        }
        // Each packet ends between CR and LF.
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = crlf.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == b'\r') {
            let (piece, after) = rest.split_at(at + 1);
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let seen = ask(wire, wire.ok().writes(pieces)).await;
        verdicts.check(&format!("{wire:?}, cut between CR and LF"), &seen, &expected);
    }
}

/// The standard of server-sent events allows it. Ollama's lines are no such events.
#[tokio::test]
async fn lines_may_end_in_cr_alone() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        if wire == Wire::Ollama {
            continue;
        }
        let (script, expected) = script(wire);
        let text = String::from_utf8(whole(wire, &wire.events(&script))).unwrap();
        let cr = text.replace('\n', "\r").into_bytes();
        for size in [1, 5, 1_000_000] {
            let seen = ask(wire, wire.ok().writes(cr.chunks(size))).await;
            verdicts.check(&format!("{wire:?}, CR, {size} bytes at once"), &seen, &expected);
        }
    }
}

#[tokio::test]
async fn signs_of_life_are_no_events() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let (script, expected) = script(wire);
        let signs: &[&str] = match wire {
            Wire::Ollama => &["\n", "\r\n"],
            Wire::Anthropic => {
                &[": ping\n\n", ":\n\n", "\n\n", "event: ping\ndata: {\"type\": \"ping\"}\n\n"]
            }
            _ => &[": ping\n\n", ":\n\n", "\n\n", "retry: 3000\n\n", "id: 7\n\n", "data:\n\n"],
        };
        for sign in signs {
            let mut bytes = sign.as_bytes().to_vec();
            for event in wire.events(&script) {
                bytes.extend(wire.bytes(&event));
                bytes.extend(sign.as_bytes());
            }
            let seen = ask(wire, wire.ok().write(bytes)).await;
            verdicts.check(&format!("{wire:?}, {sign:?}"), &seen, &expected);
        }
    }
}

/// A function that writes an event with this data.
type Write = fn(&str) -> String;

/// Forms that server-sent events allow, and that providers hardly use.
#[tokio::test]
async fn the_fields_of_an_event_may_be_written_in_other_ways() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL.into_iter().filter(|wire| *wire != Wire::Ollama) {
        let (script, expected) = script(wire);
        let events = wire.events(&script);
        let ways: [(&str, Write); 4] = [
            ("without a space", |data| format!("data:{data}\n\n")),
            ("with an identifier", |data| format!("id: 1\ndata: {data}\nretry: 5\n\n")),
            ("with an unknown field", |data| format!("colour: red\ndata: {data}\n\n")),
            ("in two lines", |data| format!("data: {}\n\n", data.replacen(',', ",\ndata: ", 1))),
        ];
        for (name, write) in ways {
            let pieces = events.iter().map(|event| write(&event.data));
            let seen = ask(wire, wire.ok().writes(pieces)).await;
            verdicts.check(&format!("{wire:?}, {name}"), &seen, &expected);
        }
        let mut bytes = "\u{feff}".as_bytes().to_vec();
        bytes.extend(whole(wire, &events));
        let seen = ask(wire, wire.ok().write(bytes)).await;
        verdicts.check(&format!("{wire:?}, a byte order mark"), &seen, &expected);
    }
}

#[tokio::test]
async fn the_content_type_may_have_parameters() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let (script, expected) = script(wire);
        let content_type = format!("{}; charset=utf-8", wire.content_type());
        let reply = wire.says(&script).header("content-type", &content_type);
        verdicts.check(&format!("{wire:?}"), &ask(wire, reply).await, &expected);
    }
}

/// The last line of a stream of lines may end with the stream.
#[tokio::test]
async fn the_last_line_needs_no_end() {
    let mut bytes = whole(Wire::Ollama, &Wire::Ollama.events(&Script::text(&["Yes."])));
    assert_eq!(bytes.pop(), Some(b'\n'));
    let seen = ask(Wire::Ollama, Wire::Ollama.ok().write(bytes)).await;
    assert_eq!(seen.lines, ["text \"Yes.\"", "done end"]);
}

#[tokio::test]
async fn an_event_of_four_megabytes_is_whole() {
    let text = "0123456789abcdef".repeat(256 * 1024);
    for wire in Wire::ALL {
        let seen = ask(wire, wire.says(&Script::text(&[&text]))).await;
        let done = seen.answer.unwrap_or_else(|error| panic!("{wire:?}: {error}"));
        assert!(done.turn.text() == text, "{wire:?}: the text is another");
        let native = done.turn.native.is_some();
        assert!(!native, "{wire:?}: the text is kept twice");
    }
}

/// Bytes that are no text in the place of text.
#[tokio::test]
async fn bytes_that_are_no_text_are_an_error() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        let mut events = wire.events(&Script::text(&["Half an ", "answer."]));
        let at = events.iter().position(|event| event.data.contains("answer.")).unwrap();
        let mut bytes = whole(wire, &events[..at]);
        let broken = wire.bytes(&events.remove(at));
        let cut = broken.windows(6).position(|window| window == b"answer").unwrap();
        bytes.extend(&broken[..cut]);
        bytes.extend([0xff, 0xc3, 0x28]);
        bytes.extend(&broken[cut..]);
        bytes.extend(whole(wire, &events[at..]));
        let seen = ask(wire, wire.ok().write(bytes)).await;
        let end = seen.lines.last().map(String::as_str).unwrap_or_default();
        verdicts.that(
            &format!("{wire:?}"),
            end == "error Malformed retryable",
            &seen.lines.join(", "),
        );
    }
}

/// `null` where nothing is to be said is a habit of several servers.
#[tokio::test]
async fn nothing_may_be_written_as_null() {
    use super::speech::chat::{delta, finish};
    let events = [
        delta(&json!({"role": "assistant", "content": null, "tool_calls": null, "refusal": null})),
        delta(&json!({"content": "Yes.", "tool_calls": null, "reasoning_content": null})),
        finish("stop"),
        Event::raw("[DONE]"),
    ];
    let seen = ask(Wire::Chat, Wire::Chat.speaks(&events)).await;
    assert_eq!(seen.lines, ["text \"Yes.\"", "done end"]);
}
