//! The reasons for which models stop, and what becomes of the answer: the table in
//! `docs/models.md`, which `CONFORMANCE=overwrite` writes anew.

use super::seen::{Seen, Verdicts, ask, watch};
use super::server::Server;
use super::speech::{Event, KEY, MODEL, Script, Wire, anthropic, chat, gemini, ollama, responses};
use serde_json::{Value, json};
use std::fmt::Write as _;
use stepwright_core::model::StopReason;
use stepwright_models::Provider;

/// The reasons that a wire documents, and where. The last of each is made up.
pub(super) fn documented(wire: Wire) -> Vec<(&'static str, &'static [&'static str])> {
    match wire {
        Wire::Chat => vec![
            ("OpenAI, Azure", &["stop", "length", "tool_calls", "content_filter", "function_call"]),
            ("OpenRouter", &["stop", "length", "tool_calls", "content_filter", "error"]),
            ("Groq", &["stop", "length", "tool_calls", "function_call"]),
            ("Mistral", &["stop", "length", "model_length", "tool_calls", "error"]),
            (
                "DeepSeek",
                &["stop", "length", "content_filter", "tool_calls", "insufficient_system_resource"],
            ),
            ("vLLM", &["stop", "length", "tool_calls", "abort", "error", "repetition"]),
            ("Together, TGI, Cohere", &["eos", "eos_token", "complete", "max_tokens"]),
            (
                "Z.AI",
                &[
                    "stop",
                    "length",
                    "tool_calls",
                    "sensitive",
                    "model_context_window_exceeded",
                    "network_error",
                ],
            ),
            (
                "gateways, in Anthropic's words",
                &["end_turn", "stop_sequence", "tool_use", "refusal"],
            ),
            ("any that is not known", &["brand_new"]),
        ],
        Wire::Responses => vec![
            (
                "OpenAI, xAI",
                &[
                    "completed",
                    "incomplete: max_output_tokens",
                    "incomplete: content_filter",
                    "incomplete",
                    "failed",
                    "cancelled",
                    "queued",
                    "in_progress",
                ],
            ),
            ("any that is not known", &["incomplete: brand_new", "brand_new"]),
        ],
        Wire::Anthropic => vec![
            (
                "Anthropic",
                &[
                    "end_turn",
                    "max_tokens",
                    "stop_sequence",
                    "tool_use",
                    "pause_turn",
                    "refusal",
                    "model_context_window_exceeded",
                    "compaction",
                ],
            ),
            ("any that is not known", &["brand_new"]),
        ],
        Wire::Gemini => vec![
            (
                "Google",
                &[
                    "STOP",
                    "MAX_TOKENS",
                    "SAFETY",
                    "RECITATION",
                    "LANGUAGE",
                    "OTHER",
                    "BLOCKLIST",
                    "PROHIBITED_CONTENT",
                    "SPII",
                    "MODEL_ARMOR",
                    "MALFORMED_FUNCTION_CALL",
                    "MALFORMED_RESPONSE",
                    "UNEXPECTED_TOOL_CALL",
                    "TOO_MANY_TOOL_CALLS",
                    "MISSING_THOUGHT_SIGNATURE",
                    "IMAGE_SAFETY",
                    "IMAGE_PROHIBITED_CONTENT",
                    "IMAGE_RECITATION",
                    "IMAGE_OTHER",
                    "NO_IMAGE",
                    "FINISH_REASON_UNSPECIFIED",
                ],
            ),
            ("any that is not known", &["BRAND_NEW"]),
        ],
        Wire::Ollama => vec![
            ("Ollama", &["stop", "length", "load", "unload"]),
            ("any that is not known", &["brand_new"]),
        ],
    }
}

/// An answer of some text, and a call if `has_call`, that ends with `reason`.
fn ends(wire: Wire, reason: &str, has_call: bool) -> Vec<Event> {
    let mut script = Script::text(&["The first half"]);
    if has_call {
        script = script.and_call("call_1", "add", &["{\"a\":2}"]);
    }
    let mut events = wire.events(&script);
    match wire {
        Wire::Chat => {
            events.truncate(events.len() - 2);
            events.extend([chat::finish(reason), Event::raw("[DONE]")]);
        }
        Wire::Responses => {
            let last: Value = serde_json::from_str(&events.pop().unwrap().data).unwrap();
            let mut response = last["response"].clone();
            let (status, why) = reason.split_once(": ").unwrap_or((reason, ""));
            response["status"] = json!(status);
            if !why.is_empty() {
                response["incomplete_details"] = json!({"reason": why});
            }
            let kind = match status {
                "incomplete" | "cancelled" | "failed" => status,
                _ => "completed",
            };
            events.push(responses::lifecycle(kind, &response));
        }
        Wire::Anthropic => {
            let at = events.len() - 2;
            events[at] = anthropic::message_delta(reason);
        }
        Wire::Gemini => {
            events.pop();
            events.push(gemini::finish(reason, false));
        }
        Wire::Ollama => {
            events.pop();
            events.push(ollama::done(reason, false));
        }
    }
    events
}

/// Returns the result of reading an answer, as the table says it.
fn outcome(seen: &Seen) -> String {
    match &seen.answer {
        Ok(done) => match &done.stop {
            StopReason::EndTurn => "whole".to_owned(),
            StopReason::ToolCalls => "whole, with calls".to_owned(),
            StopReason::Length => "cut off: a failure of the step".to_owned(),
            StopReason::Refused => "refused".to_owned(),
            StopReason::Other(reason) if reason == "pause_turn" => "asked to go on".to_owned(),
            other => format!("{other:?}"),
        },
        Err(error) => {
            let again = if error.retryable { "retryable" } else { "not retryable" };
            format!("error `{:?}`, {again}", error.kind)
        }
    }
}

#[tokio::test]
async fn every_reason_that_is_documented_ends_as_the_documents_say() {
    let mut table = String::from(
        "| Wire | Reason | Documented by | An answer that ends so is |\n|---|---|---|---|\n",
    );
    for wire in Wire::ALL {
        let mut rows: Vec<(&str, Vec<&str>, String)> = Vec::new();
        for (provider, reasons) in documented(wire) {
            for reason in reasons {
                if let Some((_, providers, _)) = rows.iter_mut().find(|(known, ..)| known == reason)
                {
                    providers.push(provider);
                    continue;
                }
                let is_call = ["tool_calls", "tool_use", "function_call"].contains(reason);
                let seen = ask(wire, wire.speaks(&ends(wire, reason, is_call))).await;
                let outcome = outcome(&seen);
                if let Err(error) = &seen.answer {
                    let named = reason.strip_prefix("incomplete: ").unwrap_or(reason);
                    let told = &error.message;
                    assert!(told.contains(named) || *reason == "failed", "{reason}: {told}");
                    // Nor are its calls carried out.
                    let seen = ask(wire, wire.speaks(&ends(wire, reason, true))).await;
                    assert!(seen.answer.is_err(), "{wire:?}, {reason}: {:?}", seen.lines);
                }
                rows.push((reason, vec![provider], outcome));
            }
        }
        for (reason, providers, outcome) in rows {
            let providers = providers.join("; ");
            writeln!(table, "| {wire:?} | `{reason}` | {providers} | {outcome} |").unwrap();
        }
    }
    written("conformance", &table);
}

/// Compares a table of `docs/models.md` with what it should be, or writes it anew.
pub(super) fn written(name: &str, table: &str) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let at = page.find(&begin).expect("the place of the table") + begin.len();
    let to = page.find(&end).expect("the end of the table");
    if std::env::var("CONFORMANCE").is_ok_and(|wish| wish == "overwrite") {
        std::fs::write(path, format!("{}{table}{}", &page[..at], &page[to..])).unwrap();
        return;
    }
    assert!(page[at..to] == *table, "docs/models.md is stale: write it with CONFORMANCE=overwrite");
}

