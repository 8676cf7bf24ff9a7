//! An agent that speaks ACP.

use crate::{Conversation, TASK, answer, first, hear, log, mode, say, spawn_child};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn main() {
    let mut conversation: Option<Conversation> = None;
    let mut asked = 0;
    loop {
        let message = hear();
        let (id, params) = (message["id"].clone(), &message["params"]);
        match message["method"].as_str() {
            Some("initialize") => {
                if mode("nonsense") {
                    println!("Welcome to the agent!");
                    say(&json!({"jsonrpc": "2.0", "id": id, "result": "hello"}));
                    continue;
                }
                log(&format!("client {}", params["clientInfo"]["name"]));
                let loads = !mode("forgets");
                let able = json!({"loadSession": loads, "promptCapabilities": {}});
                let result = json!({"protocolVersion": 1, "agentCapabilities": able});
                reply(&id, &result);
            }
            Some("session/new") if mode("stranger") => {
                let error = json!({"code": -32000, "message": "Authentication required"});
                say(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
            Some("session/new") => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                let name = format!("s{}-{}", now.as_nanos(), std::process::id());
                log(&format!("new in {}", params["cwd"].as_str().unwrap()));
                reply(&id, &json!({ "sessionId": name }));
                conversation = Some(Conversation::new(name));
            }
            Some("session/load") => {
                let name = params["sessionId"].as_str().unwrap_or_default();
                match Conversation::loaded(name) {
                    Some(known) => {
                        log("loaded");
                        // The whole conversation is told again.
                        update(&known.id, &text("agent_message_chunk", "an old answer"));
                        reply(&id, &Value::Null);
                        conversation = Some(known);
                    }
                    None => {
                        let error = json!({"code": -32602, "message": "no such session"});
                        say(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
                    }
                }
            }
            Some("session/prompt") => {
                let Some(conversation) = &conversation else { continue };
                let prompt = params["prompt"][0]["text"].as_str().unwrap_or_default();
                log(&format!("prompt {}", prompt.lines().next().unwrap_or_default()));
                conversation.add(&format!("user {}", prompt.lines().next().unwrap_or_default()));
                turn(conversation, prompt, &id, &mut asked);
            }
            Some("session/cancel") => log("cancel"),
            _ => {}
        }
    }
}

fn reply(id: &Value, result: &Value) {
    say(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

fn update(session: &str, update: &Value) {
    let params = json!({"sessionId": session, "update": update});
    say(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}));
}

fn text(kind: &str, text: &str) -> Value {
    json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}})
}

/// Asks for a permission, and returns `true` if it is given.
fn permitted(session: &str, call: &Value, asked: &mut u32) -> bool {
    *asked += 1;
    let id = format!("ask-{asked}");
    let options = json!([
        {"optionId": "yes", "name": "Allow", "kind": "allow_once"},
        {"optionId": "no", "name": "Reject", "kind": "reject_once"},
    ]);
    let params = json!({"sessionId": session, "toolCall": call, "options": options});
    let request = json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission",
        "params": params});
    say(&request);
    log("asked");
    loop {
        let message = hear();
        if message["id"] == id.as_str() {
            let outcome = &message["result"]["outcome"];
            log(&format!("answered {}", outcome["optionId"].as_str().unwrap_or("cancelled")));
            return outcome["optionId"] == "yes";
        }
        if message["method"] == "session/cancel" {
            log("cancel");
        }
    }
}

fn turn(conversation: &Conversation, prompt: &str, id: &Value, asked: &mut u32) {
    let session = &conversation.id;
    if mode("child") {
        spawn_child();
    }
    if mode("hangs") {
        update(session, &text("agent_message_chunk", "I think."));
        log("hangs");
        loop {
            // It ignores everything, also that it is cancelled.
            let _ = hear();
        }
    }
    if mode("floods") {
        for nth in 0..20_000 {
            update(session, &text("agent_message_chunk", &format!("{nth} ")));
        }
        log("flooded");
    }
    if mode("rubbish") {
        println!("[info] a line that is no message");
        println!("{{\"jsonrpc\": \"2.0\", \"method\": 7}}");
        println!("{{not json}}");
        say(&json!({"jsonrpc": "2.0", "id": 99_999, "result": {}}));
        update(session, &json!({"sessionUpdate": "of_another_year", "x": 1}));
        let unknown = json!({"jsonrpc": "2.0", "id": "u", "method": "fs/read_text_file",
            "params": {"sessionId": session, "path": "/etc/passwd"}});
        say(&unknown);
        let refused = hear();
        log(&format!("refused {}", refused["error"]["code"]));
    }
    update(session, &text("agent_thought_chunk", "Let me see."));
    update(session, &text("agent_message_chunk", "I begin. "));
    for edit in TASK {
        if mode("answers") || conversation.has_done(edit) {
            continue;
        }
        let call = format!("call-{edit}");
        let input = json!({"path": format!("{edit}.txt"), "text": edit});
        let begun = json!({"sessionUpdate": "tool_call", "toolCallId": call, "title": "Edit a file",
            "kind": "edit", "status": "pending"});
        update(session, &begun);
        let more = json!({"sessionUpdate": "tool_call_update", "toolCallId": call,
            "rawInput": input});
        update(session, &more);
        if mode("asks") {
            let about = json!({"toolCallId": call, "rawInput": input});
            let mut is_permitted = permitted(session, &about, asked);
            if mode("twice") {
                is_permitted &= permitted(session, &about, asked);
            }
            if !is_permitted {
                let why = json!({"type": "text", "text": "refused"});
                let told = json!({"sessionUpdate": "tool_call_update", "toolCallId": call,
                    "status": "failed", "content": [{"type": "content", "content": why}]});
                update(session, &told);
                continue;
            }
        }
        let works = json!({"sessionUpdate": "tool_call_update", "toolCallId": call,
            "status": "in_progress", "kind": "edit"});
        update(session, &works);
        conversation.edit(edit);
        if mode("dies") && (mode("always") || first("dead")) {
            std::process::exit(9);
        }
        let diff = json!({"type": "diff", "path": format!("{edit}.txt"), "newText": edit});
        let ended = json!({"sessionUpdate": "tool_call_update", "toolCallId": call,
            "status": "completed", "content": [diff]});
        update(session, &ended);
        if mode("twice") {
            update(session, &ended);
        }
    }
    // That of the whole conversation.
    let amount = 0.25 * f64::from(u8::try_from(conversation.messages()).unwrap());
    let cost = json!({"amount": amount, "currency": "USD"});
    let usage = json!({"sessionUpdate": "usage_update", "used": 900, "size": 200_000,
        "cost": cost});
    update(session, &usage);
    let said = answer(conversation, prompt);
    conversation.add("answered");
    update(session, &text("agent_message_chunk", &said));
    let stop = if mode("refuses") { "refusal" } else { "end_turn" };
    let usage = json!({"totalTokens": 1000, "inputTokens": 900, "outputTokens": 100});
    let result = json!({"stopReason": stop, "usage": usage});
    reply(id, &result);
    if mode("twice") {
        reply(id, &json!({"stopReason": "refusal"}));
    }
}