/// Asks `provider`, which speaks Chat, for an answer of these events.
async fn dialect(provider: &str, events: &[Event]) -> Seen {
    let server = Server::start([Wire::Chat.speaks(events)]).await;
    let provider = Provider::named(provider).unwrap();
    let model = provider.base_url(server.url("/v1")).api_key(KEY).model(MODEL).unwrap();
    watch(model, super::seen::hello(), None).await
}

#[tokio::test]
async fn an_error_wherever_it_stands_is_no_answer() {
    let mut verdicts = Verdicts::default();
    let end = json!({"index": 0, "delta": {"content": ""}, "finish_reason": "error"});
    let plain = json!({"index": 0, "delta": {"content": "more"}});
    let with = |at: &str, error: &Value| {
        let mut choice = plain.clone();
        choice[at] = error.clone();
        Event::data(&json!({"choices": [choice]}))
    };
    let error = json!({"code": 502, "message": "Provider disconnected"});
    let overloaded = "error Overloaded retryable";
    let cases = [
        ("beside choices", Event::data(&json!({"error": error, "choices": [end]})), overloaded),
        ("in a choice", with("error", &error), overloaded),
        ("in a delta", with("delta", &json!({"content": "x", "error": error})), overloaded),
        (
            "of Groq",
            Event::data(&json!({"choices": [plain], "x_groq": {"error": error}})),
            overloaded,
        ),
        (
            "a text for a code",
            Event::data(&json!({"error": {"code": "503", "message": "Provider disconnected"}})),
            overloaded,
        ),
        ("a text", Event::data(&json!({"error": "Provider disconnected"})), "error Provider final"),
        (
            "of vLLM",
            Event::data(&json!({
                "object": "error", "code": 500, "message": "Provider disconnected",
            })),
            overloaded,
        ),
        (
            "an event of that name",
            Event { name: Some("error".into()), data: "Provider disconnected".into() },
            "error Provider final",
        ),
    ];
    for provider in ["openai-chat", "openrouter", "groq", "mistral", "deepseek", "azure"] {
        for (name, event, expected) in &cases {
            let mut events = Wire::Chat.events(&Script::text(&["Half an "]));
            events.insert(2, event.clone());
            let seen = dialect(provider, &events).await;
            let case = format!("{provider}, {name}");
            verdicts.check(&case, &seen, &["text \"Half an \"", *expected]);
            let told = seen.answer.err().map(|error| error.message).unwrap_or_default();
            verdicts.that(&case, told.contains("Provider disconnected"), &told);
        }
    }
}

#[tokio::test]
async fn what_a_gateway_calls_whole_is_judged_by_the_reason_behind_it() {
    let end = |native: &str| {
        let choice = json!({
            "index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": native,
        });
        vec![
            chat::delta(&json!({"content": "Half"})),
            Event::data(&json!({"choices": [choice]})),
            Event::raw("[DONE]"),
        ]
    };
    let seen = dialect("openrouter", &end("network_error")).await;
    assert_eq!(seen.lines, ["text \"Half\"", "error Provider retryable"]);
    assert!(seen.error().message.contains("`network_error`"), "{}", seen.error().message);
    let seen = dialect("openrouter", &end("end_turn")).await;
    assert_eq!(seen.lines, ["text \"Half\"", "done end"]);
    assert_eq!(seen.answer.unwrap().warning, None);
    let seen = dialect("openrouter", &end("weather")).await;
    assert!(seen.answer.unwrap().warning.unwrap().contains("`weather`"));
}

#[tokio::test]
async fn a_provider_says_why_it_ended_an_answer() {
    let candidate = json!({
        "finishReason": "RECITATION", "finishMessage": "because of a poem", "index": 0,
    });
    let events =
        [gemini::part(&json!({"text": "Half"})), Event::data(&json!({"candidates": [candidate]}))];
    let seen = ask(Wire::Gemini, Wire::Gemini.speaks(&events)).await;
    assert_eq!(seen.lines, ["text \"Half\"", "error Refused final"]);
    assert_eq!(
        seen.error().message,
        "`google` ended its answer with `RECITATION`: because of a poem"
    );
}

/// The counts come behind the reason, and sometimes before the failure.
#[tokio::test]
async fn what_a_broken_answer_consumed_is_known() {
    let mut events = ends(Wire::Chat, "error", false);
    let counts = json!({"prompt_tokens": 100, "completion_tokens": "30"});
    events.insert(events.len() - 1, Event::data(&json!({"choices": [], "usage": counts})));
    let error = ask(Wire::Chat, Wire::Chat.speaks(&events)).await.answer.unwrap_err();
    assert_eq!((error.usage.input_tokens, error.usage.output_tokens), (Some(100), Some(30)));

    for wire in [Wire::Anthropic, Wire::Gemini] {
        let mut events = wire.events(&Script::text(&["Half"]).with_usage());
        if wire == Wire::Anthropic {
            events.truncate(3);
        }
        let last = events.len() - 1;
        events[last].data = events[last].data.replace("STOP", "OTHER");
        let error = ask(wire, wire.speaks(&events)).await.answer.unwrap_err();
        assert_eq!(error.usage.input_tokens, Some(100), "{wire:?}");
    }
}

/// Tools that a model says it wants, and does not name.
#[tokio::test]
async fn an_end_for_calls_without_a_call_is_no_answer() {
    for (wire, reason) in [(Wire::Chat, "tool_calls"), (Wire::Anthropic, "tool_use")] {
        let seen = ask(wire, wire.speaks(&ends(wire, reason, false))).await;
        assert_eq!(seen.error().kind, stepwright_core::model::ModelErrorKind::Malformed);
    }
}
